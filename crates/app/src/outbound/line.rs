//! The sender's line: whose turn it is to be sent, and how the others wait.
//!
//! A provider counts what one person submits, whichever mailbox it is for, so all mailboxes of one person stand in one line, and share one pace
//! and one session. A person's reply leaves before automatic mail, the mailboxes take turns, and of a mailbox whoever stands first leaves
//! first; a mailbox that cannot send, or has used up a limit of its own, keeps the others from nothing. Waiting is no try and no failure: it is shown with its reason and
//! the time when it should end, uses up nothing, and ends by itself. Whoever was sent calls the next; each also asks again by itself, so that
//! nobody waits for somebody who died.

use super::pace::{self, Wait, Why};
use super::patience::{UNTIL_MENDED, is_too_old, only_slows, wait_after};
use super::settle::{self, Settled};
use crate::{App, Hint, jobs};
use domain::channel::{EmailChannel, Health, SendTransport};
use domain::{ChannelId, Failure, FailureClass, Timestamp};
use std::time::Duration;
use store::{AccountScope, ClaimedWork, DeliveryRecord, SendLease, StoreError, Turn};

/// The right to send this message now; `None`: it waits, and that is written.
pub(super) async fn take_turn(
    app: &App,
    work: &ClaimedWork,
    channel: &EmailChannel,
    record: &DeliveryRecord,
    worker: &str,
) -> Result<Option<SendLease>, StoreError> {
    let others = others_of_sender(&work.scope, channel).await?;
    let (may, together) = (channel.capabilities(), pace::together(channel, &others));
    let turn = Turn {
        owed: work.owed_id,
        delivery: record.delivery.id,
        recipients: u32::try_from(record.delivery.recipients.waiting().len()).unwrap_or(u32::MAX),
        messages_per_minute: may.messages_per_minute,
        recipients_per_day: may.recipients_per_day,
        sender_messages_per_minute: together.messages_per_minute,
        sender_recipients_per_day: together.recipients_per_day,
    };
    if let Some(lease) = work.scope.claim_send_lease(channel.id, worker, jobs::LEASE, Some(&turn)).await? {
        return Ok(Some(lease));
    }
    let no = work.scope.why_no_turn(channel.id, &turn).await?;
    let wait = pace::wait(&may, &together, turn.recipients, &no);
    stand_in_line(app, work, channel, record, wait).await?;
    Ok(None)
}

async fn stand_in_line(
    app: &App,
    work: &ClaimedWork,
    channel: &EmailChannel,
    record: &DeliveryRecord,
    wait: Wait,
) -> Result<(), StoreError> {
    if let Some(alone) = wait.aside {
        work.scope.step_aside(channel.id, alone).await?;
        if work.scope.call_next_delivery(channel.id).await? {
            app.wake(Hint::Owed);
        }
    }
    let reason = match wait.why {
        Why::Minute(_) | Why::Day(_) => pace::reached(wait.why),
        Why::Paused => {
            // It may have begun since the channel was read.
            let now = work.scope.channel(channel.id).await?;
            let channel = now.as_ref().unwrap_or(channel);
            let others = others_of_sender(&work.scope, channel).await?;
            // What the sender met is forgotten with the mailbox that met it and works again. Whoever was told of it goes on waiting for it.
            let told = || record.delivery.failure.clone().filter(meets_the_sender);
            let known = what_pauses(channel, &others).or_else(told);
            Some(known.unwrap_or_else(|| FailureClass::ServerUnavailable.into()))
        }
        Why::Busy => None,
        Why::Line => {
            // Whoever stands first need not wait for the time they were told.
            if work.scope.call_next_delivery(channel.id).await? {
                app.wake(Hint::Owed);
            }
            None
        }
    };
    let ask_in = wait.lasts.min(pace::ASKS_EVERY);
    let Some(reason) = reason else {
        if record.delivery.waits_alone {
            work.scope.join_line(record.delivery.id).await?;
        }
        // A moment's wait is nobody's news.
        app.store().relay().release(work, ask_in).await?;
        return Ok(());
    };
    if !only_slows(&reason) && is_too_old(app, &record.delivery) {
        let failed = Settled::Failed { failure: reason, refused: Vec::new() };
        return settle::settle(app, work, record.delivery.id, failed).await;
    }
    let delivery = &record.delivery;
    let known = delivery.failure.as_ref().is_some_and(|known| known.class == reason.class);
    if known && !delivery.waits_alone && delivery.next_try_at.is_some() {
        work.scope.expect_delivery_at(delivery.id, app.now().plus(wait.lasts)).await?;
        app.store().relay().release(work, ask_in).await?;
        return Ok(());
    }
    let in_line = Settled::InLine { failure: reason, wait: wait.lasts, ask_in, pause: None };
    settle::settle(app, work, delivery.id, in_line).await
}

