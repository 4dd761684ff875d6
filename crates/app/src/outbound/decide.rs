//! What people decide about a message on its way: it shall not leave, or they know whether it left.
//!
//! The delivery's row is locked, as by whoever would send it: either the decision is first, and nothing is sent, or the sender is, and the
//! person is told.

use super::retry::find;
use super::{answering, settle};
use crate::accounts::Member;
use crate::conversations::ReadError;
use crate::{App, Hint};
use domain::conversation::Conversation;
use domain::message::{DeliveryState, Message};
use domain::{DisplayId, FailureClass, MessageId, Timestamp};
use serde_json::json;
use store::{DeliveryRecord, OwedKind, OwedPriority, StoreError, Tx};

#[derive(Debug, thiserror::Error)]
pub enum DecideError {
    #[error("the message could not be found")]
    NotFound,
    /// The mail server hears of it at this moment.
    #[error("the message is being sent")]
    BeingSent,
    /// It may have left already: that must be decided first.
    #[error("the message may have left already")]
    MayHaveLeft,
    /// It left, has ended, or never leaves.
    #[error("there is nothing to cancel")]
    NothingToCancel,
    /// Nothing is open about it.
    #[error("there is nothing to resolve")]
    NothingToResolve,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<super::RetryError> for DecideError {
    fn from(error: super::RetryError) -> Self {
        match error {
            super::RetryError::Store(error) => Self::Store(error),
            super::RetryError::NotFound
            | super::RetryError::NothingToRetry
            | super::RetryError::AskedToWait { .. }
            | super::RetryError::NotDeletable => Self::NotFound,
        }
    }
}

impl From<ReadError> for DecideError {
    fn from(error: ReadError) -> Self {
        super::RetryError::from(error).into()
    }
}

/// What waits does not leave, and says so. Whoever has it already keeps it. It can be retried.
pub async fn cancel(
    app: &App,
    member: &Member,
    conversation: DisplayId,
    message: MessageId,
) -> Result<Message, DecideError> {
    let Locked { mut tx, conversation, mut record, answered_at } =
        locked(app, member, conversation, message).await?.ok_or(DecideError::NothingToCancel)?;
    match record.delivery.state {
        DeliveryState::Queued => {}
        DeliveryState::Sending => return Err(DecideError::BeingSent),
        DeliveryState::OutcomeUnknown => return Err(DecideError::MayHaveLeft),
        DeliveryState::Sent | DeliveryState::Failed | DeliveryState::Bounced => {
            return Err(DecideError::NothingToCancel);
        }
    }
    // Whoever holds this work and signs in meanwhile finds it gone before they say MAIL FROM.
    tx.cancel_owed(OwedKind::DeliverMessage, record.delivery.id.0).await?;
    answering::take_back(&mut tx, conversation, &mut record, answered_at, FailureClass::Cancelled).await?;
    if let Some(channel) = record.channel_id {
        tx.call_next_delivery(channel).await?;
    }
    written(app, member, tx, &record).await
}

/// A person has looked, and knows whether a message left of which we do not.
pub async fn resolve(
    app: &App,
    member: &Member,
    conversation: DisplayId,
    message: MessageId,
    was_sent: bool,
) -> Result<Message, DecideError> {
    let Locked { mut tx, mut record, .. } =
        locked(app, member, conversation, message).await?.ok_or(DecideError::NothingToResolve)?;
    if record.delivery.state != DeliveryState::OutcomeUnknown {
        return Err(DecideError::NothingToResolve);
    }
    tx.cancel_owed(OwedKind::ReconcileDelivery, record.delivery.id.0).await?;
    let delivery = &mut record.delivery;
    if was_sent {
        let ids: Vec<String> =
            std::iter::once(&record.message_id_header).chain(&record.rewritten_message_id).cloned().collect();
        delivery.recipients.accept(&delivery.recipients.round(), &ids);
        delivery.sent_at = delivery.sent_at.or(Some(app.now()));
        if delivery.recipients.waiting().is_empty() {
            delivery.conclude();
        } else {
            // Whom the server had put off: they get it under another id.
            delivery.state = DeliveryState::Queued;
            delivery.failure = Some(FailureClass::SomeRecipientsWait.into());
            delivery.next_try_at = Some(app.now());
            tx.owe(OwedKind::DeliverMessage, delivery.id.0, json!({}), OwedPriority::Human, None).await?;
        }
    } else {
        settle::fail(delivery, &FailureClass::NotSent.into());
    }
    written(app, member, tx, &record).await
}

/// A message on its way, and its conversation before it.
struct Locked {
    tx: Tx,
    conversation: Conversation,
    record: DeliveryRecord,
    answered_at: Timestamp,
}

/// `None`: it is no mail.
async fn locked(
    app: &App,
    member: &Member,
    conversation: DisplayId,
    message: MessageId,
) -> Result<Option<Locked>, DecideError> {
    let message = find(app, member, conversation, message).await?;
    let Some(record) = member.scope.delivery_of_message(message.id).await? else { return Ok(None) };
    let mut tx = member.scope.begin().await?;
    let conversation = tx.lock_conversation(message.conversation_id).await?.ok_or(DecideError::NotFound)?;
    let record = tx.lock_delivery(record.delivery.id).await?;
    Ok(record.map(|record| Locked { tx, conversation, record, answered_at: message.sent_at }))
}

async fn written(app: &App, member: &Member, mut tx: Tx, record: &DeliveryRecord) -> Result<Message, DecideError> {
    tx.update_delivery(record).await?;
    settle::note_on_message(&mut tx, record).await?;
    tx.commit().await?;
    app.wake(Hint::Owed);
    app.wake(Hint::Account(member.scope.account_id()));
    member.scope.message_by_id(record.delivery.message_id).await?.ok_or(DecideError::NotFound)
}
