//! What a person is told about, from its snapshot and its conversation's.

use super::conversation::conversation;
use super::part::Part;
use crate::moment::iso;
use crate::notification::Notification;
use crate::{JsonObject, Links, to_value};
use domain::AccountId;
use domain::notification::NotificationKind;
use serde_json::{Map, Value, json};

/// The longest part of what was said that a notice shows.
const MAX_BODY_CHARS: usize = 200;

/// The same shape in lists and in events. `about`: the conversation's snapshot, if it is still there.
pub fn notification(one: &Value, about: Option<&Value>, account: AccountId, links: &dyn Links) -> Notification {
    let one = Part::of(one);
    let kind = one.value("kind").as_str().and_then(NotificationKind::parse);
    let kind = kind.unwrap_or(NotificationKind::ConversationMention);
    let shown = about.map(|about| conversation(Part::of(about), account, links)).unwrap_or_default();
    let number = shown.get("id").and_then(Value::as_i64).unwrap_or_default();
    let mut primary_actor = shown.clone();
    primary_actor.insert("conversation_id".to_owned(), number.into());
    Notification {
        id: one.id("id"),
        account_id: account.0,
        notification_type: kind.into(),
        push_message_title: title(kind, number),
        push_message_body: body(&shown),
        primary_actor_type: "Conversation".to_owned(),
        primary_actor_id: one.id("conversation_id"),
        primary_actor: JsonObject(primary_actor),
        read_at: iso(one.time("read_at")),
        secondary_actor: None,
        user: None,
        created_at: one.seconds("created_at"),
        last_activity_at: one.seconds("last_activity_at"),
        snoozed_until: iso(one.time("snoozed_until")),
        meta: JsonObject::default(),
    }
}

/// As Chatwoot's websocket tells it. A null notification: several changed at once.
pub(super) fn event(payload: &Map<String, Value>, account: AccountId, links: &dyn Links) -> Map<String, Value> {
    let one = payload.get("notification").filter(|one| one.is_object());
    let about = payload.get("primary_actor").filter(|about| about.is_object());
    let shown = one.map(|one| to_value(&notification(one, about, account, links)));
    super::object(json!({
        "notification": shown,
        "unread_count": payload.get("unread_count"),
        "count": payload.get("count"),
    }))
}

/// Chatwoot's words.
fn title(kind: NotificationKind, number: i64) -> String {
    match kind {
        NotificationKind::ConversationCreation => format!("A conversation (#{number}) has been created"),
        NotificationKind::ConversationAssignment => format!("A conversation (#{number}) has been assigned to you"),
        NotificationKind::AssignedConversationNewMessage | NotificationKind::ParticipatingConversationNewMessage => {
            format!("A new message is created in conversation (#{number})")
        }
        NotificationKind::ConversationMention => format!("You have been mentioned in conversation (#{number})"),
    }
}

fn body(conversation: &Map<String, Value>) -> String {
    let last = conversation.get("messages").and_then(|messages| messages.get(0)).unwrap_or(&Value::Null);
    let text = last.get("content").and_then(Value::as_str).unwrap_or_default();
    let text: String = text.chars().take(MAX_BODY_CHARS).collect();
    match last.pointer("/sender/name").and_then(Value::as_str) {
        Some(name) if !text.is_empty() => format!("{name}: {text}"),
        _ => text,
    }
}
