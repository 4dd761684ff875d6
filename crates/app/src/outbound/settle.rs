//! How an attempt ended, written in one transaction: delivery, message, id map, owed work, events.

use super::patience::{UNTIL_MENDED, is_too_old, only_slows, wait_after};
use super::retry::without_error;
use super::sent_copy;
use crate::channels::sender;
use crate::conversations::snapshot;
use crate::{App, Hint, jobs};
use domain::event::EventKind;
use domain::failure::backoff;
use domain::message::{Delivery, DeliveryState, Message, RefusedRecipient};
use domain::{ChannelId, DeliveryId, EmailAddress, Failure, FailureClass};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use store::{ClaimedWork, DeliveryRecord, MessageChange, MessageIdOrigin, OwedKind, OwedPriority, StoreError, Tx};
use tracing::{info, warn};

/// How often and how long it is tried again to write down what a server said, and how soon at first: less than a claim's time, also where
/// the database takes long to say no. After that, Sent must tell.
const TRIES: u32 = 8;
const INSISTED: Duration = Duration::from_secs(30);
const FIRST_WAIT: Duration = Duration::from_millis(500);

/// How an attempt ended.
#[derive(Debug)]
pub(super) enum Settled {
    /// The server has it for these people, under our id and perhaps one that it gave it. `lacks_copy`: none is in the mailbox's Sent.
    Sent { whom: Vec<EmailAddress>, under: String, rewritten: Option<String>, lacks_copy: bool },
    /// It goes out later by itself. `wait`: `None` while it waits for a person. `refused`: what the server said of single recipients.
    Queued { failure: Failure, refused: Vec<RefusedRecipient>, wait: Option<Duration> },
    /// It waits for its turn, about so long, and asks for it then at the latest. `pause`: the mailbox is left alone so long, because of what
    /// this attempt met; and all of its sender's, where the sender met it.
    InLine { failure: Failure, wait: Duration, ask_in: Duration, pause: Option<(ChannelId, Duration)> },
    /// It was taken back before its end was said, and goes out as if it had not been tried.
    Withdrawn,
    /// Whoever does not have it yet does not get it.
    Failed { failure: Failure, refused: Vec<RefusedRecipient> },
    /// It may or may not have been sent. `look_in`: when to look into Sent; `None`: a person decides.
    Unknown { failure: Failure, look_in: Option<Duration> },
}

impl Settled {
    pub(super) fn failed(class: FailureClass) -> Self {
        Self::Failed { failure: class.into(), refused: Vec::new() }
    }
}

/// What is owed from now on.
enum Next {
    Nothing,
    /// The same, from the beginning.
    GoOn,
    Deliver {
        wait: Duration,
        failure: Failure,
    },
    /// `tried`: this was an attempt.
    StandInLine {
        ask_in: Duration,
        failure: Failure,
        tried: bool,
    },
    Look {
        wait: Duration,
        failure: Failure,
    },
}

/// Writes it and ends the claimed work. Nothing is written when the work was lost to another worker, unless the message was sent: what
/// the server said stays true whoever heard it.
pub(super) async fn settle(
    app: &App,
    work: &ClaimedWork,
    delivery: DeliveryId,
    settled: Settled,
) -> Result<(), StoreError> {
    let sent = matches!(settled, Settled::Sent { .. });
    let (mut is_ours, mut insisting) = (true, Insisting::on(delivery));
    loop {
        match write(app, work, delivery, &settled, is_ours).await {
            Err(StoreError::LeaseLost) if sent && is_ours => is_ours = false,
            Err(error) if insisting.again_after(app, &error).await => {}
            ended => break ended?,
        }
    }
    app.wake(Hint::Account(work.scope.account_id()));
    app.wake(Hint::Owed);
    Ok(())
}

/// It is known to have left: everybody whom this sending was for has it.
pub(super) async fn found_sent(
    app: &App,
    work: &ClaimedWork,
    record: &DeliveryRecord,
    rewritten: Option<String>,
) -> Result<(), StoreError> {
    let (whom, under) = (record.delivery.recipients.round(), record.message_id_header.clone());
    settle(app, work, record.delivery.id, Settled::Sent { whom, under, rewritten, lacks_copy: false }).await
}

/// No connection to the server was free: nothing is known to be wrong with the mailbox.
pub(super) async fn without_slot(
    app: &App,
    work: &ClaimedWork,
    delivery: DeliveryId,
    failure: Failure,
) -> Result<(), StoreError> {
    let in_line = Settled::InLine { failure, wait: jobs::UNTIL_SLOT, ask_in: jobs::UNTIL_SLOT, pause: None };
    settle(app, work, delivery, in_line).await
}

/// What a server said is known to nobody else. While the database is away for a moment, it is written again and again.
pub(super) struct Insisting {
    delivery: DeliveryId,
    tries: u32,
    since: Instant,
}

impl Insisting {
    pub(super) fn on(delivery: DeliveryId) -> Self {
        Self { delivery, tries: 0, since: Instant::now() }
    }

