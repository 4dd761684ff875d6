//! Imports a slice of a mailbox's past, and asks for the next. Subject: the channel.

use crate::{App, inbound};
use std::time::Duration;
use store::{ClaimedWork, StoreError};

/// Extended after every batch.
pub const LEASE: Duration = Duration::from_secs(180);

pub async fn run(app: &App, work: &ClaimedWork) -> Result<(), StoreError> {
    inbound::import::run(app, work).await
}
