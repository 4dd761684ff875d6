//! Messages, their attachments, and the map of Message-IDs.

use super::codes;
use domain::message::{ContentType, MessageType};
use domain::{BlobId, ContactId, ConversationId, MessageId, Timestamp, UserId};

/// Chatwoot's page of messages.
pub const MESSAGES_PER_PAGE: u32 = 20;
/// Chatwoot's page of a conversation's files.
pub const ATTACHMENTS_PER_PAGE: u32 = 100;

#[derive(Clone, Debug)]
pub struct NewMessage {
    pub conversation_id: ConversationId,
    pub message_type: MessageType,
    pub private: bool,
    pub content: Option<String>,
    pub content_type: ContentType,
    pub content_attributes: serde_json::Value,
    pub source_id: Option<String>,
    pub sender: NewSender,
    pub sent_at: Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NewSender {
    Contact(ContactId),
    User(UserId),
    System,
}

/// What may change on a message; `None` leaves it.
#[derive(Clone, Debug, Default)]
pub struct MessageChange {
    pub content: Option<Option<String>>,
    pub content_attributes: Option<serde_json::Value>,
    pub source_id: Option<String>,
    /// Soft: the row stays, its attachments go.
    pub deleted: Option<bool>,
}

/// Which messages: the latest `limit`, or those next to a message; always answered oldest first.
#[derive(Clone, Copy, Debug, Default)]
pub struct MessagePage {
    pub before: Option<MessageId>,
    pub after: Option<MessageId>,
    pub limit: u32,
    /// Leave out private notes and activity.
    pub public_only: bool,
}

#[derive(Clone, Debug)]
pub struct NewAttachment {
    pub blob_id: BlobId,
    pub file_name: String,
    pub content_type: String,
    pub size_bytes: u64,
    pub content_id: Option<String>,
    pub inline: bool,
}

codes! {
    /// Where a Message-ID comes from.
    MessageIdOrigin {
        Incoming = "incoming",
        Outgoing = "outgoing",
        /// What a provider made of ours.
        Rewritten = "rewritten",
    }
}

/// A message known under a Message-ID. Ids are re-used in the wild, so there may be several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownMessage {
    pub message_id: MessageId,
    pub conversation_id: ConversationId,
    pub origin: MessageIdOrigin,
    pub fingerprint: Option<String>,
}

/// What an `Idempotency-Key` was used for before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdempotencyCheck {
    /// It is the caller's now.
    New,
    /// The same request made this message.
    Made(MessageId),
    /// The same request, and it made nothing that is still there.
    MadeNothing,
    /// Another request used the key.
    OtherRequest,
}
