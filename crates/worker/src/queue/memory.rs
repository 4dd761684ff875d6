//! The transport within one process: a list and a bell. It never outlives the process, and nothing needs it to.

use super::{Payload, Queue, QueueError, TAKE_PATIENCE};
use async_trait::async_trait;
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// Jobs that wait in this process.
#[derive(Debug)]
pub struct MemoryQueue {
    capacity: usize,
    jobs: Mutex<VecDeque<Payload>>,
    came: Notify,
}

impl MemoryQueue {
    pub fn new(capacity: usize) -> Self {
        Self { capacity, jobs: Mutex::default(), came: Notify::new() }
    }

    /// No code panics while it holds the list, so a poisoned lock holds a good list.
    fn jobs(&self) -> MutexGuard<'_, VecDeque<Payload>> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn next(&self) -> Option<Payload> {
        let mut jobs = self.jobs();
        let job = jobs.pop_front();
        if !jobs.is_empty() {
            // One bell may stand for several jobs: whoever takes one wakes the next.
            self.came.notify_one();
        }
        job
    }
}

#[async_trait]
impl Queue for MemoryQueue {
    async fn room(&self) -> Result<usize, QueueError> {
        Ok(self.capacity.saturating_sub(self.jobs().len()))
    }

    async fn push(&self, jobs: Vec<Payload>) -> Result<(), QueueError> {
        self.jobs().extend(jobs);
        self.came.notify_one();
        Ok(())
    }

    async fn take(&self) -> Result<Option<Payload>, QueueError> {
        if let Some(job) = self.next() {
            return Ok(Some(job));
        }
        let _ = tokio::time::timeout(TAKE_PATIENCE, self.came.notified()).await;
        Ok(self.next())
    }

    async fn put_back(&self, jobs: Vec<Payload>) -> Result<(), QueueError> {
        let mut waiting = self.jobs();
        for job in jobs.into_iter().rev() {
            waiting.push_front(job);
        }
        drop(waiting);
        self.came.notify_one();
        Ok(())
    }
}
