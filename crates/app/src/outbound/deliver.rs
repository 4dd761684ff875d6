//! One attempt to hand a message to the mail server.
//!
//! Everything that can fail without doubt (token, connection, sign-in) comes first. Then `sending` is committed, and only then MAIL FROM
//! is said: a row that says `sending` and has lost its lease may or may not have been sent, and is never simply sent again
//! ([`super::reconcile`]). One mailbox sends one message at a time, at its provider's pace. While sending is blocked the message waits,
//! with the reason shown, until somebody mends it.

use super::composing::{Unbuildable, composed};
use super::patience::{UNTIL_MENDED, is_too_old, wait_after};
use super::settle::{self, Settled};
use super::{ids, pace, reconcile};
use crate::{App, Hint, channels, jobs};
use domain::account::AccountStatus;
use domain::channel::EmailChannel;
use domain::message::{DeliveryState, RefusedRecipient};
use domain::{DeliveryId, EmailAddress, Failure, FailureClass, Retry, Secret};
use mail::smtp::{Envelope, NotAddressed, SendOutcome, Session, SmtpLogin};
use oauth::Resource;
use std::time::Duration;
use store::{ClaimedWork, DeliveryRecord, KillPoint, SendLease, StoreError};
use tracing::{info, warn};

/// Longer than this an attempt is given up; what became of it is then unknown. A slow line needs minutes for 35 MB.
pub const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(1800);
/// Somebody else sends from this mailbox at the moment: how long one message takes, about.
const UNTIL_FREE: Duration = Duration::from_secs(1);
const UNTIL_RESUMED: Duration = Duration::from_secs(300);

/// The job. `worker` names this process in the leases, for diagnosis.
pub async fn deliver(app: &App, work: &ClaimedWork, worker: &str) -> Result<(), StoreError> {
    let relay = app.store().relay();
    let id = DeliveryId(work.subject_id);
    let Some(record) = work.scope.delivery(id).await? else {
        relay.finish(work).await?;
        return Ok(());
    };
    if record.delivery.state != DeliveryState::Queued {
        return not_queued(app, work, id, record.delivery.state).await;
    }
    // Deleted while an attempt was under way that did not succeed: no further one follows.
    if work.scope.message_by_id(record.delivery.message_id).await?.is_none_or(|message| message.deleted) {
        return settle::settle(app, work, id, Settled::failed(FailureClass::MessageDeleted)).await;
    }
    if work.scope.account().await?.status == AccountStatus::Suspended {
        relay.release(work, UNTIL_RESUMED).await?;
        return Ok(());
    }
    let channel = match record.channel_id {
        Some(channel) => work.scope.channel(channel).await?,
        None => None,
    };
    let Some(channel) = channel else {
        return settle::settle(app, work, id, Settled::failed(FailureClass::ChannelRemoved)).await;
    };
    if !channel.send_health.state.is_tried() {
        let failure = channel.send_health.failure.clone().unwrap_or_else(|| FailureClass::SendingRefused.into());
        return wait_for_somebody(app, work, &record, failure).await;
    }
    let sent = work.scope.sent_since(channel.id, app.now().minus(pace::WINDOW)).await?;
    if let Some(each) = pace::each(&channel.provider.capabilities(), sent) {
        return wait_in_line(app, work, &channel, id, each).await;
    }
    let Some(lease) = work.scope.claim_send_lease(channel.id, worker, jobs::LEASE).await? else {
        return wait_in_line(app, work, &channel, id, UNTIL_FREE).await;
    };
    let ended = holding(work, &lease, Box::pin(attempt(app, work, &channel, record))).await;
    work.scope.release_send_lease(&lease).await?;
    // Whoever waited longest is next, and need not ask again first.
    if work.scope.call_next_delivery(channel.id).await? {
        app.wake(Hint::Owed);
    }
    ended
}

/// Asks again when it is this message's turn in a line that moves on by one every `each`.
async fn wait_in_line(
    app: &App,
    work: &ClaimedWork,
    channel: &EmailChannel,
    id: DeliveryId,
    each: Duration,
) -> Result<(), StoreError> {
    let ahead = work.scope.queued_before(channel.id, id).await?;
    app.store().relay().release(work, pace::in_line(each, ahead)).await.map(drop)
}

