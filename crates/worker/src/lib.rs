//! The machinery that runs the use cases: it moves ids, holds leases and keeps time, and has no business rule.
//!
//! - [`wake`]: hints that there is something to do, within a process and between processes.
//! - [`queue`]: the transport, in memory or over Redis, in lanes.
//! - `relay`: rows that are due → the queue. `places`: how many jobs of each lane and account run here. `runner`: the queue →
//!   `app::job::run`, on apalis.
//! - `schedule`: this process's session, its heartbeat, and which mailboxes it looks after. `mailbox`: one mailbox, as long as it is ours.
//! - `indexing`: what was said becomes findable.
//! - `installation`: whom Redis carries for.
//! - `webhooks`: events → tellings that are owed.
//! - `turns`: who may sign in to a mail server now.
//! - `shared_counts`: attempts to sign in and calls of the API, counted for all processes.

mod indexing;
mod installation;
mod mailbox;
mod places;
pub mod queue;
mod relay;
mod runner;
mod schedule;
mod shared_counts;
#[cfg(test)]
mod tests;
mod turns;
pub mod wake;
mod webhooks;

pub use installation::{INSTALLATION_KEY, known_installation, remember_installation};
pub use queue::{Queue, QueueError, ping};
pub use schedule::REST_AFTER_BREAKDOWN;
pub use shared_counts::RedisCounts;
pub use wake::Hints;

use app::job::{self, JobEnd, JobEnvelope};
use app::{App, owed, tending};
use async_trait::async_trait;
use domain::{AccountId, Secret};
use futures_util::FutureExt;
use places::Places;
use queue::{Lane, MemoryQueue, Payload, RedisQueue, Rooms};
use relay::{Relay, Source};
use runner::{Handler, RunnerConfig};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};

/// How a worker runs.
#[derive(Clone, Debug)]
pub struct WorkerConfig {
    /// Names this process in leases and logs; another one at every start.
    pub name: String,
    /// `None`: jobs wait in memory, for this process alone.
    pub redis_url: Option<Secret>,
    /// Where hints are heard; the same that `App` was given as its `Wake`.
    pub hints: Hints,
    /// Jobs that people wait for (replies, proofs of mailboxes) that run at the same time.
    pub concurrency: u32,
    /// Imports and other bulk that run at the same time, in places of their own.
    pub bulk_concurrency: u32,
    /// Mailboxes that this process looks after at most.
    pub max_mailboxes: usize,
    /// How long a mailbox is left alone whose actor panicked: [`REST_AFTER_BREAKDOWN`].
    pub rest_after_breakdown: Duration,
}

/// Jobs that wait in each lane of the queue: enough that no place is idle between two looks of the relay, few enough that the work of an
/// account which comes late overtakes what is still in the database.
const QUEUE_CAPACITY: u32 = 64;
/// Left-over mail is ingested in so many places for each that people's jobs have: it is seldom there, and short.
const MAIL_PLACES: u32 = 4;
/// The net under jobs, each of which bounds its own time (a delivery of 35 MB over a slow line has half an hour): nothing runs for ever.
const JOB_TIMEOUT: Duration = Duration::from_secs(60 * 60);
/// How long a stop waits for what runs: jobs end or are put back within 15 seconds, mailboxes within 18.
pub const DRAIN_TIMEOUT: Duration = Duration::from_secs(20);
/// A database that hangs does not hold up a stop.
const GIVEN_BACK_WITHIN: Duration = Duration::from_secs(2);

/// Starts workers.
#[derive(Clone, Copy, Debug)]
pub struct Worker;

/// A worker that runs until it is stopped.
#[derive(Debug)]
pub struct RunningWorker {
    app: App,
    name: String,
    stop: CancellationToken,
    parts: JoinSet<&'static str>,
}

impl Worker {
    /// Starts relay, runner and schedule within the present tokio runtime. Neither database nor Redis need be there yet.
    pub fn start(app: App, config: &WorkerConfig) -> Result<RunningWorker, QueueError> {
        let queue: Arc<dyn Queue> = match &config.redis_url {
            Some(url) => Arc::new(RedisQueue::new(url.expose(), QUEUE_CAPACITY)?),
            None => Arc::new(MemoryQueue::new(QUEUE_CAPACITY)),
        };
        let stop = CancellationToken::new();
        let mut parts = JoinSet::new();
        let people = config.concurrency.max(1);
        let rooms = Rooms { people, mail: (people / MAIL_PLACES).max(1), bulk: config.bulk_concurrency.max(1) };
        let places = Places::new(rooms);
        {
            // Where every process that owes tells this one, looking by itself is only a net.
            let all_tell = config.redis_url.is_some() || owed::is_alone(&app);
            let relay = Relay {
                source: Arc::new(Owed(app.clone())),
                queue: queue.clone(),
                places: places.clone(),
                hints: config.hints.clone(),
                poll: if all_tell { relay::NET } else { relay::POLL },
            };
            let stop = stop.clone();
            parts.spawn(async move {
                relay.run(stop).await;
                "relay"
            });
        }
        {
            let settings = RunnerConfig { name: config.name.clone(), places: rooms, account_of, timeout: JOB_TIMEOUT };
            let (handler, stop) = (handler(app.clone(), config.name.clone(), stop.clone()), stop.clone());
            parts.spawn(async move {
                runner::run(queue, places, settings, handler, stop).await;
                "runner"
            });
        }
        {
            let schedule = schedule::Schedule::new(app.clone(), config);
            let stop = stop.clone();
            parts.spawn(async move {
                schedule.run(stop).await;
                "schedule"
            });
        }
        {
            let (app, stop) = (app.clone(), stop.clone());
            parts.spawn(async move {
                indexing::run(app, stop).await;
                "indexing"
            });
        }
        {
            let (telling, hints, stop) = (app.clone(), config.hints.clone(), stop.clone());
            parts.spawn(async move {
                webhooks::run(telling, hints, stop).await;
                "webhooks"
            });
        }
        Ok(RunningWorker { app, name: config.name.clone(), stop, parts })
    }
}

