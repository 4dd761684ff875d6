//! What is due, named for the queue.

use crate::App;
use crate::job::JobEnvelope;
use domain::{AccountId, Failure, FailureClass};
use std::time::Duration;
use store::{Backend, StoreError};
pub use store::{Lane, Rooms};

/// For this long a row that was handed over is not handed over again, unless whoever took it gives it back. A job that was lost on its way
/// (Redis was flushed, the process that had it was killed) comes again after it; one that only waits longer for its turn is in the queue
/// twice then, and the second finds nothing to do. The queue is short, so few wait that long.
pub const HOLD: Duration = Duration::from_secs(15);

/// Due rows, in each lane as many as there is room for, round-robin by account, human replies first. Accounts in `full` are left alone in
/// that lane: they have as many places as one account may.
pub async fn due(app: &App, rooms: Rooms, full: &[(Lane, AccountId)]) -> Result<Vec<(Lane, JobEnvelope)>, StoreError> {
    let due = app.store().relay().hand_over(rooms, full, HOLD).await?;
    Ok(due.into_iter().map(|work| (work.lane, JobEnvelope::new(work.kind, work.account_id, work.owed_id))).collect())
}

/// How long until the next row falls due, at most `most`; zero when one is.
pub async fn next_due_in(app: &App, most: Duration) -> Result<Duration, StoreError> {
    app.store().relay().next_due_in(most).await
}

/// Whether this process is the only one that owes: on SQLite one process serves.
pub fn is_alone(app: &App) -> bool {
    app.store().backend() == Backend::Sqlite
}

/// Rows of a kind that this version does not know are left alone: while a new version is rolled out, the old one sees its rows. When no
/// version has come for them in this time (the new one was rolled back), they fail, with their payload kept.
const UNKNOWN_WAITS: Duration = Duration::from_secs(24 * 60 * 60);

/// How many rows nobody here knows how to do were given up.
pub async fn give_up_unknown(app: &App) -> Result<u64, StoreError> {
    let failure =
        Failure::new(FailureClass::GivenUp).detail("no version that ran here within a day knows this kind of work");
    app.store().relay().fail_unknown(UNKNOWN_WAITS, &failure).await
}
