//! One attempt to hand a message to the mail server.
//!
//! Everything that can fail without doubt (token, connection, sign-in) comes first. Then `sending` is committed, and only then MAIL FROM
//! is said: a row that says `sending` and has lost its lease may or may not have been sent, and is never simply sent again
//! ([`super::reconcile`]). One mailbox sends one message at a time, at its provider's pace. While sending is blocked the message waits,
//! with the reason shown, until somebody mends it.

use super::composing::{Unbuildable, composed};
use super::settle::{self, Settled};
use super::{pace, reconcile};
use crate::kill_point::KillPoint;
use crate::{App, channels, jobs};
use domain::account::AccountStatus;
use domain::channel::EmailChannel;
use domain::failure::backoff;
use domain::message::DeliveryState;
use domain::message::delivery::RETRY_FOR_SECONDS;
use domain::{DeliveryId, EmailAddress, Failure, FailureClass, Retry, Secret};
use mail::smtp::{Envelope, SendOutcome, Session, SmtpLogin};
use oauth::Resource;
use std::time::Duration;
use store::{ClaimedWork, DeliveryRecord, SendLease, StoreError};
use tracing::{info, warn};

/// Longer than this an attempt is given up; what became of it is then unknown. A slow line needs minutes for 35 MB.
pub const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(1800);
/// Somebody else sends from this mailbox at the moment.
const UNTIL_FREE: Duration = Duration::from_secs(1);
/// How soon to look again whether sending was mended.
const UNTIL_MENDED: Duration = Duration::from_secs(30);
const UNTIL_RESUMED: Duration = Duration::from_secs(300);
const FIRST_WAIT: Duration = Duration::from_secs(15);
const LONGEST_WAIT: Duration = Duration::from_secs(30 * 60);
/// A used-up quota has a window of hours.
const QUOTA_WAIT: Duration = Duration::from_secs(3600);

/// The job. `worker` names this process in the leases, for diagnosis.
pub async fn deliver(app: &App, work: &ClaimedWork, worker: &str) -> Result<(), StoreError> {
    let relay = app.store().relay();
    let id = DeliveryId(work.subject_id);
    let Some(record) = work.scope.delivery(id).await? else {
        relay.finish(work).await?;
        return Ok(());
    };
    match record.delivery.state {
        DeliveryState::Queued => {}
        // Claimed anew in this state: whoever sent it is gone, and took the answer with them.
        DeliveryState::Sending => {
            return reconcile::begin(app, work, id, unknown("the sender stopped in the middle")).await;
        }
        DeliveryState::Sent | DeliveryState::OutcomeUnknown | DeliveryState::Failed | DeliveryState::Bounced => {
            relay.finish(work).await?;
            return Ok(());
        }
    }
    // Deleted while an attempt was under way that did not succeed: no further one follows.
    if work.scope.message_by_id(record.delivery.message_id).await?.is_none_or(|message| message.deleted) {
        return settle::settle(app, work, id, Settled::Failed(FailureClass::MessageDeleted.into())).await;
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
        return settle::settle(app, work, id, Settled::Failed(FailureClass::ChannelRemoved.into())).await;
    };
    if !channel.send_health.state.is_tried() {
        let failure = channel.send_health.failure.clone().unwrap_or_else(|| FailureClass::SendingRefused.into());
        return wait_for_somebody(app, work, &record, failure).await;
    }
    let sent = work.scope.sent_since(channel.id, app.now().minus(pace::WINDOW)).await?;
    if let Some(wait) = pace::wait(&channel.provider.capabilities(), sent) {
        relay.release(work, wait).await?;
        return Ok(());
    }
    let Some(lease) = work.scope.claim_send_lease(channel.id, worker, jobs::LEASE).await? else {
        relay.release(work, UNTIL_FREE).await?;
        return Ok(());
    };
    let ended = holding(work, &lease, Box::pin(attempt(app, work, &channel, record))).await;
    work.scope.release_send_lease(&lease).await?;
    ended
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
    let (envelope, bytes) = match composed(app, &work.scope, channel, record.clone()).await {
        Ok(built) => built,
        Err(Unbuildable::Store(error)) => return Err(error),
        Err(Unbuildable::Failure(failure)) => {
            return settle::settle(app, work, id, Settled::Failed(failure)).await;
        }
    };
    let mut session = match sign_in(app, work, channel).await {
        Ok(session) => session,
        Err(failure) => return not_begun(app, work, channel, &record, failure).await,
    };
    let Some(record) = work.scope.begin_sending(id, jobs::LEASE).await? else {
        // A person cancelled it while we signed in.
        session.quit().await;
        app.store().relay().finish(work).await?;
        return Ok(());
    };
    info!(delivery.id = %id, attempts = record.delivery.attempts, "handing a message to the mail server");
    app.passes(KillPoint::Sending).await;
    let outcome = match tokio::time::timeout(ATTEMPT_TIMEOUT, session.send(&envelope, &bytes)).await {
        Ok(outcome) => outcome,
        Err(_) => SendOutcome::Unknown { failure: unknown("the attempt took too long") },
    };
    ended(app, work, channel, &record, outcome).await?;
    if session.is_usable() {
        session.quit().await;
    }
    Ok(())
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
        Retry::Later | Retry::FreshToken | Retry::Done => queue_again(app, work, record, failure, wait).await,
    }
}

