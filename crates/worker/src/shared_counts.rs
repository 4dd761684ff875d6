//! Counts that all processes keep together in Redis: attempts to sign in, calls of the API.
//!
//! Nothing here decides what is too many, and when Redis does not answer nothing is waited for: whoever counts goes on alone.

use crate::queue::QueueError;
use crate::queue::redis_line::RedisLine;
use app::shared_counts::{Lot, SharedCounts, Total};
use async_trait::async_trait;
use std::time::Duration;
use tracing::debug;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(2);

#[derive(Debug)]
pub struct RedisCounts {
    line: RedisLine,
}

impl RedisCounts {
    /// Does not connect yet.
    pub fn new(url: &str) -> Result<Self, QueueError> {
        Ok(Self { line: RedisLine::new(url, PATIENCE)? })
    }
}

fn key(name: &str) -> String {
    format!("postroom:{name}")
}

#[async_trait]
impl SharedCounts for RedisCounts {
    async fn add(&self, lots: &[Lot]) -> Option<Vec<Total>> {
        let mut question = redis::pipe();
        // A count begins with the first lot, and its end is set in the same transaction: no counter stays for ever.
        question.atomic();
        for lot in lots {
            let key = key(&lot.name);
            question.cmd("SET").arg(&key).arg(0).arg("PX").arg(lot.lasts.as_millis().to_string()).arg("NX").ignore();
            question.incr(&key, lot.calls).pttl(&key);
        }
        match self.line.ask::<Vec<i64>>(&question).await {
            Ok(answers) => Some(answers.chunks_exact(2).map(total).collect()),
            Err(error) => {
                debug!(%error, "what is counted is counted by this process alone");
                None
            }
        }
    }

    async fn forget(&self, name: &str) {
        if let Err(error) = self.line.ask::<()>(redis::pipe().del(key(name)).ignore()).await {
            debug!(%error, "a count could not be forgotten");
        }
    }
}

fn total(answer: &[i64]) -> Total {
    let (calls, left_ms) = (answer.first().copied().unwrap_or(0), answer.get(1).copied().unwrap_or(0));
    Total { calls, left: Duration::from_millis(u64::try_from(left_ms).unwrap_or(0)) }
}
