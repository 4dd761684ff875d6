//! The transport between processes: one Redis list, pushed at its end and popped at its front.
//!
//! A list and not a stream: a stream's consumer groups, pending entries and claims would be a second lease beside the one in the row, and
//! must be rebuilt after a flush. A job popped by a process that then dies is handed over again by the relay.

use super::redis_line::RedisLine;
use super::{Payload, Queue, QueueError, TAKE_PATIENCE};
use async_trait::async_trait;
use std::time::Duration;

/// The list of waiting jobs.
pub const JOBS_KEY: &str = "postroom:jobs";

const ANSWER_PATIENCE: Duration = Duration::from_secs(10);

/// Jobs that wait in Redis, for whichever process takes them first.
#[derive(Debug)]
pub struct RedisQueue {
    capacity: usize,
    asking: RedisLine,
    /// BLPOP holds its connection while it waits, so it has its own.
    taking: RedisLine,
}

impl RedisQueue {
    /// Does not connect yet: a Redis that is down at the start is waited for like one that goes down later.
    pub fn new(url: &str, capacity: usize) -> Result<Self, QueueError> {
        Ok(Self {
            capacity,
            asking: RedisLine::new(url, ANSWER_PATIENCE)?,
            taking: RedisLine::new(url, TAKE_PATIENCE + ANSWER_PATIENCE)?,
        })
    }
}

#[async_trait]
impl Queue for RedisQueue {
    async fn room(&self) -> Result<usize, QueueError> {
        let (waiting,): (usize,) = self.asking.ask(redis::pipe().llen(JOBS_KEY)).await?;
        Ok(self.capacity.saturating_sub(waiting))
    }

    async fn push(&self, jobs: Vec<Payload>) -> Result<(), QueueError> {
        if jobs.is_empty() {
            return Ok(());
        }
        let texts: Vec<String> = jobs.into_iter().map(|job| job.0).collect();
        self.asking.ask(redis::pipe().rpush(JOBS_KEY, texts).ignore()).await
    }

    async fn take(&self) -> Result<Option<Payload>, QueueError> {
        let (popped,): (Option<(Vec<u8>, Vec<u8>)>,) =
            self.taking.ask(redis::pipe().cmd("BLPOP").arg(JOBS_KEY).arg(TAKE_PATIENCE.as_secs_f64())).await?;
        // Bytes that are no text are a payload nobody understands, and are refused where those are refused.
        Ok(popped.map(|(_, bytes)| Payload(String::from_utf8_lossy(&bytes).into_owned())))
    }

    async fn put_back(&self, jobs: Vec<Payload>) -> Result<(), QueueError> {
        if jobs.is_empty() {
            return Ok(());
        }
        // LPUSH puts its arguments in front one after the other, so the last given ends up first.
        let texts: Vec<String> = jobs.into_iter().rev().map(|job| job.0).collect();
        self.asking.ask(redis::pipe().lpush(JOBS_KEY, texts).ignore()).await
    }
}