/// There is nothing to send, or nothing yet.
async fn not_queued(app: &App, work: &ClaimedWork, id: DeliveryId, state: DeliveryState) -> Result<(), StoreError> {
    match state {
        // Claimed anew in this state: whoever sent it is gone, and took the answer with them.
        DeliveryState::Sending => reconcile::begin(app, work, id, unknown("the sender stopped in the middle")).await,
        DeliveryState::Queued
        | DeliveryState::Sent
        | DeliveryState::OutcomeUnknown
        | DeliveryState::Failed
        | DeliveryState::Bounced => app.store().relay().finish(work).await.map(drop),
    }
}

/// Keeps the right to send through the mailbox while the attempt runs. An attempt is never interrupted between MAIL FROM and the answer,
/// except by its end.
async fn holding(
    work: &ClaimedWork,
    lease: &SendLease,
    attempt: impl Future<Output = Result<(), StoreError>>,
) -> Result<(), StoreError> {
    let keep = async {
        loop {
            tokio::time::sleep(jobs::KEEP_EVERY).await;
            if !matches!(work.scope.extend_send_lease(lease, jobs::LEASE).await, Ok(true)) {
                warn!(delivery.id = work.subject_id, "the mailbox's send lease could not be kept");
            }
        }
    };
    jobs::keeping(attempt, keep).await
}

async fn attempt(
    app: &App,
    work: &ClaimedWork,
    channel: &EmailChannel,
    record: DeliveryRecord,
) -> Result<(), StoreError> {
    let id = record.delivery.id;
    let record = ids::unused(app, work, channel, record).await?;
    let bytes = match composed(&work.scope, channel, &record).await {
        Ok(built) => built,
        Err(Unbuildable::Store(error)) => return Err(error),
        Err(Unbuildable::Failure(failure)) => {
            return settle::settle(app, work, id, Settled::Failed { failure, refused: Vec::new() }).await;
        }
    };
    let mut session = match sign_in(app, work, channel).await {
        Ok(session) => session,
        Err(failure) => return not_begun(app, work, channel, &record, failure).await,
    };
    let record = match begin(work, id).await {
        Ok(Begun::Sending(record)) => record,
        // A person cancelled it while we signed in.
        Ok(Begun::Not(state)) => {
            session.quit().await;
            return not_queued(app, work, id, state).await;
        }
        Err(error) => {
            session.quit().await;
            return Err(error);
        }
    };
    info!(delivery.id = %id, attempts = record.delivery.attempts, "handing a message to the mail server");
    app.passes(KillPoint::Sending);
    let handed = hand_over(app, work, &mut session, &channel.from_address, &record, &bytes).await?;
    ended(app, work, channel, &record, handed).await?;
    if session.is_usable() {
        session.quit().await;
    }
    Ok(())
}

enum Begun {
    Sending(Box<DeliveryRecord>),
    /// It is not queued any more.
    Not(DeliveryState),
}

/// Commits `queued` → `sending`, before MAIL FROM, so that a crash can never look like "not tried yet". The claim is kept up in the same
/// transaction: whoever lost it to another worker says nothing to the server, and nobody can take it in that moment.
async fn begin(work: &ClaimedWork, id: DeliveryId) -> Result<Begun, StoreError> {
    let mut tx = work.scope.begin().await?;
    let mut record = tx.lock_delivery(id).await?.ok_or(StoreError::LeaseLost)?;
    tx.extend_work(work, jobs::LEASE).await?;
    if record.delivery.state != DeliveryState::Queued {
        return Ok(Begun::Not(record.delivery.state));
    }
    record.delivery.state = DeliveryState::Sending;
    record.delivery.attempts += 1;
    record.delivery.next_try_at = None;
    record.delivery.recipients.begin();
    tx.update_delivery(&record).await?;
    tx.commit().await?;
    Ok(Begun::Sending(Box::new(record)))
}

/// What became of one sending.
enum Handed {
    NotAddressed(NotAddressed),
    /// The server took these as recipients, and this is what it said of the mail.
    To(Vec<EmailAddress>, SendOutcome),
}

