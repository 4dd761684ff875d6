//! Looks whether a message whose outcome is unknown was sent. Subject: the delivery.

use crate::{App, outbound};
use std::time::Duration;
use store::{ClaimedWork, StoreError};

pub const LEASE: Duration = Duration::from_secs(180);

pub async fn run(app: &App, work: &ClaimedWork) -> Result<(), StoreError> {
    outbound::reconcile::reconcile(app, work).await
}
