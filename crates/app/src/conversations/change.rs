//! One change of a conversation: whatever differs afterwards is written, told in lines and in events, in one transaction.
//!
//! What is told follows from what differs, so that no use case can forget a part of it, and one that changes nothing tells nothing.

use super::activity::{self, By};
use super::snapshot;
use super::{ReadError, list};
use crate::accounts::Member;
use crate::notifications::Notices;
use crate::{App, Hint};
use domain::conversation::{Conversation, ConversationStatus, Priority};
use domain::event::EventKind;
use domain::{DisplayId, Timestamp};
use serde_json::{Value, json};
use store::{ConversationView, People, StoreError, Tx};

/// Changes a conversation that the member sees. `change` is given it as it is at that moment, locked. As it is then.
pub(crate) async fn change(
    app: &App,
    member: &Member,
    conversation: DisplayId,
    change: impl FnOnce(&mut ConversationView),
) -> Result<ConversationView, ReadError> {
    let id = list::seen(member, conversation).await?.id;
    let mut tx = member.scope.begin().await?;
    let before = lock(&mut tx, id).await?;
    let mut after = before.clone();
    change(&mut after);
    let Some(view) = write(app, &mut tx, &before, &after, By::User(&member.agent.user)).await? else {
        tx.rollback().await?;
        return Ok(before);
    };
    tx.commit().await?;
    app.wake(Hint::Account(view.conversation.account_id));
    Ok(view)
}

/// As it is in this transaction, locked until its end.
pub(crate) async fn lock(tx: &mut Tx, id: domain::ConversationId) -> Result<ConversationView, ReadError> {
    tx.lock_conversation(id).await?.ok_or(ReadError::NotFound)?;
    tx.conversation_view(id).await?.ok_or(ReadError::NotFound)
}

/// Writes what differs of a conversation that is locked. `None`: nothing does, and nothing was written. A contact's block is told here and
/// written by whoever locked the contact.
pub(crate) async fn write(
    app: &App,
    tx: &mut Tx,
    before: &ConversationView,
    after: &ConversationView,
    by: By<'_>,
) -> Result<Option<ConversationView>, StoreError> {
    let changed = changed_attributes(before, after);
    if changed.is_empty() {
        return Ok(None);
    }
    let (was, is) = (&before.conversation, &after.conversation);
    if before.labels != after.labels {
        tx.set_conversation_labels(is.id, &after.labels).await?;
    }
    let conversation = tx.update_conversation(is).await?;
    // Who was given a conversation takes part in it.
    if let Some(assignee) = is.assignee_id.filter(|_| was.assignee_id != is.assignee_id) {
        tx.change_participants(is.id, &[assignee], People::Add).await?;
    }
    for line in activity::lines(before, after, by) {
        activity::record(tx, &conversation, line, app.now()).await?;
    }
    let Some(view) = tx.conversation_view(is.id).await? else { return Ok(None) };
    let mut payload = snapshot::conversation(&view);
    payload["changed_attributes"] = Value::Array(changed);
    let kinds = [
        (was.status != is.status, EventKind::ConversationStatusChanged),
        (was.assignee_id != is.assignee_id, EventKind::AssigneeChanged),
        (was.team_id != is.team_id, EventKind::TeamChanged),
        (true, EventKind::ConversationUpdated),
    ];
    for (_, kind) in kinds.into_iter().filter(|(told, _)| *told) {
        tx.append_event(kind, Some(is.inbox_id), Some(is.id), payload.clone());
    }
    if was.assignee_id != is.assignee_id {
        let mut notices = Notices::default();
        notices.assigned(is, by.user_id());
        notices.tell(app, tx).await?;
    }
    Ok(Some(view))
}

/// An event with the conversation as it is now in this transaction, of a change that is told elsewhere.
pub(crate) async fn announce(tx: &mut Tx, conversation: &Conversation, kind: EventKind) -> Result<(), StoreError> {
    if let Some(view) = tx.conversation_view(conversation.id).await? {
        let payload = snapshot::conversation(&view);
        tx.append_event(kind, Some(conversation.inbox_id), Some(conversation.id), payload);
    }
    Ok(())
}

/// The rules of a status: only a snoozed conversation has an end of its snooze, and nobody waits in a resolved one.
pub(crate) fn set_status(
    conversation: &mut Conversation,
    status: ConversationStatus,
    snoozed_until: Option<Timestamp>,
) {
    conversation.status = status;
    conversation.snoozed_until = if status == ConversationStatus::Snoozed { snoozed_until } else { None };
    if status == ConversationStatus::Resolved {
        conversation.waiting_since = None;
    }
}

/// Chatwoot's list of what was otherwise before: `[{"status": {"previous_value": "open", "current_value": "resolved"}}]`.
fn changed_attributes(before: &ConversationView, after: &ConversationView) -> Vec<Value> {
    let (was, is) = (attributes(before), attributes(after));
    was.into_iter()
        .zip(is)
        .filter(|((_, was), (_, is))| was != is)
        .map(|((name, was), (_, is))| json!({ name: { "previous_value": was, "current_value": is } }))
        .collect()
}

fn attributes(view: &ConversationView) -> [(&'static str, Value); 13] {
    let c = &view.conversation;
    let at = |time: Option<Timestamp>| json!(time.map(Timestamp::to_iso));
    [
        ("status", json!(c.status.as_str())),
        ("assignee_id", json!(c.assignee_id.map(|id| id.0))),
        ("team_id", json!(c.team_id.map(|id| id.0))),
        ("priority", json!(c.priority.map(Priority::as_str))),
        ("label_list", json!(view.labels)),
        ("snoozed_until", at(c.snoozed_until)),
        ("custom_attributes", c.custom_attributes.clone()),
        ("additional_attributes", c.additional_attributes.clone()),
        ("waiting_since", at(c.waiting_since)),
        ("first_reply_created_at", at(c.first_reply_at)),
        ("agent_last_seen_at", at(c.agent_last_seen_at)),
        ("assignee_last_seen_at", at(c.assignee_last_seen_at)),
        ("muted", json!(view.contact.blocked)),
    ]
}
