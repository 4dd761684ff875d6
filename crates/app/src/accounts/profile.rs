//! What people change about themselves: their names, their e-mail address, their password, and their place in an account.
//!
//! A new password or address wants the current password: whoever only found an open session cannot take the person's account with it.
//! Both end every other session.

use super::{Caller, EnterError, Profile, enter, password, profile, throttle_key};
use crate::App;
use domain::account::Availability;
use domain::{AccountId, EmailAddress, Secret};
use serde_json::Value;
use std::time::Duration;
use store::{AgentChange, StoreError, UserChange};

/// What a page may remember for somebody, as JSON.
pub const MAX_UI_SETTINGS_BYTES: usize = 16 * 1024;

/// `None` leaves it.
#[derive(Clone, Debug, Default)]
pub struct ProfileChange {
    pub name: Option<String>,
    pub email: Option<String>,
    pub display_name: Option<Option<String>>,
    pub message_signature: Option<Option<String>>,
    /// Replaces what their page remembers for them; an object.
    pub ui_settings: Option<Value>,
    pub password: Option<Secret>,
    /// Must be the same, where it is given.
    pub password_confirmation: Option<Secret>,
    pub current_password: Option<Secret>,
}

#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    /// A token for one account is no key to the person: what it changed would stand in all their accounts.
    #[error("a token for one account does not change the person")]
    Forbidden,
    #[error("the name needs 1 to 255 characters")]
    NameInvalid,
    #[error("the e-mail is not an e-mail address")]
    EmailInvalid,
    #[error("somebody else has this e-mail address")]
    EmailTaken,
    #[error("what the page remembers is too much")]
    UiSettingsTooLarge,
    #[error("the password needs at least 8 characters")]
    PasswordTooShort,
    #[error("the two passwords differ")]
    PasswordsDiffer,
    #[error("the current password is wrong")]
    CurrentPasswordWrong,
    #[error("too many attempts; try again in {} seconds", .retry_after.as_secs())]
    TooMany { retry_after: Duration },
    #[error(transparent)]
    Store(StoreError),
}

impl From<StoreError> for ProfileError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

pub async fn update_profile(app: &App, caller: &Caller, change: ProfileChange) -> Result<Profile, ProfileError> {
    if caller.account_id.is_some() {
        return Err(ProfileError::Forbidden);
    }
    let name = change.name.map(|name| name.trim().to_owned());
    if name.as_ref().is_some_and(|name| name.is_empty() || name.chars().count() > 255) {
        return Err(ProfileError::NameInvalid);
    }
    let email = match &change.email {
        Some(text) => Some(EmailAddress::parse(text).ok_or(ProfileError::EmailInvalid)?),
        None => None,
    };
    // Clients send the whole form: an address that stays is no change.
    let email = email.filter(|email| email.as_str() != caller.user.email);
    let ui_settings = change.ui_settings.as_ref().map(Value::to_string);
    if ui_settings.as_ref().is_some_and(|text| text.len() > MAX_UI_SETTINGS_BYTES) {
        return Err(ProfileError::UiSettingsTooLarge);
    }
    if let Some(password) = &change.password {
        if change.password_confirmation.as_ref().is_some_and(|again| again != password) {
            return Err(ProfileError::PasswordsDiffer);
        }
        if !password::is_acceptable(password) {
            return Err(ProfileError::PasswordTooShort);
        }
    }
    let guarded = email.is_some() || change.password.is_some();
    if guarded {
        check_password(app, caller, change.current_password).await?;
    }
    let password = match change.password {
        Some(password) => Some(password::hash(app.entropy(), password).await),
        None => None,
    };
    let text = |given: Option<Option<String>>| given.map(|text| text.filter(|text| !text.trim().is_empty()));
    let change = UserChange {
        name,
        email,
        display_name: text(change.display_name),
        message_signature: text(change.message_signature),
        password,
        ui_settings,
        ends_sessions_but: guarded.then_some(caller.token_id),
    };
    let user = match app.store().sign_in().update_user(caller.user.id, &change).await {
        Ok(user) => user.ok_or(StoreError::NotFound("user"))?,
        Err(StoreError::Conflict(_)) => return Err(ProfileError::EmailTaken),
        Err(error) => return Err(error.into()),
    };
    Ok(profile(app, &Caller { user, ..caller.clone() }).await?)
}

/// As often as one may try to sign in, and no more often.
async fn check_password(app: &App, caller: &Caller, given: Option<Secret>) -> Result<(), ProfileError> {
    let key = throttle_key("current password", &caller.user.id.to_string());
    let throttle = app.login_throttle();
    throttle.attempt(&key, app.now()).await.map_err(|retry_after| ProfileError::TooMany { retry_after })?;
    let known = EmailAddress::parse(&caller.user.email).map(|email| email.key());
    let stored = match known {
        Some(key) => app.store().sign_in().user_by_email(&key).await?.and_then(|(_, hash)| hash),
        None => None,
    };
    if !password::matches(given.unwrap_or_else(|| Secret::new("")), stored).await {
        return Err(ProfileError::CurrentPasswordWrong);
    }
    throttle.forget(&key).await;
    Ok(())
}

/// What a person says of their place in one account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlaceChange {
    Availability(Availability),
    AutoOffline(bool),
    /// The account they work in now: the one that their profile names.
    Active,
}

pub async fn update_place(
    app: &App,
    caller: &Caller,
    account: AccountId,
    change: PlaceChange,
) -> Result<Profile, EnterError> {
    let member = enter(app, caller, account).await?;
    let change = match change {
        PlaceChange::Availability(availability) => {
            AgentChange { availability: Some(availability), ..AgentChange::default() }
        }
        PlaceChange::AutoOffline(auto_offline) => {
            AgentChange { auto_offline: Some(auto_offline), ..AgentChange::default() }
        }
        PlaceChange::Active => AgentChange { active_at: Some(app.now()), ..AgentChange::default() },
    };
    member.scope.update_agent(caller.user.id, &change).await?.ok_or(EnterError::NotFound)?;
    crate::live::availability_changed(app, account);
    Ok(profile(app, caller).await?)
}
