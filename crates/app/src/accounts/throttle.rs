//! How often one may try to sign in.
//!
//! In memory, for one process; with several, the server hands in one that they share. Keys are hashed before they get here, so that
//! neither addresses nor e-mails are kept.

use domain::Timestamp;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Attempts per key and window; Chatwoot's number.
pub const ATTEMPTS: u32 = 5;
pub const WINDOW: Duration = Duration::from_secs(60);

/// Counts attempts to sign in.
#[async_trait::async_trait]
pub trait LoginThrottle: Send + Sync + std::fmt::Debug {
    /// Counts one attempt; `Err` says how long to wait, and the attempt is not made.
    async fn attempt(&self, key: &str, now: Timestamp) -> Result<(), Duration>;
    /// They signed in: their attempts are forgotten.
    async fn forget(&self, key: &str);
}

#[derive(Debug, Default)]
pub struct MemoryThrottle {
    windows: Mutex<HashMap<String, Window>>,
}

#[derive(Clone, Copy, Debug)]
struct Window {
    began: Timestamp,
    attempts: u32,
}

/// Above this many keys, the windows that have passed are thrown away; above twice as many, all of them.
const MANY: usize = 10_000;

#[async_trait::async_trait]
impl LoginThrottle for MemoryThrottle {
    async fn attempt(&self, key: &str, now: Timestamp) -> Result<(), Duration> {
        let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        if windows.len() >= MANY {
            windows.retain(|_, window| now.since(window.began) < WINDOW);
        }
        if windows.len() >= 2 * MANY {
            windows.clear();
        }
        let window = windows.entry(key.to_owned()).or_insert(Window { began: now, attempts: 0 });
        if now.since(window.began) >= WINDOW || now < window.began {
            *window = Window { began: now, attempts: 0 };
        }
        if window.attempts >= ATTEMPTS {
            return Err(WINDOW.saturating_sub(now.since(window.began)));
        }
        window.attempts += 1;
        Ok(())
    }

    async fn forget(&self, key: &str) {
        self.windows.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_760_000_000);

    #[tokio::test]
    async fn the_sixth_attempt_within_a_minute_waits_for_the_rest_of_it() {
        let throttle = MemoryThrottle::default();
        for _ in 0..5 {
            assert_eq!(throttle.attempt("ada", NOW).await, Ok(()));
        }
        let later = NOW.plus(Duration::from_secs(20));
        assert_eq!(throttle.attempt("ada", later).await, Err(Duration::from_secs(40)));
        assert_eq!(throttle.attempt("bob", later).await, Ok(()));
        assert_eq!(throttle.attempt("ada", NOW.plus(WINDOW)).await, Ok(()));
    }

    #[tokio::test]
    async fn signing_in_forgets_the_attempts_before_it() {
        let throttle = MemoryThrottle::default();
        for _ in 0..20 {
            assert_eq!(throttle.attempt("ada", NOW).await, Ok(()));
            throttle.forget("ada").await;
        }
    }
}