    /// Whether it is to be written again, and waits until then.
    pub(super) async fn again_after(&mut self, app: &App, error: &StoreError) -> bool {
        if !error.is_transient() || self.tries >= TRIES || self.since.elapsed() >= INSISTED {
            return false;
        }
        self.tries += 1;
        warn!(delivery.id = %self.delivery, %error, tries = self.tries, "what became of a message could not be written; it is tried again");
        tokio::time::sleep(backoff(self.tries, FIRST_WAIT, FIRST_WAIT * 8, app.jitter())).await;
        true
    }
}

async fn write(
    app: &App,
    work: &ClaimedWork,
    delivery: DeliveryId,
    settled: &Settled,
    is_ours: bool,
) -> Result<(), StoreError> {
    let mut tx = work.scope.begin().await?;
    let Some(mut record) = tx.lock_delivery(delivery).await? else {
        tx.finish_work(work).await?;
        tx.commit().await?;
        return Ok(());
    };
    if let Settled::Sent { under, rewritten, lacks_copy: true, .. } = settled
        && record.message_id_header == *under
    {
        sent_copy::owe(app, &mut tx, &record, rewritten.as_deref()).await?;
    }
    let next = apply(app, settled, &mut record);
    tx.update_delivery(&record).await?;
    if let Settled::Sent { rewritten: Some(id), .. } = settled {
        remember(&mut tx, &record, id).await?;
    }
    if let Settled::InLine { pause: Some((channel, wait)), failure, .. } = settled {
        tx.pause_sending(*channel, *wait, sender::meets_the_sender(failure)).await?;
    }
    note_on_message(&mut tx, &record).await?;
    owe_next(&mut tx, work, &record, next, is_ours).await?;
    tx.commit().await?;
    info!(delivery.id = %delivery, state = record.delivery.state.as_str(), attempts = record.delivery.attempts, "a delivery's attempt ended");
    Ok(())
}

/// What the delivery is now, and what is owed for it.
fn apply(app: &App, settled: &Settled, record: &mut DeliveryRecord) -> Next {
    let now = app.now();
    let d = &mut record.delivery;
    d.next_try_at = None;
    d.waits_alone = false;
    if let Settled::Sent { whom, under, rewritten, lacks_copy: _ } = settled {
        let ids: Vec<String> = std::iter::once(under).chain(rewritten).cloned().collect();
        d.recipients.accept(whom, &ids);
        d.sent_at = d.sent_at.or(Some(now));
        if rewritten.is_some() && record.message_id_header == *under {
            record.rewritten_message_id.clone_from(rewritten);
        }
    }
    // A report of its failure was quicker: nothing that an attempt says makes that untrue.
    if d.state == DeliveryState::Bounced {
        return Next::Nothing;
    }
    match settled {
        Settled::Sent { .. } if d.recipients.waiting().is_empty() => d.conclude(),
        Settled::Sent { .. } if is_too_old(app, d) => {
            d.recipients.give_up(&FailureClass::SomeRecipientsWait.into());
            d.conclude();
        }
        Settled::Sent { .. } => {
            let failure = Failure::from(FailureClass::SomeRecipientsWait);
            let wait = wait_after(app, &failure, d.attempts);
            d.state = DeliveryState::Queued;
            d.next_try_at = Some(now.plus(wait));
            d.failure = Some(failure.clone());
            d.failing_since = d.failing_since.or(Some(now));
            d.waits_alone = true;
            return Next::Deliver { wait, failure };
        }
        Settled::Queued { failure, refused, wait } => {
            d.recipients.hear(refused);
            d.state = DeliveryState::Queued;
            d.failure = Some(failure.clone());
            d.next_try_at = wait.map(|wait| now.plus(wait));
            d.failing_since = d.failing_since.or(Some(now));
            d.waits_alone = wait.is_some();
            return Next::Deliver { wait: wait.unwrap_or(UNTIL_MENDED), failure: failure.clone() };
        }
        Settled::InLine { failure, wait, ask_in, pause } => {
            d.state = DeliveryState::Queued;
            d.failure = Some(failure.clone());
            d.next_try_at = Some(now.plus(*wait));
            if !only_slows(failure) {
                d.failing_since = d.failing_since.or(Some(now));
            }
            return Next::StandInLine { ask_in: *ask_in, failure: failure.clone(), tried: pause.is_some() };
        }
        Settled::Withdrawn => {
            d.state = DeliveryState::Queued;
            d.attempts = d.attempts.saturating_sub(1);
            return Next::GoOn;
        }
        Settled::Failed { failure, refused } => {
            d.recipients.hear(refused);
            fail(d, failure);
        }
        Settled::Unknown { failure, look_in } => {
            d.recipients.wonder();
            d.state = DeliveryState::OutcomeUnknown;
            d.failure = Some(failure.clone());
            d.failing_since = d.failing_since.or(Some(now));
            d.next_try_at = look_in.map(|wait| now.plus(wait));
            return look_in.map_or(Next::Nothing, |wait| Next::Look { wait, failure: failure.clone() });
        }
    }
    Next::Nothing
}

