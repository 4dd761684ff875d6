//! One mail given to the server: its recipients are named, it is written, and its end is said.
//!
//! Until the end is said, nothing has been sent, and whatever stops us says so. From then on only the server knows.

use super::deliver::unknown;
use super::settle::Insisting;
use crate::stopwatch::Stopwatch;
use crate::{App, jobs};
use domain::message::{DeliveryState, RefusedRecipient};
use domain::{EmailAddress, Failure, FailureClass};
use mail::smtp::{Addressed, Envelope, NotAddressed, SendOutcome, Session, Written};
use std::time::Duration;
use store::{ClaimedWork, DeliveryRecord, KillPoint, StoreError};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// Longer than this a part of it is given up; when its end was said, what became of it is then unknown. A slow line needs minutes for 35 MB.
pub(super) const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(1800);
/// After a stop was asked for, a mail has so long until its end is said. Most need a fraction of it; the rest of the stop's time belongs to the
/// server's answer.
const SAID_WITHIN: Duration = Duration::from_secs(2);

/// After so long, it is asked whose the mail is before its end is said. Whoever stood still in between for longer than a claim holds has lost it
/// to somebody who looked in Sent, sent it, or asked a person, and may have sent it under another id since: then no server would find out
/// that there are two. Most mails are handed over in a fraction of this. A suspended computer's timers stand still with it, hence
/// [`Stopwatch`].
const OURS_FOR_SURE: Duration = Duration::from_secs(2);

/// What became of one sending.
pub(super) enum Handed {
    /// A stop came before the mail's end was said.
    Withdrawn,
    /// Something of ours failed before the mail's end was said; the server had refused these.
    Broken(StoreError, Vec<RefusedRecipient>),
    NotAddressed(NotAddressed),
    /// The server took these as recipients, and this is what it said of the mail.
    To(Vec<EmailAddress>, SendOutcome),
}

impl Handed {
    /// The server has it.
    pub(super) fn is_taken(&self) -> bool {
        matches!(self, Self::To(_, SendOutcome::Accepted { .. } | SendOutcome::Duplicate { .. }))
    }
}

/// What has the server heard of a mail whose end was not said.
enum Unsaid<'s> {
    Written(Vec<EmailAddress>, Written<'s>),
    Over(Handed),
}

/// Gives the mail to the server. `begun`: when the claim was last kept up for sure. `Err`: the work was lost to another worker before the
/// mail's end was said, so that the mail is theirs.
pub(super) async fn hand_over(
    app: &App,
    work: &ClaimedWork,
    session: &mut Session,
    from: &EmailAddress,
    record: &DeliveryRecord,
    bytes: &[u8],
    begun: Stopwatch,
    stop: &CancellationToken,
) -> Result<Handed, StoreError> {
    let envelope = Envelope { from: from.clone(), to: record.delivery.recipients.round() };
    let unsaid = tokio::select! {
        biased;
        unsaid = before_its_end(app, work, session, envelope, record, bytes, begun) => unsaid?,
        // What was begun is dropped, and the session with it.
        () = too_late(stop) => {
            info!(delivery.id = %record.delivery.id, "a message is taken back from the mail server before its end was said: the worker stops");
            return Ok(Handed::Withdrawn);
        }
    };
    let (taken, written) = match unsaid {
        Unsaid::Written(taken, written) => (taken, written),
        Unsaid::Over(handed) => return Ok(handed),
    };
    let outcome = match tokio::time::timeout(ATTEMPT_TIMEOUT, written.end()).await {
        Ok(outcome) => outcome,
        Err(_) => SendOutcome::Unknown { failure: unknown("the attempt took too long") },
    };
    Ok(match outcome {
        // An earlier sending went through, to everybody it was for. When there was none, it was that of whoever took over while we stood still,
        // and they left out whom the server had refused us.
        SendOutcome::Duplicate { .. } if record.delivery.recipients.may_be_had() => {
            Handed::To(record.delivery.recipients.round(), outcome)
        }
        SendOutcome::Duplicate { .. }
        | SendOutcome::Accepted { .. }
        | SendOutcome::Rejected { .. }
        | SendOutcome::Unknown { .. } => Handed::To(taken, outcome),
    })
}

