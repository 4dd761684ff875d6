//! Fills the search index as long as the worker runs. It is in no hurry: between two steps it rests for as long as a step took, so that mail
//! that comes in always finds room.

use app::{App, search};
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::warn;

/// How long what was said is not found at most, when nothing else is to be indexed.
const LOOK_EVERY: Duration = Duration::from_secs(2);
const SHORTEST_REST: Duration = Duration::from_millis(5);
const LONGEST_REST: Duration = Duration::from_secs(2);
/// When the database does not work.
const TROUBLED_REST: Duration = Duration::from_secs(10);

pub(crate) async fn run(app: App, stop: CancellationToken) {
    let mut failing = false;
    loop {
        let begun = Instant::now();
        // Dropped in the middle of a step, its transaction is undone.
        let step = tokio::select! {
            () = stop.cancelled() => return,
            step = search::index_some(&app) => step,
        };
        let rest = match step {
            Ok(true) => begun.elapsed().clamp(SHORTEST_REST, LONGEST_REST),
            Ok(false) => LOOK_EVERY,
            Err(error) => {
                if !failing {
                    warn!(%error, "the search index cannot be filled for now");
                }
                failing = true;
                TROUBLED_REST
            }
        };
        failing &= rest == TROUBLED_REST;
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(rest) => {}
        }
    }
}