async fn hand_over(
    app: &App,
    work: &ClaimedWork,
    session: &mut Session,
    from: &EmailAddress,
    record: &DeliveryRecord,
    bytes: &[u8],
) -> Result<Handed, StoreError> {
    let envelope = Envelope { from: from.clone(), to: record.delivery.recipients.round() };
    let addressed = match tokio::time::timeout(ATTEMPT_TIMEOUT, session.address(&envelope, bytes)).await {
        Ok(Ok(addressed)) => addressed,
        Ok(Err(not)) => return Ok(Handed::NotAddressed(not)),
        // The mail was not spoken of yet.
        Err(_) => {
            let failure = FailureClass::TimedOut.into();
            return Ok(Handed::NotAddressed(NotAddressed { failure, refused: Vec::new() }));
        }
    };
    let taken = match addressed.refused() {
        [] => envelope.to,
        refused => remember_refused(app, work, record.delivery.id, refused).await?,
    };
    let outcome = match tokio::time::timeout(ATTEMPT_TIMEOUT, addressed.hand_over()).await {
        Ok(outcome) => outcome,
        Err(_) => SendOutcome::Unknown { failure: unknown("the attempt took too long") },
    };
    Ok(match outcome {
        // An earlier sending went through, to everybody it was for.
        SendOutcome::Duplicate { .. } => Handed::To(record.delivery.recipients.round(), outcome),
        SendOutcome::Accepted { .. } | SendOutcome::Rejected { .. } | SendOutcome::Unknown { .. } => {
            Handed::To(taken, outcome)
        }
    })
}

/// Written before the mail is handed over: if we die then and it is found in Sent, those who were refused are not thought to have it. Answers
/// whom the mail goes to.
async fn remember_refused(
    app: &App,
    work: &ClaimedWork,
    id: DeliveryId,
    refused: &[RefusedRecipient],
) -> Result<Vec<EmailAddress>, StoreError> {
    let mut tx = work.scope.begin().await?;
    let record = tx.lock_delivery(id).await?.filter(|r| r.delivery.state == DeliveryState::Sending);
    let mut record = record.ok_or(StoreError::LeaseLost)?;
    tx.extend_work(work, jobs::LEASE).await?;
    record.delivery.recipients.hear(refused);
    tx.update_delivery(&record).await?;
    tx.commit().await?;
    app.passes(KillPoint::RefusalsWritten);
    Ok(record.delivery.recipients.round())
}

/// Signs in for sending; a refusal is tried once more with a fresh token.
async fn sign_in(app: &App, work: &ClaimedWork, channel: &EmailChannel) -> Result<Session, Failure> {
    let Some(grant) = channel.grant_id else { return Err(FailureClass::ChannelRemoved.into()) };
    let open = async |token: Secret| {
        let login = SmtpLogin { endpoint: app.settings().smtp.clone(), user: channel.smtp_user.clone(), token };
        Session::open(app.connector(), &login).await
    };
    let token = channels::refresh::access_token(app, &work.scope, grant, Resource::Outlook).await;
    match open(token?).await {
        Err(failure) if failure.class.retry() == Retry::FreshToken => {
            info!(channel.id = %channel.id, %failure, "the sign-in for sending was refused; trying once with a fresh token");
            let token = channels::refresh::fresh_access_token(app, &work.scope, grant, Resource::Outlook).await;
            open(token?).await
        }
        ended => ended,
    }
}

/// Nothing was said about the message yet: it stays queued, and the mailbox's sending has a state.
async fn not_begun(
    app: &App,
    work: &ClaimedWork,
    channel: &EmailChannel,
    record: &DeliveryRecord,
    failure: Failure,
) -> Result<(), StoreError> {
    let wait = wait_after(app, &failure, record.delivery.attempts.max(work.attempts));
    let next_try = app.now().plus(wait);
    warn!(channel.id = %channel.id, %failure, "cannot sign in for sending");
    channels::health::record_send(app, &work.scope, channel.id, Err(&failure), Some(next_try)).await?;
    match failure.class.retry() {
        Retry::Never => wait_for_somebody(app, work, record, failure).await,
        Retry::Later | Retry::FreshToken | Retry::Done => {
            queue_again(app, work, record, failure, Vec::new(), wait).await
        }
    }
}

async fn ended(
    app: &App,
    work: &ClaimedWork,
    channel: &EmailChannel,
    record: &DeliveryRecord,
    handed: Handed,
) -> Result<(), StoreError> {
    let sent = |whom: Vec<EmailAddress>, rewritten: Option<String>| {
        let under = record.message_id_header.clone();
        settle::settle(app, work, record.delivery.id, Settled::Sent { whom, under, rewritten })
    };
    // First what cannot be learnt twice; a channel's health is told again by the next message.
    match handed {
        Handed::To(whom, SendOutcome::Accepted { rewritten_message_id, reply: _ }) => {
            app.passes(KillPoint::Answered);
            sent(whom, rewritten_message_id).await?;
            record_health(app, work, channel, Ok(()), Duration::ZERO).await;
            Ok(())
        }
        Handed::To(whom, SendOutcome::Duplicate { reply: _ }) => {
            sent(whom, None).await?;
            record_health(app, work, channel, Ok(()), Duration::ZERO).await;
            Ok(())
        }
        Handed::To(_, SendOutcome::Unknown { failure }) => {
            reconcile::begin(app, work, record.delivery.id, failure).await
        }
        Handed::To(_, SendOutcome::Rejected { failure }) => {
            rejected(app, work, channel, record, NotAddressed { failure, refused: Vec::new() }).await
        }
        Handed::NotAddressed(not) => rejected(app, work, channel, record, not).await,
    }
}

