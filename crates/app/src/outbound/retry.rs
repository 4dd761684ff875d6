//! A person asks for another try, at once or once more, or deletes a message. What else they may decide: [`super::decide`].

use super::answering;
use crate::accounts::Member;
use crate::channels::sender;
use crate::conversations::{self, ReadError, snapshot};
use crate::{App, Hint};
use domain::channel::SendTransport;
use domain::event::EventKind;
use domain::message::{DeliveryState, Message, MessageType};
use domain::{DisplayId, Failure, FailureClass, MessageId, Timestamp};
use serde_json::{Value, json};
use store::{DeliveryRecord, Handover, MessageChange, OwedKind, OwedPriority, StoreError, Tx};

/// What stands where the words of a deleted message stood; Chatwoot's.
const DELETED: &str = "This message was deleted";

#[derive(Debug, thiserror::Error)]
pub enum RetryError {
    #[error("the message could not be found")]
    NotFound,
    /// It is on its way, was sent, or never leaves.
    #[error("there is nothing to retry")]
    NothingToRetry,
    /// The mail server asked for no try before then, and the person did not say that it should be tried all the same.
    #[error("the mail server asked to wait")]
    AskedToWait { until: Timestamp },
    /// Activity lines say what happened: they stay.
    #[error("this message cannot be deleted")]
    NotDeletable,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<ReadError> for RetryError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::NotFound => Self::NotFound,
            ReadError::Store(error) => Self::Store(error),
        }
    }
}

/// What waits is tried now; before the time that the mail server asked for only if `regardless`. What ended without success is queued again,
/// with the same words, HTML and attachments, for everybody who does not have it. Under the same Message-ID as long as no server is known to
/// have taken a mail under it ([`super::ids`]).
pub async fn retry(
    app: &App,
    member: &Member,
    conversation: DisplayId,
    message: MessageId,
    regardless: bool,
) -> Result<Message, RetryError> {
    let message = find(app, member, conversation, message).await?;
    let record = member.scope.delivery_of_message(message.id).await?.ok_or(RetryError::NothingToRetry)?;
    if record.delivery.state == DeliveryState::Queued {
        return try_now(app, member, &record, regardless).await;
    }
    let channel = match record.channel_id {
        Some(channel) => member.scope.channel(channel).await?,
        None => None,
    };
    let mut tx = member.scope.begin().await?;
    let conversation = tx.lock_conversation(message.conversation_id).await?.ok_or(RetryError::NotFound)?;
    let mut record = tx.lock_delivery(record.delivery.id).await?.ok_or(RetryError::NothingToRetry)?;
    if !record.delivery.may_be_retried() {
        return Err(RetryError::NothingToRetry);
    }
    // Of what nobody could say whether it left, a person has said now that it is to go out all the same, whichever way the mailbox sends.
    match (channel.map(|channel| channel.send_transport), &record.handover) {
        (Some(SendTransport::Smtp), Handover::Graph { .. }) => record.handover = Handover::Smtp,
        (Some(SendTransport::Graph), Handover::Smtp) => record.handover = Handover::Graph { draft: None },
        _ => {}
    }
    if record.delivery.state == DeliveryState::Failed {
        answering::give_again(&mut tx, conversation, &mut record, message.sent_at).await?;
    }
    // Nobody looks for it any more.
    tx.cancel_owed(OwedKind::ReconcileDelivery, record.delivery.id.0).await?;
    record.looks = 0;
    let delivery = &mut record.delivery;
    // Where it is open whether it was sent, it is sent again to the same people under the same Message-ID, or swallowed as a second copy.
    if delivery.state != DeliveryState::OutcomeUnknown {
        delivery.recipients.try_again();
    }
    delivery.state = DeliveryState::Queued;
    delivery.queued_at = app.now();
    delivery.next_try_at = None;
    delivery.failure = None;
    delivery.failing_since = None;
    delivery.waits_alone = false;
    tx.update_delivery(&record).await?;
    tx.owe(OwedKind::DeliverMessage, record.delivery.id.0, json!({}), OwedPriority::Human, None).await?;
    // As it is now: a worker or a report may have changed it since it was found.
    let message = tx.message(message.id).await?.filter(|m| !m.deleted).ok_or(RetryError::NothingToRetry)?;
    let attributes = without_error(message.content_attributes);
    let change = MessageChange { content_attributes: Some(attributes), ..MessageChange::default() };
    tx.update_message(message.id, &change).await?;
    let message = say_updated(&mut tx, message.id, EventKind::DeliveryUpdated).await?;
    tx.commit().await?;
    app.wake(Hint::Owed);
    app.wake(Hint::Account(member.scope.account_id()));
    Ok(message)
}

