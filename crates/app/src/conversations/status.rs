//! A conversation is opened, resolved, snoozed or set pending by an agent.

use super::snapshot;
use super::{ReadError, activity, show};
use crate::accounts::Member;
use crate::{App, Hint};
use domain::conversation::{Conversation, ConversationStatus};
use domain::event::EventKind;
use domain::{DisplayId, Timestamp};
use store::{ConversationView, StoreError, Tx};

#[derive(Debug, thiserror::Error)]
pub enum StatusError {
    #[error("the conversation could not be found")]
    NotFound,
    /// `snoozed_until` is over already.
    #[error("snoozed_until must be in the future")]
    SnoozeOver,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<ReadError> for StatusError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::NotFound => Self::NotFound,
            ReadError::Store(error) => Self::Store(error),
        }
    }
}

/// Sets the status, or toggles it when none is given: open becomes resolved, everything else open.
pub async fn toggle_status(
    app: &App,
    member: &Member,
    conversation: DisplayId,
    status: Option<ConversationStatus>,
    snoozed_until: Option<Timestamp>,
) -> Result<ConversationView, StatusError> {
    let view = show(app, member, conversation).await?;
    let now = app.now();
    if snoozed_until.is_some_and(|until| until <= now) && status == Some(ConversationStatus::Snoozed) {
        return Err(StatusError::SnoozeOver);
    }
    let mut tx = member.scope.begin().await?;
    let Some(mut current) = tx.lock_conversation(view.conversation.id).await? else {
        return Err(StatusError::NotFound);
    };
    let before = current.status;
    let status = status.unwrap_or_else(|| before.toggled());
    let snoozed_until = if status == ConversationStatus::Snoozed { snoozed_until } else { None };
    if status == before && snoozed_until == current.snoozed_until {
        tx.rollback().await?;
        return Ok(show(app, member, conversation).await?);
    }
    set_status(&mut current, status, snoozed_until);
    let current = tx.update_conversation(&current).await?;
    if status != before {
        let line = activity::status_changed(status, member.agent.user.available_name());
        activity::record(&mut tx, &current, line, now).await?;
        announce(&mut tx, &current, EventKind::ConversationStatusChanged).await?;
    }
    announce(&mut tx, &current, EventKind::ConversationUpdated).await?;
    tx.commit().await?;
    app.wake(Hint::Account(current.account_id));
    Ok(show(app, member, conversation).await?)
}

/// The rules of a status: only a snoozed conversation has an end of its snooze, and nobody waits in a resolved one.
pub(crate) fn set_status(
    conversation: &mut Conversation,
    status: ConversationStatus,
    snoozed_until: Option<Timestamp>,
) {
    conversation.status = status;
    conversation.snoozed_until = snoozed_until;
    if status == ConversationStatus::Resolved {
        conversation.waiting_since = None;
    }
}

/// An event with the conversation as it is now in this transaction.
pub(crate) async fn announce(tx: &mut Tx, conversation: &Conversation, kind: EventKind) -> Result<(), StoreError> {
    if let Some(view) = tx.conversation_view(conversation.id).await? {
        let payload = snapshot::conversation(&view);
        tx.append_event(kind, Some(conversation.inbox_id), Some(conversation.id), payload);
    }
    Ok(())
}
