//! Hands one message to the mail server. Subject: the delivery.

use crate::{App, outbound};
use std::time::Duration;
use store::{ClaimedWork, StoreError};

/// Longer than one attempt may take ([`outbound::deliver::ATTEMPT_TIMEOUT`]), so that nobody else begins while it runs.
pub const LEASE: Duration = Duration::from_secs(360);

pub async fn run(app: &App, work: &ClaimedWork, worker: &str) -> Result<(), StoreError> {
    outbound::deliver::deliver(app, work, worker).await
}
