//! Events as clients are told of them: Chatwoot's push shapes, rendered from the snapshots that were stored with the events.
//!
//! For event streams today, and made so that webhooks render the same. A snapshot is of the moment it was written, perhaps by an older or
//! newer version: what is not in it is shown as nothing, and what is not known here is passed on as it is. Nothing here reads anything else.

mod attention;
mod contact;
mod conversation;
mod inbox;
mod message;
mod notification;
mod part;

pub use attention::{ToggleTyping, TypingStatus, Viewing, presence, typing, viewing};
pub use conversation::{ConversationPush, ConversationPushMeta};
pub use notification::notification;

use crate::Links;
use domain::AccountId;
use part::Part;
use serde_json::{Map, Value};

/// Chatwoot's websocket writes `message.created` where its webhooks write `message_created`.
pub fn name(kind: &str) -> String {
    kind.replacen('_', ".", 1)
}

/// What is said of an event whose snapshot is `payload`. Always names the account.
pub fn data(kind: &str, account: AccountId, payload: &Value, links: &dyn Links) -> Value {
    let mut data = Map::new();
    let payload = payload.as_object().cloned().unwrap_or_default();
    match kind {
        "inbox_deleted" => data.extend(inbox::deleted(&payload)),
        "inbox_health_changed" | "inbox_health_notice" => data.extend(inbox::health_changed(payload)),
        // What went wrong is told as of an inbox.
        "connection_updated" | "connect_link_updated" => data.extend(inbox::health_changed(payload)),
        "notification_created" | "notification_updated" | "notification_deleted" => {
            data.extend(notification::event(&payload, account, links));
        }
        _ => {
            let mut beside = Map::new();
            for (name, value) in payload {
                let part = Part::of(&value);
                match name.as_str() {
                    "v" => {}
                    "message" => data.extend(message::message(part, account, links)),
                    "conversation" => data.extend(conversation::conversation(part, account, links)),
                    "contact" => data.extend(contact::event(part)),
                    "inbox" => data.extend(inbox::inbox(part)),
                    _ => {
                        beside.insert(name, value);
                    }
                }
            }
            for (name, value) in beside {
                data.entry(name).or_insert(value);
            }
        }
    }
    data.insert("account_id".to_owned(), account.0.into());
    Value::Object(data)
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(object) => object,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => Map::new(),
    }
}
