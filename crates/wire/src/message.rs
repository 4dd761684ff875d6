//! Messages: as the messages list shows them, and as a conversation carries its last one.
//!
//! `delivery` is our addition; everything else is Chatwoot's.

use crate::attachment::Attachment;
use crate::delivery::Delivery;
use crate::moment::iso;
use crate::one_or_many::OneOrMany;
use crate::sender::{Sender, UserSender};
use crate::words::{MessageContentType, MessageStatus};
use crate::{JsonObject, Links};
use domain::message as said;
use poem_openapi::{Enum, Object};

#[derive(Clone, Debug, Object)]
pub struct Message {
    pub id: i64,
    #[oai(nullable)]
    pub content: Option<String>,
    pub inbox_id: i64,
    /// What the request that made the message sent along.
    #[oai(skip_serializing_if_is_none)]
    pub echo_id: Option<String>,
    /// The conversation's `display_id`.
    pub conversation_id: i64,
    /// 0 incoming, 1 outgoing, 2 activity, 3 template.
    pub message_type: i32,
    pub content_type: MessageContentType,
    pub status: MessageStatus,
    pub content_attributes: JsonObject,
    pub created_at: i64,
    pub private: bool,
    #[oai(nullable)]
    pub source_id: Option<String>,
    #[oai(skip_serializing_if_is_none)]
    pub sender: Option<Sender>,
    #[oai(skip_serializing_if_is_none)]
    pub attachments: Option<Vec<Attachment>>,
    /// How the mail is doing on its way. Only on outgoing mail; our addition.
    #[oai(skip_serializing_if_is_none)]
    pub delivery: Option<Delivery>,
}

impl Message {
    pub fn new(message: &said::Message, links: &dyn Links) -> Self {
        Self {
            id: message.id.0,
            content: message.content.clone(),
            inbox_id: message.inbox_id.0,
            echo_id: None,
            conversation_id: message.display_id.0,
            message_type: message.message_type.number(),
            content_type: message.content_type.into(),
            status: status(message),
            content_attributes: message.shown_attributes().into(),
            created_at: message.sent_at.seconds(),
            private: message.private,
            source_id: message.source_id.clone(),
            sender: Sender::of(&message.sender),
            attachments: attachments(message, links),
            delivery: message.delivery.as_ref().map(Delivery::from),
        }
    }

    #[must_use]
    pub fn with_echo_id(mut self, echo_id: Option<String>) -> Self {
        self.echo_id = echo_id;
        self
    }
}

fn status(message: &said::Message) -> MessageStatus {
    message.delivery.as_ref().map_or(MessageStatus::Sent, |delivery| delivery.state.into())
}

/// Absent rather than empty, as Chatwoot has it.
fn attachments(message: &said::Message, links: &dyn Links) -> Option<Vec<Attachment>> {
    let list: Vec<_> = message.attachments.iter().map(|a| Attachment::new(a, links)).collect();
    (!list.is_empty()).then_some(list)
}

/// Chatwoot's other message: as conversations, events and webhooks carry it.
#[derive(Clone, Debug, Object)]
pub struct MessagePush {
    pub id: i64,
    #[oai(nullable)]
    pub content: Option<String>,
    pub account_id: i64,
    pub inbox_id: i64,
    /// The conversation's `display_id`.
    pub conversation_id: i64,
    pub message_type: i32,
    pub created_at: i64,
    pub updated_at: String,
    pub private: bool,
    pub status: MessageStatus,
    #[oai(nullable)]
    pub source_id: Option<String>,
    pub content_type: MessageContentType,
    pub content_attributes: JsonObject,
    /// `Contact` or `User`.
    #[oai(nullable)]
    pub sender_type: Option<String>,
    #[oai(nullable)]
    pub sender_id: Option<i64>,
    pub external_source_ids: JsonObject,
    pub additional_attributes: JsonObject,
    #[oai(nullable)]
    pub processed_message_content: Option<String>,
    pub sentiment: JsonObject,
    pub conversation: MessageConversation,
    #[oai(skip_serializing_if_is_none)]
    pub attachments: Option<Vec<Attachment>>,
    #[oai(skip_serializing_if_is_none)]
    pub sender: Option<Sender>,
    #[oai(skip_serializing_if_is_none)]
    pub delivery: Option<Delivery>,
}

/// What a message says about its conversation.
#[derive(Clone, Debug, Object)]
pub struct MessageConversation {
    #[oai(nullable)]
    pub assignee_id: Option<i64>,
    pub unread_count: i64,
    pub last_activity_at: i64,
    pub contact_inbox: ContactInboxSource,
}

