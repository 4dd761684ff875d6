//! Jobs that cannot be read, panic, or never end: they stop nobody.

use super::{CAPACITY, Held, LONG, Rows, ask, config, finishing, queue, start};
use crate::places::Places;
use crate::queue::{Lane, MemoryQueue, Payload, Queue, Rooms, jobs_key};
use crate::relay::Relay;
use crate::runner::{self, Handler, RunnerConfig};
use crate::wake::Hints;
use domain::AccountId;
use futures_util::FutureExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use testkit::installation::{Installation, ProcessParts, eventually};
use testkit::redis::Redis;
use testkit::setup::Database;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

async fn a_job_that_cannot_be_read_or_panics_stops_nobody(queue: Arc<dyn Queue>) {
    let rows = Arc::new(Rows::default());
    let running = start(queue.clone(), &rows, LONG, &Hints::in_process(), finishing(&rows));
    queue
        .push(["", "{\"half\":", "nonsense"].map(|text| (Lane::People, Payload(text.to_owned()))).to_vec())
        .await
        .unwrap();
    rows.owe(0..40);
    rows.wait_until_done(40).await;
    assert!(!running.runner.is_finished());
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_panics_stops_nobody_in_memory() {
    a_job_that_cannot_be_read_or_panics_stops_nobody(Arc::new(MemoryQueue::new(CAPACITY))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_panics_or_is_no_text_stops_nobody_over_redis() {
    let redis = Redis::start().unwrap();
    ask::<()>(&redis, redis::cmd("RPUSH").arg(jobs_key(Lane::People)).arg(&b"\xff\xfe\x00"[..])).await;
    a_job_that_cannot_be_read_or_panics_stops_nobody(queue(&redis)).await;
}

/// No job can make it panic; what if something does?
fn panics_once(_: &Payload) -> Option<AccountId> {
    static PANICKED: AtomicBool = AtomicBool::new(false);
    assert!(PANICKED.swap(true, Ordering::SeqCst), "once");
    None
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lane_that_breaks_down_is_taken_up_again() {
    let rows = Arc::new(Rows::default());
    let (queue, hints, stop) = (Arc::new(MemoryQueue::new(CAPACITY)), Hints::in_process(), CancellationToken::new());
    let rooms = Rooms::of_each(2);
    let places = Places::new(rooms);
    let source = Arc::new(Held(rows.clone(), Duration::from_millis(50)));
    let relay = Relay { source, queue: queue.clone(), places: places.clone(), hints, poll: crate::relay::POLL };
    let relay = tokio::spawn(relay.run(stop.clone()));
    let config = RunnerConfig { account_of: panics_once, ..config(rooms, LONG) };
    let runner = tokio::spawn(runner::run(queue, places, config, finishing(&rows), stop.clone()));
    rows.owe(0..40);
    rows.wait_until_done(40).await;
    stop.cancel();
    for part in [relay, runner] {
        tokio::time::timeout(LONG, part).await.expect("in time").unwrap();
    }
}

/// The product's own handler, with a database behind it.
async fn what_is_no_job_is_kept(queue: Arc<dyn Queue>, texts: &[&str]) {
    let installation = Installation::new(Database::Sqlite).await.unwrap();
    let app = installation.app(ProcessParts::new(Arc::new(Hints::in_process()))).await.unwrap();
    let stop = CancellationToken::new();
    let rooms = Rooms::of_each(1);
    let handler = crate::handler(app.clone(), "worker-1".to_owned(), stop.clone());
    let runner = tokio::spawn(runner::run(queue, Places::new(rooms), config(rooms, LONG), handler, stop.clone()));
    let operator = app.store().operator();
    eventually("all of it is kept", async || Ok(operator.unreadable_jobs(10).await?.len() == texts.len()))
        .await
        .unwrap();
    let kept: Vec<String> = operator.unreadable_jobs(10).await.unwrap().into_iter().map(|job| job.text).collect();
    assert_eq!(kept.iter().rev().map(String::as_str).collect::<Vec<_>>(), texts);
    let newest = operator.unreadable_jobs(1).await.unwrap().remove(0);
    assert!(newest.worker == "worker-1" && !newest.reason.is_empty());
    stop.cancel();
    tokio::time::timeout(LONG, runner).await.expect("in time").unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_job_is_kept_where_the_operator_finds_it_in_memory() {
    let queue = MemoryQueue::new(CAPACITY);
    let texts = ["nonsense", r#"{"name":"deliver_message","account_id":"one"}"#];
    queue.push(texts.map(|text| (Lane::People, Payload(text.to_owned()))).to_vec()).await.unwrap();
    what_is_no_job_is_kept(Arc::new(queue), &texts).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_job_is_kept_where_the_operator_finds_it_over_redis() {
    let redis = Redis::start().unwrap();
    ask::<()>(&redis, redis::cmd("RPUSH").arg(jobs_key(Lane::People)).arg("nonsense").arg(&b"no\xfftext\x00"[..]))
        .await;
    what_is_no_job_is_kept(queue(&redis), &["nonsense", "no\u{fffd}text\u{fffd}"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_outlasts_its_time_is_ended_and_gives_its_place_free() {
    let rows = Arc::new(Rows::default());
    rows.owe(0..1);
    let queue = Arc::new(MemoryQueue::new(CAPACITY));
    let ended = Arc::new(Semaphore::new(0));
    let handler: Handler = {
        let ended = ended.clone();
        Arc::new(move |_| {
            let ended = ended.clone();
            async move {
                let _says_when_it_is_dropped = scopeguard(move || ended.add_permits(1));
                std::future::pending::<()>().await;
            }
            .boxed()
        })
    };
    queue.push(vec![(Lane::People, Payload::default()), (Lane::People, Payload::default())]).await.unwrap();
    let stop = CancellationToken::new();
    let (rooms, short) = (Rooms::of_each(1), Duration::from_millis(50));
    let runner = tokio::spawn(runner::run(queue, Places::new(rooms), config(rooms, short), handler, stop.clone()));
    tokio::time::timeout(LONG, ended.acquire_many(2))
        .await
        .expect("both were ended, one after the other")
        .unwrap()
        .forget();
    stop.cancel();
    tokio::time::timeout(LONG, runner).await.expect("in time").unwrap();
}

struct OnDrop<F: FnMut()>(F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

fn scopeguard<F: FnMut()>(then: F) -> OnDrop<F> {
    OnDrop(then)
}
