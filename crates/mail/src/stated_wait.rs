//! How long a server says that we should wait, in whatever words it says it. Pure.

use std::time::Duration;

/// A number is about waiting when one of these stands shortly before it.
const ABOUT_WAITING: [&str; 6] = ["backoff", "retry", "again", "wait", "after", "delay"];
const SHORTLY: usize = 5;

/// "Suggested Backoff Time: 299961 milliseconds", "try again in 5 minutes", "please retry after 300 seconds". Codes such as 4.7.500 are none.
pub(crate) fn stated_wait(said: &str) -> Option<Duration> {
    let lower = said.to_ascii_lowercase();
    let words: Vec<&str> = lower.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()).collect();
    words.iter().enumerate().find_map(|(at, word)| {
        let before = &words[at.saturating_sub(SHORTLY)..at];
        let digits = word.len() - word.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let number: u64 = word.get(..digits.min(12))?.parse().ok()?;
        if !before.iter().any(|word| ABOUT_WAITING.contains(word)) {
            return None;
        }
        let unit = if digits < word.len() { &word[digits..] } else { words.get(at + 1).copied().unwrap_or_default() };
        let millis = match unit {
            "ms" | "millisecond" | "milliseconds" => 1,
            "s" | "sec" | "secs" | "second" | "seconds" => 1000,
            "m" | "min" | "mins" | "minute" | "minutes" => 60_000,
            "h" | "hour" | "hours" => 3_600_000,
            // Exchange's words, cut off.
            _ if before.ends_with(&["backoff", "time"]) => 1,
            _ => return None,
        };
        Some(Duration::from_millis(number.saturating_mul(millis)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_is_found_in_the_words_of_several_servers() {
        for (said, millis) in [
            ("Request is throttled. Suggested Backoff Time: 299961 milliseconds", Some(299_961)),
            ("Suggested Backoff Time=1500", Some(1500)),
            ("4.7.0 Too many messages, please try again in 5 minutes", Some(300_000)),
            ("4.2.1 mailbox is busy, retry after 90s", Some(90_000)),
            ("4.7.1 Greylisted, wait 2 hours", Some(7_200_000)),
            ("4.7.500 Server busy. Please try again later from [127.0.0.1]. (S77719)", None),
            ("4.7.0 Try again later, closing connection. 12 mails seen", None),
            ("4.3.2 Concurrent connections limit exceeded. Visit https://aka.ms/concurrent_sending", None),
            ("queue is 30 minutes long", None),
            ("", None),
        ] {
            assert_eq!(stated_wait(said), millis.map(Duration::from_millis), "{said}");
        }
        assert!(stated_wait("retry after 99999999999999999999 hours").is_some());
    }
}
