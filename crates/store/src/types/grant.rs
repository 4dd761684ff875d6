//! Grants: the OAuth tokens of one signed-in principal. Tokens are sealed at rest and leave only as [`Secret`].

use super::codes;
use domain::channel::Provider;
use domain::{AccountId, Failure, GrantId, OauthAppId, Secret, Timestamp};

codes! {
    GrantStatus {
        Active = "active",
        /// The provider said that the owner must sign in again; nothing is refreshed until then.
        NeedsReauth = "needs_reauth",
    }
}

#[derive(Clone, Debug)]
pub struct NewGrant {
    pub provider: Provider,
    /// Whom it was given to; `None`: the installation's app.
    pub oauth_app_id: Option<OauthAppId>,
    pub tid: String,
    pub oid: String,
    pub sub: String,
    /// The XOAUTH2 user of the principal; empty while nobody knows it ([`crate::Tx::rename_grant`]).
    pub principal: String,
    pub refresh_token: Secret,
    pub scopes: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    pub id: GrantId,
    pub account_id: AccountId,
    pub provider: Provider,
    /// Whom it was given to, and who alone can refresh it; `None`: the installation's app.
    pub oauth_app_id: Option<OauthAppId>,
    pub tid: String,
    pub oid: String,
    pub sub: String,
    pub principal: String,
    pub status: GrantStatus,
    /// What the provider refused it with, while it waits for its owner.
    pub failure: Option<Failure>,
    pub scopes: Vec<String>,
    /// Grows with every stored token; what compare-and-swap compares.
    pub version: i64,
    pub refreshed_at: Timestamp,
    pub created_at: Timestamp,
}

#[derive(Clone, Debug)]
pub struct AccessToken {
    pub token: Secret,
    pub expires_at: Timestamp,
    /// The grant's version when it was stored: a newer one means that somebody refreshed meanwhile.
    pub version: i64,
    pub stored_at: Timestamp,
}

/// The right to refresh a grant, until the lease ends.
#[derive(Clone, Debug)]
pub struct RefreshClaim {
    pub grant_id: GrantId,
    pub version: i64,
    pub refresh_token: Secret,
    pub oauth_app_id: Option<OauthAppId>,
    pub tid: String,
    pub(crate) lease_token: String,
}

/// What a refresh brought.
#[derive(Clone, Debug)]
pub struct RefreshedTokens {
    pub resource: String,
    pub access_token: Secret,
    pub expires_at: Timestamp,
    /// `None` keeps the one that is stored.
    pub refresh_token: Option<Secret>,
    /// What the token was granted for, as far as the provider says.
    pub scopes: Vec<String>,
}
