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
