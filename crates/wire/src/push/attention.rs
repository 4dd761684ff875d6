//! Who writes, who looks at what, and who is there.

use crate::words::Availability;
use domain::{AccountId, DisplayId, UserId};
use poem_openapi::types::ToJSON;
use poem_openapi::{Enum, Object};
use serde_json::{Map, Value, json};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
pub enum TypingStatus {
    On,
    Off,
}

#[derive(Clone, Debug, Object)]
pub struct ToggleTyping {
    pub typing_status: TypingStatus,
    /// It will be a note. False when absent.
    pub is_private: Option<bool>,
}

#[derive(Clone, Debug, Object)]
pub struct Viewing {
    pub viewing: bool,
}

/// The name and the data of an event that has no number.
pub fn typing(
    account: AccountId,
    conversation: DisplayId,
    user: (UserId, &str),
    on: bool,
    is_private: bool,
) -> (&'static str, Value) {
    let name = if on { "conversation.typing_on" } else { "conversation.typing_off" };
    let data = json!({
        "account_id": account.0,
        "conversation": { "id": conversation.0 },
        "user": { "id": user.0.0, "name": user.1, "type": "user" },
        "is_private": is_private,
    });
    (name, data)
}

/// As [`typing`]. `people`: everybody who looks at it.
pub fn viewing(account: AccountId, conversation: DisplayId, people: &[(UserId, String)]) -> (&'static str, Value) {
    let users: Vec<Value> = people.iter().map(|(id, name)| json!({ "id": id.0, "name": name })).collect();
    let data = json!({ "account_id": account.0, "conversation": { "id": conversation.0 }, "users": users });
    ("conversation.viewing", data)
}

/// As [`typing`]. Those who are otherwise available than before.
pub fn presence(account: AccountId, people: &[(UserId, domain::account::Availability)]) -> (&'static str, Value) {
    let users: Map<String, Value> = people
        .iter()
        .map(|(id, available)| (id.0.to_string(), Availability::from(*available).to_json().unwrap_or_default()))
        .collect();
    ("presence.update", json!({ "account_id": account.0, "users": users }))
}