async fn ended(
    app: &App,
    work: &ClaimedWork,
    channel: &EmailChannel,
    record: &DeliveryRecord,
    outcome: SendOutcome,
) -> Result<(), StoreError> {
    let id = record.delivery.id;
    match outcome {
        SendOutcome::Accepted { rewritten_message_id, refused, reply: _ } => {
            app.passes(KillPoint::Answered).await;
            // First what cannot be learnt twice; a channel's health is told again by the next message.
            settle::settle(app, work, id, Settled::Sent { rewritten: rewritten_message_id, refused }).await?;
            if let Err(error) = channels::health::record_send(app, &work.scope, channel.id, Ok(()), None).await {
                warn!(channel.id = %channel.id, %error, "that sending works could not be recorded");
            }
            Ok(())
        }
        SendOutcome::Rejected { failure, refused } => match failure.class.retry() {
            Retry::Done => settle::settle(app, work, id, Settled::Sent { rewritten: None, refused }).await,
            Retry::Later | Retry::FreshToken => {
                let wait = wait_after(app, &failure, record.delivery.attempts);
                queue_again(app, work, record, failure, wait).await
            }
            Retry::Never => {
                if says_something_about_the_mailbox(failure.class) {
                    let next_try = app.now().plus(LONGEST_WAIT);
                    channels::health::record_send(app, &work.scope, channel.id, Err(&failure), Some(next_try)).await?;
                }
                settle::settle(app, work, id, Settled::Rejected { failure, refused }).await
            }
        },
        SendOutcome::Unknown { failure } => reconcile::begin(app, work, id, failure).await,
    }
}

/// Refusals of a message that would meet every other message of the mailbox too.
fn says_something_about_the_mailbox(class: FailureClass) -> bool {
    matches!(class, FailureClass::SmtpAuthDisabled | FailureClass::SenderBlocked)
}

/// Queued again, until people have waited long enough to be told.
async fn queue_again(
    app: &App,
    work: &ClaimedWork,
    record: &DeliveryRecord,
    failure: Failure,
    wait: Duration,
) -> Result<(), StoreError> {
    let settled =
        if is_too_old(app, record) { Settled::Failed(failure) } else { Settled::Queued { failure, wait: Some(wait) } };
    settle::settle(app, work, record.delivery.id, settled).await
}

/// Only a person can mend it. The message waits, and says for what; it goes out by itself when sending works again.
async fn wait_for_somebody(
    app: &App,
    work: &ClaimedWork,
    record: &DeliveryRecord,
    failure: Failure,
) -> Result<(), StoreError> {
    if is_too_old(app, record) {
        return settle::settle(app, work, record.delivery.id, Settled::Failed(failure)).await;
    }
    if record.delivery.failure.as_ref() == Some(&failure) && record.delivery.next_try_at.is_none() {
        app.store().relay().release(work, UNTIL_MENDED).await?;
        return Ok(());
    }
    settle::settle(app, work, record.delivery.id, Settled::Queued { failure, wait: None }).await
}

fn is_too_old(app: &App, record: &DeliveryRecord) -> bool {
    app.now().since(record.delivery.queued_at) >= Duration::from_secs(RETRY_FOR_SECONDS)
}

fn wait_after(app: &App, failure: &Failure, attempts: u32) -> Duration {
    let own = match failure.class {
        FailureClass::SendingQuotaExceeded => QUOTA_WAIT,
        _ => backoff(attempts.max(1), FIRST_WAIT, LONGEST_WAIT, app.jitter()),
    };
    failure.retry_after().map_or(own, |asked| asked.max(own))
}

/// What is waited for while nobody can know when it is mended.
pub(super) const fn until_mended() -> Duration {
    UNTIL_MENDED
}

fn unknown(detail: &str) -> Failure {
    Failure::new(FailureClass::OutcomeUnknown).detail(detail)
}

/// The envelope's recipients: To, Cc and Bcc, each once.
pub(super) fn envelope(from: &EmailAddress, to: Vec<EmailAddress>) -> Envelope {
    Envelope { from: from.clone(), to }
}
