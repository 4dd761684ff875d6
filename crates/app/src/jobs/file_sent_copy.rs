//! Puts a copy of what was sent into the mailbox's Sent folder. Subject: the delivery.

use crate::{App, outbound};
use domain::BlobId;
use serde::{Deserialize, Serialize};
use store::{ClaimedWork, StoreError};

/// The sending, as it was: a later one of the same message has another id.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Payload {
    pub message_id: String,
    #[serde(default)]
    pub rewritten: Option<String>,
    pub blob_id: i64,
}

impl Payload {
    pub fn of(work: &ClaimedWork) -> Result<Self, serde_json::Error> {
        serde_json::from_str(&work.payload)
    }

    pub fn blob(&self) -> BlobId {
        BlobId(self.blob_id)
    }
}

pub async fn run(app: &App, work: &ClaimedWork) -> Result<(), StoreError> {
    outbound::sent_copy::file(app, work).await
}
