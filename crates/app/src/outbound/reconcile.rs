//! The outcome of a submission is unknown: the connection was lost behind DATA, or the worker died.
//!
//! The mail is looked for in Sent, under our Message-ID and under the one the provider may have given it. Found: it was sent. Not found
//! proves nothing, because copies come late or not at all; after some looks it is sent again with the same Message-ID where the
//! provider swallows a second copy, and else waits for a person. What left through Graph is decided by its draft ([`super::by_graph`]).

use super::by_graph::{self, Looked};
use super::patience::is_too_old;
use super::settle::{self, Settled};
use crate::inbound::MailboxError;
use crate::inbound::mailbox::{INBOX, sign_in};
use crate::{App, jobs};
use domain::channel::{EmailChannel, SendTransport};
use domain::failure::backoff;
use domain::message::DeliveryState;
use domain::{DeliveryId, Failure, FailureClass};
use mail::imap::Session;
use mail::parse;
use std::time::Duration;
use store::{ClaimedWork, DeliveryRecord, Handover, StoreError};
use tracing::{info, warn};

/// What Outlook.com keeps of our Message-ID when it gives the mail another (docs/COMPATIBILITY.md).
const ORIGINAL_ID: &str = "X-Microsoft-Original-Message-ID";
/// Copies read in one look: there is one, or by accident two.
const COPIES_READ: usize = 3;
/// How soon to look again when the mailbox could not be opened.
pub(super) const UNTIL_OPENED: Duration = Duration::from_secs(60);
pub(super) const LONGEST_WAIT: Duration = Duration::from_secs(15 * 60);

/// The delivery's outcome is unknown from here on, and somebody owes a look.
pub(super) async fn begin(app: &App, work: &ClaimedWork, id: DeliveryId, failure: Failure) -> Result<(), StoreError> {
    let failure = match failure.class {
        FailureClass::OutcomeUnknown => failure,
        class => Failure { class: FailureClass::OutcomeUnknown, ..failure }.detail(class.code()),
    };
    warn!(delivery.id = %id, %failure, "it is not known whether a message was sent");
    let look_in = Some(app.settings().reconcile_looks.first().copied().unwrap_or_default());
    settle::settle(app, work, id, Settled::Unknown { failure, look_in }).await
}

/// The job: one look.
pub async fn reconcile(app: &App, work: &ClaimedWork) -> Result<(), StoreError> {
    let relay = app.store().relay();
    let id = DeliveryId(work.subject_id);
    let record = work.scope.delivery(id).await?.filter(|r| r.delivery.state == DeliveryState::OutcomeUnknown);
    let Some(record) = record else {
        relay.finish(work).await?;
        return Ok(());
    };
    let channel = match record.channel_id {
        Some(channel) => work.scope.channel(channel).await?,
        None => None,
    };
    let failure = record.delivery.failure.clone().unwrap_or_else(|| FailureClass::OutcomeUnknown.into());
    let Some(channel) = channel else {
        return settle::settle(app, work, id, Settled::Unknown { failure, look_in: None }).await;
    };
    if let Handover::Graph { draft } = &record.handover {
        match by_graph::look(app, work, &channel, &record, draft.clone(), &failure).await? {
            Looked::Decided => return Ok(()),
            Looked::Gone => {}
        }
    }
    match in_sent(app, work, &channel, &record).await {
        Ok(Some(found)) => {
            info!(delivery.id = %id, "the message was found in Sent");
            settle::found_sent(app, work, &record, found.rewritten).await
        }
        Ok(None) => not_found(app, work, &channel, record, failure).await,
        Err(error) => match error.into_failure()? {
            busy if busy.class == FailureClass::HostBusy => {
                relay.release(work, jobs::UNTIL_SLOT).await?;
                Ok(())
            }
            trouble => {
                // No look was taken, so none is counted; but nobody waits for ever.
                warn!(delivery.id = %id, failure = %trouble, "Sent could not be looked into");
                if is_too_old(app, &record.delivery) {
                    return settle::settle(app, work, id, Settled::Unknown { failure, look_in: None }).await;
                }
                let wait = backoff(work.attempts, UNTIL_OPENED, LONGEST_WAIT, app.jitter());
                relay.retry(work, trouble.retry_after().unwrap_or(wait), &trouble).await?;
                Ok(())
            }
        },
    }
}

