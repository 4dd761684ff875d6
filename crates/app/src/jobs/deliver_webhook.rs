//! Tells a webhook of an event. Subject: the telling.

use crate::{App, webhooks};
use store::{ClaimedWork, StoreError};

pub async fn run(app: &App, work: &ClaimedWork) -> Result<(), StoreError> {
    webhooks::deliver::deliver(app, work).await
}
