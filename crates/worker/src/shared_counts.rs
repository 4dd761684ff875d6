//! Counts that all processes keep together in Redis: attempts to sign in, calls of the API.
//!
//! Nothing here decides what is too many, and when Redis does not answer nothing is waited for: whoever counts goes on alone.

use crate::queue::QueueError;
use crate::queue::redis_line::RedisLine;
use app::shared_counts::{Lot, SharedCounts, Total};
use async_trait::async_trait;
use std::time::Duration;
use tracing::debug;

/// How long an answer may take, with all that comes before it: whoever signs in waits for it.
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
        match self.line.ask_in_time::<Vec<i64>>(&question).await {
            Ok(answers) => Some(answers.chunks_exact(2).map(total).collect()),
            Err(error) => {
                debug!(%error, "what is counted is counted by this process alone");
                None
            }
        }
    }

    async fn forget(&self, name: &str) {
        if let Err(error) = self.line.ask_in_time::<()>(redis::pipe().del(key(name)).ignore()).await {
            debug!(%error, "a count could not be forgotten");
        }
    }
}

fn total(answer: &[i64]) -> Total {
    let (calls, left_ms) = (answer.first().copied().unwrap_or(0), answer.get(1).copied().unwrap_or(0));
    Total { calls, left: Duration::from_millis(u64::try_from(left_ms).unwrap_or(0)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;
    use std::time::Instant;

    #[tokio::test]
    async fn nobody_waits_in_a_line_for_a_redis_that_takes_connections_and_says_nothing() {
        let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("redis://{}/", silent.local_addr().expect("an address"));
        let counts = RedisCounts::new(&url).expect("a URL");
        let lot = [Lot { name: "one".into(), calls: 1, lasts: PATIENCE }];
        let began = Instant::now();
        let answers = tokio::join!(counts.add(&lot), counts.add(&lot), counts.add(&lot), counts.add(&lot));
        assert_eq!(answers, (None, None, None, None));
        // One after the other they would need four times five seconds, or two.
        assert!(began.elapsed() < 3 * PATIENCE, "{:?}", began.elapsed());
    }
}
