//! The signed-in user, with the accounts they belong to.
//!
//! Chatwoot returns the API token in clear with every profile. Ours are stored hashed, so `access_token` and `pubsub_token` are null, but
//! that a token which was made this moment is shown.

use crate::JsonObject;
use crate::moment::iso;
use crate::words::{AccountStatus, Availability, Role};
use domain::user::{Membership, User};
use poem_openapi::Object;
use poem_openapi::types::{MaybeUndefined, Password};

#[derive(Clone, Debug, Object)]
pub struct Profile {
    /// Null but in the answer of `reset_access_token`: a token is shown once, when it is made.
    #[oai(nullable)]
    pub access_token: Option<String>,
    /// The account used last, else the first.
    #[oai(nullable)]
    pub account_id: Option<i64>,
    pub accounts: Vec<ProfileAccount>,
    pub available_name: String,
    pub avatar_url: String,
    pub confirmed: bool,
    pub custom_attributes: JsonObject,
    #[oai(nullable)]
    pub display_name: Option<String>,
    pub email: String,
    pub id: i64,
    #[oai(nullable)]
    pub inviter_id: Option<i64>,
    #[oai(nullable)]
    pub message_signature: Option<String>,
    pub name: String,
    pub provider: String,
    #[oai(nullable)]
    pub pubsub_token: Option<String>,
    /// The role in `account_id`.
    #[oai(nullable)]
    pub role: Option<Role>,
    #[oai(nullable)]
    pub r#type: Option<String>,
    pub ui_settings: JsonObject,
    pub uid: String,
}

#[derive(Clone, Debug, Object)]
pub struct ProfileAccount {
    pub id: i64,
    pub name: String,
    pub status: AccountStatus,
    /// Always null: there is no guided first visit here.
    #[oai(nullable)]
    pub onboarding_step: Option<String>,
    #[oai(nullable)]
    pub active_at: Option<String>,
    pub role: Role,
    pub permissions: Vec<String>,
    pub availability: Availability,
    pub availability_status: Availability,
    pub auto_offline: bool,
    pub api_and_webhooks: bool,
}

impl From<&Membership> for ProfileAccount {
    fn from(membership: &Membership) -> Self {
        Self {
            id: membership.account.id.0,
            name: membership.account.name.clone(),
            status: membership.account.status.into(),
            onboarding_step: None,
            active_at: iso(membership.active_at),
            role: membership.role.into(),
            permissions: vec![membership.role.as_str().to_owned()],
            availability: membership.availability.into(),
            availability_status: membership.availability.into(),
            auto_offline: membership.auto_offline,
            api_and_webhooks: true,
        }
    }
}

impl Profile {
    pub fn new(user: &User, memberships: &[Membership]) -> Self {
        let active = memberships.iter().max_by_key(|m| (m.active_at, std::cmp::Reverse(m.account.id)));
        Self {
            access_token: None,
            account_id: active.map(|m| m.account.id.0),
            accounts: memberships.iter().map(ProfileAccount::from).collect(),
            available_name: user.available_name().to_owned(),
            avatar_url: String::new(),
            confirmed: true,
            custom_attributes: JsonObject::default(),
            display_name: user.display_name.clone(),
            email: user.email.clone(),
            id: user.id.0,
            inviter_id: None,
            message_signature: user.message_signature.clone(),
            name: user.name.clone(),
            provider: "email".to_owned(),
            pubsub_token: None,
            role: active.map(|m| m.role.into()),
            r#type: None,
            ui_settings: JsonObject::default(),
            uid: user.email.clone(),
        }
    }

    /// With what their page remembers for them.
    #[must_use]
    pub fn remembering(self, ui_settings: &serde_json::Value) -> Self {
        Self { ui_settings: ui_settings.into(), ..self }
    }
}

/// What people change about themselves. Absent leaves as it is; null clears where that makes sense.
#[derive(Clone, Debug, Default, Object)]
pub struct ProfileChange {
    #[oai(deserialize_with = "crate::json::optional_text", validator(max_length = 255))]
    pub name: Option<String>,
    /// Signs in from now on, so it wants `current_password`.
    #[oai(deserialize_with = "crate::json::optional_text", validator(max_length = 320))]
    pub email: Option<String>,
    #[oai(deserialize_with = "crate::json::changed_text", nullable, validator(max_length = 255))]
    pub display_name: MaybeUndefined<String>,
    #[oai(deserialize_with = "crate::json::changed_text", nullable, validator(max_length = 10_000))]
    pub message_signature: MaybeUndefined<String>,
    /// Whatever a page wants to remember for the person; it replaces what was remembered. At most 16 kB as JSON.
    pub ui_settings: Option<JsonObject>,
    /// The new password. Wants `current_password`, and ends every other session.
    #[oai(validator(max_length = 1024))]
    pub password: Option<Password>,
    #[oai(validator(max_length = 1024))]
    pub password_confirmation: Option<Password>,
    #[oai(validator(max_length = 1024))]
    pub current_password: Option<Password>,
}

#[derive(Clone, Debug, Object)]
pub struct ProfileUpdate {
    pub profile: ProfileChange,
}

#[derive(Clone, Debug, Object)]
pub struct AvailabilityChange {
    pub account_id: i64,
    pub availability: Availability,
}

#[derive(Clone, Debug, Object)]
pub struct AvailabilityUpdate {
    pub profile: AvailabilityChange,
}

#[derive(Clone, Debug, Object)]
pub struct AutoOfflineChange {
    pub account_id: i64,
    pub auto_offline: bool,
}

#[derive(Clone, Debug, Object)]
pub struct AutoOfflineUpdate {
    pub profile: AutoOfflineChange,
}

#[derive(Clone, Debug, Object)]
pub struct ActiveAccountChange {
    pub account_id: i64,
}

#[derive(Clone, Debug, Object)]
pub struct ActiveAccountUpdate {
    pub profile: ActiveAccountChange,
}
