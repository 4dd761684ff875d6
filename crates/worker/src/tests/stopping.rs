//! A stop lets what runs come to its end, begins nothing, and gives back what was taken.

use super::{CAPACITY, CONCURRENCY, LONG, Rows, queue, start};
use crate::queue::{Lane, MemoryQueue, Payload, Queue, TAKE_PATIENCE};
use crate::runner::Handler;
use crate::wake::Hints;
use futures_util::FutureExt;
use std::sync::Arc;
use testkit::redis::Redis;
use tokio::sync::Semaphore;

async fn a_stop_waits_for_what_runs_and_puts_the_rest_back(queue: Arc<dyn Queue>) {
    let rows = Arc::new(Rows::default());
    rows.owe(0..10);
    let (begun, may_end) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let handler: Handler = {
        let (rows, begun, may_end) = (rows.clone(), begun.clone(), may_end.clone());
        Arc::new(move |job: Payload| {
            let (rows, begun, may_end) = (rows.clone(), begun.clone(), may_end.clone());
            async move {
                begun.add_permits(1);
                may_end.acquire().await.unwrap().forget();
                rows.finish(job.0.parse().unwrap());
            }
            .boxed()
        })
    };
    let running = start(queue.clone(), &rows, LONG, &Hints::in_process(), handler);
    begun.acquire_many(u32::try_from(CONCURRENCY).unwrap()).await.unwrap().forget();
    running.stop.cancel();
    tokio::time::timeout(LONG, running.relay).await.expect("the relay waits for no job").unwrap();
    assert_eq!(rows.done(), 0);
    assert!(!running.runner.is_finished(), "jobs still run");
    may_end.add_permits(CONCURRENCY);
    tokio::time::timeout(LONG, running.runner).await.expect("in time").unwrap();
    let left = u32::try_from(10 - CONCURRENCY).unwrap();
    assert_eq!(rows.done(), CONCURRENCY, "what ran came to its end, and nothing else was begun");
    assert_eq!(queue.room().await.unwrap().people, CAPACITY - left, "what was not begun is back in the queue");
    assert_eq!(queue.take(Lane::People, TAKE_PATIENCE).await.unwrap(), Some(Payload("2".to_owned())), "in front");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_waits_for_what_runs_and_puts_the_rest_back_in_memory() {
    a_stop_waits_for_what_runs_and_puts_the_rest_back(Arc::new(MemoryQueue::new(CAPACITY))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_waits_for_what_runs_and_puts_the_rest_back_into_redis() {
    let redis = Redis::start().unwrap();
    a_stop_waits_for_what_runs_and_puts_the_rest_back(queue(&redis)).await;
}
