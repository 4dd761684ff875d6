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
use crate::channels::sender;
use crate::{App, Hint, jobs};
use domain::channel::EmailChannel;
use domain::{Failure, FailureClass};
use std::time::Duration;
use store::{ClaimedWork, DeliveryRecord, SendLease, StoreError, Turn};

/// The right to send this message now; `None`: it waits, and that is written.
pub(super) async fn take_turn(
    app: &App,
    work: &ClaimedWork,
    channel: &EmailChannel,
    record: &DeliveryRecord,
    worker: &str,
) -> Result<Option<SendLease>, StoreError> {
    let others = sender::others(&work.scope, channel).await?;
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
            let others = sender::others(&work.scope, channel).await?;
            // What the sender met is forgotten with the mailbox that met it and works again. Whoever was told of it goes on waiting for it.
            let told = || record.delivery.failure.clone().filter(sender::meets_the_sender);
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

/// Why a mailbox is left alone: of several reasons, the one that lasts longest.
fn what_pauses(channel: &EmailChannel, others: &[EmailChannel]) -> Option<Failure> {
    let known = sender::pauses(channel, others).filter(|health| health.failure.is_some());
    known.max_by_key(|health| health.next_try_at).and_then(|health| health.failure.clone())
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
