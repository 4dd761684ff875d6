//! Looks for events that webhooks are to be told of: when something happens in an account, and now and then by itself.
//!
//! It writes down who is to be told; telling is a job like any other.

use crate::wake::Hints;
use app::{App, webhooks};
use std::time::Duration;
use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::CancellationToken;
use tracing::warn;

/// Hints may be lost; an event waits no longer than this.
const LOOKS_EVERY: Duration = Duration::from_secs(5);
/// What happens within so short a time is looked at together.
const TOGETHER: Duration = Duration::from_millis(50);

pub(crate) async fn run(app: App, hints: Hints, stop: CancellationToken) {
    let mut accounts = hints.accounts();
    let mut failing = false;
    loop {
        let looked = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            looked = webhooks::dispatch(&app) => looked,
        };
        match looked {
            Ok(true) => continue,
            Ok(false) => failing = false,
            Err(error) => {
                if !failing {
                    warn!(%error, "webhooks' events cannot be looked at; they wait in the database");
                }
                failing = true;
            }
        }
        let hint = async {
            match accounts.recv().await {
                Ok(_) | Err(RecvError::Lagged(_)) => tokio::time::sleep(TOGETHER).await,
                Err(RecvError::Closed) => std::future::pending().await,
            }
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = hint => {}
            () = tokio::time::sleep(LOOKS_EVERY) => {}
        }
    }
}
