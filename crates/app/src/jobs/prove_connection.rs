//! Proves the mailbox of a sign-in. Subject: the connection.

use crate::{App, channels};
use std::time::Duration;
use store::{ClaimedWork, StoreError};

/// A first Exchange login can take 90 seconds, and sending is proved after it.
pub const LEASE: Duration = Duration::from_secs(300);

pub async fn run(app: &App, work: &ClaimedWork) -> Result<(), StoreError> {
    channels::verify::prove(app, work).await
}
