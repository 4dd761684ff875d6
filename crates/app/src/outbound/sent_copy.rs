//! A copy of what was sent, put into the mailbox's Sent folder where the provider leaves none: Exchange files what is submitted by SMTP with
//! whoever signed in, also when it was sent as a shared mailbox (docs/COMPATIBILITY.md).
//!
//! It is looked for first: administrators can have Exchange file a copy there as well, and an answer to an earlier try may have been lost. So
//! it is there once, however often this is done. The message itself was sent; nothing here says otherwise.

use super::patience::LONGEST_WAIT;
use super::reconcile::copy_in;
use crate::inbound::MailboxError;
use crate::inbound::mailbox::{INBOX, sign_in};
use crate::jobs::file_sent_copy::Payload;
use crate::{App, jobs};
use domain::channel::EmailChannel;
use domain::failure::backoff;
use domain::{DeliveryId, Failure, FailureClass};
use serde_json::json;
use std::time::Duration;
use store::{ClaimedWork, DeliveryRecord, OwedKind, OwedPriority, StoreError, Tx};
use tracing::{info, warn};

const FIRST_WAIT: Duration = Duration::from_secs(60);
/// With the waits between them, about three days.
const MOST_TRIES: u32 = 150;

/// In the transaction that says that it was sent. The provider's own copy, where there is one after all, comes first.
pub(super) async fn owe(
    app: &App,
    tx: &mut Tx,
    record: &DeliveryRecord,
    rewritten: Option<&str>,
) -> Result<(), StoreError> {
    let Some(blob) = record.composed_blob_id else { return Ok(()) };
    let payload = json!({"message_id": record.message_id_header, "rewritten": rewritten, "blob_id": blob.0});
    let wait = app.settings().reconcile_looks.first().copied().unwrap_or_default();
    let due_at = Some(app.now().plus(wait));
    tx.owe(OwedKind::FileSentCopy, record.delivery.id.0, payload, OwedPriority::Normal, due_at).await?;
    Ok(())
}

/// The job.
pub async fn file(app: &App, work: &ClaimedWork) -> Result<(), StoreError> {
    let relay = app.store().relay();
    let payload = Payload::of(work).map_err(|error| StoreError::Corrupt(format!("a copy's payload ({error})")))?;
    let record = work.scope.delivery(DeliveryId(work.subject_id)).await?;
    let channel = match record.and_then(|record| record.channel_id) {
        Some(channel) => work.scope.channel(channel).await?,
        None => None,
    };
    let bytes = work.scope.read_blob(payload.blob()).await?;
    let (Some(channel), Some(bytes)) = (channel, bytes) else {
        // The message, its mailbox or its bytes are gone.
        relay.finish(work).await?;
        return Ok(());
    };
    match file_with(app, work, &channel, &payload, &bytes).await {
        Ok(()) => {
            relay.finish(work).await?;
            Ok(())
        }
        Err(error) => match error.into_failure()? {
            busy if busy.class == FailureClass::HostBusy => {
                relay.release(work, jobs::UNTIL_SLOT).await?;
                Ok(())
            }
            trouble => {
                warn!(delivery.id = work.subject_id, failure = %trouble, "a copy could not be put into Sent");
                if work.attempts >= MOST_TRIES {
                    return give_up(work, &trouble).await;
                }
                let wait = backoff(work.attempts, FIRST_WAIT, LONGEST_WAIT, app.jitter());
                relay.retry(work, trouble.retry_after().unwrap_or(wait), &trouble).await?;
                Ok(())
            }
        },
    }
}

async fn file_with(
    app: &App,
    work: &ClaimedWork,
    channel: &EmailChannel,
    payload: &Payload,
    bytes: &[u8],
) -> Result<(), MailboxError> {
    let (mut session, _) = sign_in(app, &work.scope, channel, INBOX).await?;
    let Some(sent) = session.sent_folder().await? else {
        info!(delivery.id = work.subject_id, "the mailbox has no Sent folder to keep a copy in");
        session.logout().await;
        return Ok(());
    };
    let found = copy_in(&mut session, &sent.name, &payload.message_id, payload.rewritten.as_deref()).await?;
    if found.is_none() {
        // Whoever lost the claim while they looked leaves it to whoever has it.
        if !app.store().relay().extend(work, jobs::LEASE).await? {
            return Err(MailboxError::LeaseLost);
        }
        session.append(&sent.name, bytes).await?;
        info!(delivery.id = work.subject_id, "put a copy into Sent");
    }
    session.logout().await;
    Ok(())
}

/// The message was sent, and its mailbox has no copy; the row stays and says why.
pub async fn give_up(work: &ClaimedWork, failure: &Failure) -> Result<(), StoreError> {
    let mut tx = work.scope.begin().await?;
    tx.fail_work(work, failure).await?;
    tx.commit().await?;
    Ok(())
}
