//! The apalis worker: takes jobs from the queue and runs them, as many of each lane at a time as it has places.
//!
//! It knows nothing about what a job does. A job that panics or outlasts its time is logged and dropped; its row is still claimed, and comes
//! again when the claim ends. A worker that ends although nobody stopped it is started again.

use crate::places::Places;
use crate::queue::{Job, Lane, Payload, Queue, QueueBackend, Rooms};
use apalis::layers::WorkerBuilderExt;
use apalis_core::error::{BoxDynError, WorkerError};
use apalis_core::task::data::Data;
use apalis_core::worker::builder::WorkerBuilder;
use apalis_core::worker::context::WorkerContext;
use apalis_core::worker::event::Event;
use apalis_core::worker::ext::event_listener::EventListenerExt;
use apalis_core::worker::ext::parallelize::ParallelizeLayer;
use domain::AccountId;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use tracing::error;

/// What is done with a job.
pub(crate) type Handler = Arc<dyn Fn(Payload) -> BoxFuture<'static, ()> + Send + Sync>;

#[derive(Clone, Debug)]
pub(crate) struct RunnerConfig {
    pub name: String,
    /// Jobs of each lane that run at the same time.
    pub places: Rooms,
    /// The account that a job is for, if it says.
    pub account_of: fn(&Payload) -> Option<AccountId>,
    /// The longest a job may run. What keeps up the claim on its row ends with it.
    pub timeout: Duration,
}

const RESTART_WAIT: Duration = Duration::from_secs(1);

/// Runs until `stop`; then takes no more jobs, lets those that run come to their end, and returns.
pub(crate) async fn run(
    queue: Arc<dyn Queue>,
    places: Arc<Places>,
    config: RunnerConfig,
    handler: Handler,
    stop: CancellationToken,
) {
    while !stop.is_cancelled() {
        let context = WorkerContext::new(&config.name);
        let mut running = work(&context, queue.clone(), places.clone(), &config, handler.clone(), &stop);
        let end = tokio::select! {
            // Polled first, so that the worker has started when it is told to stop.
            biased;
            end = &mut running => end,
            () = stop.cancelled() => {
                if let Err(error) = context.stop() {
                    error!(%error, "the worker would not be stopped");
                }
                running.await
            }
        };
        if !stop.is_cancelled() {
            error!(?end, "the worker ended by itself; starting it again");
            tokio::select! { () = stop.cancelled() => {}, () = tokio::time::sleep(RESTART_WAIT) => {} }
        }
    }
}

/// One life of the worker. Boxed here, where the compiler still sees through its layers.
fn work(
    context: &WorkerContext,
    queue: Arc<dyn Queue>,
    places: Arc<Places>,
    config: &RunnerConfig,
    handler: Handler,
    stop: &CancellationToken,
) -> BoxFuture<'static, Result<(), WorkerError>> {
    let all: u32 = Lane::ALL.into_iter().map(|lane| config.places.of(lane)).sum();
    let all = usize::try_from(all).unwrap_or(usize::MAX);
    WorkerBuilder::new(context)
        .backend(QueueBackend::start(queue, places, all, config.account_of, stop))
        .data(handler)
        // The first layer is the outermost: each job is a task of its own, and its time, its place and its panic are all inside it.
        // (Were the time outside, a job that lost its time would run on, unseen.)
        .layer(ParallelizeLayer::new(|job| AbortOnDropHandle::new(tokio::spawn(job))))
        .concurrency(all)
        .timeout(config.timeout)
        .catch_panic()
        .on_event(|_, event| {
            if let Event::Error(error) = event {
                error!(%error, "a job did not come to its end; its row comes again");
            }
        })
        .build(handle)
        .run()
        .boxed()
}

/// The place is given back when this ends, or is dropped because its time is over or it panicked.
async fn handle(job: Job, handler: Data<Handler>) -> Result<(), BoxDynError> {
    let _place = job.place;
    handler(job.payload).await;
    Ok(())
}
