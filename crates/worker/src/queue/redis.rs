//! The transport between processes: one Redis list for each lane, pushed at its end and popped at its front.
//!
//! A list and not a stream: a stream's consumer groups, pending entries and claims would be a second lease beside the one in the row, and
//! must be rebuilt after a flush; it also costs more (docs/decisions/0006-queue-lists-and-lanes.md). A job popped by a process that then
//! dies is handed over again by the relay.

use super::redis_line::RedisLine;
use super::{Lane, Payload, Queue, QueueError, Rooms, TAKE_PATIENCE};
use async_trait::async_trait;
use std::time::Duration;

/// The list of the jobs that wait in a lane. That of people is the one list of the versions before there were lanes, so that what they
/// push is taken, and they take replies, while processes are replaced one by one.
pub const fn jobs_key(lane: Lane) -> &'static str {
    match lane {
        Lane::People => "postroom:jobs",
        Lane::Mail => "postroom:jobs:mail",
        Lane::Bulk => "postroom:jobs:bulk",
    }
}

const ANSWER_PATIENCE: Duration = Duration::from_secs(10);

/// Jobs that wait in Redis, for whichever process takes them first.
#[derive(Debug)]
pub struct RedisQueue {
    capacity: u32,
    asking: RedisLine,
    /// BLPOP holds its connection while it waits, so each lane has its own.
    taking: [(Lane, RedisLine); 3],
}

impl RedisQueue {
    /// Does not connect yet: a Redis that is down at the start is waited for like one that goes down later.
    pub fn new(url: &str, capacity: u32) -> Result<Self, QueueError> {
        let taking = || RedisLine::new(url, TAKE_PATIENCE + ANSWER_PATIENCE).map(RedisLine::that_may_be_interrupted);
        Ok(Self {
            capacity,
            asking: RedisLine::new(url, ANSWER_PATIENCE)?,
            taking: [(Lane::People, taking()?), (Lane::Mail, taking()?), (Lane::Bulk, taking()?)],
        })
    }

    fn taking(&self, lane: Lane) -> &RedisLine {
        let [(_, people), (_, mail), (_, bulk)] = &self.taking;
        match lane {
            Lane::People => people,
            Lane::Mail => mail,
            Lane::Bulk => bulk,
        }
    }
}

#[async_trait]
impl Queue for RedisQueue {
    fn capacity(&self) -> u32 {
        self.capacity
    }

    async fn room(&self) -> Result<Rooms, QueueError> {
        let mut question = redis::pipe();
        for lane in Lane::ALL {
            question.llen(jobs_key(lane));
        }
        let waiting: Vec<u32> = self.asking.ask(&question).await?;
        let mut rooms = Rooms::default();
        for (lane, waiting) in Lane::ALL.into_iter().zip(waiting) {
            *rooms.of_mut(lane) = self.capacity.saturating_sub(waiting);
        }
        Ok(rooms)
    }

    async fn push(&self, jobs: Vec<(Lane, Payload)>) -> Result<(), QueueError> {
        let mut question = redis::pipe();
        for of in Lane::ALL {
            let texts: Vec<&str> = jobs.iter().filter(|(lane, _)| *lane == of).map(|(_, job)| job.0.as_str()).collect();
            if !texts.is_empty() {
                question.rpush(jobs_key(of), texts).ignore();
            }
        }
        if jobs.is_empty() { Ok(()) } else { self.asking.ask(&question).await }
    }

    async fn take(&self, lane: Lane, patience: Duration) -> Result<Option<Payload>, QueueError> {
        let (line, key) = (self.taking(lane), jobs_key(lane));
        let popped: Option<Vec<u8>> = if patience.is_zero() {
            line.ask::<(Option<Vec<u8>>,)>(redis::pipe().lpop(key, None)).await?.0
        } else {
            let (popped,): (Option<(Vec<u8>, Vec<u8>)>,) =
                line.ask(redis::pipe().cmd("BLPOP").arg(key).arg(patience.as_secs_f64())).await?;
            popped.map(|(_, bytes)| bytes)
        };
        // Bytes that are no text are a payload nobody understands, and are refused where those are refused.
        Ok(popped.map(|bytes| Payload(String::from_utf8_lossy(&bytes).into_owned())))
    }

    async fn put_back(&self, lane: Lane, jobs: Vec<Payload>) -> Result<(), QueueError> {
        if jobs.is_empty() {
            return Ok(());
        }
        // LPUSH puts its arguments in front one after the other, so the last given ends up first.
        let texts: Vec<String> = jobs.into_iter().rev().map(|job| job.0).collect();
        self.asking.ask(redis::pipe().lpush(jobs_key(lane), texts).ignore()).await
    }

    async fn interrupt(&self) -> Result<(), QueueError> {
        let mut question = redis::pipe();
        let mut waiting = false;
        for id in self.taking.iter().filter_map(|(_, line)| line.client_id()) {
            question.cmd("CLIENT").arg("UNBLOCK").arg(id).ignore();
            waiting = true;
        }
        if waiting { self.asking.ask(&question).await } else { Ok(()) }
    }
}
