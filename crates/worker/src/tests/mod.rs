//! The relay, the queue and the runner together, over memory and over a real Redis, with a table of rows as the truth.
//!
//! What the rows stand for is the store's, and is tested there.

mod bad_jobs;
mod between_processes;
mod handing_over;
mod lanes;
mod stopping;

use crate::places::Places;
use crate::queue::{Lane, Payload, Queue, RedisQueue, Rooms};
use crate::relay::{Relay, Source};
use crate::runner::{self, Handler, RunnerConfig};
use crate::wake::Hints;
use async_trait::async_trait;
use domain::AccountId;
use futures_util::FutureExt;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use testkit::redis::Redis;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

const LONG: Duration = Duration::from_secs(60);
const CAPACITY: u32 = 16;
const CONCURRENCY: usize = 2;

/// The rows of owed work, as the database would hold them.
#[derive(Default)]
struct Rows {
    rows: Mutex<BTreeMap<usize, Row>>,
    changed: Notify,
    most_outstanding: AtomicUsize,
}

#[derive(Default)]
struct Row {
    handed_until: Option<Instant>,
    handed: bool,
    runs: usize,
}

impl Rows {
    fn owe(&self, ids: std::ops::Range<usize>) {
        self.rows.lock().unwrap().extend(ids.map(|id| (id, Row::default())));
    }

    fn hand_over(&self, window: usize, hold: Duration) -> Vec<(Lane, Payload)> {
        let mut rows = self.rows.lock().unwrap();
        let now = Instant::now();
        let due = rows.iter_mut().filter(|(_, row)| row.runs == 0 && row.handed_until.is_none_or(|until| until < now));
        let jobs = due
            .take(window)
            .map(|(id, row)| {
                row.handed_until = Some(now + hold);
                row.handed = true;
                (Lane::People, Payload(id.to_string()))
            })
            .collect();
        let outstanding = rows.values().filter(|row| row.handed && row.runs == 0).count();
        self.most_outstanding.fetch_max(outstanding, Ordering::SeqCst);
        jobs
    }

    fn finish(&self, id: usize) {
        self.rows.lock().unwrap().get_mut(&id).expect("a row of ours").runs += 1;
        self.changed.notify_waiters();
    }

    fn done(&self) -> usize {
        self.rows.lock().unwrap().values().filter(|row| row.runs > 0).count()
    }

    async fn wait_until_done(&self, count: usize) {
        let waiting = async {
            loop {
                let changed = self.changed.notified();
                if self.done() >= count {
                    return;
                }
                changed.await;
            }
        };
        tokio::time::timeout(LONG, waiting).await.unwrap_or_else(|_| panic!("{} of {count} done", self.done()));
    }
}

/// The rows, of which one handed over is not handed over again for so long.
struct Held(Arc<Rows>, Duration);

#[async_trait]
impl Source for Held {
    async fn due(&self, rooms: Rooms, _full: &[(Lane, AccountId)]) -> Result<Vec<(Lane, Payload)>, String> {
        Ok(self.0.hand_over(rooms.people as usize, self.1))
    }

    async fn next_due_in(&self, most: Duration) -> Result<Duration, String> {
        let now = Instant::now();
        let rows = self.0.rows.lock().unwrap();
        let waits = rows.values().filter(|row| row.runs == 0).map(|row| row.handed_until.map_or(now, |until| until));
        Ok(waits.min().map_or(most, |until| until.saturating_duration_since(now)).min(most))
    }
}

struct Running {
    stop: CancellationToken,
    relay: JoinHandle<()>,
    runner: JoinHandle<()>,
}

impl Running {
    async fn stop(self) {
        self.stop.cancel();
        tokio::time::timeout(LONG, self.relay).await.expect("in time").expect("the relay ends well");
        tokio::time::timeout(LONG, self.runner).await.expect("in time").expect("the runner ends well");
    }
}

fn start(queue: Arc<dyn Queue>, rows: &Arc<Rows>, hold: Duration, hints: &Hints, handler: Handler) -> Running {
    let stop = CancellationToken::new();
    let places = Rooms::of_each(u32::try_from(CONCURRENCY).unwrap());
    start_with(Arc::new(Held(rows.clone(), hold)), queue, places, hints, handler, stop)
}

fn start_with(
    source: Arc<dyn Source>,
    queue: Arc<dyn Queue>,
    rooms: Rooms,
    hints: &Hints,
    handler: Handler,
    stop: CancellationToken,
) -> Running {
    let places = Places::new(rooms);
    let relay =
        Relay { source, queue: queue.clone(), places: places.clone(), hints: hints.clone(), poll: crate::relay::POLL };
    let relay = tokio::spawn(relay.run(stop.clone()));
    let runner = tokio::spawn(runner::run(queue, places, config(rooms, LONG), handler, stop.clone()));
    Running { stop, relay, runner }
}

fn config(places: Rooms, timeout: Duration) -> RunnerConfig {
    RunnerConfig { name: "test".to_owned(), places, account_of: crate::account_of, timeout }
}

/// Finishes the row a job names; a job that names none panics, as a bug would.
fn finishing(rows: &Arc<Rows>) -> Handler {
    let rows = rows.clone();
    Arc::new(move |job: Payload| {
        let rows = rows.clone();
        async move {
            tokio::task::yield_now().await;
            rows.finish(job.0.parse().expect("a job that can be read"));
        }
        .boxed()
    })
}

fn queue(redis: &Redis) -> Arc<dyn Queue> {
    Arc::new(RedisQueue::new(&redis.url(), CAPACITY).unwrap())
}

/// Says something to Redis past everything.
async fn ask<T: redis::FromRedisValue>(redis: &Redis, command: &redis::Cmd) -> T {
    let mut connection = redis::Client::open(redis.url()).unwrap().get_multiplexed_async_connection().await.unwrap();
    command.query_async(&mut connection).await.unwrap()
}
