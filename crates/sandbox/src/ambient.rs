//! The sandbox's clock and randomness: the only file that asks the machine for either.
//!
//! It never decides anything; everything else takes the time from a [`Clock`] that a test may set or move.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use ring::rand::SecureRandom as _;

/// Seconds since 1970, from wherever the owner of the sandbox takes them.
pub type ClockFn = Arc<dyn Fn() -> i64 + Send + Sync>;

/// The sandbox's time: the machine's (or the owner's) plus what a test has advanced it by.
#[derive(Clone)]
pub(crate) struct Clock {
    source: ClockFn,
    offset_seconds: Arc<AtomicI64>,
}

impl Clock {
    pub(crate) fn new(source: Option<ClockFn>) -> Self {
        Self { source: source.unwrap_or_else(|| Arc::new(machine_seconds)), offset_seconds: Arc::default() }
    }

    /// Seconds since 1970.
    pub(crate) fn now(&self) -> i64 {
        (self.source)() + self.offset_seconds.load(Ordering::SeqCst)
    }

    pub(crate) fn advance(&self, seconds: i64) {
        self.offset_seconds.fetch_add(seconds, Ordering::SeqCst);
    }
}

#[expect(clippy::disallowed_methods, reason = "the sandbox stands for another company's machine and has its own clock")]
fn machine_seconds() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

#[expect(
    clippy::disallowed_methods,
    reason = "the sandbox's tokens and keys are its own; nothing of ours supplies them"
)]
fn generator() -> ring::rand::SystemRandom {
    ring::rand::SystemRandom::new()
}

pub(crate) fn random_bytes(length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    generator().fill(&mut bytes).expect("the operating system supplies randomness");
    bytes
}

/// A number in `low..=high`.
pub(crate) fn random_between(low: u32, high: u32) -> u32 {
    let mut four = [0u8; 4];
    four.copy_from_slice(&random_bytes(4));
    low + u32::from_le_bytes(four) % (high - low + 1)
}

/// `bytes` random bytes in base64url without padding.
pub(crate) fn random_token(bytes: usize) -> String {
    URL_SAFE_NO_PAD.encode(random_bytes(bytes))
}

/// `bytes` random bytes in plain base64, as the opaque tokens of Outlook look.
pub(crate) fn random_base64(bytes: usize) -> String {
    STANDARD.encode(random_bytes(bytes))
}

/// A random GUID in its usual spelling.
pub(crate) fn random_guid() -> String {
    let mut bytes = random_bytes(16);
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    guid_text(&bytes)
}

/// The same GUID for the same name, so that a predefined user has the same `oid` in every run.
pub(crate) fn stable_guid(name: &str) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, name.as_bytes());
    guid_text(&digest.as_ref()[..16])
}

fn guid_text(bytes: &[u8]) -> String {
    let hex = hex(bytes);
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..32])
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

pub(crate) fn is_guid(text: &str) -> bool {
    text.len() == 36
        && text.char_indices().all(|(at, c)| match at {
            8 | 13 | 18 | 23 => c == '-',
            _ => c.is_ascii_hexdigit(),
        })
}
