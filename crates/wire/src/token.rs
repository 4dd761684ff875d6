//! API tokens and sessions of the signed-in person. Our addition: Chatwoot has one token a person and shows it with every profile.

use crate::moment::seconds;
use domain::Timestamp;
use poem_openapi::{Enum, Object};

/// A token as it is listed: never its text.
#[derive(Clone, Debug, Object)]
pub struct AccessToken {
    pub id: i64,
    #[oai(nullable)]
    pub name: Option<String>,
    /// The one account it opens; null: every account of the person.
    #[oai(nullable)]
    pub account_id: Option<i64>,
    pub created_at: i64,
    #[oai(nullable)]
    pub expires_at: Option<i64>,
    /// To within some minutes.
    #[oai(nullable)]
    pub last_used_at: Option<i64>,
    /// The token that this request came with.
    pub current: bool,
}

#[derive(Clone, Debug, Object)]
pub struct AccessTokenList {
    pub payload: Vec<AccessToken>,
}

#[derive(Clone, Debug, Object)]
pub struct NewAccessToken {
    #[oai(deserialize_with = "crate::json::optional_text", validator(min_length = 1, max_length = 255))]
    pub name: Option<String>,
    /// The one account it opens; absent or null: every account of the person, or the one that the token which asks opens.
    pub account_id: Option<i64>,
    /// When it ends, in epoch seconds; absent or null: when it is revoked.
    #[oai(validator(minimum(value = "0"), maximum(value = "253402300799")))]
    pub expires_at: Option<i64>,
}

/// A token that was made this moment.
#[derive(Clone, Debug, Object)]
pub struct CreatedAccessToken {
    /// The token itself. It is shown here and never again.
    pub access_token: String,
    pub token: AccessToken,
}

/// What is signed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
pub enum SessionKind {
    /// A page of this server, with its cookie.
    Browser,
    /// An app, with its headers.
    App,
}

#[derive(Clone, Debug, Object)]
pub struct Session {
    pub id: i64,
    pub kind: SessionKind,
    /// What the browser or app called itself when it signed in.
    #[oai(nullable)]
    pub user_agent: Option<String>,
    /// From where it signed in; of IPv6, the network.
    #[oai(nullable)]
    pub ip_address: Option<String>,
    pub created_at: i64,
    /// To within some minutes.
    #[oai(nullable)]
    pub last_activity_at: Option<i64>,
    #[oai(nullable)]
    pub expires_at: Option<i64>,
    /// The session that this request came with.
    pub current: bool,
}

#[derive(Clone, Debug, Object)]
pub struct SessionList {
    pub payload: Vec<Session>,
}

/// Epoch seconds as they are sent.
pub fn moment(at: Option<i64>) -> Option<Timestamp> {
    at.map(Timestamp::from_seconds)
}

/// Epoch seconds as they are shown.
pub fn shown(at: Option<Timestamp>) -> Option<i64> {
    seconds(at)
}
