//! Whether the customer waits for an answer, when one is taken back before it left, or is to leave after all.
//!
//! A conversation is answered as soon as a reply is written. When that reply never leaves, the customer waits as before it was written: else a
//! conversation would look answered of which nobody heard.

use super::settle;
use crate::conversations::announce;
use domain::Timestamp;
use domain::conversation::{Conversation, ConversationStatus};
use domain::event::EventKind;
use domain::message::DeliveryState;
use store::{DeliveryRecord, StoreError, Tx};

/// It does not leave, for this reason, and nobody has it. The conversation is locked, and then the delivery.
pub(super) async fn take_back(
    tx: &mut Tx,
    mut conversation: Conversation,
    record: &mut DeliveryRecord,
    answered_at: Timestamp,
    why: domain::FailureClass,
) -> Result<(), StoreError> {
    settle::fail(&mut record.delivery, &why.into());
    // Somebody has it already: they are answered.
    if record.delivery.state != DeliveryState::Failed {
        return Ok(());
    }
    let before = conversation.clone();
    let waited_since = record.waited_since.take();
    let other = tx.another_answer(conversation.id, record.delivery.id).await?;
    if conversation.first_reply_at == Some(answered_at) {
        conversation.first_reply_at = other.as_ref().map(|(_, at)| *at);
    }
    match other {
        // It answers what this one did.
        Some((mut other, _)) => {
            if other.waited_since.is_none() && waited_since.is_some() {
                other.waited_since = waited_since;
                tx.update_delivery(&other).await?;
            }
        }
        None if conversation.status == ConversationStatus::Resolved => {}
        None => conversation.waiting_since = conversation.waiting_since.or(waited_since),
    }
    say_changed(tx, &before, &conversation).await
}

/// It is to leave after all.
pub(super) async fn give_again(
    tx: &mut Tx,
    mut conversation: Conversation,
    record: &mut DeliveryRecord,
    answered_at: Timestamp,
) -> Result<(), StoreError> {
    let before = conversation.clone();
    record.waited_since = record.waited_since.or(conversation.waiting_since.take());
    conversation.first_reply_at = conversation.first_reply_at.or(Some(answered_at));
    say_changed(tx, &before, &conversation).await
}

async fn say_changed(tx: &mut Tx, before: &Conversation, now: &Conversation) -> Result<(), StoreError> {
    if before == now {
        return Ok(());
    }
    let now = tx.update_conversation(now).await?;
    announce(tx, &now, EventKind::ConversationUpdated).await
}