/// The other mailboxes of the same sender, as the store counts them together.
pub(super) async fn others_of_sender(
    scope: &AccountScope,
    channel: &EmailChannel,
) -> Result<Vec<EmailChannel>, StoreError> {
    let Some(grant) = channel.grant_id.filter(|_| channel.send_transport == SendTransport::Smtp) else {
        return Ok(Vec::new());
    };
    let mut others = scope.channels_of_grant(grant).await?;
    others.retain(|other| other.id != channel.id && other.send_transport == SendTransport::Smtp);
    Ok(others)
}

/// It names whoever signs in, and not the mailbox they sent for: the sender's other mailboxes would meet it too. That a server asks to slow down
/// does not: it may be about the mailbox, or one message.
pub(super) fn meets_the_sender(failure: &Failure) -> bool {
    matches!(failure.class, FailureClass::TooManyConnections | FailureClass::SendingQuotaExceeded)
}

/// What may keep a mailbox waiting: what it met itself, and what the sender met with its others.
pub(super) fn pauses<'a>(channel: &'a EmailChannel, others: &'a [EmailChannel]) -> impl Iterator<Item = &'a Health> {
    let met_the_sender = |health: &&Health| health.failure.as_ref().is_some_and(meets_the_sender);
    let of_the_sender = others.iter().map(|other| &other.send_health).filter(met_the_sender);
    std::iter::once(&channel.send_health).chain(of_the_sender)
}

/// Why a mailbox is left alone: of several reasons, the one that lasts longest.
fn what_pauses(channel: &EmailChannel, others: &[EmailChannel]) -> Option<Failure> {
    let known = pauses(channel, others).filter(|health| health.failure.is_some());
    known.max_by_key(|health| health.next_try_at).and_then(|health| health.failure.clone())
}

/// The mailboxes that are tried when a person wants this one tried now: it alone, unless the sender is left alone for a time that is our guess. Then
/// the others that wait for nothing else are tried with it, for the answer to one is the answer to all. A time that a server stated is never cut
/// short for a mailbox of which nobody spoke.
pub(super) fn tried_with(now: Timestamp, channel: &EmailChannel, others: &[EmailChannel]) -> Vec<ChannelId> {
    let lasts = |health: &&Health| health.next_try_at.is_some_and(|until| until > now);
    let is_our_guess = |health: &Health| {
        health.failure.as_ref().is_some_and(|failure| meets_the_sender(failure) && failure.retry_after().is_none())
    };
    let all = std::iter::once(channel).chain(others).map(|channel| &channel.send_health).filter(lasts);
    let of_the_sender: Vec<&Health> =
        all.filter(|health| health.failure.as_ref().is_some_and(meets_the_sender)).collect();
    let mut tried = vec![channel.id];
    if !of_the_sender.is_empty() && of_the_sender.into_iter().all(is_our_guess) {
        let free = others.iter().filter(|other| !lasts(&&other.send_health) || is_our_guess(&other.send_health));
        tried.extend(free.map(|other| other.id));
    }
    tried
}

/// How long a mailbox that met this failure is left alone.
pub(super) fn length_of_pause(app: &App, channel: &EmailChannel, failure: &Failure) -> Duration {
    wait_after(app, failure, channel.send_health.failures_in_a_row.saturating_add(1))
}

/// Every message of the mailbox would meet this failure, and it passes: the mailbox is left alone for a while, and this message stays where it
/// stands in line. So the mailbox is asked once after every wait, however many wait.
pub(super) async fn pause(
    app: &App,
    work: &ClaimedWork,
    channel: &EmailChannel,
    record: &DeliveryRecord,
    failure: Failure,
    wait: Duration,
) -> Result<(), StoreError> {
    let settled = if !only_slows(&failure) && is_too_old(app, &record.delivery) {
        Settled::Failed { failure, refused: Vec::new() }
    } else {
        Settled::InLine { failure, wait, ask_in: wait.min(pace::ASKS_EVERY), pause: Some((channel.id, wait)) }
    };
    settle::settle(app, work, record.delivery.id, settled).await
}

/// Only a person can mend the mailbox. The message waits, and says for what; it goes out by itself when sending works again.
pub(super) async fn wait_for_somebody(
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
