//! What is due, named for the queue.

use crate::App;
use crate::job::JobEnvelope;
use domain::{Failure, FailureClass};
use std::time::Duration;
use store::StoreError;

/// For this long a row that was handed over is not handed over again, unless whoever took it gives it back. A job that was lost on its way
/// (Redis was flushed, the process that had it was killed) comes again after it; one that only waits longer for its turn is in the queue
/// twice then, and the second finds nothing to do. The queue is short, so few wait that long.
pub const HOLD: Duration = Duration::from_secs(15);

/// Up to `window` due rows, round-robin by account, human replies first.
pub async fn due(app: &App, window: u32) -> Result<Vec<JobEnvelope>, StoreError> {
    let due = app.store().relay().hand_over(window, HOLD).await?;
    Ok(due.into_iter().map(|work| JobEnvelope::new(work.kind, work.account_id, work.owed_id)).collect())
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
