//! Agents: users as one account sees them.

use crate::JsonObject;
use crate::words::{Availability, Role};
use poem_openapi::Object;
use poem_openapi::types::Password;

#[derive(Clone, Debug, Object)]
pub struct Agent {
    pub id: i64,
    pub account_id: i64,
    pub availability_status: Availability,
    pub auto_offline: bool,
    pub confirmed: bool,
    pub email: String,
    pub provider: String,
    pub available_name: String,
    pub custom_attributes: JsonObject,
    pub name: String,
    pub role: Role,
    pub thumbnail: String,
    /// Where no mail is sent, in the answer to adding or inviting somebody who has no password: the link with which they set one, to be
    /// handed to them. It is shown here and never again.
    #[oai(skip_serializing_if_is_none)]
    pub invitation_url: Option<String>,
}

impl Agent {
    #[must_use]
    pub fn with_invitation(self, invitation_url: Option<String>) -> Self {
        Self { invitation_url, ..self }
    }
}

impl From<&domain::user::Agent> for Agent {
    fn from(agent: &domain::user::Agent) -> Self {
        Self {
            id: agent.user.id.0,
            account_id: agent.account_id.0,
            availability_status: agent.availability.into(),
            auto_offline: agent.auto_offline,
            confirmed: agent.confirmed,
            email: agent.user.email.clone(),
            provider: "email".to_owned(),
            available_name: agent.user.available_name().to_owned(),
            custom_attributes: JsonObject::default(),
            name: agent.user.name.clone(),
            role: agent.role.into(),
            thumbnail: String::new(),
            invitation_url: None,
        }
    }
}

#[derive(Clone, Debug, Object)]
pub struct AgentList {
    pub payload: Vec<Agent>,
}

/// `password` is our addition: without a mailer, an administrator hands the first password over.
#[derive(Clone, Debug, Object)]
pub struct NewAgent {
    #[oai(deserialize_with = "crate::json::text", validator(min_length = 1, max_length = 255))]
    pub name: String,
    #[oai(deserialize_with = "crate::json::text", validator(min_length = 3, max_length = 320))]
    pub email: String,
    pub role: Option<Role>,
    pub availability: Option<Availability>,
    pub auto_offline: Option<bool>,
    #[oai(validator(min_length = 8, max_length = 128))]
    pub password: Option<Password>,
}

#[derive(Clone, Debug, Object)]
pub struct NewAgents {
    /// Addresses; each is invited as an agent, by the name before the @.
    #[oai(validator(min_items = 1, max_items = 100))]
    pub emails: Vec<String>,
}

/// What became of many who were invited. Chatwoot answers nothing.
#[derive(Clone, Debug, Object)]
pub struct InvitedAgents {
    pub payload: Vec<Agent>,
    pub refused: Vec<RefusedAgent>,
}

#[derive(Clone, Debug, Object)]
pub struct RefusedAgent {
    pub email: String,
    /// A stable word, as in a refusal.
    pub code: String,
    pub message: String,
}

#[derive(Clone, Debug, Object)]
pub struct AgentUpdate {
    pub role: Option<Role>,
    pub availability: Option<Availability>,
    pub auto_offline: Option<bool>,
}

#[derive(Clone, Debug, Object)]
pub struct InboxMembers {
    pub inbox_id: i64,
    #[oai(validator(max_items = 1000))]
    pub user_ids: Vec<i64>,
}
