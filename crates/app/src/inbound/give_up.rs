//! Work on mail that came in which broke down again and again, or that cannot be read.
//!
//! The mail itself is kept: a raw mail stands in the quarantine with the reason, and an import that failed has lost nothing that it stored.

use crate::{App, Hint};
use domain::channel::{ImportProgress, ImportState};
use domain::{ChannelId, Failure};
use store::{ClaimedWork, StoreError};

pub async fn import(work: &ClaimedWork, failure: &Failure) -> Result<(), StoreError> {
    let channel = work.scope.channel(ChannelId(work.subject_id)).await?;
    let mut tx = work.scope.begin().await?;
    if let Some(channel) = channel.filter(|channel| channel.import.state != ImportState::Done) {
        let ended = ImportProgress { state: ImportState::Failed, ..channel.import };
        tx.update_import(channel.id, &ended).await?;
    }
    tx.fail_work(work, failure).await?;
    tx.commit().await?;
    Ok(())
}

pub async fn raw_email(app: &App, work: &ClaimedWork, failure: &Failure) -> Result<(), StoreError> {
    app.store().relay().fail(work, failure).await?;
    app.wake(Hint::Account(work.scope.account_id()));
    Ok(())
}