#[derive(Clone, Debug, Object)]
pub struct ContactInboxSource {
    /// The contact's e-mail address.
    #[oai(nullable)]
    pub source_id: Option<String>,
}

impl MessagePush {
    pub fn new(message: &said::Message, conversation: MessageConversation, links: &dyn Links) -> Self {
        let (sender_type, sender_id) = match &message.sender {
            said::Sender::Contact(contact) => (Some("Contact".to_owned()), Some(contact.id.0)),
            said::Sender::User(user) => (Some("User".to_owned()), Some(user.id.0)),
            said::Sender::System => (None, None),
        };
        Self {
            id: message.id.0,
            content: message.content.clone(),
            account_id: message.account_id.0,
            inbox_id: message.inbox_id.0,
            conversation_id: message.display_id.0,
            message_type: message.message_type.number(),
            created_at: message.sent_at.seconds(),
            updated_at: message.updated_at.to_iso(),
            private: message.private,
            status: status(message),
            source_id: message.source_id.clone(),
            content_type: message.content_type.into(),
            content_attributes: message.shown_attributes().into(),
            sender_type,
            sender_id,
            external_source_ids: JsonObject::default(),
            additional_attributes: JsonObject::default(),
            processed_message_content: message.content.clone(),
            sentiment: JsonObject::default(),
            conversation,
            attachments: attachments(message, links),
            sender: Sender::of(&message.sender),
            delivery: message.delivery.as_ref().map(Delivery::from),
        }
    }
}

#[derive(Clone, Debug, Object)]
pub struct MessageListMeta {
    pub labels: Vec<String>,
    pub additional_attributes: JsonObject,
    pub contact: crate::sender::ContactSender,
    #[oai(skip_serializing_if_is_none)]
    pub assignee: Option<UserSender>,
    #[oai(nullable)]
    pub agent_last_seen_at: Option<String>,
    #[oai(nullable)]
    pub assignee_last_seen_at: Option<String>,
}

impl MessageListMeta {
    pub fn new(parts: &crate::conversation::ConversationParts<'_>) -> Self {
        Self {
            labels: parts.labels.to_vec(),
            additional_attributes: parts.additional_attributes(),
            contact: parts.contact.into(),
            assignee: parts.assignee.map(UserSender::from),
            agent_last_seen_at: iso(parts.conversation.agent_last_seen_at),
            assignee_last_seen_at: iso(parts.conversation.assignee_last_seen_at),
        }
    }
}

/// Oldest first.
#[derive(Clone, Debug, Object)]
pub struct MessageList {
    pub meta: MessageListMeta,
    pub payload: Vec<Message>,
}

/// Which way a new message goes. `incoming` is refused: in an e-mail inbox only the mailbox brings those.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
pub enum NewMessageType {
    Incoming,
    Outgoing,
}

/// A reply that leaves as a mail, or a private note.
#[derive(Clone, Debug, Object)]
pub struct NewMessage {
    /// Markdown.
    #[oai(deserialize_with = "crate::json::optional_text", validator(max_length = 150_000))]
    pub content: Option<String>,
    pub message_type: Option<NewMessageType>,
    /// True for a note, which never leaves.
    pub private: Option<bool>,
    /// Given back in the answer, so that a client recognises its own message.
    #[oai(deserialize_with = "crate::json::optional_text", validator(max_length = 255))]
    pub echo_id: Option<String>,
    pub content_attributes: Option<JsonObject>,
    /// Further recipients; `To` replaces the contact's address when it is given.
    pub to_emails: Option<OneOrMany>,
    pub cc_emails: Option<OneOrMany>,
    pub bcc_emails: Option<OneOrMany>,
    /// Seconds until it leaves, so that it can be cancelled until then; `queued` with `next_try_at` meanwhile. Nothing for a note.
    #[oai(validator(maximum(value = "31536000")))]
    pub delay_seconds: Option<u32>,
    /// HTML to send instead of what `content` renders to.
    #[oai(deserialize_with = "crate::json::optional_text", validator(max_length = 600_000))]
    pub email_html_content: Option<String>,
}

/// What somebody knows of a message whose outcome is unknown.
#[derive(Clone, Debug, Object)]
pub struct ResolveMessage {
    /// True: it left. False: it did not, and does not.
    pub sent: bool,
}

/// A message's HTML, made safe to show.
#[derive(Clone, Debug, Object)]
pub struct MessageHtml {
    pub html: String,
    /// Remote images that were taken out: they tell the sender when and where a mail is read.
    pub blocked_remote_images: i64,
}
