//! Looks whether a message whose outcome is unknown was sent. Subject: the delivery.

use crate::{App, outbound};
use store::{ClaimedWork, StoreError};

pub async fn run(app: &App, work: &ClaimedWork) -> Result<(), StoreError> {
    outbound::reconcile::reconcile(app, work).await
}
