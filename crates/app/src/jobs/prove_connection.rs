//! Proves the mailbox of a sign-in. Subject: the connection.

use crate::{App, channels};
use store::{ClaimedWork, StoreError};

pub async fn run(app: &App, work: &ClaimedWork) -> Result<(), StoreError> {
    channels::verify::prove(app, work).await
}