/// It gives up its own wait, and keeps its place in the mailbox's line; the mailbox gives up its wait too, and the sender's others what they wait
/// for with it.
async fn try_now(app: &App, member: &Member, record: &DeliveryRecord, regardless: bool) -> Result<Message, RetryError> {
    let channel = match record.channel_id {
        Some(channel) => member.scope.channel(channel).await?,
        None => None,
    };
    let others = match &channel {
        Some(channel) => sender::others(&member.scope, channel).await?,
        None => Vec::new(),
    };
    let mut tx = member.scope.begin().await?;
    let record = tx.lock_delivery(record.delivery.id).await?.filter(|r| r.delivery.state == DeliveryState::Queued);
    // Somebody has just begun to send it.
    let mut record = record.ok_or(RetryError::NothingToRetry)?;
    let delivery = &mut record.delivery;
    let stated = |failure: Option<&Failure>, until: Option<Timestamp>| {
        until.filter(|until| *until > app.now() && failure.is_some_and(|failure| failure.retry_after().is_some()))
    };
    // The mailbox may have been asked to wait and the sender too, not always for as long.
    let healths = channel.iter().flat_map(|channel| sender::pauses(channel, &others));
    let of_the_mailbox = healths.filter_map(|health| stated(health.failure.as_ref(), health.next_try_at)).max();
    let until = stated(delivery.failure.as_ref(), delivery.next_try_at).max(of_the_mailbox);
    if let Some(until) = until.filter(|_| !regardless) {
        return Err(RetryError::AskedToWait { until });
    }
    delivery.waits_alone = false;
    delivery.next_try_at = delivery.next_try_at.map(|_| app.now());
    tx.update_delivery(&record).await?;
    tx.hasten_owed(OwedKind::DeliverMessage, record.delivery.id.0).await?;
    if let Some(channel) = &channel {
        tx.resume_sending_of(&sender::tried_with(app.now(), channel, &others)).await?;
    }
    let message = say_updated(&mut tx, record.delivery.message_id, EventKind::DeliveryUpdated).await?;
    tx.commit().await?;
    app.wake(Hint::Owed);
    app.wake(Hint::Account(member.scope.account_id()));
    Ok(message)
}

/// Soft: the row stays, its words and files go; a delivery that has not begun is cancelled. What has left cannot be called back.
pub async fn delete_message(
    app: &App,
    member: &Member,
    conversation: DisplayId,
    message: MessageId,
) -> Result<Message, RetryError> {
    let message = find(app, member, conversation, message).await?;
    match message.message_type {
        MessageType::Activity => return Err(RetryError::NotDeletable),
        MessageType::Incoming | MessageType::Outgoing | MessageType::Template => {}
    }
    if message.deleted {
        return Ok(message);
    }
    let delivery = member.scope.delivery_of_message(message.id).await?;
    let mut tx = member.scope.begin().await?;
    let conversation = tx.lock_conversation(message.conversation_id).await?.ok_or(RetryError::NotFound)?;
    if let Some(record) = delivery
        && let Some(mut record) = tx.lock_delivery(record.delivery.id).await?
    {
        match record.delivery.state {
            DeliveryState::Queued => {
                tx.cancel_owed(OwedKind::DeliverMessage, record.delivery.id.0).await?;
                let why = FailureClass::MessageDeleted;
                answering::take_back(&mut tx, conversation, &mut record, message.sent_at, why).await?;
            }
            // It is not known whether it left; it is not sent again.
            DeliveryState::OutcomeUnknown => {
                tx.cancel_owed(OwedKind::ReconcileDelivery, record.delivery.id.0).await?;
            }
            DeliveryState::Sending | DeliveryState::Sent | DeliveryState::Failed | DeliveryState::Bounced => {}
        }
        record.delivery.next_try_at = None;
        // Its words are in there, too.
        record.composed_blob_id = None;
        tx.update_delivery(&record).await?;
    }
    let change = MessageChange {
        content: Some(Some(DELETED.to_owned())),
        content_attributes: Some(json!({ "deleted": true })),
        deleted: Some(true),
        ..MessageChange::default()
    };
    tx.update_message(message.id, &change).await?;
    let message = say_updated(&mut tx, message.id, EventKind::MessageUpdated).await?;
    tx.commit().await?;
    app.wake(Hint::Account(member.scope.account_id()));
    Ok(message)
}

pub(super) async fn find(
    app: &App,
    member: &Member,
    conversation: DisplayId,
    message: MessageId,
) -> Result<Message, RetryError> {
    let view = conversations::show(app, member, conversation).await?;
    member.scope.message(view.conversation.id, message).await?.ok_or(RetryError::NotFound)
}

/// The message as it is now, told to whoever listens.
pub(super) async fn say_updated(tx: &mut Tx, message: MessageId, kind: EventKind) -> Result<Message, StoreError> {
    let message = tx.message(message).await?.ok_or(StoreError::NotFound("message"))?;
    tx.append_event(kind, Some(message.inbox_id), Some(message.conversation_id), snapshot::message(&message, None));
    Ok(message)
}

pub(super) fn without_error(mut attributes: Value) -> Value {
    if let Some(object) = attributes.as_object_mut() {
        object.remove("external_error");
    }
    attributes
}