impl RunningWorker {
    /// Takes nothing new, lets what runs come to its end, closes the mailboxes and gives their leases back. What has not ended after
    /// [`DRAIN_TIMEOUT`] is dropped; its rows and leases come free by themselves. `false`: something was dropped.
    pub async fn stop(mut self) -> bool {
        self.stop.cancel();
        let draining = async {
            let mut well = true;
            while let Some(ended) = self.parts.join_next().await {
                match ended {
                    Ok(part) => debug!(part, "stopped"),
                    Err(error) => {
                        error!(%error, "a part of the worker broke down");
                        well = false;
                    }
                }
            }
            well
        };
        let rested = tokio::time::timeout(DRAIN_TIMEOUT, draining).await.unwrap_or_else(|_| {
            warn!(parts = self.parts.len(), "the worker did not come to rest in time");
            self.parts.abort_all();
            false
        });
        // An attempt to send that was dropped did not give its mailbox back.
        let giving_back = tending::end_sending(&self.app, &self.name);
        if !matches!(tokio::time::timeout(GIVEN_BACK_WITHIN, giving_back).await, Ok(Ok(()))) {
            warn!("the right to send could not be given back; it ends within a minute");
        }
        rested
    }

    /// Waits until a part of the worker ends although nobody stopped it, which is a bug.
    pub async fn broken(&mut self) {
        match self.parts.join_next().await {
            Some(Ok(part)) => error!(part, "a part of the worker ended by itself"),
            Some(Err(error)) => error!(%error, "a part of the worker broke down"),
            None => {}
        }
    }
}

/// What the relay hands over.
struct Owed(App);

#[async_trait]
impl Source for Owed {
    async fn due(&self, rooms: Rooms, full: &[(Lane, AccountId)]) -> Result<Vec<(Lane, Payload)>, String> {
        let jobs = owed::due(&self.0, rooms, full).await.map_err(|error| error.to_string())?;
        Ok(jobs.iter().map(|(lane, job)| (*lane, Payload(job.encode()))).collect())
    }

    async fn next_due_in(&self, most: Duration) -> Result<Duration, String> {
        owed::next_due_in(&self.0, most).await.map_err(|error| error.to_string())
    }
}

/// What is no job is nobody's.
fn account_of(payload: &Payload) -> Option<AccountId> {
    JobEnvelope::decode(payload.0.as_bytes()).ok().map(|envelope| envelope.account_id)
}

fn handler(app: App, worker: String, stop: CancellationToken) -> Handler {
    Arc::new(move |payload: Payload| {
        let (app, worker, stop) = (app.clone(), worker.clone(), stop.clone());
        async move { run(&app, &payload, &worker, &stop).await }.boxed()
    })
}

async fn run(app: &App, payload: &Payload, worker: &str, stop: &CancellationToken) {
    let envelope = match JobEnvelope::decode(payload.0.as_bytes()) {
        Ok(envelope) => envelope,
        Err(refused) => {
            // No row says this: rows are handed over by us, and come again if their envelope was spoilt on the way.
            error!(
                reason = refused.reason,
                bytes = payload.0.len(),
                "the queue held something that is no job; `postroom doctor` shows it"
            );
            if let Err(error) = job::keep_unreadable(app, &refused, worker).await {
                error!(%error, "what was no job could not be kept");
            }
            return;
        }
    };
    let (name, account, owed) = (&envelope.name, envelope.account_id, envelope.owed_id);
    match job::run(app, &envelope, worker, stop).await {
        JobEnd::Ran => info!(job = name, account.id = %account, owed.id = %owed, "a job ran"),
        JobEnd::NothingToDo => debug!(job = name, account.id = %account, owed.id = %owed, "nothing to do for a job"),
        JobEnd::UnknownName => {
            warn!(job = name, account.id = %account, owed.id = %owed, "a job of another version; it waits for that version");
        }
        JobEnd::BrokeDown(error) => {
            error!(job = name, account.id = %account, owed.id = %owed, error, "a job broke down; it comes again, until that has happened too often");
        }
        JobEnd::GivenUp(_) => {
            error!(job = name, account.id = %account, owed.id = %owed, "a job is given up for good; its row says why");
        }
        JobEnd::PutBack => {
            info!(job = name, account.id = %account, owed.id = %owed, "a job is put back: the worker stops");
        }
        JobEnd::StoreFailed(error) => {
            warn!(job = name, account.id = %account, owed.id = %owed, %error, "the database failed under a job; it comes again");
        }
    }
}
