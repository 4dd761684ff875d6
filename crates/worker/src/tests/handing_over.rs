//! Every due row is run, once, with bounded memory, whatever becomes of Redis.

use super::{CAPACITY, CONCURRENCY, LONG, Rows, finishing, queue, start};
use crate::queue::{MemoryQueue, Queue};
use crate::wake::Hints;
use app::{Hint, Wake};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use testkit::redis::Redis;

async fn every_row_runs_once_with_bounded_memory(queue: Arc<dyn Queue>) {
    let rows = Arc::new(Rows::default());
    rows.owe(0..600);
    let running = start(queue, &rows, LONG, &Hints::in_process(), finishing(&rows));
    rows.wait_until_done(600).await;
    running.stop().await;
    assert!(rows.rows.lock().unwrap().values().all(|row| row.runs == 1));
    // What waits, what runs, and the one between the queue and the pump.
    let most = rows.most_outstanding.load(Ordering::SeqCst);
    assert!(most <= CAPACITY as usize + CONCURRENCY + 1, "{most} rows were handed over and not done at one time");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_row_runs_once_and_only_so_many_wait_in_memory() {
    every_row_runs_once_with_bounded_memory(Arc::new(MemoryQueue::new(CAPACITY))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_row_runs_once_and_only_so_many_wait_in_redis() {
    let redis = Redis::start().unwrap();
    every_row_runs_once_with_bounded_memory(queue(&redis)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_becomes_owed_is_run_at_once_when_it_is_said_and_soon_when_it_is_not() {
    let rows = Arc::new(Rows::default());
    let hints = Hints::in_process();
    let running = start(Arc::new(MemoryQueue::new(CAPACITY)), &rows, LONG, &hints, finishing(&rows));
    for id in 0..50 {
        rows.owe(id..id + 1);
        hints.wake(Hint::Owed);
        rows.wait_until_done(id + 1).await;
    }
    rows.owe(50..51);
    rows.wait_until_done(51).await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flushed_redis_loses_no_work() {
    let redis = Redis::start().unwrap();
    let rows = Arc::new(Rows::default());
    rows.owe(0..300);
    let running = start(queue(&redis), &rows, Duration::from_millis(300), &Hints::in_process(), finishing(&rows));
    for done in [20, 80, 150] {
        rows.wait_until_done(done).await;
        redis.flush().unwrap();
    }
    rows.wait_until_done(300).await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_survives_a_redis_that_is_not_there_yet_and_one_that_is_started_again() {
    let mut redis = Redis::start().unwrap();
    redis.stop();
    let rows = Arc::new(Rows::default());
    rows.owe(0..100);
    let running = start(queue(&redis), &rows, Duration::from_millis(300), &Hints::in_process(), finishing(&rows));
    redis.start_again().unwrap();
    rows.wait_until_done(50).await;
    redis.stop();
    rows.owe(100..200);
    redis.start_again().unwrap();
    rows.wait_until_done(200).await;
    assert!(!running.runner.is_finished() && !running.relay.is_finished());
    running.stop().await;
}
