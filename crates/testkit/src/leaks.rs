//! After every story: no secret that was used in it stands in a log of ours (S2).
//!
//! Searched for are all codes and tokens that the sandbox gave out, the secrets of every app that is registered there, the sealing key, and
//! whatever passed between the world and those who told the story ([`crate::given_out`]): passwords, tokens, links, secrets of own apps and of
//! webhooks, private keys.

use anyhow::{Result, bail};
use std::path::Path;

/// A piece of text that could be a code or a token: nothing shorter is worth the search.
const SHORTEST: usize = 24;
/// A phrase, or a short secret.
const SHORTEST_SPOKEN: usize = 12;

/// `issued`: in one piece of letters, digits and `._-~+/=` where it is long, else wherever it stands; `words`: what must not be found, by name.
pub(crate) fn check(dir: &Path, issued: &[String], words: &[(&str, &str)]) -> Result<()> {
    for entry in std::fs::read_dir(dir)?.flatten() {
        let path = entry.path();
        if path.extension().is_none_or(|ending| ending != "log") {
            continue;
        }
        let text = String::from_utf8_lossy(&std::fs::read(&path)?).into_owned();
        for (what, secret) in words.iter().filter(|(_, secret)| !secret.is_empty()) {
            if let Some(at) = text.find(secret) {
                bail!("{what} stands in {}: {}", path.display(), line_at(&text, at));
            }
        }
        let found = issued_in(&text, issued).or_else(|| spoken_in(&text, issued));
        if let Some((secret, at)) = found {
            let begin: String = secret.chars().take(8).collect();
            bail!("a secret that was given out ({begin}…) stands in {}: {}", path.display(), line_at(&text, at));
        }
    }
    Ok(())
}

fn is_part(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b"._-~+/=".contains(&b)
}

/// A secret is one unbroken piece, so only pieces that are as long can hold one.
fn issued_in<'a>(text: &str, issued: &'a [String]) -> Option<(&'a str, usize)> {
    let bytes = text.as_bytes();
    let mut begin = 0;
    while begin < bytes.len() {
        let length = bytes[begin..].iter().take_while(|b| is_part(**b)).count();
        if length >= SHORTEST {
            let piece = &text[begin..begin + length];
            let found = issued.iter().filter(|secret| secret.len() >= SHORTEST).find(|secret| piece.contains(*secret));
            if let Some(secret) = found {
                return Some((secret, begin));
            }
        }
        begin += length + 1;
    }
    None
}

/// Phrases, and what is too short to be one of the others.
fn spoken_in<'a>(text: &str, issued: &'a [String]) -> Option<(&'a str, usize)> {
    let spoken = issued.iter().filter(|secret| secret.len() >= SHORTEST_SPOKEN);
    let spoken = spoken.filter(|secret| secret.len() < SHORTEST || !secret.bytes().all(is_part));
    spoken.filter_map(|secret| text.find(secret.as_str()).map(|at| (secret.as_str(), at))).next()
}

fn line_at(text: &str, at: usize) -> &str {
    let begin = text[..at].rfind('\n').map_or(0, |end| end + 1);
    text[begin..].lines().next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_found_inside_whatever_it_stands_in_and_a_short_word_is_none() {
        let token = "EwBAAl3BAAUFFpUAo7J3Ve0bjLBWZWCclRC3EoAA".to_owned();
        let dir = tempfile::tempdir().expect("a folder");
        let log = dir.path().join("run-1.log");
        let issued = [token.clone(), "short".to_owned()];
        std::fs::write(&log, format!("fine\nAuthorization: Bearer x{token}y\n")).expect("written");
        let error = check(dir.path(), &issued, &[]).expect_err("it is there").to_string();
        assert!(error.contains("EwBAAl3B…") && error.ends_with('y'), "{error}");
        std::fs::write(&log, "a short word, and ümläuts\n").expect("written");
        check(dir.path(), &issued, &[("the password", "")]).expect("nothing is there");
        assert!(check(dir.path(), &issued, &[("the password", "short word")]).is_err());
        std::fs::write(&log, "tried: another long phrase 2, and a-secret-of-20-bytes\n").expect("written");
        for secret in ["another long phrase 2", "a-secret-of-20-bytes"] {
            assert!(check(dir.path(), &[secret.to_owned()], &[]).is_err(), "{secret}");
        }
    }
}
