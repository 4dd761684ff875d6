//! A conversation is given to an agent, or to nobody.

use super::status::announce;
use super::{ReadError, activity, show};
use crate::accounts::Member;
use crate::{App, Hint};
use domain::event::EventKind;
use domain::user::Agent;
use domain::{DisplayId, UserId};
use store::StoreError;

#[derive(Debug, thiserror::Error)]
pub enum AssignError {
    #[error("the conversation could not be found")]
    NotFound,
    /// No member of the account, or not of the inbox: they could not see what they are given.
    #[error("the assignee cannot see this inbox")]
    NotAssignable,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<ReadError> for AssignError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::NotFound => Self::NotFound,
            ReadError::Store(error) => Self::Store(error),
        }
    }
}

/// `None` takes the assignee away. The new assignee, if there is one.
pub async fn assign(
    app: &App,
    member: &Member,
    conversation: DisplayId,
    assignee: Option<UserId>,
) -> Result<Option<Agent>, AssignError> {
    let view = show(app, member, conversation).await?;
    let assignee = match assignee {
        None => None,
        Some(user) => {
            let agent = member.scope.agent(user).await?.ok_or(AssignError::NotAssignable)?;
            let sees = agent.role.may_manage_inboxes()
                || member.scope.inbox_members(view.conversation.inbox_id).await?.iter().any(|m| m.user.id == user);
            if !sees {
                return Err(AssignError::NotAssignable);
            }
            Some(agent)
        }
    };
    let mut tx = member.scope.begin().await?;
    let Some(mut current) = tx.lock_conversation(view.conversation.id).await? else {
        return Err(AssignError::NotFound);
    };
    let new = assignee.as_ref().map(|agent| agent.user.id);
    if current.assignee_id == new {
        tx.rollback().await?;
        return Ok(assignee);
    }
    current.assignee_id = new;
    let current = tx.update_conversation(&current).await?;
    let by = &member.agent.user;
    let line = activity::assignee_changed(
        assignee.as_ref().map(|agent| agent.user.available_name()),
        by.available_name(),
        new == Some(by.id),
    );
    activity::record(&mut tx, &current, line, app.now()).await?;
    announce(&mut tx, &current, EventKind::AssigneeChanged).await?;
    announce(&mut tx, &current, EventKind::ConversationUpdated).await?;
    tx.commit().await?;
    app.wake(Hint::Account(current.account_id));
    Ok(assignee)
}
