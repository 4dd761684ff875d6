//! The Message-IDs that our mail leaves under: made here, signed, and remembered so that answers and reports find their way back.
//!
//! An id that the server took a mail under is never used for another sending: Exchange would swallow it as a duplicate and we would say
//! "sent". Whatever was sent before keeps its id in the map.

use super::retry::say_updated;
use crate::App;
use domain::channel::EmailChannel;
use domain::event::EventKind;
use mail::message_token;
use serde_json::Value;
use store::{AccountScope, ClaimedWork, DeliveryRecord, Handover, MessageChange, MessageIdOrigin, StoreError};

/// A new one that carries the conversation's signed token.
pub(super) async fn make(
    app: &App,
    scope: &AccountScope,
    conversation_uuid: &str,
    channel: &EmailChannel,
) -> Result<String, StoreError> {
    let key = scope.signing_key().await?;
    let mut nonce = [0u8; 12];
    app.entropy().fill(&mut nonce);
    let address = channel.from_address.key();
    let domain = address.rsplit_once('@').map_or("postroom.invalid", |(_, domain)| domain);
    Ok(message_token::make(key.expose().as_bytes(), conversation_uuid, &nonce, domain))
}

/// The delivery, ready to be sent: under another id if its present one was used.
pub(super) async fn unused(
    app: &App,
    work: &ClaimedWork,
    channel: &EmailChannel,
    record: DeliveryRecord,
) -> Result<DeliveryRecord, StoreError> {
    if !record.delivery.recipients.need_another_id() {
        return Ok(record);
    }
    let view = work.scope.conversation_by_id(record.conversation_id).await?;
    let view = view.ok_or(StoreError::NotFound("conversation"))?;
    let id = make(app, &work.scope, &view.conversation.uuid, channel).await?;
    let mut tx = work.scope.begin().await?;
    let mut record = tx.lock_delivery(record.delivery.id).await?.ok_or(StoreError::NotFound("delivery"))?;
    if !record.delivery.recipients.need_another_id() {
        return Ok(record);
    }
    let message_id = record.delivery.message_id;
    tx.remember_message_id(record.inbox_id, record.conversation_id, message_id, &id, MessageIdOrigin::Outgoing, None)
        .await?;
    record.message_id_header.clone_from(&id);
    record.rewritten_message_id = None;
    record.composed_blob_id = None;
    record.handover = Handover::Smtp;
    record.looks = 0;
    record.delivery.recipients.renew();
    tx.update_delivery(&record).await?;
    // As long as somebody has the message under its first id, that is its name.
    if record.delivery.recipients.accepted.is_empty()
        && let Some(message) = tx.message(message_id).await?
    {
        let mut attributes = message.content_attributes;
        if let Some(email) = attributes.get_mut("email").and_then(Value::as_object_mut) {
            email.insert("message_id".to_owned(), Value::String(id.clone()));
        }
        let change =
            MessageChange { source_id: Some(id), content_attributes: Some(attributes), ..MessageChange::default() };
        tx.update_message(message_id, &change).await?;
        say_updated(&mut tx, message_id, EventKind::MessageUpdated).await?;
    }
    tx.commit().await?;
    Ok(record)
}
