//! OAuth apps of an account, and whether one works. No shape here can hold a secret on its way out.

use crate::failure::Failure;
use crate::moment::seconds;
use poem_openapi::{Enum, Object};

/// A client secret, or a certificate with its key.
#[derive(Clone, Default, Object)]
pub struct OauthAppCredentialRequest {
    /// The value of a client secret, not its id.
    #[oai(deserialize_with = "crate::json::optional_text", validator(max_length = 512))]
    pub client_secret: Option<String>,
    /// In PEM, as it was uploaded to the app registration.
    #[oai(deserialize_with = "crate::json::optional_text", validator(max_length = 20_000))]
    pub certificate: Option<String>,
    /// Its private key, in PEM without a passphrase: RSA of 2048 to 4096 bits.
    #[oai(deserialize_with = "crate::json::optional_text", validator(max_length = 20_000))]
    pub private_key: Option<String>,
    /// When the secret ends, in epoch seconds: administrators are reminded 30, 14, 7 and 1 days before. A certificate says so itself.
    #[oai(validator(minimum(value = "0"), maximum(value = "32503680000")))]
    pub expires_at: Option<i64>,
}

/// Of what is given, nothing is shown.
impl std::fmt::Debug for OauthAppCredentialRequest {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OauthAppCredentialRequest").field("expires_at", &self.expires_at).finish_non_exhaustive()
    }
}

#[derive(Clone, Debug, Default, Object)]
pub struct OauthAppCreate {
    #[oai(deserialize_with = "crate::json::optional_text", validator(max_length = 255))]
    pub name: Option<String>,
    /// The application (client) id of the registration, a GUID.
    #[oai(deserialize_with = "crate::json::optional_text", validator(max_length = 64))]
    pub client_id: Option<String>,
    /// Who may sign in: `common` (when absent), `organizations`, `consumers`, or one tenant's id or domain, as the registration's account types
    /// say.
    #[oai(deserialize_with = "crate::json::optional_text", validator(max_length = 255))]
    pub authority: Option<String>,
    /// Only the one that this installation works with is taken.
    #[oai(deserialize_with = "crate::json::optional_text", validator(max_length = 64))]
    pub cloud: Option<String>,
    /// Who names no app signs in through this one, instead of through the installation's.
    pub is_default: Option<bool>,
    /// Its first credential; it may be given later as well.
    pub credential: Option<OauthAppCredentialRequest>,
}

/// What is absent stays.
#[derive(Clone, Debug, Default, Object)]
pub struct OauthAppUpdate {
    #[oai(deserialize_with = "crate::json::optional_text", validator(max_length = 255))]
    pub name: Option<String>,
    /// It stays while inboxes use the app: what was granted to one client id is nothing to another.
    #[oai(deserialize_with = "crate::json::optional_text", validator(max_length = 64))]
    pub client_id: Option<String>,
    #[oai(deserialize_with = "crate::json::optional_text", validator(max_length = 255))]
    pub authority: Option<String>,
    #[oai(deserialize_with = "crate::json::optional_text", validator(max_length = 64))]
    pub cloud: Option<String>,
    pub is_default: Option<bool>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
pub enum OauthAppCredentialKind {
    Secret,
    Certificate,
}

/// One of the two credentials that an app may have. What it is proved by is never shown.
#[derive(Clone, Debug, Object)]
pub struct OauthAppCredential {
    pub id: i64,
    pub kind: OauthAppCredentialKind,
    /// By what it is found in the list of the app registration: a secret's first three characters, a certificate's thumbprint.
    pub hint: String,
    /// Epoch seconds; null where nobody has told.
    #[oai(nullable)]
    pub expires_at: Option<i64>,
    /// When Microsoft did not take it, in epoch seconds; null since it works.
    #[oai(nullable)]
    pub refused_at: Option<i64>,
    #[oai(nullable)]
    pub refusal: Option<Failure>,
    pub created_at: i64,
}

#[derive(Clone, Debug, Object)]
pub struct OauthApp {
    pub id: i64,
    pub name: String,
    /// `microsoft`.
    pub provider: String,
    pub client_id: String,
    pub authority: String,
    pub cloud: String,
    /// What must stand in the app's registration, letter by letter.
    pub redirect_uri: String,
    pub is_default: bool,
    /// Oldest first, which is the order in which they are used; the second is used when Microsoft refuses the first.
    pub credentials: Vec<OauthAppCredential>,
    /// Since when it cannot be used at Microsoft, which takes none of its credentials or does not know it any more, in epoch seconds. Its inboxes
    /// stay connected meanwhile, and nobody is asked to sign in.
    #[oai(nullable)]
    pub failing_since: Option<i64>,
    #[oai(nullable)]
    pub failure: Option<Failure>,
    /// Inboxes that were signed in through it.
    pub in_use_by: i64,
    pub created_at: i64,
    pub updated_at: i64,
}

#[derive(Clone, Debug, Object)]
pub struct OauthAppList {
    pub payload: Vec<OauthApp>,
}

impl OauthApp {
    pub fn new(app: &domain::oauth_app::OauthApp, cloud: &str, redirect_uri: &str) -> Self {
        Self {
            id: app.id.0,
            name: app.name.clone(),
            provider: "microsoft".to_owned(),
            client_id: app.client_id.clone(),
            authority: app.authority.clone(),
            cloud: cloud.to_owned(),
            redirect_uri: redirect_uri.to_owned(),
            is_default: app.is_default,
            credentials: app.credentials.iter().map(OauthAppCredential::from).collect(),
            failing_since: seconds(app.alarm.as_ref().map(|alarm| alarm.since)),
            failure: app.alarm.as_ref().map(|alarm| Failure::from(&alarm.failure)),
            in_use_by: app.in_use_by.into(),
            created_at: app.created_at.seconds(),
            updated_at: app.updated_at.seconds(),
        }
    }
}

impl From<&domain::oauth_app::OauthAppCredential> for OauthAppCredential {
    fn from(credential: &domain::oauth_app::OauthAppCredential) -> Self {
        Self {
            id: credential.id.0,
            kind: match credential.kind {
                domain::oauth_app::CredentialKind::Secret => OauthAppCredentialKind::Secret,
                domain::oauth_app::CredentialKind::Certificate => OauthAppCredentialKind::Certificate,
            },
            hint: credential.hint.clone(),
            expires_at: seconds(credential.expires_at),
            refused_at: seconds(credential.refused.as_ref().map(|refused| refused.since)),
            refusal: credential.refused.as_ref().map(|refused| Failure::from(&refused.failure)),
            created_at: credential.created_at.seconds(),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
pub enum StepOutcome {
    Ok,
    Failed,
    /// The step before it failed, or there is nothing to try it with.
    Skipped,
}

/// One step of verifying an app.
#[derive(Clone, Debug, Object)]
pub struct OauthAppStep {
    /// `config`, `discovery`, `token` or `mailbox`.
    pub step: String,
    pub outcome: StepOutcome,
    pub took_milliseconds: i64,
    #[oai(nullable)]
    pub failure: Option<Failure>,
    /// Why it was skipped.
    #[oai(nullable)]
    pub note: Option<String>,
    /// The inbox that the mailbox step tried.
    #[oai(nullable)]
    pub inbox_id: Option<i64>,
}

#[derive(Clone, Debug, Object)]
pub struct OauthAppVerification {
    /// No step failed.
    pub ok: bool,
    pub steps: Vec<OauthAppStep>,
}
