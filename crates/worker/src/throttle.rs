//! How often one may try to sign in, counted for all processes together in Redis.
//!
//! When Redis does not answer, each process counts for itself: nobody is locked out, and nobody may guess without limit.

use crate::queue::QueueError;
use crate::queue::redis_line::RedisLine;
use app::accounts::{LOGIN_ATTEMPTS, LOGIN_WINDOW, LoginThrottle, MemoryThrottle};
use async_trait::async_trait;
use domain::Timestamp;
use std::time::Duration;
use tracing::debug;

/// Signing in waits no longer than this for Redis.
const PATIENCE: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub struct RedisThrottle {
    line: RedisLine,
    own: MemoryThrottle,
}

impl RedisThrottle {
    /// Does not connect yet.
    pub fn new(url: &str) -> Result<Self, QueueError> {
        Ok(Self { line: RedisLine::new(url, PATIENCE)?, own: MemoryThrottle::default() })
    }
}

fn name(key: &str) -> String {
    format!("postroom:login:{key}")
}

#[async_trait]
impl LoginThrottle for RedisThrottle {
    async fn attempt(&self, key: &str, now: Timestamp) -> Result<(), Duration> {
        let name = name(key);
        let mut question = redis::pipe();
        // The window begins with the first attempt, and its end is set in the same transaction: no counter stays for ever.
        question.atomic();
        question.cmd("SET").arg(&name).arg(0).arg("PX").arg(LOGIN_WINDOW.as_millis().to_string()).arg("NX").ignore();
        question.incr(&name, 1).pttl(&name);
        match self.line.ask::<(u32, i64)>(&question).await {
            Ok((attempts, _)) if attempts <= LOGIN_ATTEMPTS => Ok(()),
            Ok((_, left_ms)) => Err(Duration::from_millis(u64::try_from(left_ms).unwrap_or(0))),
            Err(error) => {
                debug!(%error, "sign-in attempts are counted by this process alone");
                self.own.attempt(key, now).await
            }
        }
    }

    async fn forget(&self, key: &str) {
        self.own.forget(key).await;
        if let Err(error) = self.line.ask::<()>(redis::pipe().del(name(key)).ignore()).await {
            debug!(%error, "sign-in attempts could not be forgotten");
        }
    }
}