async fn not_found(
    app: &App,
    work: &ClaimedWork,
    channel: &EmailChannel,
    record: DeliveryRecord,
    failure: Failure,
) -> Result<(), StoreError> {
    let id = record.delivery.id;
    let mut tx = work.scope.begin().await?;
    // Whoever lost the claim while they looked counts nothing: a person may have asked for another try meanwhile.
    tx.extend_work(work, jobs::LEASE).await?;
    let Some(mut record) = tx.lock_delivery(id).await?.filter(|r| r.delivery.state == DeliveryState::OutcomeUnknown)
    else {
        tx.finish_work(work).await?;
        tx.commit().await?;
        return Ok(());
    };
    record.looks += 1;
    let looks = record.looks;
    tx.update_delivery(&record).await?;
    tx.commit().await?;
    let plan = &app.settings().reconcile_looks;
    let settled = match plan.get(looks as usize) {
        Some(wait) => Settled::Unknown { failure, look_in: Some(*wait) },
        // Once, and never again by itself: a server that always hangs up after the dot would otherwise be sent to for ever.
        None if looks as usize == plan.len()
            && channel.provider.capabilities().dedupes_by_message_id
            && record.handover == Handover::Smtp
            // Through Graph it would be another sending, of which nothing is said to be swallowed.
            && channel.send_transport == SendTransport::Smtp =>
        {
            info!(delivery.id = %id, looks, "not found in Sent: sending again with the same Message-ID");
            Settled::Queued { failure, refused: Vec::new(), wait: Some(Duration::ZERO) }
        }
        None => Settled::Unknown { failure, look_in: None },
    };
    settle::settle(app, work, id, settled).await
}

/// A copy in Sent.
pub(super) struct Found {
    /// Its Message-ID, when it is not ours.
    pub(super) rewritten: Option<String>,
}

/// The mail's copy in Sent.
pub(super) async fn in_sent(
    app: &App,
    work: &ClaimedWork,
    channel: &EmailChannel,
    record: &DeliveryRecord,
) -> Result<Option<Found>, MailboxError> {
    let (mut session, _) = sign_in(app, &work.scope, channel, INBOX).await?;
    let found = match session.sent_folder().await {
        Ok(Some(sent)) => {
            let (ours, rewritten) = (&record.message_id_header, record.rewritten_message_id.as_deref());
            copy_in(&mut session, &sent.name, ours, rewritten).await
        }
        Ok(None) => Ok(None),
        Err(failure) => Err(failure),
    };
    session.logout().await;
    Ok(found?)
}

/// `None`: it is not in this folder. A list of folders that cannot be believed, and a Sent folder that is listed and cannot be opened, are
/// failures, and no look.
pub(super) async fn copy_in(
    session: &mut Session,
    folder: &str,
    ours: &str,
    rewritten: Option<&str>,
) -> Result<Option<Found>, Failure> {
    session.examine(folder).await?;
    let mut uids = session.search_message_id(ours).await?;
    uids.extend(session.search_header(ORIGINAL_ID, ours).await?);
    if let Some(rewritten) = rewritten {
        uids.extend(session.search_message_id(rewritten).await?);
    }
    uids.sort_unstable();
    uids.dedup();
    let newest = uids.len().saturating_sub(COPIES_READ);
    // What the server found is not believed (some search by substring): the mail itself must say so.
    for header in session.fetch_headers(&uids[newest..]).await? {
        let copy = parse::parse(&header.bytes, header.bytes.len());
        let original = copy.original_message_id.as_deref() == Some(ours);
        match copy.message_id {
            Some(found) if found == ours => return Ok(Some(Found { rewritten: None })),
            Some(found) if original || Some(found.as_str()) == rewritten => {
                return Ok(Some(Found { rewritten: Some(found) }));
            }
            Some(_) | None => {}
        }
    }
    Ok(None)
}
