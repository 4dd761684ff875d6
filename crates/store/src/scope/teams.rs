//! Teams, and who is in them.

use super::convert::{AGENT_COLUMNS, AgentRow};
use super::sql::{rows_of, scoped};
use super::tx::Tx;
use crate::*;
use domain::audit::{AuditAction, AuditSubject};
use domain::organising::Team;
use domain::user::Agent;
use domain::{AccountId, TeamId, UserId};
use sea_orm::{ConnectionTrait, FromQueryResult};
use serde_json::{Value, json};
use std::collections::{HashMap, HashSet};

#[derive(Debug, FromQueryResult)]
struct TeamRow {
    id: i64,
    account_id: i64,
    name: String,
    description: Option<String>,
    allow_auto_assign: bool,
    icon: String,
    icon_color: String,
}

impl From<TeamRow> for Team {
    fn from(row: TeamRow) -> Self {
        Self {
            id: TeamId(row.id),
            account_id: AccountId(row.account_id),
            name: row.name,
            description: row.description,
            allow_auto_assign: row.allow_auto_assign,
            icon: row.icon,
            icon_color: row.icon_color,
        }
    }
}

pub(crate) async fn teams_by_id<C: ConnectionTrait>(
    on: &C,
    account: AccountId,
    ids: &[i64],
) -> Result<HashMap<i64, Team>> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let rows: Vec<TeamRow> = scoped(account, "SELECT * FROM teams WHERE account_id = :account AND id IN (??)")
        .list(ids.iter().copied())
        .all(on)
        .await?;
    Ok(rows.into_iter().map(|row| (row.id, row.into())).collect())
}

impl AccountScope {
    /// By name.
    pub async fn teams(&self) -> Result<Vec<Team>> {
        let rows: Vec<TeamRow> =
            self.sql("SELECT * FROM teams WHERE account_id = :account ORDER BY name, id").all(&self.inner.read).await?;
        Ok(rows.into_iter().map(Team::from).collect())
    }

    pub async fn team(&self, id: TeamId) -> Result<Option<Team>> {
        Ok(teams_by_id(&self.inner.read, self.id, &[id.0]).await?.remove(&id.0))
    }

    /// Those that the user is in.
    pub async fn teams_of(&self, user: UserId) -> Result<HashSet<TeamId>> {
        let ids: Vec<i64> = self
            .sql("SELECT team_id FROM team_members WHERE account_id = :account AND user_id = ?")
            .bind(user.0)
            .column(&self.inner.read)
            .await?;
        Ok(ids.into_iter().map(TeamId).collect())
    }

    /// By name.
    pub async fn team_members(&self, team: TeamId) -> Result<Vec<Agent>> {
        self.sql(format!(
            "SELECT {AGENT_COLUMNS} FROM team_members m \
             JOIN account_users au ON au.account_id = m.account_id AND au.user_id = m.user_id \
             JOIN users u ON u.id = au.user_id \
             WHERE m.account_id = :account AND m.team_id = ? AND au.removed_at IS NULL ORDER BY u.name, u.id"
        ))
        .bind(team.0)
        .all::<AgentRow, _>(&self.inner.read)
        .await?
        .into_iter()
        .map(AgentRow::agent)
        .collect()
    }
}

fn told(team: &Team) -> Value {
    json!({
        "name": team.name,
        "description": team.description,
        "allow_auto_assign": team.allow_auto_assign,
        "icon": team.icon,
        "icon_color": team.icon_color,
    })
}

impl Tx {
    /// `Conflict` when there is one of this name, `LimitReached` when there are `most`.
    pub async fn create_team(&mut self, new: &NewTeam, most: u32) -> Result<Team> {
        self.make_room("teams", self.sql("SELECT COUNT(*) FROM teams WHERE account_id = :account"), most).await?;
        let now = self.now().0;
        let row: Option<TeamRow> = self
            .sql(
                "INSERT INTO teams (account_id, name, description, allow_auto_assign, icon, icon_color, created_at, updated_at) \
                 VALUES (:account, ?, ?, ?, ?, ?, ?, ?) RETURNING *",
            )
            .bind(new.name.as_str())
            .bind(new.description.clone())
            .bind(new.allow_auto_assign)
            .bind(new.icon.as_str())
            .bind(new.icon_color.as_str())
            .bind(now)
            .bind(now)
            .one(self.on())
            .await?;
        let team = row.map(Team::from).ok_or(StoreError::NotFound("team"))?;
        self.audit(AuditAction::Create, AuditSubject::Team, team.id.0, told(&team)).await?;
        Ok(team)
    }

