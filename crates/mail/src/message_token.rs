//! The signed token in the Message-IDs we make: it names the conversation, and nobody without the key can make one.
//!
//! `pr.` and 60 letters of base32: version (1 byte), conversation uuid (16), nonce (8), the first 12 bytes of an HMAC-SHA-256 over all of
//! it. The alphabet survives servers that change case, and the local part stays within 64 characters. A token that does not verify is not
//! a match; what to do then is the caller's question. The version byte lets the format change while old mails are still answered.

use ring::hmac;
use std::fmt::Write;

const PREFIX: &str = "pr.";
const VERSION: u8 = 1;
const NONCE_BYTES: usize = 8;
const SIGNED_BYTES: usize = 1 + 16 + NONCE_BYTES;
const MAC_BYTES: usize = 12;
const TOKEN_BYTES: usize = SIGNED_BYTES + MAC_BYTES;
const TOKEN_CHARS: usize = TOKEN_BYTES.div_ceil(5) * 8 - 4;
/// Keys may sign other things too; this keeps the two apart.
const PURPOSE: &[u8] = b"postroom message-id";
const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// A Message-ID (without angle brackets) that names `conversation_uuid`. A text that is no uuid is hashed into one, so that an id is made
/// in any case; such an id is found by the id map only.
pub fn make(key: &[u8], conversation_uuid: &str, nonce: &[u8], domain: &str) -> String {
    let mut token = Vec::with_capacity(TOKEN_BYTES);
    token.push(VERSION);
    let uuid = uuid_bytes(conversation_uuid).unwrap_or_else(|| digest(conversation_uuid.as_bytes()));
    token.extend_from_slice(&uuid);
    token.extend_from_slice(&digest::<NONCE_BYTES>(nonce));
    let mac = mac(key, &token);
    token.extend_from_slice(&mac.as_ref()[..MAC_BYTES]);
    let domain = idna::domain_to_ascii(domain.trim_end_matches('.')).unwrap_or_default();
    let is_name =
        !domain.is_empty() && domain.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'));
    format!("{PREFIX}{}@{}", encode(&token), if is_name { &domain } else { "localhost" })
}

/// The conversation's uuid, when `id` carries a token that one of `keys` signed.
pub fn read(id: &str, keys: &[&[u8]]) -> Option<String> {
    let token = token_in(id)?;
    let (signed, mac) = token.split_at(SIGNED_BYTES);
    let genuine = keys.iter().fold(false, |found, key| {
        let expected = self::mac(key, signed);
        // Every key is tried and every byte compared, whatever the outcome so far.
        let differing = expected.as_ref()[..MAC_BYTES].iter().zip(mac).fold(0, |acc, (a, b)| acc | (a ^ b));
        found | (std::hint::black_box(differing) == 0)
    });
    genuine.then(|| uuid_text(&signed[1..17]))
}

/// It has the shape of our ids, signed or not.
pub fn looks_like_ours(id: &str) -> bool {
    token_in(id).is_some()
}

fn token_in(id: &str) -> Option<Vec<u8>> {
    let id = id.trim().trim_start_matches('<').trim_end_matches('>');
    let (local, _) = id.split_once('@')?;
    let (prefix, letters) = local.split_at_checked(PREFIX.len())?;
    if !prefix.eq_ignore_ascii_case(PREFIX) || letters.len() != TOKEN_CHARS {
        return None;
    }
    decode(letters).filter(|token| token.len() == TOKEN_BYTES && token[0] == VERSION)
}

fn mac(key: &[u8], signed: &[u8]) -> hmac::Tag {
    let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, key));
    context.update(PURPOSE);
    context.update(signed);
    context.sign()
}

fn digest<const N: usize>(bytes: &[u8]) -> [u8; N] {
    let digest = ring::digest::digest(&ring::digest::SHA256, bytes);
    let mut out = [0; N];
    out.copy_from_slice(&digest.as_ref()[..N]);
    out
}

fn uuid_bytes(text: &str) -> Option<[u8; 16]> {
    let digits: Vec<u8> = text.bytes().filter(|b| *b != b'-').collect();
    if digits.len() != 32 {
        return None;
    }
    let mut out = [0; 16];
    for (byte, pair) in out.iter_mut().zip(digits.chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(out)
}

fn uuid_text(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(36);
    for (at, byte) in bytes.iter().enumerate() {
        if matches!(at, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        let _ = write!(text, "{byte:02x}");
    }
    text
}

fn encode(bytes: &[u8]) -> String {
    let (mut held, mut bits, mut out) = (0_u32, 0, String::new());
    for byte in bytes {
        held = (held << 8) | u32::from(*byte);
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            out.push(char::from(ALPHABET[((held >> bits) & 31) as usize]));
        }
    }
    if bits > 0 {
        out.push(char::from(ALPHABET[((held << (5 - bits)) & 31) as usize]));
    }
    out
}

fn decode(letters: &str) -> Option<Vec<u8>> {
    let (mut held, mut bits, mut out) = (0_u32, 0, Vec::new());
    for letter in letters.bytes() {
        let letter = letter.to_ascii_lowercase();
        let value = match letter {
            b'a'..=b'z' => letter - b'a',
            b'2'..=b'7' => letter - b'2' + 26,
            _ => return None,
        };
        held = (held << 5) | u32::from(value);
        bits += 5;
        if bits >= 8 {
            bits -= 8;
            out.push(u8::try_from((held >> bits) & 255).expect("masked to a byte"));
        }
    }
    // Spare bits are zero, so that one token has one spelling.
    (held & ((1 << bits) - 1) == 0).then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    const UUID: &str = "0b8e1d3c-5a7f-4c21-9e60-2f4d6a8b9c01";

    #[test]
    fn a_token_names_its_conversation_to_whoever_has_the_key() {
        let id = make(b"key", UUID, b"nonce", "acme.example");
        assert!(id.ends_with("@acme.example") && id.split('@').next().is_some_and(|l| l.len() <= 64), "{id}");
        assert_eq!(read(&id, &[b"key"]).as_deref(), Some(UUID));
        assert_eq!(read(&format!("<{}>", id.to_uppercase()), &[b"other", b"key"]).as_deref(), Some(UUID));
        assert_eq!(read(&id, &[b"other"]), None);
        assert_eq!(read(&id, &[]), None);
    }

    #[test]
    fn a_token_that_was_touched_anywhere_is_no_token() {
        let id = make(b"key", UUID, b"nonce", "acme.example");
        let local = id.split('@').next().expect("local part").to_owned();
        for at in PREFIX.len()..local.len() {
            let mut forged = local.clone().into_bytes();
            forged[at] = if forged[at] == b'a' { b'b' } else { b'a' };
            let forged = format!("{}@acme.example", String::from_utf8(forged).expect("ASCII"));
            assert_eq!(read(&forged, &[b"key"]), None, "changed at {at}");
        }
        for id in ["", "@", "pr.@x", "pr.abc@x", "prä@x", "<>", "x@y", &"pr.".repeat(100)] {
            assert_eq!(read(id, &[b"key"]), None);
            assert!(!looks_like_ours(id), "{id}");
        }
    }

    #[test]
    fn every_nonce_gives_another_id() {
        assert_ne!(make(b"key", UUID, b"1", "x.example"), make(b"key", UUID, b"2", "x.example"));
        assert!(looks_like_ours(&make(b"key", UUID, b"", "müller.example")));
        assert!(make(b"key", UUID, b"", "müller.example").is_ascii());
        assert!(make(b"key", UUID, b"", "a b\r\n").ends_with("@localhost"));
    }
}
