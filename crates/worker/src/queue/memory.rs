//! The transport within one process: a list and a bell for each lane. It never outlives the process, and nothing needs it to.

use super::{Lane, Payload, Queue, QueueError, Rooms};
use async_trait::async_trait;
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

/// Jobs that wait in this process.
#[derive(Debug)]
pub struct MemoryQueue {
    capacity: u32,
    people: Waiting,
    mail: Waiting,
    bulk: Waiting,
}

#[derive(Debug, Default)]
struct Waiting {
    jobs: Mutex<VecDeque<Payload>>,
    came: Notify,
}

impl MemoryQueue {
    pub fn new(capacity: u32) -> Self {
        Self { capacity, people: Waiting::default(), mail: Waiting::default(), bulk: Waiting::default() }
    }

    fn lane(&self, lane: Lane) -> &Waiting {
        match lane {
            Lane::People => &self.people,
            Lane::Mail => &self.mail,
            Lane::Bulk => &self.bulk,
        }
    }
}

impl Waiting {
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
    fn capacity(&self) -> u32 {
        self.capacity
    }

    async fn room(&self) -> Result<Rooms, QueueError> {
        let mut rooms = Rooms::default();
        for lane in Lane::ALL {
            let waiting = u32::try_from(self.lane(lane).jobs().len()).unwrap_or(u32::MAX);
            *rooms.of_mut(lane) = self.capacity.saturating_sub(waiting);
        }
        Ok(rooms)
    }

    async fn push(&self, jobs: Vec<(Lane, Payload)>) -> Result<(), QueueError> {
        for (lane, job) in jobs {
            self.lane(lane).jobs().push_back(job);
            self.lane(lane).came.notify_one();
        }
        Ok(())
    }

    async fn take(&self, lane: Lane, patience: Duration) -> Result<Option<Payload>, QueueError> {
        let lane = self.lane(lane);
        if let Some(job) = lane.next() {
            return Ok(Some(job));
        }
        if !patience.is_zero() {
            let _ = tokio::time::timeout(patience, lane.came.notified()).await;
        }
        Ok(lane.next())
    }

    async fn put_back(&self, lane: Lane, jobs: Vec<Payload>) -> Result<(), QueueError> {
        let lane = self.lane(lane);
        let mut waiting = lane.jobs();
        for job in jobs.into_iter().rev() {
            waiting.push_front(job);
        }
        drop(waiting);
        lane.came.notify_one();
        Ok(())
    }

    async fn interrupt(&self) -> Result<(), QueueError> {
        for lane in Lane::ALL {
            self.lane(lane).came.notify_one();
        }
        Ok(())
    }
}