    /// `Conflict` when another team has the name.
    pub async fn update_team(&mut self, id: TeamId, change: &TeamChange) -> Result<Option<Team>> {
        let before = teams_by_id(self.on(), self.account_id(), &[id.0]).await?.remove(&id.0);
        let row: Option<TeamRow> = self
            .sql(
                "UPDATE teams SET name = COALESCE(?, name), description = CASE WHEN ? THEN ? ELSE description END, \
                 allow_auto_assign = COALESCE(?, allow_auto_assign), icon = COALESCE(?, icon), \
                 icon_color = COALESCE(?, icon_color), updated_at = ? WHERE account_id = :account AND id = ? RETURNING *",
            )
            .bind(change.name.clone())
            .bind(change.description.is_some())
            .bind(change.description.clone().flatten())
            .bind(change.allow_auto_assign)
            .bind(change.icon.clone())
            .bind(change.icon_color.clone())
            .bind(self.now().0)
            .bind(id.0)
            .one(self.on())
            .await?;
        let after = row.map(Team::from);
        if let (Some(before), Some(after)) = (before, &after) {
            self.scope().audit_update(self.on(), AuditSubject::Team, id.0, told(&before), told(after)).await?;
        }
        Ok(after)
    }

    /// Of the team's conversations, so many are no team's any more. How many.
    pub async fn leave_team(&mut self, id: TeamId, most: u32) -> Result<u64> {
        self.sql(
            "UPDATE conversations SET team_id = NULL, updated_at = ? WHERE account_id = :account AND id IN \
             (SELECT id FROM conversations WHERE account_id = :account AND team_id = ? ORDER BY id LIMIT ?{lock})",
        )
        .bind(self.now().0)
        .bind(id.0)
        .bind(i64::from(most))
        .run(self.on())
        .await
    }

    /// `Conflict` while conversations are its. `None`: there is none.
    pub async fn delete_team(&mut self, id: TeamId) -> Result<Option<Team>> {
        let row: Option<TeamRow> = self
            .sql("DELETE FROM teams WHERE account_id = :account AND id = ? RETURNING *")
            .bind(id.0)
            .one(self.on())
            .await?;
        let team = row.map(Team::from);
        if let Some(team) = &team {
            self.audit(AuditAction::Destroy, AuditSubject::Team, id.0, told(team)).await?;
        }
        Ok(team)
    }

    /// Whoever is not in the account is a `Conflict`.
    pub async fn change_team_members(&mut self, team: TeamId, users: &[UserId], how: People) -> Result<()> {
        let before = self.team_member_ids(team).await?;
        self.put_team_members(team, users, how).await?;
        let after = self.team_member_ids(team).await?;
        let told = |ids: Vec<i64>| json!({ "user_ids": ids });
        self.scope().audit_update(self.on(), AuditSubject::TeamMember, team.0, told(before), told(after)).await
    }

    async fn team_member_ids(&mut self, team: TeamId) -> Result<Vec<i64>> {
        let members = "SELECT user_id FROM team_members WHERE account_id = :account AND team_id = ? ORDER BY user_id";
        self.sql(members).bind(team.0).column(self.on()).await
    }

    async fn put_team_members(&mut self, team: TeamId, users: &[UserId], how: People) -> Result<()> {
        if how == People::Replace {
            self.sql("DELETE FROM team_members WHERE account_id = :account AND team_id = ?")
                .bind(team.0)
                .run(self.on())
                .await?;
        }
        if users.is_empty() {
            return Ok(());
        }
        if how == People::Remove {
            self.sql("DELETE FROM team_members WHERE account_id = :account AND team_id = ? AND user_id IN (??)")
                .bind(team.0)
                .list(users.iter().map(|user| user.0))
                .run(self.on())
                .await?;
            return Ok(());
        }
        let now = self.now().0;
        let rows = rows_of("(:account, ?, ?, ?)", users.len());
        let mut sql = self.sql(format!(
            "INSERT INTO team_members (account_id, team_id, user_id, created_at) VALUES {rows} ON CONFLICT DO NOTHING"
        ));
        for user in users {
            sql = sql.bind(team.0).bind(user.0).bind(now);
        }
        sql.run(self.on()).await?;
        Ok(())
    }
}
