//! An apalis `Backend` over any [`Queue`]: a pump for each lane takes jobs when there is a place for them, and passes them on.
//!
//! apalis ends a worker whose backend reports an error, so this one never reports any. At the close, what was taken and not begun is put
//! back before the worker is told that it is closed.

use super::pump::{Pump, put_back};
use super::{Lane, Payload, Queue};
use crate::places::{Place, Places};
use apalis_core::backend::finalize::Ephemeral;
use apalis_core::backend::{Backend, BackendConfig};
use apalis_core::task::Task;
use apalis_core::task::builder::TaskBuilder;
use apalis_core::task::task_id::RandomId;
use apalis_core::worker::context::WorkerContext;
use domain::AccountId;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use std::convert::Infallible;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tower::layer::util::Identity;
use tracing::warn;

/// Pumps that wait for a job are interrupted; one that was just going to wait, at the next time.
const INTERRUPT_EVERY: Duration = Duration::from_millis(50);
/// A pump that is still waiting for Redis then is dropped. A job popped just at that moment comes again from its row.
const PUMPS_END_WITHIN: Duration = Duration::from_secs(5);

/// A job that has its place. It holds the place until it is dropped.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    pub lane: Lane,
    pub payload: Payload,
    pub place: Option<Arc<Place>>,
}

pub(crate) struct QueueBackend {
    queue: Arc<dyn Queue>,
    places: Arc<Places>,
    stop: CancellationToken,
    state: State,
}

enum State {
    Open { jobs: mpsc::Receiver<Job>, pumps: JoinSet<()> },
    Closing(BoxFuture<'static, ()>),
    Closed,
}

impl QueueBackend {
    /// Starts the pumps, which hear of `stop` before the worker does: from then on nothing more is begun. `all` is how many places there are.
    pub(crate) fn start(
        queue: Arc<dyn Queue>,
        places: Arc<Places>,
        all: usize,
        account_of: fn(&Payload) -> Option<AccountId>,
        stop: &CancellationToken,
    ) -> Self {
        let stop = stop.child_token();
        let (sender, jobs) = mpsc::channel(all.max(1));
        let mut pumps = JoinSet::new();
        for lane in places.lanes() {
            let (queue, places, jobs, stop) = (queue.clone(), lane.clone(), sender.clone(), stop.clone());
            pumps.spawn(Pump { queue, places, account_of, jobs, stop }.run());
        }
        Self { queue, places, stop, state: State::Open { jobs, pumps } }
    }
}

async fn close(queue: Arc<dyn Queue>, places: Arc<Places>, mut jobs: mpsc::Receiver<Job>, mut pumps: JoinSet<()>) {
    let ending = async { while pumps.join_next().await.is_some() {} };
    let interrupting = async {
        loop {
            // While Redis is away nothing waits in it.
            let _ = queue.interrupt().await;
            tokio::time::sleep(INTERRUPT_EVERY).await;
        }
    };
    tokio::select! {
        () = ending => {}
        () = interrupting => {}
        () = tokio::time::sleep(PUMPS_END_WITHIN) => warn!("the queue did not let go in time"),
    }
    pumps.abort_all();
    jobs.close();
    let mut left = Vec::new();
    while let Some(job) = jobs.recv().await {
        left.push(job);
    }
    for lane in places.lanes() {
        let back = left.iter().filter(|job| job.lane == lane.lane).map(|job| job.payload.clone()).collect();
        put_back(&*queue, lane, back).await;
    }
}

impl Backend for QueueBackend {
    type Task = Task<Job>;
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
            && let State::Open { jobs, pumps } = std::mem::replace(&mut self.state, State::Closed)
        {
            self.state = State::Closing(close(self.queue.clone(), self.places.clone(), jobs, pumps).boxed());
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
    type Args = Job;
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
