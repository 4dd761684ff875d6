//! The lines between messages that say who changed what; Chatwoot's words, so that clients' searches and eyes find them.

use super::snapshot;
use domain::conversation::{Conversation, ConversationStatus, Priority};
use domain::event::EventKind;
use domain::message::{ContentType, Message, MessageType};
use domain::user::User;
use domain::{Timestamp, UserId};
use store::{ConversationView, NewMessage, NewSender, StoreError, Tx};

/// Who changed something.
#[derive(Clone, Copy, Debug)]
pub enum By<'a> {
    User(&'a User),
    /// Its time came.
    SnoozeEnded,
}

impl By<'_> {
    pub fn user_id(self) -> Option<UserId> {
        match self {
            Self::User(user) => Some(user.id),
            Self::SnoozeEnded => None,
        }
    }
}

/// What changed between the two, a line each.
pub fn lines(before: &ConversationView, after: &ConversationView, by: By<'_>) -> Vec<String> {
    let mut lines = Vec::new();
    let (was, is) = (&before.conversation, &after.conversation);
    let name = match by {
        By::User(user) => user.available_name(),
        By::SnoozeEnded => {
            if was.status != is.status {
                lines.push("Conversation was reopened because its snooze ended".to_owned());
            }
            return lines;
        }
    };
    if was.status != is.status {
        lines.push(status_changed(is.status, name));
    }
    if before.contact.blocked != after.contact.blocked {
        let muted = if after.contact.blocked { "muted" } else { "unmuted" };
        lines.push(format!("{name} has {muted} the conversation"));
    }
    if was.team_id != is.team_id {
        lines.extend(team_changed(before, after, name));
    }
    if was.assignee_id != is.assignee_id {
        let is_self = matches!(by, By::User(user) if is.assignee_id == Some(user.id));
        lines.push(assignee_changed(after.assignee.as_ref().map(|agent| agent.user.available_name()), name, is_self));
    }
    if was.priority != is.priority {
        lines.push(priority_changed(was.priority, is.priority, name));
    }
    let new = |of: &[String], than: &[String]| -> Vec<String> {
        of.iter().filter(|title| !than.contains(title)).cloned().collect()
    };
    for (titles, what) in
        [(new(&after.labels, &before.labels), "added"), (new(&before.labels, &after.labels), "removed")]
    {
        if !titles.is_empty() {
            lines.push(format!("{name} {what} {}", titles.join(", ")));
        }
    }
    lines
}

fn status_changed(status: ConversationStatus, by: &str) -> String {
    match status {
        ConversationStatus::Open => format!("Conversation was reopened by {by}"),
        ConversationStatus::Resolved => format!("Conversation was marked resolved by {by}"),
        ConversationStatus::Pending => format!("Conversation was marked as pending by {by}"),
        ConversationStatus::Snoozed => format!("Conversation was snoozed by {by}"),
    }
}

/// `to`: the new assignee's name.
fn assignee_changed(to: Option<&str>, by: &str, is_self: bool) -> String {
    match to {
        Some(_) if is_self => format!("{by} self-assigned this conversation"),
        Some(to) => format!("Assigned to {to} by {by}"),
        None => format!("Conversation unassigned by {by}"),
    }
}

fn team_changed(before: &ConversationView, after: &ConversationView, by: &str) -> Option<String> {
    match (&before.team, &after.team) {
        (_, Some(team)) => Some(format!("Assigned to {} by {by}", team.name)),
        (Some(team), None) => Some(format!("Unassigned from {} by {by}", team.name)),
        (None, None) => None,
    }
}

fn priority_changed(was: Option<Priority>, is: Option<Priority>, by: &str) -> String {
    match (was, is) {
        (Some(was), Some(is)) => format!("{by} changed the priority from {} to {}", was.as_str(), is.as_str()),
        (None, Some(is)) => format!("{by} set the priority to {}", is.as_str()),
        (_, None) => format!("{by} removed the priority"),
    }
}

/// Writes the line into the (locked) conversation and says so.
pub(crate) async fn record(
    tx: &mut Tx,
    conversation: &Conversation,
    line: String,
    now: Timestamp,
) -> Result<Message, StoreError> {
    let message = tx
        .insert_message(&NewMessage {
            conversation_id: conversation.id,
            message_type: MessageType::Activity,
            private: false,
            content: Some(line),
            content_type: ContentType::Text,
            content_attributes: serde_json::json!({}),
            source_id: None,
            sender: NewSender::System,
            sent_at: now,
        })
        .await?;
    let payload = snapshot::message(&message, None);
    tx.append_event(EventKind::MessageCreated, Some(conversation.inbox_id), Some(conversation.id), payload);
    Ok(message)
}
