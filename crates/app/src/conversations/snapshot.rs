//! Conversations and messages as events carry them: a picture of the moment of all that may change.
//!
//! Versioned (`v`): event streams and webhooks render from these, also from ones that were written by an older version. What a mail says
//! never changes until the message is deleted, so its bodies are not copied here: who renders them reads the message
//! (docs/decisions/0008-events-without-bodies.md).

use domain::Timestamp;
use domain::contact::Contact;
use domain::message::{Attachment, Delivery, Message, Sender, bodies};
use domain::organising::Team;
use domain::user::User;
use serde_json::{Map, Value, json};
use store::ConversationView;

pub const VERSION: u32 = 2;

/// The longest text inside an event: enough for a notice or a list. In bytes.
const MAX_TEXT_BYTES: usize = 1024;

pub fn conversation(view: &ConversationView) -> Value {
    let c = &view.conversation;
    json!({
        "v": VERSION,
        "conversation": {
            "id": c.id.0,
            "display_id": c.display_id.0,
            "account_id": c.account_id.0,
            "inbox_id": c.inbox_id.0,
            "uuid": c.uuid,
            "status": c.status.as_str(),
            "priority": c.priority.map(domain::conversation::Priority::as_str),
            "subject": c.subject,
            "muted": view.contact.blocked,
            "labels": view.labels,
            "unread_count": view.unread_count,
            "additional_attributes": c.additional_attributes,
            "custom_attributes": c.custom_attributes,
            "snoozed_until": micros(c.snoozed_until),
            "waiting_since": micros(c.waiting_since),
            "first_reply_at": micros(c.first_reply_at),
            "last_activity_at": c.last_activity_at.0,
            "agent_last_seen_at": micros(c.agent_last_seen_at),
            "assignee_last_seen_at": micros(c.assignee_last_seen_at),
            "contact_last_seen_at": micros(c.contact_last_seen_at),
            "created_at": c.created_at.0,
            "updated_at": c.updated_at.0,
            "contact": contact(&view.contact),
            "assignee": view.assignee.as_ref().map(|agent| user(&agent.user)),
            "team": view.team.as_ref().map(team),
            "last_message": view.last_non_activity_message.as_ref().map(|m| message_body(m, None)),
        },
    })
}

/// `echo_id`: what the client that made the message calls it.
pub fn message(message: &Message, echo_id: Option<&str>) -> Value {
    json!({ "v": VERSION, "message": message_body(message, echo_id) })
}

pub fn contact_event(contact: &Contact) -> Value {
    json!({ "v": VERSION, "contact": self::contact(contact) })
}

fn message_body(message: &Message, echo_id: Option<&str>) -> Value {
    let mut shortened = false;
    let content = message.content.as_deref().map(|content| shorten_text(content, &mut shortened));
    let attributes = shorten(&message.content_attributes, &mut shortened);
    json!({
        "id": message.id.0,
        "account_id": message.account_id.0,
        "inbox_id": message.inbox_id.0,
        "conversation_id": message.conversation_id.0,
        "display_id": message.display_id.0,
        "message_type": message.message_type.number(),
        "private": message.private,
        "content": content,
        "content_type": message.content_type.as_str(),
        "content_attributes": attributes,
        // The message has more to say than this.
        "shortened": shortened,
        "source_id": message.source_id,
        "status": message.delivery.as_ref().map_or("sent", |d| d.state.chatwoot_status()),
        "delivery": message.delivery.as_ref().map(delivery),
        "sender": sender(&message.sender),
        "attachments": message.attachments.iter().map(attachment).collect::<Vec<_>>(),
        "echo_id": echo_id,
        "deleted": message.deleted,
        "sent_at": message.sent_at.0,
        "created_at": message.created_at.0,
        "updated_at": message.updated_at.0,
    })
}

