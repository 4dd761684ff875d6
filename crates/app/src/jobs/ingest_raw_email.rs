//! Ingests one stored mail that was left over. Subject: the raw mail; the row is its own owed work.

use crate::{App, inbound};
use store::{ClaimedWork, StoreError};

pub async fn run(app: &App, work: &ClaimedWork) -> Result<(), StoreError> {
    inbound::ingest::ingest_raw_email(app, work).await
}
