//! Takes the jobs of one lane from the queue, each when there is a place for it.
//!
//! Nothing is taken ahead: a job waiting in a busy process is one that a free process cannot take. The exception are jobs of an account that
//! has as many places as it may. For those it is waited a moment, since most jobs are short; then they are set aside in this process, so that
//! the jobs of others behind them are reached, and begin as soon as one of their account's has ended.
//!
//! Trouble of the transport stays here: the pump backs off and asks again.

use super::backend::Job;
use super::{Payload, Queue, TAKE_PATIENCE};
use crate::places::LanePlaces;
use domain::AccountId;
use domain::failure::backoff;
use futures_util::FutureExt;
use std::collections::VecDeque;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(5);
const AFTER_BREAKDOWN: Duration = Duration::from_secs(1);
/// How long jobs behind it wait for the first job of an account that has all its places.
const MOMENT: Duration = Duration::from_millis(20);
/// How soon the queue is looked into again while jobs are set aside and nothing ends: it cannot be waited for, since one of those may
/// begin meanwhile.
const LOOK_AGAIN: Duration = Duration::from_millis(250);
/// Jobs set aside at most. What is beyond is dropped, and comes again from its row.
const MOST_ASIDE: usize = 64;
/// What cannot be put back in this time comes again from the rows.
pub(super) const PUT_BACK_TIMEOUT: Duration = Duration::from_secs(2);

pub(super) struct Pump {
    pub queue: Arc<dyn Queue>,
    pub places: Arc<LanePlaces>,
    pub account_of: fn(&Payload) -> Option<AccountId>,
    pub jobs: mpsc::Sender<Job>,
    pub stop: CancellationToken,
}

impl Pump {
    /// Until it is stopped. A lane without its pump would be silent for ever, so one that broke down begins again; what it had taken comes again
    /// from its row.
    pub(super) async fn run(self) {
        while AssertUnwindSafe(self.take_jobs()).catch_unwind().await.is_err() {
            error!(lane = ?self.places.lane, "a lane of the queue broke down; it begins again");
            self.or_stop(tokio::time::sleep(AFTER_BREAKDOWN)).await;
        }
    }

    async fn take_jobs(&self) {
        let mut aside = Aside { jobs: VecDeque::new(), pump: self };
        let mut failures = 0u32;
        loop {
            // The place first, then the job: nothing is taken for which there is no place.
            let place = tokio::select! {
                biased;
                () = self.stop.cancelled() => break,
                place = self.places.free() => place,
            };
            if let Some(job) = aside.next() {
                self.begin(job, place).await;
                continue;
            }
            let patience = if aside.jobs.is_empty() { TAKE_PATIENCE } else { Duration::ZERO };
            let taken = match self.queue.take(self.places.lane, patience).await {
                Ok(taken) => taken,
                Err(error) => {
                    failures = failures.saturating_add(1);
                    if failures == 1 {
                        warn!(lane = ?self.places.lane, %error, "the queue does not answer; asking again until it does");
                    }
                    self.or_stop(tokio::time::sleep(backoff(failures, FIRST_WAIT, LONGEST_WAIT, 0.5))).await;
                    continue;
                }
            };
            if failures > 0 {
                info!(lane = ?self.places.lane, failures, "the queue answers again");
                failures = 0;
            }
            match taken {
                Some(job) => {
                    self.places.took();
                    if self.may_begin_in_a_moment(&job).await {
                        self.begin(job, place).await;
                    } else if aside.jobs.len() < MOST_ASIDE {
                        aside.put(job);
                    }
                }
                None if aside.jobs.is_empty() => {}
                None => {
                    let ended = tokio::time::timeout(LOOK_AGAIN, self.places.ended());
                    self.or_stop(async { drop(ended.await) }).await;
                }
            }
        }
        let jobs = aside.take();
        put_back(&*self.queue, &self.places, jobs).await;
    }

    async fn begin(&self, payload: Payload, permit: OwnedSemaphorePermit) {
        let place = self.places.begin((self.account_of)(&payload), permit);
        let job = Job { lane: self.places.lane, payload, place: Some(Arc::new(place)) };
        // There is room for as many as there are places. An error means that the worker is gone: the job comes again from its row.
        drop(self.jobs.send(job).await);
    }

    async fn may_begin_in_a_moment(&self, job: &Payload) -> bool {
        let account = (self.account_of)(job);
        let free = async {
            while !self.places.may_begin(account) {
                self.places.ended().await;
            }
        };
        if self.places.is_slow(account) {
            return self.places.may_begin(account);
        }
        tokio::select! {
            biased;
            () = self.stop.cancelled() => false,
            free = tokio::time::timeout(MOMENT, free) => free.is_ok(),
        }
    }

    async fn or_stop(&self, wait: impl Future<Output = ()>) {
        tokio::select! { () = self.stop.cancelled() => {}, () = wait => {} }
    }
}

/// Jobs of accounts that have as many places as they may have. They are counted against their accounts until they are begun or given back,
/// also when the pump is dropped in the middle: an account whose jobs stayed counted would never be served again.
struct Aside<'a> {
    jobs: VecDeque<Payload>,
    pump: &'a Pump,
}

impl Aside<'_> {
    fn put(&mut self, job: Payload) {
        self.pump.places.set_aside((self.pump.account_of)(&job));
        self.jobs.push_back(job);
    }

    /// The first whose account has a place again.
    fn next(&mut self) -> Option<Payload> {
        let at = self.jobs.iter().position(|job| self.pump.places.may_begin((self.pump.account_of)(job)))?;
        let job = self.jobs.remove(at)?;
        self.pump.places.taken_up((self.pump.account_of)(&job));
        Some(job)
    }

    fn take(&mut self) -> Vec<Payload> {
        for job in &self.jobs {
            self.pump.places.taken_up((self.pump.account_of)(job));
        }
        std::mem::take(&mut self.jobs).into()
    }
}

impl Drop for Aside<'_> {
    fn drop(&mut self) {
        self.take();
    }
}

/// Jobs that were taken and not begun go back in front.
pub(super) async fn put_back(queue: &dyn Queue, places: &LanePlaces, jobs: Vec<Payload>) {
    if jobs.is_empty() {
        return;
    }
    let count = jobs.len();
    match tokio::time::timeout(PUT_BACK_TIMEOUT, queue.put_back(places.lane, jobs)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => warn!(%error, count, "jobs could not be put back; they come again from their rows"),
        Err(_) => warn!(count, "jobs could not be put back in time; they come again from their rows"),
    }
}
