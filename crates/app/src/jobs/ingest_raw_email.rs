//! Ingests one stored mail that was left over. Subject: the raw mail; the row is its own owed work.

use crate::{App, inbound};
use std::time::Duration;
use store::{ClaimedWork, StoreError};

pub const LEASE: Duration = Duration::from_secs(120);

pub async fn run(app: &App, work: &ClaimedWork) -> Result<(), StoreError> {
    inbound::ingest::ingest_raw_email(app, work).await
}
