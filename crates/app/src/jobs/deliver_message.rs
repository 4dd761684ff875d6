//! Hands one message to the mail server. Subject: the delivery.

use crate::{App, outbound};
use store::{ClaimedWork, StoreError};
use tokio_util::sync::CancellationToken;

pub async fn run(app: &App, work: &ClaimedWork, worker: &str, stop: &CancellationToken) -> Result<(), StoreError> {
    outbound::deliver::deliver(app, work, worker, stop).await
}
