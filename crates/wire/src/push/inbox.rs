//! An inbox that came, changed or went, and how its mailbox is doing. Never a server's address or a login: every member is told.

use super::part::Part;
use crate::conversation::CHANNEL_TYPE;
use domain::Timestamp;
use serde_json::{Map, Value, json};

pub(super) fn inbox(inbox: Part<'_>) -> Map<String, Value> {
    let mut data = inbox.value("settings").as_object().cloned().unwrap_or_default();
    let known = [
        ("id", inbox.value("id").clone()),
        ("name", inbox.value("name").clone()),
        ("channel_id", inbox.value("channel_id").clone()),
        ("channel_type", CHANNEL_TYPE.into()),
        ("provider", inbox.value("provider").clone()),
        ("email", inbox.value("from_address").clone()),
        ("avatar_url", "".into()),
    ];
    data.extend(known.map(|(name, value)| (name.to_owned(), value)));
    data
}

/// Its members are no members any more, so all in the account are told, and no more than which one went.
pub(super) fn deleted(payload: &Map<String, Value>) -> Map<String, Value> {
    let id = payload.get("inbox").map_or(Value::Null, |inbox| Part::of(inbox).value("id").clone());
    Map::from_iter([("id".to_owned(), id)])
}

/// Also of a notice: both say how a mailbox is doing, and why.
pub(super) fn health_changed(mut payload: Map<String, Value>) -> Map<String, Value> {
    payload.remove("v");
    if let Some(since) = payload.get("since").and_then(Value::as_i64) {
        payload.insert("since".to_owned(), Timestamp(since).seconds().into());
    }
    let failure = payload.get("failure").filter(|failure| failure.is_object()).map(|failure| {
        let failure = Part::of(failure);
        json!({
            "code": failure.value("code"),
            "cause": failure.value("text"),
            "who_must_act": failure.value("actor"),
            "cure": failure.value("cure"),
            "server_said": null,
            "detail": null,
            "correlation_id": failure.value("correlation_id"),
        })
    });
    payload.insert("failure".to_owned(), failure.unwrap_or_default());
    payload
}
