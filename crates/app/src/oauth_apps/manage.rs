//! Administrators make OAuth apps, give them credentials, and take those away again. No secret comes out of here.

use super::registry::sealed_certificate;
use crate::App;
use crate::accounts::Member;
use domain::oauth_app::{CredentialKind, MAX_CREDENTIALS, OauthApp};
use domain::{OauthAppCredentialId, OauthAppId, Secret, Timestamp};
use oauth::{Authority, ClientCertificate, Credential};
use store::{NewOauthAppCredential, OauthAppChange, Removed, StoreError};

const MAX_NAME_CHARS: usize = 255;
/// Microsoft's are 40 characters long; what is much shorter or longer is something else.
const SECRET_CHARS: std::ops::RangeInclusive<usize> = 8..=512;

#[derive(Debug, thiserror::Error)]
pub enum OauthAppError {
    #[error("only administrators manage OAuth apps")]
    Forbidden,
    #[error("no such OAuth app")]
    NotFound,
    /// The field, and what is wrong with it.
    #[error("{0}: {1}")]
    Invalid(&'static str, String),
    #[error("the account has as many OAuth apps as it may have")]
    AccountFull { limit: u32 },
    #[error("the app has two credentials already")]
    CredentialsFull,
    #[error("inboxes use this app")]
    InUse,
    #[error("it is the only credential of an app that is in use")]
    LastCredential,
    #[error("what was granted to one client id is nothing to another")]
    ClientIdInUse,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A secret, or a certificate with its key.
#[derive(Clone, Debug, Default)]
pub struct GivenCredential {
    pub client_secret: Option<Secret>,
    pub certificate: Option<String>,
    pub private_key: Option<Secret>,
    /// `None`: not known, or as the certificate says.
    pub expires_at: Option<Timestamp>,
}

#[derive(Clone, Debug, Default)]
pub struct GivenApp {
    pub name: Option<String>,
    pub client_id: Option<String>,
    pub authority: Option<String>,
    /// Must be the one that this installation works with.
    pub cloud: Option<String>,
    pub is_default: Option<bool>,
    pub credential: Option<GivenCredential>,
}

fn administrator(member: &Member) -> Result<(), OauthAppError> {
    if member.may_manage_inboxes() { Ok(()) } else { Err(OauthAppError::Forbidden) }
}

pub async fn list(member: &Member) -> Result<Vec<OauthApp>, OauthAppError> {
    administrator(member)?;
    Ok(member.scope.oauth_apps().await?)
}

pub async fn show(member: &Member, id: OauthAppId) -> Result<OauthApp, OauthAppError> {
    administrator(member)?;
    member.scope.oauth_app(id).await?.ok_or(OauthAppError::NotFound)
}

pub async fn create(app: &App, member: &Member, given: GivenApp) -> Result<OauthApp, OauthAppError> {
    administrator(member)?;
    checked_cloud(app, given.cloud.as_deref())?;
    let new = store::NewOauthApp {
        name: checked_name(given.name.as_deref().unwrap_or_default())?,
        client_id: checked_client_id(given.client_id.as_deref().unwrap_or_default())?,
        authority: checked_authority(given.authority.as_deref().unwrap_or("common"))?,
        is_default: given.is_default.unwrap_or(false),
        credential: given.credential.map(|credential| checked_credential(app, credential)).transpose()?,
    };
    let limit = app.settings().account_oauth_apps_limit;
    let made = member.scope.create_oauth_app(&new, limit).await.map_err(|error| match error {
        StoreError::Conflict(_) => taken(),
        StoreError::LimitReached(_) => OauthAppError::AccountFull { limit },
        other => OauthAppError::Store(other),
    })?;
    tracing::info!(account.id = %member.account.id, oauth_app.id = %made.id, user.id = %member.agent.user.id, "an OAuth app was made");
    Ok(made)
}

pub async fn update(app: &App, member: &Member, id: OauthAppId, given: GivenApp) -> Result<OauthApp, OauthAppError> {
    administrator(member)?;
    checked_cloud(app, given.cloud.as_deref())?;
    let change = OauthAppChange {
        name: given.name.as_deref().map(checked_name).transpose()?,
        client_id: given.client_id.as_deref().map(checked_client_id).transpose()?,
        authority: given.authority.as_deref().map(checked_authority).transpose()?,
        is_default: given.is_default,
    };
    let updated = member.scope.update_oauth_app(id, &change).await.map_err(|error| match error {
        StoreError::Conflict(_) => taken(),
        StoreError::LimitReached(_) => OauthAppError::ClientIdInUse,
        other => OauthAppError::Store(other),
    })?;
    updated.ok_or(OauthAppError::NotFound)
}

pub async fn delete(member: &Member, id: OauthAppId) -> Result<(), OauthAppError> {
    administrator(member)?;
    match member.scope.delete_oauth_app(id).await? {
        Removed::Gone => {
            tracing::info!(account.id = %member.account.id, oauth_app.id = %id, user.id = %member.agent.user.id, "an OAuth app was deleted");
            Ok(())
        }
        Removed::NotFound => Err(OauthAppError::NotFound),
        Removed::InUse => Err(OauthAppError::InUse),
    }
}

/// The one before goes on being used until it is taken away, or Microsoft refuses it.
pub async fn add_credential(
    app: &App,
    member: &Member,
    id: OauthAppId,
    given: GivenCredential,
) -> Result<OauthApp, OauthAppError> {
    administrator(member)?;
    let new = checked_credential(app, given)?;
    let added =
        member.scope.add_oauth_app_credential(id, &new, MAX_CREDENTIALS).await.map_err(|error| match error {
            StoreError::LimitReached(_) => OauthAppError::CredentialsFull,
            other => OauthAppError::Store(other),
        })?;
    let added = added.ok_or(OauthAppError::NotFound)?;
    tracing::info!(account.id = %member.account.id, oauth_app.id = %id, user.id = %member.agent.user.id, "an OAuth app was given a credential");
    Ok(added)
}

pub async fn delete_credential(
    member: &Member,
    id: OauthAppId,
    credential: OauthAppCredentialId,
) -> Result<(), OauthAppError> {
    administrator(member)?;
    match member.scope.delete_oauth_app_credential(id, credential).await? {
        Removed::Gone => Ok(()),
        Removed::NotFound => Err(OauthAppError::NotFound),
        Removed::InUse => Err(OauthAppError::LastCredential),
    }
}

fn taken() -> OauthAppError {
    OauthAppError::Invalid("client_id", "Client id has already been taken".to_owned())
}

fn checked_name(name: &str) -> Result<String, OauthAppError> {
    let name = name.trim();
    if name.is_empty() || name.chars().count() > MAX_NAME_CHARS || name.chars().any(char::is_control) {
        let words = format!("Name must have 1 to {MAX_NAME_CHARS} characters, on one line");
        return Err(OauthAppError::Invalid("name", words));
    }
    Ok(name.to_owned())
}

fn checked_client_id(text: &str) -> Result<String, OauthAppError> {
    match Authority::parse(text) {
        Ok(Authority::Tenant(id)) => Ok(id),
        _ => Err(OauthAppError::Invalid(
            "client_id",
            "Client id must be the application (client) id of the registration, a GUID".to_owned(),
        )),
    }
}

fn checked_authority(text: &str) -> Result<String, OauthAppError> {
    let authority = Authority::parse(text).map_err(|_| {
        let words = "Authority must be common, organizations, consumers, a tenant id or a domain name";
        OauthAppError::Invalid("authority", words.to_owned())
    })?;
    Ok(authority.as_str().to_owned())
}

/// A closed list of one: the cloud decides where secrets are sent, and which mail servers are asked, and both are the installation's.
fn checked_cloud(app: &App, cloud: Option<&str>) -> Result<(), OauthAppError> {
    match cloud {
        Some(other) if other != app.cloud() => {
            let words = format!("Cloud must be {}: this installation works with no other", app.cloud());
            Err(OauthAppError::Invalid("cloud", words))
        }
        Some(_) | None => Ok(()),
    }
}

fn checked_credential(app: &App, given: GivenCredential) -> Result<NewOauthAppCredential, OauthAppError> {
    let over = |at: Timestamp| at <= app.now();
    match (given.client_secret, given.certificate, given.private_key) {
        (Some(secret), None, None) => {
            let text = secret.expose().trim();
            if !SECRET_CHARS.contains(&text.chars().count()) || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
                let words = "Client secret must be the value of a client secret, not a description of it";
                return Err(OauthAppError::Invalid("client_secret", words.to_owned()));
            }
            // What Microsoft lists beside the value is taken for it again and again (AADSTS7000215).
            if checked_client_id(text).is_ok() {
                let words =
                    "This is a secret's id: copy the value, which Microsoft shows once, when the secret is made";
                return Err(OauthAppError::Invalid("client_secret", words.to_owned()));
            }
            if given.expires_at.is_some_and(over) {
                return Err(OauthAppError::Invalid("expires_at", "Expires at must be in the future".to_owned()));
            }
            Ok(NewOauthAppCredential {
                kind: CredentialKind::Secret,
                hint: Credential::secret(text).hint(),
                secret: Secret::new(text),
                expires_at: given.expires_at,
            })
        }
        (None, Some(certificate), Some(private_key)) => {
            let read = ClientCertificate::from_pem(&certificate, &private_key).map_err(|error| {
                OauthAppError::Invalid("certificate", format!("Certificate cannot be used: {error}"))
            })?;
            if over(read.not_after()) {
                return Err(OauthAppError::Invalid("certificate", "Certificate has expired".to_owned()));
            }
            Ok(NewOauthAppCredential {
                kind: CredentialKind::Certificate,
                hint: read.thumbprint().to_owned(),
                secret: sealed_certificate(&certificate, &private_key),
                expires_at: Some(read.not_after()),
            })
        }
        _ => Err(OauthAppError::Invalid(
            "client_secret",
            "Give a client_secret, or a certificate with its private_key".to_owned(),
        )),
    }
}
