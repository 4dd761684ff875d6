//! The signed-in user, and what they change about themselves.

use crate::auth::Auth;
use crate::error::{Asking, Oneself, Problem, Refusal, WritingOneself};
use crate::form_text::FormText;
use crate::health::{DATABASE, Missing, Readiness};
use crate::tags::Tag;
use app::accounts::{self, PlaceChange, ProfileChange};
use app::{App, accounts::update_place};
use domain::{AccountId, Secret};
use poem::web::Data;
use poem_openapi::payload::Json;
use poem_openapi::types::{MaybeUndefined, Password};
use poem_openapi::{ApiRequest, Multipart, OpenApi};
use wire::JsonObject;
use wire::profile::{self, ActiveAccountUpdate, AutoOfflineUpdate, AvailabilityUpdate, Profile, ProfileUpdate};
use wire::service::Service;

pub struct ProfileApi;

/// JSON as scripts send it, or the form that a browser sends; both name everything under `profile`.
#[derive(ApiRequest)]
pub enum ProfileBody {
    Json(Json<ProfileUpdate>),
    Multipart(ProfileForm),
}

/// An empty text clears what may be empty.
#[derive(Debug, Multipart)]
pub struct ProfileForm {
    #[oai(rename = "profile[name]", validator(max_length = 255))]
    name: Option<FormText>,
    #[oai(rename = "profile[email]", validator(max_length = 320))]
    email: Option<FormText>,
    #[oai(rename = "profile[display_name]", validator(max_length = 255))]
    display_name: Option<FormText>,
    #[oai(rename = "profile[message_signature]", validator(max_length = 10_000))]
    message_signature: Option<FormText>,
    #[oai(rename = "profile[password]", validator(max_length = 1024))]
    password: Option<FormText>,
    #[oai(rename = "profile[password_confirmation]", validator(max_length = 1024))]
    password_confirmation: Option<FormText>,
    #[oai(rename = "profile[current_password]", validator(max_length = 1024))]
    current_password: Option<FormText>,
}

impl From<ProfileForm> for profile::ProfileChange {
    fn from(form: ProfileForm) -> Self {
        let plain = |given: Option<FormText>| given.map(|FormText(text)| text);
        let text = |given| plain(given).map_or(MaybeUndefined::Undefined, MaybeUndefined::Value);
        let secret = |given| plain(given).map(Password);
        Self {
            name: plain(form.name),
            email: plain(form.email),
            display_name: text(form.display_name),
            message_signature: text(form.message_signature),
            ui_settings: None,
            password: secret(form.password),
            password_confirmation: secret(form.password_confirmation),
            current_password: secret(form.current_password),
        }
    }
}

impl ProfileBody {
    fn change(self) -> ProfileChange {
        let asked = match self {
            Self::Json(Json(update)) => update.profile,
            Self::Multipart(form) => form.into(),
        };
        let text = |given: MaybeUndefined<String>| match given {
            MaybeUndefined::Undefined => None,
            MaybeUndefined::Null => Some(None),
            MaybeUndefined::Value(text) => Some(Some(text)),
        };
        // Clients send the whole form: an empty password is none.
        let secret = |given: Option<Password>| given.map(|Password(text)| Secret::new(text)).filter(|s| !s.is_empty());
        ProfileChange {
            name: asked.name,
            email: asked.email,
            display_name: text(asked.display_name),
            message_signature: text(asked.message_signature),
            ui_settings: asked.ui_settings.map(JsonObject::into_value),
            password: secret(asked.password),
            password_confirmation: secret(asked.password_confirmation),
            current_password: secret(asked.current_password),
        }
    }
}

#[OpenApi]
impl ProfileApi {
    /// Show the signed-in user
    #[oai(path = "/api/v1/profile", method = "get", operation_id = "get_profile", tag = "Tag::Profile")]
    async fn show(&self, auth: Auth) -> Result<Json<Profile>, Refusal<Oneself>> {
        Ok(shown(&accounts::profile(auth.app(), &auth.caller).await?))
    }

    /// Change the signed-in user
    ///
    /// A new password or e-mail address wants `current_password`, and ends every session but the one that asks. API tokens stay.
    #[oai(path = "/api/v1/profile", method = "put", operation_id = "update_profile", tag = "Tag::Profile")]
    async fn update(&self, auth: Auth, body: ProfileBody) -> Result<Json<Profile>, Refusal<WritingOneself>> {
        Ok(shown(&accounts::update_profile(auth.app(), &auth.caller, body.change()).await?))
    }

    /// Say how available one is
    #[oai(
        path = "/api/v1/profile/availability",
        method = "post",
        operation_id = "set_availability",
        tag = "Tag::Profile"
    )]
    async fn availability(
        &self,
        auth: Auth,
        body: Json<AvailabilityUpdate>,
    ) -> Result<Json<Profile>, Refusal<WritingOneself>> {
        let asked = body.0.profile;
        changed(&auth, asked.account_id, PlaceChange::Availability(asked.availability.into())).await
    }

    /// Say whether one is offline while no client of theirs is open
    #[oai(
        path = "/api/v1/profile/auto_offline",
        method = "post",
        operation_id = "set_auto_offline",
        tag = "Tag::Profile"
    )]
    async fn auto_offline(
        &self,
        auth: Auth,
        body: Json<AutoOfflineUpdate>,
    ) -> Result<Json<Profile>, Refusal<WritingOneself>> {
        let asked = body.0.profile;
        changed(&auth, asked.account_id, PlaceChange::AutoOffline(asked.auto_offline)).await
    }

    /// Say in which account one works now
    ///
    /// It is the `account_id` of the profile until another one is set.
    #[oai(
        path = "/api/v1/profile/set_active_account",
        method = "put",
        operation_id = "set_active_account",
        tag = "Tag::Profile"
    )]
    async fn set_active_account(
        &self,
        auth: Auth,
        body: Json<ActiveAccountUpdate>,
    ) -> Result<Json<Profile>, Refusal<WritingOneself>> {
        changed(&auth, body.0.profile.account_id, PlaceChange::Active).await
    }

    /// What is running here
    ///
    /// Clients call this to see that a compatible server answers.
    #[oai(path = "/api", method = "get", operation_id = "get_service", tag = "Tag::Session")]
    async fn service(&self, app: Data<&App>, readiness: Data<&Readiness>) -> Result<Json<Service>, Refusal<Asking>> {
        let missing = readiness.0().await;
        let (data, queue): (Vec<_>, Vec<_>) = missing.iter().partition(|missing| missing.part == DATABASE);
        let words = |missing: &[&Missing]| if missing.is_empty() { "ok" } else { "failing" }.to_owned();
        Ok(Json(Service {
            version: crate::VERSION.to_owned(),
            timestamp: app.now().to_iso(),
            queue_services: words(&queue),
            data_services: words(&data),
        }))
    }
}

async fn changed(auth: &Auth, account: i64, change: PlaceChange) -> Result<Json<Profile>, Refusal<WritingOneself>> {
    let profile = update_place(auth.app(), &auth.caller, AccountId(account), change).await.map_err(Problem::from)?;
    Ok(shown(&profile))
}

pub(crate) fn shown(profile: &accounts::Profile) -> Json<Profile> {
    Json(Profile::new(&profile.user, &profile.memberships).remembering(&profile.ui_settings))
}
