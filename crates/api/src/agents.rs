//! The people of an account.

use crate::auth::Auth;
use crate::error::{Acting, Problem, Reading, Refusal, Writing};
use crate::tags::Tag;
use app::accounts::{self, AgentChange, NewAgent};
use domain::{Secret, UserId};
use poem_openapi::OpenApi;
use poem_openapi::param::Path;
use poem_openapi::payload::Json;
use wire::agent::{self, Agent, InvitedAgents, RefusedAgent};

pub struct AgentsApi;

#[OpenApi(tag = "Tag::Agents")]
impl AgentsApi {
    /// List the people of the account
    #[oai(path = "/api/v1/accounts/:account_id/agents", method = "get", operation_id = "list_agents")]
    async fn list(&self, auth: Auth, account_id: Path<i64>) -> Result<Json<Vec<Agent>>, Refusal<Reading>> {
        let member = auth.enter(account_id.0).await?;
        let agents = accounts::list_agents(auth.app(), &member).await?;
        Ok(Json(agents.iter().map(Agent::from).collect()))
    }

    /// Add a person
    ///
    /// Administrators only. Without `password` they are sent a mail with a link to choose one, where this installation sends mail; else the
    /// answer holds the link. Somebody who has a password already, in another account, keeps it and is told by mail. They are `confirmed`
    /// once they have a password and have shown, where that is needed, that the address is theirs.
    #[oai(path = "/api/v1/accounts/:account_id/agents", method = "post", operation_id = "create_agent")]
    async fn create(
        &self,
        auth: Auth,
        account_id: Path<i64>,
        body: Json<agent::NewAgent>,
    ) -> Result<Json<Agent>, Refusal<Writing>> {
        let member = auth.enter(account_id.0).await?;
        let new = NewAgent {
            name: body.0.name,
            email: body.0.email,
            role: body.0.role.map_or(domain::account::Role::Agent, Into::into),
            availability: body.0.availability.map(Into::into),
            auto_offline: body.0.auto_offline,
            password: body.0.password.map(|password| Secret::new(password.0)),
        };
        let invited = accounts::invite(auth.app(), &member, new).await?;
        Ok(Json(shown(&invited)))
    }

    /// Add many people
    ///
    /// Administrators only. Each address is invited as an agent; one that cannot be keeps out no other.
    #[oai(path = "/api/v1/accounts/:account_id/agents/bulk_create", method = "post", operation_id = "create_agents")]
    async fn create_many(
        &self,
        auth: Auth,
        account_id: Path<i64>,
        body: Json<agent::NewAgents>,
    ) -> Result<Json<InvitedAgents>, Refusal<Writing>> {
        let member = auth.enter(account_id.0).await?;
        let (invited, refused) = accounts::invite_many(auth.app(), &member, body.0.emails).await?;
        let refused = refused.into_iter().map(|refused| {
            let problem = Problem::from(refused.error);
            let email = refused.email.chars().take(320).collect();
            RefusedAgent { email, code: problem.code.to_owned(), message: problem.words.into_owned() }
        });
        Ok(Json(InvitedAgents { payload: invited.iter().map(shown).collect(), refused: refused.collect() }))
    }

    /// Invite a person again
    ///
    /// Administrators only, of somebody who is not `confirmed`. The links before it go on working until one is used.
    #[oai(
        path = "/api/v1/accounts/:account_id/agents/:agent_id/resend_invitation",
        method = "post",
        operation_id = "resend_invitation"
    )]
    async fn invite_again(
        &self,
        auth: Auth,
        account_id: Path<i64>,
        agent_id: Path<i64>,
    ) -> Result<Json<Agent>, Refusal<Acting>> {
        let member = auth.enter(account_id.0).await?;
        let invited = accounts::invite_again(auth.app(), &member, UserId(agent_id.0)).await?;
        Ok(Json(shown(&invited)))
    }

    /// Change a person's role or availability
    ///
    /// Administrators change anybody; everybody changes their own availability.
    #[oai(path = "/api/v1/accounts/:account_id/agents/:agent_id", method = "patch", operation_id = "update_agent")]
    async fn update(
        &self,
        auth: Auth,
        account_id: Path<i64>,
        agent_id: Path<i64>,
        body: Json<agent::AgentUpdate>,
    ) -> Result<Json<Agent>, Refusal<Writing>> {
        let member = auth.enter(account_id.0).await?;
        let change = AgentChange {
            role: body.0.role.map(Into::into),
            availability: body.0.availability.map(Into::into),
            auto_offline: body.0.auto_offline,
        };
        let agent = accounts::update_agent(auth.app(), &member, UserId(agent_id.0), change).await?;
        Ok(Json((&agent).into()))
    }

    /// Remove a person from the account
    #[oai(path = "/api/v1/accounts/:account_id/agents/:agent_id", method = "delete", operation_id = "delete_agent")]
    async fn delete(&self, auth: Auth, account_id: Path<i64>, agent_id: Path<i64>) -> Result<(), Refusal<Acting>> {
        let member = auth.enter(account_id.0).await?;
        accounts::remove_agent(auth.app(), &member, UserId(agent_id.0)).await?;
        Ok(())
    }
}

fn shown(invited: &accounts::Invitation) -> Agent {
    Agent::from(&invited.agent).with_invitation(invited.link.as_ref().map(|link| link.expose().to_owned()))
}
