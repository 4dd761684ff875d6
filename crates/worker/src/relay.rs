//! Hands due rows to the queue: woken by a commit, or after at most a second by itself.
//!
//! It moves ids and decides nothing: which rows are due, and in which order, is `app::owed`. It never claims more rows than the queue has
//! room for, so neither memory nor Redis grows with the work that is owed.

use crate::queue::{Payload, Queue};
use crate::wake::Hints;
use domain::failure::backoff;
use futures_util::future::BoxFuture;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// Marks up to so many due rows as handed over, and names them.
pub(crate) type Due = Arc<dyn Fn(u32) -> BoxFuture<'static, Result<Vec<Payload>, String>> + Send + Sync>;

/// How long a row that became due without a hint waits at most.
const POLL: Duration = Duration::from_secs(1);
/// How soon to look again while more is due than the queue has room for.
const BACKLOG_POLL: Duration = Duration::from_millis(10);

pub(crate) async fn run(due: Due, queue: Arc<dyn Queue>, hints: Hints, stop: CancellationToken) {
    let mut failures = 0u32;
    while !stop.is_cancelled() {
        let wait = match hand_over(&due, &*queue).await {
            Ok(more) => {
                if failures > 0 {
                    info!(failures, "owed work is handed over again");
                    failures = 0;
                }
                if more { BACKLOG_POLL } else { POLL }
            }
            Err(error) => {
                failures = failures.saturating_add(1);
                if failures == 1 {
                    warn!(%error, "owed work cannot be handed over; it waits in the database");
                }
                backoff(failures, Duration::from_millis(200), Duration::from_secs(5), 0.5)
            }
        };
        if failures > 0 || wait == BACKLOG_POLL {
            // A hint says nothing new here.
            tokio::select! { () = stop.cancelled() => {}, () = tokio::time::sleep(wait) => {} }
        } else {
            tokio::select! { () = stop.cancelled() => {}, () = hints.owed() => {}, () = tokio::time::sleep(wait) => {} }
        }
    }
}

/// True when there may be more due than was handed over.
async fn hand_over(due: &Due, queue: &dyn Queue) -> Result<bool, String> {
    // The queue is asked first: rows claimed for a queue that is not there would wait for their hold to end.
    let room = queue.room().await.map_err(|error| error.to_string())?;
    if room == 0 {
        return Ok(true);
    }
    let jobs = due(u32::try_from(room).unwrap_or(u32::MAX)).await?;
    let more = jobs.len() >= room;
    queue.push(jobs).await.map_err(|error| error.to_string())?;
    Ok(more)
}
