//! A Message is something said in a conversation: by the contact, by an agent, or by the system about itself.

pub mod attachment;
pub mod bodies;
pub mod delivery;
pub mod recipients;

use crate::contact::Contact;
use crate::user::User;
use crate::{AccountId, ConversationId, DisplayId, InboxId, MessageId, Timestamp};
pub use attachment::{Attachment, FileType};
pub use delivery::{Delivery, DeliveryState};
pub use recipients::{Recipients, RefusedRecipient};
use serde::{Deserialize, Serialize};

/// Chatwoot's limit, in characters; longer mails keep their full text in the raw mail.
pub const MAX_CONTENT_CHARS: usize = 150_000;
/// Chatwoot's limit on attachments of one outgoing message.
pub const MAX_ATTACHMENTS: usize = 15;

#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    pub id: MessageId,
    pub account_id: AccountId,
    pub inbox_id: InboxId,
    pub conversation_id: ConversationId,
    pub display_id: DisplayId,
    pub message_type: MessageType,
    /// A private note: never leaves.
    pub private: bool,
    pub content: Option<String>,
    pub content_type: ContentType,
    pub content_attributes: serde_json::Value,
    /// The Message-ID without angle brackets, incoming or outgoing.
    pub source_id: Option<String>,
    pub sender: Sender,
    /// Where the message sorts: Date when plausible, else INTERNALDATE, else when it was made here.
    pub sent_at: Timestamp,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
    pub deleted: bool,
    pub attachments: Vec<Attachment>,
    /// Outgoing mail only.
    pub delivery: Option<Delivery>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Sender {
    Contact(Box<Contact>),
    User(Box<User>),
    System,
}

/// Chatwoot's numbers are what the API shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MessageType {
    Incoming,
    Outgoing,
    Activity,
    Template,
}

impl MessageType {
    pub const fn number(self) -> i32 {
        match self {
            Self::Incoming => 0,
            Self::Outgoing => 1,
            Self::Activity => 2,
            Self::Template => 3,
        }
    }

    pub fn from_number(number: i32) -> Option<Self> {
        [Self::Incoming, Self::Outgoing, Self::Activity, Self::Template].into_iter().find(|t| t.number() == number)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ContentType {
    Text,
    IncomingEmail,
}

impl ContentType {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::IncomingEmail => "incoming_email",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [Self::Text, Self::IncomingEmail].into_iter().find(|t| t.as_str() == text)
    }
}
