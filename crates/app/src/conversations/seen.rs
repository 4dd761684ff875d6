//! An agent has looked at a conversation: nothing in it is unread any more.

use super::status::announce;
use super::{ReadError, show};
use crate::accounts::Member;
use crate::{App, Hint};
use domain::DisplayId;
use domain::event::EventKind;
use store::ConversationView;

pub async fn update_last_seen(
    app: &App,
    member: &Member,
    conversation: DisplayId,
) -> Result<ConversationView, ReadError> {
    let view = show(app, member, conversation).await?;
    let now = app.now();
    let mut tx = member.scope.begin().await?;
    let Some(mut current) = tx.lock_conversation(view.conversation.id).await? else { return Err(ReadError::NotFound) };
    current.agent_last_seen_at = Some(now);
    if current.assignee_id == Some(member.agent.user.id) {
        current.assignee_last_seen_at = Some(now);
    }
    let current = tx.update_conversation(&current).await?;
    if view.unread_count > 0 {
        announce(&mut tx, &current, EventKind::ConversationUpdated).await?;
    }
    tx.commit().await?;
    app.wake(Hint::Account(current.account_id));
    show(app, member, conversation).await
}
