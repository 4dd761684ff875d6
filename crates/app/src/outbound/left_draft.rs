//! A draft at Microsoft Graph that is not to be sent any more: the mailbox was switched back to SMTP while the mail waited, or was given another
//! From than the draft has.
//!
//! It may have left without anybody hearing of it. So what became of it is asked first: one that was sent settles the delivery, one that was not
//! is deleted, and only then may the mail leave otherwise. As long as nobody can say, nothing is sent.

use super::by_graph::{asked, lets_nobody_ask};
use super::deliver::{not_queued, unknown};
use super::handing::{ATTEMPT_TIMEOUT, too_late};
use super::patience::is_too_old;
use super::reconcile::{self, UNTIL_OPENED};
use super::settle::{self, Settled};
use crate::{App, jobs};
use domain::channel::{EmailChannel, SendTransport};
use domain::message::DeliveryState;
use domain::{Failure, FailureClass};
use mail::graph::{Client, DraftId, Standing};
use std::time::Duration;
use store::{ClaimedWork, DeliveryRecord, Handover, StoreError};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// What became of a draft.
enum Left {
    /// Under this Message-ID, if it is not ours.
    Sent(Option<String>),
    /// It was not sent, and is not there any more.
    Withdrawn,
    /// It is nowhere.
    Gone,
}

/// The delivery without a draft. `None`: it is settled, or waits; that is written.
pub(super) async fn taken_back(
    app: &App,
    work: &ClaimedWork,
    channel: &EmailChannel,
    record: DeliveryRecord,
    stop: &CancellationToken,
) -> Result<Option<DeliveryRecord>, StoreError> {
    let draft = match &record.handover {
        Handover::Smtp => return Ok(Some(record)),
        Handover::Graph { draft } => draft.clone().map(DraftId),
    };
    let id = record.delivery.id;
    let asked = tokio::time::timeout(ATTEMPT_TIMEOUT, Box::pin(withdraw(app, work, channel, &record, draft.as_ref())));
    let asked = tokio::select! {
        biased;
        asked = asked => asked.unwrap_or_else(|_| Err(FailureClass::TimedOut.into())),
        // Nothing is sent yet, and what was deleted is found to be gone.
        () = too_late(stop) => {
            app.store().relay().release(work, Duration::ZERO).await?;
            return Ok(None);
        }
    };
    let left = match asked {
        Ok(Left::Gone) => match reconcile::in_sent(app, work, channel, &record).await {
            Ok(Some(found)) => Ok(Left::Sent(found.rewritten)),
            Ok(None) => Ok(Left::Gone),
            Err(error) => Err(error.into_failure()?),
        },
        left => left,
    };
    match left {
        Ok(Left::Sent(rewritten)) => {
            info!(delivery.id = %id, "the draft that was to be taken back had left");
            settle::found_sent(app, work, &record, rewritten).await?;
        }
        Ok(Left::Withdrawn) => return has_none(app, work, record).await,
        // A copy in Sent may come late, or have been deleted: Sent is looked into some more, and then a person knows.
        Ok(Left::Gone) => {
            reconcile::begin(app, work, id, unknown("its draft is gone, and no copy of it is in Sent")).await?;
        }
        Err(failure) if failure.class == FailureClass::HostBusy => settle::without_slot(app, work, id, failure).await?,
        // No draft was ever sent: its id is written before.
        Err(failure) if draft.is_none() => {
            warn!(delivery.id = %id, %failure, "a draft may stay in the mailbox");
            return has_none(app, work, record).await;
        }
        Err(failure) => {
            warn!(delivery.id = %id, %failure, "what became of a draft could not be asked; its mail does not leave otherwise yet");
            waits(app, work, channel, &record, failure).await?;
        }
    }
    Ok(None)
}

async fn withdraw(
    app: &App,
    work: &ClaimedWork,
    channel: &EmailChannel,
    record: &DeliveryRecord,
    draft: Option<&DraftId>,
) -> Result<Left, Failure> {
    let ours = &record.message_id_header;
    asked(app, work, channel, |client| async move { withdrawn_by(&client, ours, draft).await }).await
}

async fn withdrawn_by(client: &Client, ours: &str, draft: Option<&DraftId>) -> Result<Left, Failure> {
    let Some(draft) = draft else {
        client.discard(ours).await?;
        return Ok(Left::Withdrawn);
    };
    let sent = |message_id: Option<String>| Ok(Left::Sent(message_id.filter(|id| id != ours)));
    match client.look(draft).await? {
        Standing::Sent { message_id } => return sent(message_id),
        Standing::Gone => return Ok(Left::Gone),
        Standing::Draft => {}
    }
    // First from the folder of drafts, where nothing is that was sent meanwhile.
    client.discard(ours).await?;
    match client.look(draft).await? {
        Standing::Sent { message_id } => sent(message_id),
        Standing::Gone => Ok(Left::Withdrawn),
        // Somebody has moved it.
        Standing::Draft => client.delete(draft).await.map(|()| Left::Withdrawn),
    }
}

/// Nothing is left of it at Graph.
async fn has_none(app: &App, work: &ClaimedWork, record: DeliveryRecord) -> Result<Option<DeliveryRecord>, StoreError> {
    let id = record.delivery.id;
    let mut tx = work.scope.begin().await?;
    let mut locked = tx.lock_delivery(id).await?.ok_or(StoreError::LeaseLost)?;
    tx.extend_work(work, jobs::LEASE).await?;
    if locked.delivery.state != DeliveryState::Queued {
        // A person cancelled it meanwhile.
        drop(tx);
        not_queued(app, work, id, locked.delivery.state).await?;
        return Ok(None);
    }
    locked.handover = Handover::Smtp;
    tx.update_delivery(&locked).await?;
    tx.commit().await?;
    Ok(Some(locked))
}

/// Where Graph lets nobody ask, and the mailbox does not need it any more, Sent must tell, and then a person.
async fn waits(
    app: &App,
    work: &ClaimedWork,
    channel: &EmailChannel,
    record: &DeliveryRecord,
    failure: Failure,
) -> Result<(), StoreError> {
    let id = record.delivery.id;
    if is_too_old(app, &record.delivery) {
        let failure = unknown(&format!("what became of its draft could not be asked: {failure}"));
        return settle::settle(app, work, id, Settled::Unknown { failure, look_in: None }).await;
    }
    if channel.send_transport == SendTransport::Smtp && lets_nobody_ask(&failure) {
        return reconcile::begin(app, work, id, failure).await;
    }
    let wait = failure.retry_after().unwrap_or(UNTIL_OPENED);
    settle::settle(app, work, id, Settled::Queued { failure, refused: Vec::new(), wait: Some(wait) }).await
}