/// Nobody got it now.
async fn rejected(
    app: &App,
    work: &ClaimedWork,
    channel: &EmailChannel,
    record: &DeliveryRecord,
    not: NotAddressed,
) -> Result<(), StoreError> {
    let NotAddressed { failure, refused } = not;
    let id = record.delivery.id;
    let wait = wait_after(app, &failure, record.delivery.attempts);
    let of_the_mailbox = meets_every_message(failure.class).then(|| failure.clone());
    match failure.class.retry() {
        // Said before its time, and no less clear for that.
        Retry::Done => {
            let (whom, under) = (record.delivery.recipients.round(), record.message_id_header.clone());
            settle::settle(app, work, id, Settled::Sent { whom, under, rewritten: None }).await?;
        }
        Retry::Later | Retry::FreshToken => queue_again(app, work, record, failure, refused, wait).await?,
        // It waits as those behind it do, and leaves with them.
        Retry::Never if of_the_mailbox.is_some() && !is_too_old(app, &record.delivery) => {
            settle::settle(app, work, id, Settled::Queued { failure, refused, wait: None }).await?;
        }
        Retry::Never => settle::settle(app, work, id, Settled::Failed { failure, refused }).await?,
    }
    if let Some(failure) = of_the_mailbox {
        record_health(app, work, channel, Err(&failure), wait).await;
    }
    Ok(())
}

/// Whether the mailbox sends. What became of the message is written already, and stays written when this cannot be.
async fn record_health(
    app: &App,
    work: &ClaimedWork,
    channel: &EmailChannel,
    outcome: Result<(), &Failure>,
    wait: Duration,
) {
    let next_try = outcome.is_err().then(|| app.now().plus(wait));
    if let Err(error) = channels::health::record_send(app, &work.scope, channel.id, outcome, next_try).await {
        warn!(channel.id = %channel.id, %error, "whether the mailbox sends could not be recorded");
    }
}

/// Refusals of a message that meet every other message of the mailbox too, wherever in the conversation they are said: they are about who
/// signed in, or about the From address, which all its messages share. A server's bad day and a throttle are not among them: those may
/// be about the recipients.
fn meets_every_message(class: FailureClass) -> bool {
    matches!(
        class,
        FailureClass::SmtpAuthDisabled
            | FailureClass::SenderBlocked
            | FailureClass::SenderNotAllowed
            | FailureClass::SendingRefused
            | FailureClass::SendingQuotaExceeded
            | FailureClass::MailboxFull
            | FailureClass::TooManyConnections
    )
}

/// Queued again, until people have waited long enough to be told.
async fn queue_again(
    app: &App,
    work: &ClaimedWork,
    record: &DeliveryRecord,
    failure: Failure,
    refused: Vec<RefusedRecipient>,
    wait: Duration,
) -> Result<(), StoreError> {
    let settled = if is_too_old(app, &record.delivery) {
        Settled::Failed { failure, refused }
    } else {
        Settled::Queued { failure, refused, wait: Some(wait) }
    };
    settle::settle(app, work, record.delivery.id, settled).await
}

/// Only a person can mend it. The message waits, and says for what; it goes out by itself when sending works again.
async fn wait_for_somebody(
    app: &App,
    work: &ClaimedWork,
    record: &DeliveryRecord,
    failure: Failure,
) -> Result<(), StoreError> {
    let delivery = &record.delivery;
    let refused = Vec::new();
    if is_too_old(app, delivery) {
        return settle::settle(app, work, delivery.id, Settled::Failed { failure, refused }).await;
    }
    if delivery.failure.as_ref() == Some(&failure) && delivery.next_try_at.is_none() {
        app.store().relay().release(work, UNTIL_MENDED).await?;
        return Ok(());
    }
    settle::settle(app, work, delivery.id, Settled::Queued { failure, refused, wait: None }).await
}

fn unknown(detail: &str) -> Failure {
    Failure::new(FailureClass::OutcomeUnknown).detail(detail)
}
