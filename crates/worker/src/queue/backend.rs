//! An apalis `Backend` over any [`Queue`]: a pump takes jobs and passes them on, one ahead of what runs.
//!
//! Trouble of the transport stays in the pump, which backs off and asks again: apalis ends a worker whose backend reports an error, so this
//! one never reports any. At the close, what was taken and not begun is put back before the worker is told that it is closed.

use super::{Payload, Queue};
use apalis_core::backend::finalize::Ephemeral;
use apalis_core::backend::{Backend, BackendConfig};
use apalis_core::task::Task;
use apalis_core::task::builder::TaskBuilder;
use apalis_core::task::task_id::RandomId;
use apalis_core::worker::context::WorkerContext;
use domain::failure::backoff;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tower::layer::util::Identity;
use tracing::{info, warn};

const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// What cannot be put back in this time comes again from the rows.
const PUT_BACK_TIMEOUT: Duration = Duration::from_secs(2);

pub(crate) struct QueueBackend {
    queue: Arc<dyn Queue>,
    stop: CancellationToken,
    state: State,
}

enum State {
    Open { jobs: mpsc::Receiver<Payload>, pump: JoinHandle<()> },
    Closing(BoxFuture<'static, ()>),
    Closed,
}

impl QueueBackend {
    /// Starts the pump. It holds at most one job beyond those that run: a longer row here would keep jobs from processes that are free.
    pub(crate) fn start(queue: Arc<dyn Queue>) -> Self {
        let stop = CancellationToken::new();
        let (sender, jobs) = mpsc::channel(1);
        let pump = tokio::spawn(pump(queue.clone(), sender, stop.clone()));
        Self { queue, stop, state: State::Open { jobs, pump } }
    }
}

async fn pump(queue: Arc<dyn Queue>, sender: mpsc::Sender<Payload>, stop: CancellationToken) {
    let mut failures = 0u32;
    loop {
        // The place first, then the job: nothing is taken for which there is no place.
        let place = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            place = sender.reserve() => match place {
                Ok(place) => place,
                Err(_) => return,
            },
        };
        match queue.take().await {
            Ok(taken) => {
                if failures > 0 {
                    info!(failures, "the queue answers again");
                    failures = 0;
                }
                if let Some(job) = taken {
                    place.send(job);
                }
            }
            Err(error) => {
                failures = failures.saturating_add(1);
                if failures == 1 {
                    warn!(%error, "the queue does not answer; asking again until it does");
                }
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = tokio::time::sleep(backoff(failures, FIRST_WAIT, LONGEST_WAIT, 0.5)) => {}
                }
            }
        }
    }
}

async fn close(queue: Arc<dyn Queue>, mut jobs: mpsc::Receiver<Payload>, pump: JoinHandle<()>) {
    // The pump ends within one take. It is not aborted: a job popped just then would be out of reach until its row comes again.
    if let Err(error) = pump.await {
        warn!(%error, "the queue's pump ended badly");
    }
    jobs.close();
    let mut left = Vec::new();
    while let Some(job) = jobs.recv().await {
        left.push(job);
    }
    if !left.is_empty() {
        let count = left.len();
        match tokio::time::timeout(PUT_BACK_TIMEOUT, queue.put_back(left)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => warn!(%error, count, "jobs could not be put back; they come again from their rows"),
            Err(_) => warn!(count, "jobs could not be put back in time; they come again from their rows"),
        }
    }
}

impl Backend for QueueBackend {
    type Task = Task<Payload>;
    type Error = Infallible;

    fn poll_ready(&mut self, _: &mut Context<'_>, _: &WorkerContext) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn poll_next(&mut self, cx: &mut Context<'_>, _: &WorkerContext) -> Poll<Option<Result<Self::Task, Infallible>>> {
        match &mut self.state {
            State::Open { jobs, .. } => jobs.poll_recv(cx).map(|job| job.map(|job| Ok(TaskBuilder::new(job).build()))),
            State::Closing(_) | State::Closed => Poll::Ready(None),
        }
    }

    fn poll_close(&mut self, cx: &mut Context<'_>, _: &WorkerContext) -> Poll<Result<(), Infallible>> {
        self.stop.cancel();
        if matches!(self.state, State::Open { .. })
            && let State::Open { jobs, pump } = std::mem::replace(&mut self.state, State::Closed)
        {
            self.state = State::Closing(close(self.queue.clone(), jobs, pump).boxed());
        }
        if let State::Closing(closing) = &mut self.state {
            std::task::ready!(closing.poll_unpin(cx));
            self.state = State::Closed;
        }
        Poll::Ready(Ok(()))
    }
}

impl Drop for QueueBackend {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl BackendConfig for QueueBackend {
    type Args = Payload;
    type Id = RandomId;
    type Kind = Ephemeral;
    type Config = ();
    type Layer = Identity;

    fn config(&self) -> &() {
        &()
    }

    fn middleware(&mut self, _: &mut WorkerContext) -> Identity {
        Identity::new()
    }
}
