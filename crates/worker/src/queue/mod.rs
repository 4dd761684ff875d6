//! The transport between the relay and the runner: in memory in one process, or over Redis between any number of them.
//!
//! It carries text and promises little, on purpose: a job may arrive twice, late, or not at all. The row in the database is the truth; the
//! relay hands a row over again when nobody finished it. So there is no acknowledgement, no retry and no delay here, and a flushed Redis
//! costs time, never work (docs/decisions/0002-queue-own-apalis-backend.md).
//!
//! Jobs wait in lanes, each with a room of its own: a lane that is full of imports keeps no reply from being handed over.

mod backend;
mod memory;
mod pump;
mod redis;
pub(crate) mod redis_line;

pub use app::owed::{Lane, Rooms};
pub(crate) use backend::{Job, QueueBackend};
pub use memory::MemoryQueue;
pub use redis::{RedisQueue, jobs_key};
pub use redis_line::ping;

use async_trait::async_trait;
use std::time::Duration;

/// A job as it travels: JSON text. What it means is the runner's business, so that a text nobody understands cannot hurt the transport.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Payload(pub String);

/// Why the transport did not do what it was asked. The caller waits a little and asks again.
#[derive(Debug, thiserror::Error)]
pub enum QueueError {
    #[error("REDIS_URL is not an address of a Redis server: {0}")]
    BadUrl(String),
    #[error("Redis: {0}")]
    Redis(String),
    #[error("Redis did not answer in time")]
    TimedOut,
}

/// Jobs wait here between the relay, which hands them over, and the runner, which takes them.
#[async_trait]
pub trait Queue: Send + Sync + std::fmt::Debug + 'static {
    /// How many jobs may wait in each lane.
    fn capacity(&self) -> u32;

    /// How many more jobs may wait. The relay claims no more rows than this, so neither memory nor Redis grows without bound.
    async fn room(&self) -> Result<Rooms, QueueError>;

    /// Adds jobs behind those that wait in their lane.
    async fn push(&self, jobs: Vec<(Lane, Payload)>) -> Result<(), QueueError>;

    /// The next job of a lane, or `None` when none came for so long. Once returned, it is no longer in the queue. Must be let come to its
    /// end: whoever stops waiting may lose a job that was just taken.
    async fn take(&self, lane: Lane, patience: Duration) -> Result<Option<Payload>, QueueError>;

    /// Puts jobs that were taken and not begun in front of those that wait in the lane, in the order given.
    async fn put_back(&self, lane: Lane, jobs: Vec<Payload>) -> Result<(), QueueError>;

    /// Whoever waits in [`Queue::take`] of this process just now comes back, usually with nothing.
    async fn interrupt(&self) -> Result<(), QueueError>;
}

/// How long one [`Queue::take`] waits for a job. A stop interrupts it, so this only bounds how often an idle process asks.
pub const TAKE_PATIENCE: Duration = Duration::from_secs(5);
