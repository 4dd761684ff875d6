//! An agent has looked at a conversation: nothing in it is unread any more. Or says that they will look again.

use super::activity::By;
use super::{ReadError, change, list};
use crate::accounts::Member;
use crate::{App, Hint, notifications};
use domain::{DisplayId, Timestamp};
use store::ConversationView;

/// Tells others only where something was unread.
pub async fn update_last_seen(
    app: &App,
    member: &Member,
    conversation: DisplayId,
) -> Result<ConversationView, ReadError> {
    let id = list::seen(member, conversation).await?.id;
    let now = app.now();
    let mut tx = member.scope.begin().await?;
    let before = change::lock(&mut tx, id).await?;
    let mut after = before.clone();
    after.conversation.agent_last_seen_at = Some(now);
    if before.conversation.assignee_id == Some(member.agent.user.id) {
        after.conversation.assignee_last_seen_at = Some(now);
    }
    let view = if before.unread_count > 0 {
        change::write(app, &mut tx, &before, &after, By::User(&member.agent.user)).await?
    } else {
        let conversation = tx.update_conversation(&after.conversation).await?;
        Some(ConversationView { conversation, ..after })
    };
    notifications::seen(&mut tx, member.agent.user.id, id).await?;
    tx.commit().await?;
    app.wake(Hint::Account(before.conversation.account_id));
    view.ok_or(ReadError::NotFound)
}

/// The last of what came in is unread again, where nothing is. Where nothing ever came in, nothing is.
pub async fn mark_unread(app: &App, member: &Member, conversation: DisplayId) -> Result<ConversationView, ReadError> {
    let id = list::seen(member, conversation).await?.id;
    let mut tx = member.scope.begin().await?;
    let before = change::lock(&mut tx, id).await?;
    let came = if before.unread_count > 0 { None } else { tx.last_incoming_at(id).await? };
    let Some(came) = came else {
        tx.rollback().await?;
        return Ok(before);
    };
    let just_before = Timestamp(came.0 - 1);
    let mut after = before.clone();
    let seen = &mut after.conversation;
    seen.agent_last_seen_at = Some(just_before);
    seen.assignee_last_seen_at = seen.assignee_last_seen_at.map(|at| at.min(just_before));
    let view = change::write(app, &mut tx, &before, &after, By::User(&member.agent.user)).await?;
    tx.commit().await?;
    app.wake(Hint::Account(before.conversation.account_id));
    Ok(view.unwrap_or(before))
}
