//! What is found, in Chatwoot's shapes. `excerpt` is our addition.

use crate::attachment::Attachment;
use crate::conversation::CHANNEL_TYPE;
use crate::message::{Message, MessagePush};
use crate::sender::Sender;
use crate::words::MessageContentType;
use crate::{JsonObject, Links};
use domain::message as said;
use poem_openapi::Object;

#[derive(Clone, Debug, Object)]
pub struct FoundInbox {
    pub id: i64,
    pub name: String,
    pub channel_id: i64,
    pub channel_type: String,
}

impl From<&domain::inbox::Inbox> for FoundInbox {
    fn from(inbox: &domain::inbox::Inbox) -> Self {
        Self {
            id: inbox.id.0,
            name: inbox.name.clone(),
            channel_id: inbox.channel.id.0,
            channel_type: CHANNEL_TYPE.to_owned(),
        }
    }
}

#[derive(Clone, Debug, Object)]
pub struct FoundMessage {
    pub id: i64,
    #[oai(nullable)]
    pub content: Option<String>,
    /// The part of the content in which it was found, in one line. Our addition.
    pub excerpt: String,
    pub message_type: i32,
    pub content_type: MessageContentType,
    #[oai(nullable)]
    pub source_id: Option<String>,
    pub inbox_id: i64,
    /// The conversation's `display_id`.
    pub conversation_id: i64,
    pub created_at: i64,
    pub private: bool,
    #[oai(skip_serializing_if_is_none)]
    pub sender: Option<Sender>,
    #[oai(skip_serializing_if_is_none)]
    pub inbox: Option<FoundInbox>,
    #[oai(skip_serializing_if_is_none)]
    pub attachments: Option<Vec<Attachment>>,
}

impl FoundMessage {
    pub fn new(message: &said::Message, excerpt: String, inbox: Option<FoundInbox>, links: &dyn Links) -> Self {
        let shown = Message::new(message, links);
        Self {
            id: shown.id,
            content: shown.content,
            excerpt,
            message_type: shown.message_type,
            content_type: shown.content_type,
            source_id: shown.source_id,
            inbox_id: shown.inbox_id,
            conversation_id: shown.conversation_id,
            created_at: shown.created_at,
            private: shown.private,
            sender: shown.sender,
            inbox,
            attachments: shown.attachments,
        }
    }
}

#[derive(Clone, Debug, Object)]
pub struct FoundContact {
    pub id: i64,
    pub name: String,
    #[oai(nullable)]
    pub email: Option<String>,
    #[oai(nullable)]
    pub phone_number: Option<String>,
    #[oai(nullable)]
    pub identifier: Option<String>,
    pub additional_attributes: JsonObject,
    #[oai(nullable)]
    pub last_activity_at: Option<i64>,
    pub thumbnail: String,
    pub blocked: bool,
}

impl From<&domain::contact::Contact> for FoundContact {
    fn from(contact: &domain::contact::Contact) -> Self {
        Self {
            id: contact.id.0,
            name: contact.name.clone(),
            email: contact.email.clone(),
            phone_number: contact.phone_number.clone(),
            identifier: contact.identifier.clone(),
            additional_attributes: (&contact.additional_attributes).into(),
            last_activity_at: crate::moment::seconds(contact.last_activity_at),
            thumbnail: String::new(),
            blocked: contact.blocked,
        }
    }
}

#[derive(Clone, Debug, Object)]
pub struct FoundAgent {
    pub id: i64,
    pub name: String,
    pub available_name: String,
    pub email: String,
}

#[derive(Clone, Debug, Object)]
pub struct FoundConversation {
    /// The `display_id`.
    pub id: i64,
    pub uuid: String,
    pub account_id: i64,
    pub created_at: i64,
    pub last_activity_at: i64,
    pub status: crate::words::ConversationStatus,
    /// The last message.
    #[oai(skip_serializing_if_is_none)]
    pub message: Option<FoundMessage>,
    /// The same as conversations carry it: one, or none.
    pub messages: Vec<MessagePush>,
    pub contact: FoundContact,
    #[oai(skip_serializing_if_is_none)]
    pub inbox: Option<FoundInbox>,
    #[oai(skip_serializing_if_is_none)]
    pub agent: Option<FoundAgent>,
    pub additional_attributes: JsonObject,
}

impl FoundConversation {
    pub fn new(
        parts: &crate::conversation::ConversationParts<'_>,
        inbox: Option<FoundInbox>,
        links: &dyn Links,
    ) -> Self {
        let shown = crate::conversation::Conversation::new(parts, links);
        let last = parts.last_non_activity_message.or(parts.last_message);
        let first_words = |message: &said::Message| {
            let nothing = domain::search::Query::default();
            domain::search::excerpt(message.content.as_deref().unwrap_or_default(), &nothing)
        };
        Self {
            id: shown.id,
            uuid: shown.uuid,
            account_id: shown.account_id,
            created_at: shown.created_at,
            last_activity_at: shown.last_activity_at,
            status: shown.status,
            message: last.map(|message| FoundMessage::new(message, first_words(message), None, links)),
            messages: shown.last_non_activity_message.into_iter().collect(),
            contact: parts.contact.into(),
            inbox,
            agent: parts.assignee.map(|agent| FoundAgent {
                id: agent.user.id.0,
                name: agent.user.name.clone(),
                available_name: agent.user.available_name().to_owned(),
                email: agent.user.email.as_str().to_owned(),
            }),
            additional_attributes: shown.additional_attributes,
        }
    }
}

/// What a part of the search found; a part that was not asked for is empty.
#[derive(Clone, Debug, Default, Object)]
pub struct Found {
    pub conversations: Vec<FoundConversation>,
    pub contacts: Vec<FoundContact>,
    pub messages: Vec<FoundMessage>,
    /// There are no articles here.
    pub articles: Vec<JsonObject>,
}

#[derive(Clone, Debug, Object)]
pub struct FoundAnswer {
    pub payload: Found,
}

#[derive(Clone, Debug, Object)]
pub struct FoundConversations {
    pub conversations: Vec<FoundConversation>,
}

#[derive(Clone, Debug, Object)]
pub struct FoundConversationsAnswer {
    pub payload: FoundConversations,
}

#[derive(Clone, Debug, Object)]
pub struct FoundMessages {
    pub messages: Vec<FoundMessage>,
}

#[derive(Clone, Debug, Object)]
pub struct FoundMessagesAnswer {
    pub payload: FoundMessages,
}

#[derive(Clone, Debug, Object)]
pub struct FoundContacts {
    pub contacts: Vec<FoundContact>,
}

#[derive(Clone, Debug, Object)]
pub struct FoundContactsAnswer {
    pub payload: FoundContacts,
}

/// The list of conversations under a search, as its own call has it.
#[derive(Clone, Debug, Object)]
pub struct ConversationSearch {
    pub meta: crate::conversation::ConversationCounts,
    pub payload: Vec<FoundConversation>,
}
