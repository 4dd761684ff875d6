//! Hands one message to the mail server. Subject: the delivery.

use crate::{App, outbound};
use store::{ClaimedWork, StoreError};

pub async fn run(app: &App, work: &ClaimedWork, worker: &str) -> Result<(), StoreError> {
    outbound::deliver::deliver(app, work, worker).await
}
