//! The apalis worker: takes jobs from the queue and runs a bounded number of them at a time.
//!
//! It knows nothing about what a job does. A job that panics or outlasts its time is logged and dropped; its row is still claimed, and comes
//! again when the claim ends. A worker that ends although nobody stopped it is started again.

use crate::queue::{Payload, Queue, QueueBackend};
use apalis::layers::WorkerBuilderExt;
use apalis_core::error::{BoxDynError, WorkerError};
use apalis_core::task::data::Data;
use apalis_core::worker::builder::WorkerBuilder;
use apalis_core::worker::context::WorkerContext;
use apalis_core::worker::event::Event;
use apalis_core::worker::ext::event_listener::EventListenerExt;
use apalis_core::worker::ext::parallelize::ParallelizeLayer;
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
    /// Jobs that run at the same time.
    pub concurrency: usize,
    /// The longest a job may run. What keeps up the claim on its row ends with it.
    pub timeout: Duration,
}

const RESTART_WAIT: Duration = Duration::from_secs(1);

/// Runs until `stop`; then takes no more jobs, lets those that run come to their end, and returns.
pub(crate) async fn run(queue: Arc<dyn Queue>, config: RunnerConfig, handler: Handler, stop: CancellationToken) {
    while !stop.is_cancelled() {
        let context = WorkerContext::new(&config.name);
        let mut running = work(&context, queue.clone(), &config, handler.clone());
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
    config: &RunnerConfig,
    handler: Handler,
) -> BoxFuture<'static, Result<(), WorkerError>> {
    WorkerBuilder::new(context)
        .backend(QueueBackend::start(queue))
        .data(handler)
        // The first layer is the outermost: each job is a task of its own, and its time, its place and its panic are all inside it.
        // (Were the time outside, a job that lost its time would run on, unseen.)
        .layer(ParallelizeLayer::new(|job| AbortOnDropHandle::new(tokio::spawn(job))))
        .concurrency(config.concurrency)
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

async fn handle(job: Payload, handler: Data<Handler>) -> Result<(), BoxDynError> {
    handler(job).await;
    Ok(())
}