/// Whoever does not have it yet does not get it. A message that some have was sent.
pub(super) fn fail(d: &mut Delivery, failure: &Failure) {
    if d.recipients.accepted.is_empty() {
        let put_off = std::mem::take(&mut d.recipients.deferred);
        d.recipients.refused.extend(put_off);
        d.state = DeliveryState::Failed;
        d.next_try_at = None;
        d.failure = Some(failure.clone());
    } else {
        d.recipients.give_up(failure);
        d.conclude();
    }
}

/// Answers and bounces cite the id that the provider gave it.
async fn remember(tx: &mut Tx, record: &DeliveryRecord, id: &str) -> Result<(), StoreError> {
    let message = record.delivery.message_id;
    let known = tx.messages_by_message_id(record.inbox_id, id).await?;
    if known.iter().any(|known| known.message_id == message) {
        return Ok(());
    }
    let origin = MessageIdOrigin::Rewritten;
    tx.remember_message_id(record.inbox_id, record.conversation_id, message, id, origin, None).await
}

/// Chatwoot's clients read why a message failed from `external_error`.
pub(crate) async fn note_on_message(tx: &mut Tx, record: &DeliveryRecord) -> Result<(), StoreError> {
    let Some(mut message): Option<Message> = tx.message(record.delivery.message_id).await? else { return Ok(()) };
    let mut attributes = without_error(message.content_attributes.clone());
    if let (Some(text), Value::Object(object)) = (error_text(&record.delivery), &mut attributes) {
        object.insert("external_error".to_owned(), json!(text));
    }
    if attributes != message.content_attributes {
        let change = MessageChange { content_attributes: Some(attributes), ..MessageChange::default() };
        message = tx.update_message(message.id, &change).await?;
    }
    // Read once, told twice: reading a message with all that belongs to it is most of what a delivery costs the database.
    for kind in [EventKind::MessageUpdated, EventKind::DeliveryUpdated] {
        let payload = snapshot::message(&message, None);
        tx.append_event(kind, Some(message.inbox_id), Some(message.conversation_id), payload);
    }
    Ok(())
}

/// What is wrong, what to do, and whom it is about. Waiting for one's turn is nothing wrong.
fn error_text(delivery: &Delivery) -> Option<String> {
    let failure = delivery.failure.as_ref().filter(|_| delivery.state != DeliveryState::Sending)?;
    if matches!(failure.class, FailureClass::SendingPaced | FailureClass::DailyRecipientsReached) {
        return None;
    }
    let mut text = format!("{} {}", failure.class.text(), failure.class.cure());
    let deferred = delivery.recipients.deferred.as_slice();
    let put_off = if delivery.state == DeliveryState::Queued { deferred } else { &[] };
    for (what, people) in [("Refused", delivery.recipients.refused.as_slice()), ("Waiting", put_off)] {
        if !people.is_empty() {
            let addresses: Vec<&str> = people.iter().map(|r| r.address.as_str()).collect();
            text.push_str(&format!(" {what}: {}.", addresses.join(", ")));
        }
    }
    Some(text)
}

/// Ends the claimed work, and owes what comes next: in its row where it is the same work, in another where it is not.
async fn owe_next(
    tx: &mut Tx,
    work: &ClaimedWork,
    record: &DeliveryRecord,
    next: Next,
    is_ours: bool,
) -> Result<(), StoreError> {
    let (kind, wait, failure) = match next {
        Next::GoOn => return tx.release_work(work).await,
        Next::Deliver { wait, failure } => (Some(OwedKind::DeliverMessage), wait, failure),
        Next::StandInLine { ask_in, failure, tried: false } if is_ours && work.kind == OwedKind::DeliverMessage => {
            return tx.line_up_work(work, ask_in, &failure).await;
        }
        Next::StandInLine { ask_in, failure, tried: _ } => (Some(OwedKind::DeliverMessage), ask_in, failure),
        Next::Look { wait, failure } => (Some(OwedKind::ReconcileDelivery), wait, failure),
        Next::Nothing => (None, Duration::ZERO, FailureClass::OutcomeUnknown.into()),
    };
    if is_ours && kind == Some(work.kind) {
        return tx.retry_work(work, wait, &failure).await;
    }
    let delivery = record.delivery.id.0;
    // What others were to do about it is settled, too.
    let kinds = [OwedKind::ReconcileDelivery, OwedKind::DeliverMessage];
    if is_ours {
        tx.finish_all_work(work, &kinds, delivery).await?;
    } else {
        tx.cancel_all_owed(&kinds, delivery).await?;
    }
    if let Some(kind) = kind {
        let due_at = record.delivery.next_try_at;
        tx.owe(kind, delivery, json!({}), OwedPriority::Human, due_at).await?;
    }
    Ok(())
}
