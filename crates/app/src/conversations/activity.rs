//! The lines between messages that say who changed what; Chatwoot's words, so that clients' searches and eyes find them.

use super::snapshot;
use domain::Timestamp;
use domain::conversation::{Conversation, ConversationStatus};
use domain::event::EventKind;
use domain::message::{ContentType, Message, MessageType};
use store::{NewMessage, NewSender, StoreError, Tx};

pub fn status_changed(status: ConversationStatus, by: &str) -> String {
    match status {
        ConversationStatus::Open => format!("Conversation was reopened by {by}"),
        ConversationStatus::Resolved => format!("Conversation was marked resolved by {by}"),
        ConversationStatus::Pending => format!("Conversation was marked as pending by {by}"),
        ConversationStatus::Snoozed => format!("Conversation was snoozed by {by}"),
    }
}

/// `to`: the new assignee's name, unless it is the agent themself or nobody.
pub fn assignee_changed(to: Option<&str>, by: &str, is_self: bool) -> String {
    match to {
        Some(_) if is_self => format!("{by} self-assigned this conversation"),
        Some(to) => format!("Assigned to {to} by {by}"),
        None => format!("Conversation unassigned by {by}"),
    }
}

/// Writes the line into the (locked) conversation and says so.
pub(crate) async fn record(
    tx: &mut Tx,
    conversation: &Conversation,
    line: String,
    now: Timestamp,
) -> Result<Message, StoreError> {
    let message = tx
        .insert_message(&NewMessage {
            conversation_id: conversation.id,
            message_type: MessageType::Activity,
            private: false,
            content: Some(line),
            content_type: ContentType::Text,
            content_attributes: serde_json::json!({}),
            source_id: None,
            sender: NewSender::System,
            sent_at: now,
        })
        .await?;
    let payload = snapshot::message(&message, None);
    tx.append_event(EventKind::MessageCreated, Some(conversation.inbox_id), Some(conversation.id), payload);
    Ok(message)
}
