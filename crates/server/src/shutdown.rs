//! When to stop: the first SIGTERM or SIGINT asks for it, a second one insists. However much hangs, a stop is over within half a minute.

use std::time::Duration;
use store::Store;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// What waits for something that hangs gives up by itself before this: requests and jobs after twenty seconds. It is below the half minute
/// after which container runtimes and service managers kill.
const HARD_LIMIT: Duration = Duration::from_secs(27);
/// How long connections to the database may take to close.
const CLOSED_WITHIN: Duration = Duration::from_secs(3);

/// A token that is cancelled by the first signal. The second ends the process at once.
pub fn on_signal() -> std::io::Result<CancellationToken> {
    let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let stop = CancellationToken::new();
    let asked = stop.clone();
    tokio::spawn(async move {
        tokio::select! { _ = term.recv() => {}, _ = int.recv() => {} }
        info!("stopping: what runs comes to its end first");
        // A thread of its own: it must come round even when nothing else here does.
        std::thread::spawn(|| {
            std::thread::sleep(HARD_LIMIT);
            warn!("not at rest in time; stopping all the same, and what is left is taken up by the next process");
            std::process::exit(0);
        });
        asked.cancel();
        tokio::select! { _ = term.recv() => {}, _ = int.recv() => {} }
        warn!("stopping at once");
        std::process::exit(130);
    });
    Ok(stop)
}

/// Closes the connections to the database, unless it hangs.
pub async fn close(store: &Store) {
    if tokio::time::timeout(CLOSED_WITHIN, store.close()).await.is_err() {
        warn!("the database's connections do not close; leaving them");
    }
}