fn delivery(delivery: &Delivery) -> Value {
    json!({
        "id": delivery.id.0,
        "state": delivery.state.as_str(),
        "attempts": delivery.attempts,
        "queued_at": delivery.queued_at.0,
        "sent_at": micros(delivery.sent_at),
        "next_try_at": micros(delivery.next_try_at),
        "failure": delivery.failure,
        "accepted_recipients": delivery.recipients.accepted.iter().map(|a| a.address.as_str()).collect::<Vec<_>>(),
        "waiting_recipients": delivery.expecting().iter().map(domain::EmailAddress::as_str).collect::<Vec<_>>(),
        "refused_recipients": delivery.recipients.refused,
    })
}

fn sender(sender: &Sender) -> Value {
    match sender {
        Sender::Contact(person) => contact(person),
        Sender::User(agent) => user(agent),
        Sender::System => Value::Null,
    }
}

fn contact(contact: &Contact) -> Value {
    json!({
        "type": "contact",
        "id": contact.id.0,
        "name": contact.name,
        "email": contact.email,
        "phone_number": contact.phone_number,
        "identifier": contact.identifier,
        "blocked": contact.blocked,
        "additional_attributes": contact.additional_attributes,
        "custom_attributes": contact.custom_attributes,
        "last_activity_at": micros(contact.last_activity_at),
        "created_at": contact.created_at.0,
    })
}

fn user(user: &User) -> Value {
    json!({ "type": "user", "id": user.id.0, "name": user.name, "available_name": user.available_name() })
}

fn team(team: &Team) -> Value {
    json!({
        "id": team.id.0,
        "account_id": team.account_id.0,
        "name": team.name,
        "description": team.description,
        "allow_auto_assign": team.allow_auto_assign,
        "icon": team.icon,
        "icon_color": team.icon_color,
    })
}

fn attachment(attachment: &Attachment) -> Value {
    json!({
        "id": attachment.id.0,
        "message_id": attachment.message_id.0,
        "file_type": attachment.file_type().as_str(),
        "file_name": attachment.file_name,
        "content_type": attachment.content_type,
        "size_bytes": attachment.size_bytes,
        "content_id": attachment.content_id,
        "inline": attachment.inline,
    })
}

fn micros(at: Option<Timestamp>) -> Option<i64> {
    at.map(Timestamp::micros)
}

/// Without a mail's bodies, and with every other long text cut.
fn shorten(value: &Value, cut: &mut bool) -> Value {
    match value {
        Value::String(text) => Value::from(shorten_text(text, cut)),
        Value::Array(items) => Value::Array(items.iter().map(|item| shorten(item, cut)).collect()),
        Value::Object(object) => {
            let mut short = Map::new();
            for (key, item) in object {
                if bodies::BODIES.contains(&key.as_str()) && item.is_object() {
                    *cut = true;
                } else {
                    short.insert(key.clone(), shorten(item, cut));
                }
            }
            Value::Object(short)
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    }
}

fn shorten_text<'t>(text: &'t str, cut: &mut bool) -> &'t str {
    if text.len() <= MAX_TEXT_BYTES {
        return text;
    }
    *cut = true;
    &text[..text.floor_char_boundary(MAX_TEXT_BYTES)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mails_bodies_are_left_out_of_an_event_which_says_so() {
        let mut cut = false;
        let attributes = json!({
            "email": { "html_content": { "full": "<p>" }, "text_content": null, "subject": "é".repeat(1_000) },
            "to": ["a@b.c"],
        });
        let short = shorten(&attributes, &mut cut);
        assert!(cut);
        assert_eq!(short["to"], json!(["a@b.c"]));
        let email = short["email"].as_object().expect("an object");
        assert!(!email.contains_key("html_content") && email["text_content"].is_null());
        assert!(email["subject"].as_str().is_some_and(|subject| subject.len() <= MAX_TEXT_BYTES));
    }

    #[test]
    fn what_is_short_is_in_an_event_as_it_is() {
        let mut cut = false;
        let attributes = json!({ "a": 1, "email": { "text_content": null } });
        assert_eq!((shorten(&attributes, &mut cut), cut), (attributes.clone(), false));
    }
}
