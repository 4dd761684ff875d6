//! What a webhook is told: Chatwoot's flat payloads, rendered from an event's snapshot through the same shapes as the event stream.
//!
//! Beside Chatwoot's fields each body has `seq`, the event's number in the account. A message's `message_type` is a word here and a number
//! everywhere else, as in Chatwoot. Nothing here reads anything; what a message says beyond its snapshot is handed in.

use crate::{Links, push, to_value};
use domain::message::{Message, MessageType};
use domain::{AccountId, InboxId, Timestamp};
use serde_json::{Map, Value, json};

/// What is told, and what is known besides.
pub struct Told<'a> {
    pub account: (AccountId, &'a str),
    pub event: &'a str,
    pub seq: i64,
    pub inbox: Option<(InboxId, &'a str)>,
    pub payload: &'a Value,
    /// Whole, where the snapshot is shortened.
    pub message: Option<&'a Message>,
    /// A snapshot of the message's conversation.
    pub conversation: Option<&'a Value>,
}

pub fn body(told: &Told<'_>, links: &dyn Links) -> Value {
    let (account, name) = told.account;
    let mut data = match push::data(told.event, account, told.payload, links) {
        Value::Object(data) => data,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => Map::new(),
    };
    if told.payload.get("message").is_some() {
        message(&mut data, told, links);
    }
    if told.payload.get("contact").is_some() {
        data.insert("avatar".to_owned(), "".into());
    }
    let known = [
        ("event", Value::from(told.event)),
        ("account", json!({ "id": account.0, "name": name })),
        ("seq", told.seq.into()),
    ];
    data.extend(known.map(|(name, value)| (name.to_owned(), value)));
    data.remove("shortened");
    data.into()
}

fn message(data: &mut Map<String, Value>, told: &Told<'_>, links: &dyn Links) {
    if let Some(whole) = told.message {
        data.insert("content".to_owned(), to_value(&whole.content));
        data.insert("processed_message_content".to_owned(), to_value(&whole.content));
        data.insert("content_attributes".to_owned(), whole.shown_attributes());
    }
    let seconds = data.get("created_at").and_then(Value::as_i64).unwrap_or_default();
    data.insert("created_at".to_owned(), Timestamp::from_seconds(seconds).to_iso().into());
    let word = match data.get("message_type").and_then(Value::as_i64) {
        Some(number) if number == i64::from(MessageType::Incoming.number()) => "incoming",
        Some(number) if number == i64::from(MessageType::Outgoing.number()) => "outgoing",
        Some(number) if number == i64::from(MessageType::Activity.number()) => "activity",
        _ => "template",
    };
    data.insert("message_type".to_owned(), word.into());
    let conversation =
        told.conversation.map(|snapshot| push::data("conversation_updated", told.account.0, snapshot, links));
    if let Some(conversation) = conversation {
        data.insert("conversation".to_owned(), conversation);
    }
    if let Some((id, name)) = told.inbox {
        data.insert("inbox".to_owned(), json!({ "id": id.0, "name": name }));
    }
}
