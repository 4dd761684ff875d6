//! Sends a mail of the installation's own. Subject: the mail.

use crate::{App, accounts};
use store::{ClaimedWork, StoreError};

pub async fn run(app: &App, work: &ClaimedWork) -> Result<(), StoreError> {
    accounts::notices::send(app, work).await
}
