//! A conversation that began or changed.

use super::contact::{contact_sender, user_sender};
use super::message;
use super::object;
use super::part::Part;
use crate::conversation::CHANNEL_TYPE;
use crate::message::MessagePush;
use crate::moment::{float_seconds, iso};
use crate::sender::Sender;
use crate::{JsonObject, Links, to_value};
use domain::AccountId;
use poem_openapi::Object;
use serde_json::{Map, Value};

/// Who it is with, and whose it is. Null, not absent, where there is nobody.
#[derive(Clone, Debug, Object)]
pub struct ConversationPushMeta {
    #[oai(nullable)]
    pub sender: Option<Sender>,
    #[oai(nullable)]
    pub assignee: Option<Sender>,
    #[oai(nullable)]
    pub assignee_type: Option<String>,
    #[oai(nullable)]
    pub team: Option<JsonObject>,
    pub hmac_verified: bool,
}

/// Chatwoot's push shape, and what its lists have beside it.
#[derive(Clone, Debug, Object)]
pub struct ConversationPush {
    pub additional_attributes: JsonObject,
    pub can_reply: bool,
    pub channel: String,
    pub contact_inbox: JsonObject,
    /// The `display_id`.
    pub id: i64,
    pub uuid: String,
    pub inbox_id: i64,
    /// The last that is no activity, if there is one.
    pub messages: Vec<MessagePush>,
    pub labels: Vec<String>,
    pub meta: ConversationPushMeta,
    pub status: String,
    pub muted: bool,
    pub custom_attributes: JsonObject,
    #[oai(nullable)]
    pub snoozed_until: Option<String>,
    pub unread_count: i64,
    #[oai(nullable)]
    pub first_reply_created_at: Option<String>,
    #[oai(nullable)]
    pub priority: Option<String>,
    pub waiting_since: i64,
    pub agent_last_seen_at: i64,
    pub assignee_last_seen_at: i64,
    pub contact_last_seen_at: i64,
    pub last_activity_at: i64,
    pub timestamp: i64,
    pub created_at: i64,
    pub updated_at: f64,
}

pub(super) fn conversation(part: Part<'_>, account: AccountId, links: &dyn Links) -> Map<String, Value> {
    let assignee = part.part("assignee").map(|user| Sender::User(user_sender(user)));
    let last = part.part("last_message").map(|last| message::push(last, account, message::about(part), links));
    let mut attributes = JsonObject::from(part.value("additional_attributes"));
    if let Some(subject) = part.text("subject") {
        attributes.0.entry("mail_subject").or_insert_with(|| subject.into());
    }
    let contact = part.part("contact");
    let contact_inbox = contact.map(|contact| {
        let of = [("contact_id", contact.id("id").into()), ("inbox_id", part.id("inbox_id").into())];
        let source = contact.text("email").map_or(Value::Null, Value::String);
        of.into_iter().chain([("source_id", source)]).map(|(name, value)| (name.to_owned(), value)).collect()
    });
    object(to_value(&ConversationPush {
        additional_attributes: attributes,
        can_reply: true,
        channel: CHANNEL_TYPE.to_owned(),
        contact_inbox: JsonObject(contact_inbox.unwrap_or_default()),
        id: part.id("display_id"),
        uuid: part.text_or_empty("uuid"),
        inbox_id: part.id("inbox_id"),
        messages: last.into_iter().collect(),
        labels: part.texts("labels"),
        meta: ConversationPushMeta {
            sender: contact.map(|contact| Sender::Contact(contact_sender(contact))),
            assignee_type: assignee.as_ref().map(|_| "User".to_owned()),
            assignee,
            team: part.part("team").map(|_| part.value("team").into()),
            hmac_verified: false,
        },
        status: part.text_or_empty("status"),
        muted: part.is("muted"),
        custom_attributes: part.value("custom_attributes").into(),
        snoozed_until: iso(part.time("snoozed_until")),
        unread_count: part.id("unread_count"),
        first_reply_created_at: iso(part.time("first_reply_at")),
        priority: part.text("priority"),
        waiting_since: part.seconds("waiting_since"),
        agent_last_seen_at: part.seconds("agent_last_seen_at"),
        assignee_last_seen_at: part.seconds("assignee_last_seen_at"),
        contact_last_seen_at: part.seconds("contact_last_seen_at"),
        last_activity_at: part.seconds("last_activity_at"),
        timestamp: part.seconds("last_activity_at"),
        created_at: part.seconds("created_at"),
        updated_at: float_seconds(part.time("updated_at").unwrap_or_default()),
    }))
}
