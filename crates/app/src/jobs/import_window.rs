//! Imports a slice of a mailbox's past, and asks for the next. Subject: the channel.

use crate::{App, inbound};
use store::{ClaimedWork, StoreError};

pub async fn run(app: &App, work: &ClaimedWork) -> Result<(), StoreError> {
    inbound::import::run(app, work).await
}
