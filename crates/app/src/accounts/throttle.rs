//! How often one may try to sign in.
//!
//! Counted by all processes together where there is something they share, and by each alone where that does not answer: nobody is locked
//! out for it, and nobody may guess without limit. Keys are hashed before they get here, so that neither addresses nor e-mails are kept.

use crate::shared_counts::{Lot, SharedCounts};
use domain::Timestamp;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Attempts per key and window; Chatwoot's number.
pub const ATTEMPTS: u32 = 5;
pub const WINDOW: Duration = Duration::from_secs(60);

/// Counts attempts to sign in.
#[derive(Debug, Default)]
pub struct LoginThrottle {
    shared: Option<Arc<dyn SharedCounts>>,
    /// This process's own count, for when nothing is shared.
    windows: Mutex<HashMap<String, Window>>,
}

#[derive(Clone, Copy, Debug)]
struct Window {
    began: Timestamp,
    attempts: u32,
    lasts: Duration,
}

/// Above this many keys, the windows that have passed are thrown away; above twice as many, all of them.
const MANY: usize = 10_000;

fn name(key: &str) -> String {
    format!("login:{key}")
}

impl LoginThrottle {
    pub fn new(shared: Option<Arc<dyn SharedCounts>>) -> Self {
        Self { shared, windows: Mutex::default() }
    }

    /// Counts one attempt; `Err` says how long to wait, and the attempt is not made.
    pub async fn attempt(&self, key: &str, now: Timestamp) -> Result<(), Duration> {
        self.attempt_within(key, now, ATTEMPTS, WINDOW).await
    }

    /// As [`Self::attempt`], with a number and a window of the caller's own; a key has always the same.
    pub async fn attempt_within(&self, key: &str, now: Timestamp, most: u32, lasts: Duration) -> Result<(), Duration> {
        if let Some(shared) = &self.shared {
            let lot = Lot { name: name(key), calls: 1, lasts };
            if let Some(total) = shared.add(&[lot]).await.and_then(|totals| totals.first().copied()) {
                return if total.calls <= i64::from(most) { Ok(()) } else { Err(total.left) };
            }
        }
        self.attempt_here(key, now, most, lasts)
    }

    fn attempt_here(&self, key: &str, now: Timestamp, most: u32, lasts: Duration) -> Result<(), Duration> {
        let mut windows = self.windows.lock().unwrap_or_else(PoisonError::into_inner);
        if windows.len() >= MANY {
            windows.retain(|_, window| now.since(window.began) < window.lasts);
        }
        if windows.len() >= 2 * MANY {
            windows.clear();
        }
        let window = windows.entry(key.to_owned()).or_insert(Window { began: now, attempts: 0, lasts });
        if now.since(window.began) >= lasts || now < window.began {
            *window = Window { began: now, attempts: 0, lasts };
        }
        if window.attempts >= most {
            return Err(lasts.saturating_sub(now.since(window.began)));
        }
        window.attempts += 1;
        Ok(())
    }

    /// They signed in: their attempts are forgotten.
    pub async fn forget(&self, key: &str) {
        self.windows.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
        if let Some(shared) = &self.shared {
            shared.forget(&name(key)).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_760_000_000);

    #[tokio::test]
    async fn the_sixth_attempt_within_a_minute_waits_for_the_rest_of_it() {
        let throttle = LoginThrottle::default();
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
        let throttle = LoginThrottle::default();
        for _ in 0..20 {
            assert_eq!(throttle.attempt("ada", NOW).await, Ok(()));
            throttle.forget("ada").await;
        }
    }
}