pub(super) async fn too_late(stop: &CancellationToken) {
    stop.cancelled().await;
    tokio::time::sleep(SAID_WITHIN).await;
}

async fn before_its_end<'s>(
    app: &App,
    work: &ClaimedWork,
    session: &'s mut Session,
    envelope: Envelope,
    record: &DeliveryRecord,
    bytes: &[u8],
    begun: Stopwatch,
) -> Result<Unsaid<'s>, StoreError> {
    let addressed = match tokio::time::timeout(ATTEMPT_TIMEOUT, session.address(&envelope, bytes)).await {
        Ok(Ok(addressed)) => addressed,
        Ok(Err(not)) => return Ok(Unsaid::Over(Handed::NotAddressed(not))),
        // The mail was not spoken of yet.
        Err(_) => {
            let failure = FailureClass::TimedOut.into();
            let not = NotAddressed { failure, refused: Vec::new(), named: true };
            return Ok(Unsaid::Over(Handed::NotAddressed(not)));
        }
    };
    let mut insisting = Insisting::on(record.delivery.id);
    let taken = loop {
        let remembered = match addressed.refused() {
            [] => Ok(envelope.to.clone()),
            refused => remember_refused(app, work, record, refused).await,
        };
        match remembered {
            Ok(taken) => break taken,
            Err(StoreError::LeaseLost) => return Err(StoreError::LeaseLost),
            Err(error) if insisting.again_after(app, &error).await => {}
            Err(error) => {
                warn!(delivery.id = %record.delivery.id, %error, "what a server said of recipients could not be written; the mail is not handed over");
                return Ok(Unsaid::Over(Handed::Broken(error, addressed.refused().to_vec())));
            }
        }
    };
    let written = match write(addressed).await {
        Ok(written) => written,
        Err(failure) => return Ok(Unsaid::Over(Handed::To(taken, SendOutcome::Rejected { failure }))),
    };
    if begun.elapsed(app) >= OURS_FOR_SURE {
        match keep(app, work, &mut insisting).await {
            Ok(()) => {}
            Err(StoreError::LeaseLost) => return Err(StoreError::LeaseLost),
            Err(error) => {
                warn!(delivery.id = %record.delivery.id, %error, "it could not be seen whose a message is; it is not handed over");
                return Ok(Unsaid::Over(Handed::Broken(error, Vec::new())));
            }
        }
    }
    Ok(Unsaid::Written(taken, written))
}

/// The mail stays ours for as long as a claim holds; `LeaseLost` when it is another's.
async fn keep(app: &App, work: &ClaimedWork, insisting: &mut Insisting) -> Result<(), StoreError> {
    loop {
        match app.store().relay().extend(work, jobs::LEASE).await {
            Ok(true) => return Ok(()),
            Ok(false) => return Err(StoreError::LeaseLost),
            Err(error) if insisting.again_after(app, &error).await => {}
            Err(error) => return Err(error),
        }
    }
}

async fn write(addressed: Addressed<'_>) -> Result<Written<'_>, Failure> {
    let timed_out = |_| Err(FailureClass::TimedOut.into());
    tokio::time::timeout(ATTEMPT_TIMEOUT, addressed.write()).await.unwrap_or_else(timed_out)
}

/// Written before the mail is handed over: if we die then and it is found in Sent, those who were refused are not thought to have it. Answers
/// whom the mail goes to.
async fn remember_refused(
    app: &App,
    work: &ClaimedWork,
    record: &DeliveryRecord,
    refused: &[RefusedRecipient],
) -> Result<Vec<EmailAddress>, StoreError> {
    let mut tx = work.scope.begin().await?;
    let record = tx.lock_delivery(record.delivery.id).await?.filter(|r| r.delivery.state == DeliveryState::Sending);
    let mut record = record.ok_or(StoreError::LeaseLost)?;
    tx.extend_work(work, jobs::LEASE).await?;
    record.delivery.recipients.hear(refused);
    tx.update_delivery(&record).await?;
    tx.commit().await?;
    app.passes(KillPoint::RefusalsWritten);
    Ok(record.delivery.recipients.round())
}
