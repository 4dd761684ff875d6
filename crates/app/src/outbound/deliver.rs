//! The job that brings one message to the mail server: may it leave, is it its turn, and then one attempt.
//!
//! One sender sends one message at a time, at its provider's pace ([`super::line`]). While sending is blocked the message waits, with the
//! reason shown, until somebody mends it. A message that was being sent by somebody who is gone is never simply sent again
//! ([`super::reconcile`]).

use super::attempt::Attempted;
use super::sessions::{self, SignedIn};
use super::settle::{self, Settled};
use super::{attempt, line, reconcile};
use crate::{App, Hint, jobs};
use domain::message::DeliveryState;
use domain::{DeliveryId, Failure, FailureClass};
use store::{ClaimedWork, SendLease, StoreError};
use tokio_util::sync::CancellationToken;
use tracing::warn;

/// The job. `worker` names this process in the leases. After `stop` nothing is sent whose end has not been said soon.
pub async fn deliver(app: &App, work: &ClaimedWork, worker: &str, stop: &CancellationToken) -> Result<(), StoreError> {
    let id = DeliveryId(work.subject_id);
    let Some((record, message)) = work.scope.delivery_and_message(id).await? else {
        app.store().relay().finish(work).await?;
        return Ok(());
    };
    if record.delivery.state != DeliveryState::Queued {
        return not_queued(app, work, id, record.delivery.state).await;
    }
    // Deleted while an attempt was under way that did not succeed: no further one follows.
    if message.deleted {
        return settle::settle(app, work, id, Settled::failed(FailureClass::MessageDeleted)).await;
    }
    let inbox = match record.channel_id {
        Some(channel) => work.scope.inbox(record.inbox_id).await?.filter(|inbox| inbox.channel.id == channel),
        None => None,
    };
    let Some(inbox) = inbox else {
        return settle::settle(app, work, id, Settled::failed(FailureClass::ChannelRemoved)).await;
    };
    let channel = &inbox.channel;
    if !channel.send_health.state.is_tried() {
        let failure = channel.send_health.failure.clone().unwrap_or_else(|| FailureClass::SendingRefused.into());
        return line::wait_for_somebody(app, work, &record, failure).await;
    }
    let Some(lease) = line::take_turn(app, work, channel, &record, worker).await? else { return Ok(()) };
    let ended =
        holding(work, &lease, Box::pin(attempt::attempt(app, work, &lease, &inbox, &message, record, stop))).await;
    let (ended, Attempted { session, next }) = match ended {
        Ok(attempted) => (Ok(()), attempted),
        Err(error) => (Err(error), Attempted::OVER),
    };
    free(app, work, &lease, session, worker, stop).await?;
    // Whoever stands first in line is next, and need not ask again first.
    if next && work.scope.call_next_delivery(channel.id).await? {
        app.wake(Hint::Owed);
    }
    ended
}

/// The sender is free for whoever is next. A session that may serve for another mail is kept here, unless another process keeps one: so a sender
/// has two connections at most, one that sends and one that is idle, however many mailboxes they send for.
async fn free(
    app: &App,
    work: &ClaimedWork,
    lease: &SendLease,
    session: Option<SignedIn>,
    worker: &str,
    stop: &CancellationToken,
) -> Result<(), StoreError> {
    if session.is_none() {
        // The attempt ended before it looked for the one that was kept; the row is going to say that there is none.
        if let Some(kept) = app.kept_sessions().take(lease.line) {
            kept.quit().await;
        }
    }
    let is_good = session.is_some();
    let unkept = match session {
        Some(session) if lease.may_keep_session && !stop.is_cancelled() => {
            app.kept_sessions().keep(lease.line, session, app.settings().session_kept)
        }
        session => session,
    };
    let kept_for = app.settings().session_kept + sessions::UNTIL_GONE;
    let keeps = (is_good && unkept.is_none()).then_some((worker, kept_for));
    // Before the mailbox is another's.
    if let Some(unkept) = unkept {
        unkept.quit().await;
    }
    let freed = work.scope.release_send_lease(lease, keeps).await;
    // Whoever has the lease now, or reads it when the database is back, knows nothing of a session here.
    if !matches!(freed, Ok(true))
        && let Some(session) = app.kept_sessions().take(lease.line)
    {
        session.quit().await;
    }
    freed.map(drop)
}

/// There is nothing to send, or nothing yet.
pub(super) async fn not_queued(
    app: &App,
    work: &ClaimedWork,
    id: DeliveryId,
    state: DeliveryState,
) -> Result<(), StoreError> {
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
    attempt: impl Future<Output = Result<Attempted, StoreError>>,
) -> Result<Attempted, StoreError> {
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

pub(super) fn unknown(detail: &str) -> Failure {
    Failure::new(FailureClass::OutcomeUnknown).detail(detail)
}
