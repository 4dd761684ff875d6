//! Teams, and who is in them.

use super::{KeepError, Kept, MAX_TEAMS, administers, commit, described, refused};
use crate::App;
use crate::accounts::Member;
use domain::organising::{self, Team};
use domain::user::Agent;
use domain::{TeamId, UserId};
use std::collections::HashSet;
use store::StoreError;
pub use store::{NewTeam, People, TeamChange};

/// Conversations that leave a team in one transaction.
const LEAVE_AT_ONCE: u32 = 500;

/// All, and those of them that the member is in.
pub async fn list(_app: &App, member: &Member) -> Result<(Vec<Team>, HashSet<TeamId>), StoreError> {
    Ok((member.scope.teams().await?, of_member(member).await?))
}

/// The teams that the member is in.
pub async fn of_member(member: &Member) -> Result<HashSet<TeamId>, StoreError> {
    member.scope.teams_of(member.agent.user.id).await
}

pub async fn show(_app: &App, member: &Member, id: TeamId) -> Result<Team, KeepError> {
    member.scope.team(id).await?.ok_or(KeepError::NotFound)
}

pub async fn create(app: &App, member: &Member, new: NewTeam) -> Result<Team, KeepError> {
    administers(member)?;
    let new = NewTeam { name: name_of(&new.name)?, description: described(new.description), ..new };
    let mut tx = member.scope.begin().await?;
    let team = tx.create_team(&new, MAX_TEAMS).await.map_err(|error| refused(error, "name", MAX_TEAMS))?;
    commit(app, member, tx, Kept::Team).await?;
    Ok(team)
}

pub async fn update(app: &App, member: &Member, id: TeamId, change: TeamChange) -> Result<Team, KeepError> {
    administers(member)?;
    let change = TeamChange {
        name: change.name.as_deref().map(name_of).transpose()?,
        description: change.description.map(described),
        ..change
    };
    let mut tx = member.scope.begin().await?;
    let team = tx.update_team(id, &change).await.map_err(|error| refused(error, "name", MAX_TEAMS))?;
    let team = team.ok_or(KeepError::NotFound)?;
    commit(app, member, tx, Kept::Team).await?;
    Ok(team)
}

/// Its conversations are no team's then.
pub async fn delete(app: &App, member: &Member, id: TeamId) -> Result<(), KeepError> {
    administers(member)?;
    loop {
        let mut tx = member.scope.begin().await?;
        // A piece at a time: nobody's mail waits until thousands have left.
        if tx.leave_team(id, LEAVE_AT_ONCE).await? > 0 {
            tx.commit().await?;
            continue;
        }
        match tx.delete_team(id).await {
            // One was given to it meanwhile.
            Err(StoreError::Conflict(_)) => tx.rollback().await?,
            deleted => {
                deleted?.ok_or(KeepError::NotFound)?;
                return Ok(commit(app, member, tx, Kept::Team).await?);
            }
        }
    }
}

pub async fn members(app: &App, member: &Member, id: TeamId) -> Result<Vec<Agent>, KeepError> {
    show(app, member, id).await?;
    Ok(member.scope.team_members(id).await?)
}

/// All of them, as they are then.
pub async fn change_members(
    app: &App,
    member: &Member,
    id: TeamId,
    users: &[UserId],
    how: People,
) -> Result<Vec<Agent>, KeepError> {
    administers(member)?;
    show(app, member, id).await?;
    let users: HashSet<UserId> = users.iter().copied().collect();
    let agents = member.scope.agents().await?;
    if how != People::Remove && users.iter().any(|user| !agents.iter().any(|agent| agent.user.id == *user)) {
        return Err(KeepError::Invalid { field: "user_ids", words: "No such agent in this account" });
    }
    let users: Vec<UserId> = users.into_iter().collect();
    let mut tx = member.scope.begin().await?;
    match tx.change_team_members(id, &users, how).await {
        // The team was deleted meanwhile.
        Err(StoreError::Conflict(_)) => return Err(KeepError::NotFound),
        changed => changed?,
    }
    commit(app, member, tx, Kept::Team).await?;
    Ok(member.scope.team_members(id).await?)
}

fn name_of(text: &str) -> Result<String, KeepError> {
    let words = "Name must have 1 to 255 characters";
    organising::team_name(text).ok_or(KeepError::Invalid { field: "name", words })
}
