//! A conversation is given to an agent, to a team, or to nobody.

use super::{ReadError, change, show};
use crate::App;
use crate::accounts::Member;
use domain::organising::Team;
use domain::user::Agent;
use domain::{DisplayId, InboxId, TeamId, UserId};
use store::{ConversationView, StoreError};

#[derive(Debug, thiserror::Error)]
pub enum AssignError {
    #[error("the conversation could not be found")]
    NotFound,
    /// No member of the account, or not of the inbox: they could not see what they are given.
    #[error("the assignee cannot see this inbox")]
    NotAssignable,
    #[error("no such team in this account")]
    NoSuchTeam,
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
    let assignee = assignable(member, view.conversation.inbox_id, assignee).await?;
    change::change(app, member, conversation, |view| give(view, assignee.clone())).await?;
    Ok(assignee)
}

/// `None` takes the team away. The new team, if there is one. Who has the conversation and is not in the new team has it no longer.
pub async fn assign_team(
    app: &App,
    member: &Member,
    conversation: DisplayId,
    team: Option<TeamId>,
) -> Result<Option<Team>, AssignError> {
    show(app, member, conversation).await?;
    let team = team_with_members(member, team).await?;
    let changed = change::change(app, member, conversation, |view| give_to_team(view, team.clone())).await;
    match changed {
        // It was deleted meanwhile.
        Err(ReadError::Store(StoreError::Conflict(_))) => Err(AssignError::NoSuchTeam),
        changed => {
            changed?;
            Ok(team.map(|(team, _)| team))
        }
    }
}

/// A team, and who is in it.
pub(super) type WithMembers = (Team, Vec<UserId>);

pub(super) async fn team_with_members(
    member: &Member,
    team: Option<TeamId>,
) -> Result<Option<WithMembers>, AssignError> {
    let Some(id) = team else { return Ok(None) };
    let team = member.scope.team(id).await?.ok_or(AssignError::NoSuchTeam)?;
    let people = member.scope.team_members(id).await?;
    Ok(Some((team, people.into_iter().map(|agent| agent.user.id).collect())))
}

/// Whoever is to have a conversation of this inbox, if they may.
pub(crate) async fn assignable(
    member: &Member,
    inbox: InboxId,
    assignee: Option<UserId>,
) -> Result<Option<Agent>, AssignError> {
    let Some(user) = assignee else { return Ok(None) };
    let agent = member.scope.agent(user).await?.ok_or(AssignError::NotAssignable)?;
    let sees = !member.scope.who_sees(inbox, &[user]).await?.is_empty();
    if sees { Ok(Some(agent)) } else { Err(AssignError::NotAssignable) }
}

pub(super) fn give(view: &mut ConversationView, assignee: Option<Agent>) {
    view.conversation.assignee_id = assignee.as_ref().map(|agent| agent.user.id);
    view.assignee = assignee;
}

pub(super) fn give_to_team(view: &mut ConversationView, team: Option<WithMembers>) {
    let id = team.as_ref().map(|(team, _)| team.id);
    if view.conversation.team_id == id {
        return;
    }
    view.conversation.team_id = id;
    if let Some((_, people)) = &team
        && view.conversation.assignee_id.is_some_and(|user| !people.contains(&user))
    {
        give(view, None);
    }
    view.team = team.map(|(team, _)| team);
}
