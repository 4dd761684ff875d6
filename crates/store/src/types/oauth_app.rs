//! OAuth apps of accounts, their credentials, and what the installation's own app is remembered by.

use crate::AccountScope;
use domain::oauth_app::{CredentialKind, OauthApp};
use domain::{Failure, OauthAppCredentialId, OauthAppId, Secret, Timestamp};

#[derive(Clone, Debug)]
pub struct NewOauthApp {
    pub name: String,
    pub client_id: String,
    pub authority: String,
    pub is_default: bool,
    pub credential: Option<NewOauthAppCredential>,
}

/// `None` leaves it.
#[derive(Clone, Debug, Default)]
pub struct OauthAppChange {
    pub name: Option<String>,
    pub client_id: Option<String>,
    pub authority: Option<String>,
    pub is_default: Option<bool>,
}

#[derive(Clone, Debug)]
pub struct NewOauthAppCredential {
    pub kind: CredentialKind,
    pub hint: String,
    /// What is sealed: the secret, or certificate and key.
    pub secret: Secret,
    pub expires_at: Option<Timestamp>,
}

/// An app with what it proves itself by.
#[derive(Clone, Debug)]
pub struct OpenedOauthApp {
    pub app: OauthApp,
    /// Another number means that client id, authority or credentials are others.
    pub version: i64,
    pub credentials: Vec<OpenedCredential>,
}

#[derive(Clone, Debug)]
pub struct OpenedCredential {
    pub id: OauthAppCredentialId,
    pub kind: CredentialKind,
    pub secret: Secret,
}

/// As much of an app as every use of it asks for.
#[derive(Clone, Debug)]
pub struct OauthAppState {
    pub name: String,
    pub version: i64,
    /// The code of what does not work about it.
    pub failing_class: Option<String>,
    /// Some credential of it was refused when it was last tried.
    pub has_refusals: bool,
}

/// What came of deleting an app, or one of its credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removed {
    Gone,
    NotFound,
    /// Inboxes, or sign-ins that are under way, need it.
    InUse,
}

/// A credential that ends soon, of an app that has no other which lasts longer.
#[derive(Clone, Debug)]
pub struct EndingCredential {
    pub scope: AccountScope,
    pub oauth_app_id: OauthAppId,
    pub id: OauthAppCredentialId,
    pub expires_at: Timestamp,
    pub warned_days: Option<i64>,
}

/// What does not work about the installation's own app.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstallationAlarm {
    pub since: Timestamp,
    pub failure: Failure,
}
