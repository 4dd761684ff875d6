//! Erases what a deleted contact said. Subject: the contact.

use crate::{App, contacts};
use store::{ClaimedWork, StoreError};

pub async fn run(app: &App, work: &ClaimedWork) -> Result<(), StoreError> {
    contacts::erase::run(app, work).await
}
