//! Groups of agents to whom a conversation can be given.

use crate::auth::Auth;
use crate::error::{Acting, Reading, Refusal, Writing};
use crate::labels::changed;
use crate::tags::Tag;
use app::accounts::Member;
use app::organising::teams::{self, People};
use domain::{TeamId, UserId};
use poem_openapi::OpenApi;
use poem_openapi::param::Path;
use poem_openapi::payload::Json;
use wire::agent::Agent;
use wire::organising::{NewTeam, Team, TeamUpdate, UserIds};

pub struct TeamsApi;

#[OpenApi(tag = "Tag::Teams")]
impl TeamsApi {
    /// List teams
    #[oai(path = "/api/v1/accounts/:account_id/teams", method = "get", operation_id = "list_teams")]
    async fn list(&self, auth: Auth, account_id: Path<i64>) -> Result<Json<Vec<Team>>, Refusal<Reading>> {
        let member = auth.enter(account_id.0).await?;
        let (teams, own) = teams::list(auth.app(), &member).await?;
        Ok(Json(teams.iter().map(|team| Team::new(team, own.contains(&team.id))).collect()))
    }

    /// Add a team
    ///
    /// Administrators only. At most 500.
    #[oai(path = "/api/v1/accounts/:account_id/teams", method = "post", operation_id = "create_team")]
    async fn create(
        &self,
        auth: Auth,
        account_id: Path<i64>,
        body: Json<NewTeam>,
    ) -> Result<Json<Team>, Refusal<Writing>> {
        let member = auth.enter(account_id.0).await?;
        let NewTeam { name, description, allow_auto_assign, icon, icon_color } = body.0;
        let new = teams::NewTeam {
            name,
            description,
            allow_auto_assign: allow_auto_assign.unwrap_or(true),
            icon: icon.unwrap_or_default(),
            icon_color: icon_color.unwrap_or_default(),
        };
        let team = teams::create(auth.app(), &member, new).await?;
        Ok(Json(Team::new(&team, false)))
    }

    /// Show a team
    #[oai(path = "/api/v1/accounts/:account_id/teams/:team_id", method = "get", operation_id = "get_team")]
    async fn show(
        &self,
        auth: Auth,
        account_id: Path<i64>,
        team_id: Path<i64>,
    ) -> Result<Json<Team>, Refusal<Reading>> {
        let member = auth.enter(account_id.0).await?;
        let team = teams::show(auth.app(), &member, TeamId(team_id.0)).await?;
        let own = teams::of_member(&member).await?;
        Ok(Json(Team::new(&team, own.contains(&team.id))))
    }

    /// Change a team
    ///
    /// Administrators only.
    #[oai(path = "/api/v1/accounts/:account_id/teams/:team_id", method = "patch", operation_id = "update_team")]
    async fn update(
        &self,
        auth: Auth,
        account_id: Path<i64>,
        team_id: Path<i64>,
        body: Json<TeamUpdate>,
    ) -> Result<Json<Team>, Refusal<Writing>> {
        let member = auth.enter(account_id.0).await?;
        let TeamUpdate { name, description, allow_auto_assign, icon, icon_color } = body.0;
        let change = teams::TeamChange { name, description: changed(description), allow_auto_assign, icon, icon_color };
        let team = teams::update(auth.app(), &member, TeamId(team_id.0), change).await?;
        let own = teams::of_member(&member).await?;
        Ok(Json(Team::new(&team, own.contains(&team.id))))
    }

    /// Delete a team
    ///
    /// Administrators only. Its conversations are no team's then.
    #[oai(path = "/api/v1/accounts/:account_id/teams/:team_id", method = "delete", operation_id = "delete_team")]
    async fn delete(&self, auth: Auth, account_id: Path<i64>, team_id: Path<i64>) -> Result<(), Refusal<Acting>> {
        let member = auth.enter(account_id.0).await?;
        Ok(teams::delete(auth.app(), &member, TeamId(team_id.0)).await?)
    }

    /// List a team's members
    #[oai(
        path = "/api/v1/accounts/:account_id/teams/:team_id/team_members",
        method = "get",
        operation_id = "list_team_members"
    )]
    async fn members(
        &self,
        auth: Auth,
        account_id: Path<i64>,
        team_id: Path<i64>,
    ) -> Result<Json<Vec<Agent>>, Refusal<Reading>> {
        let member = auth.enter(account_id.0).await?;
        let agents = teams::members(auth.app(), &member, TeamId(team_id.0)).await?;
        Ok(Json(agents.iter().map(Agent::from).collect()))
    }

    /// Add members to a team
    #[oai(
        path = "/api/v1/accounts/:account_id/teams/:team_id/team_members",
        method = "post",
        operation_id = "add_team_members"
    )]
    async fn add_members(
        &self,
        auth: Auth,
        account_id: Path<i64>,
        team_id: Path<i64>,
        body: Json<UserIds>,
    ) -> Result<Json<Vec<Agent>>, Refusal<Writing>> {
        let member = auth.enter(account_id.0).await?;
        change_members(&auth, &member, TeamId(team_id.0), body.0, People::Add).await
    }

    /// Replace a team's members
    #[oai(
        path = "/api/v1/accounts/:account_id/teams/:team_id/team_members",
        method = "patch",
        operation_id = "set_team_members"
    )]
    async fn set_members(
        &self,
        auth: Auth,
        account_id: Path<i64>,
        team_id: Path<i64>,
        body: Json<UserIds>,
    ) -> Result<Json<Vec<Agent>>, Refusal<Writing>> {
        let member = auth.enter(account_id.0).await?;
        change_members(&auth, &member, TeamId(team_id.0), body.0, People::Replace).await
    }

    /// Take members out of a team
    ///
    /// Answers those who stay.
    #[oai(
        path = "/api/v1/accounts/:account_id/teams/:team_id/team_members",
        method = "delete",
        operation_id = "remove_team_members"
    )]
    async fn remove_members(
        &self,
        auth: Auth,
        account_id: Path<i64>,
        team_id: Path<i64>,
        body: Json<UserIds>,
    ) -> Result<Json<Vec<Agent>>, Refusal<Writing>> {
        let member = auth.enter(account_id.0).await?;
        change_members(&auth, &member, TeamId(team_id.0), body.0, People::Remove).await
    }
}

async fn change_members(
    auth: &Auth,
    member: &Member,
    team: TeamId,
    body: UserIds,
    how: People,
) -> Result<Json<Vec<Agent>>, Refusal<Writing>> {
    let users: Vec<UserId> = body.user_ids.into_iter().map(UserId).collect();
    let agents = teams::change_members(auth.app(), member, team, &users, how).await?;
    Ok(Json(agents.iter().map(Agent::from).collect()))
}
