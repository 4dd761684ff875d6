//! Signing in with e-mail and password, and recognising who is signed in.
//!
//! Tokens are random and shown once; the store keeps SHA-256 of them. A session cookie is believed only as a cookie, a header token
//! only as a header, so that neither can stand in for the other.

use super::{Caller, password, uses};
use crate::App;
use crate::calls::{Address, MAX_TOKEN_BYTES};
use domain::user::{Membership, User};
use domain::{EmailAddress, Secret, Timestamp};
use std::time::Duration;
use store::{Device, NewToken, StoreError, TokenHash, TokenKind};

/// devise-token-auth's two months, which Chatwoot's clients expect.
pub const SESSION_LIFETIME: Duration = Duration::from_secs(61 * 24 * 3600);

/// Sessions of one person; whoever signs in once more ends the oldest. Chatwoot's number.
pub const MAX_SESSIONS: u32 = 25;
const MAX_USER_AGENT_CHARS: usize = 255;

/// How the session will be carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionKind {
    /// A cookie of a browser.
    Browser,
    /// `access-token`, `client` and `uid` headers.
    Headers,
}

#[derive(Clone, Debug)]
pub struct SignIn {
    pub email: String,
    pub password: Secret,
    /// Where the attempt comes from, for the throttle.
    pub from: Address,
    /// What the program calls itself, for the person's list of sessions.
    pub user_agent: Option<String>,
    pub kind: SessionKind,
}

#[derive(Clone, Debug)]
pub struct SignedIn {
    pub user: User,
    pub memberships: Vec<Membership>,
    pub ui_settings: serde_json::Value,
    /// The cookie's value, or `access-token`. Shown here and never again.
    pub token: Secret,
    /// The `client` header.
    pub client: String,
    /// The `uid` header.
    pub uid: String,
    pub expires_at: Timestamp,
}

#[derive(Debug, thiserror::Error)]
pub enum SignInError {
    /// Wrong password, or nobody: the two are not told apart.
    #[error("wrong e-mail or password")]
    Refused,
    #[error("too many attempts; try again in {} seconds", .retry_after.as_secs())]
    TooMany { retry_after: Duration },
    #[error(transparent)]
    Store(#[from] StoreError),
}

pub async fn sign_in(app: &App, ask: SignIn) -> Result<SignedIn, SignInError> {
    let key = EmailAddress::parse(&ask.email).map(|address| address.key());
    let throttle_key = throttle_key(key.as_deref().unwrap_or(&ask.email), &ask.from.to_string());
    app.login_throttle()
        .attempt(&throttle_key, app.now())
        .await
        .map_err(|retry_after| SignInError::TooMany { retry_after })?;
    let found = match &key {
        Some(key) => app.store().sign_in().user_by_email(key).await?,
        None => None,
    };
    let (user, stored) = found.map_or((None, None), |(user, hash)| (Some(user), hash));
    let right = password::matches(ask.password, stored).await;
    let user = user.filter(|_| right).ok_or(SignInError::Refused)?;
    app.login_throttle().forget(&throttle_key).await;
    let device = Device { user_agent: ask.user_agent.map(|text| shortened(&text)), address: ask.from.shown() };
    begin_session(app, user, ask.kind, device).await
}

/// A session for somebody who has shown who they are.
pub(super) async fn begin_session(
    app: &App,
    user: User,
    kind: SessionKind,
    device: Device,
) -> Result<SignedIn, SignInError> {
    let token = oauth::random_token(app.entropy(), 32);
    let client = oauth::random_token(app.entropy(), 16);
    let expires_at = app.now().plus(SESSION_LIFETIME);
    let kind = match kind {
        SessionKind::Browser => TokenKind::Session,
        SessionKind::Headers => TokenKind::Client,
    };
    let sign_in = app.store().sign_in();
    sign_in
        .create_token(
            &NewToken {
                user_id: user.id,
                kind,
                hash: TokenHash::of(&token),
                account_id: None,
                client_id: Some(client.clone()),
                name: None,
                expires_at: Some(expires_at),
                device,
            },
            MAX_SESSIONS,
        )
        .await?;
    let memberships = sign_in.memberships(user.id).await?;
    let ui_settings = sign_in.ui_settings(user.id).await?;
    let uid = user.email.clone();
    Ok(SignedIn { user, memberships, ui_settings, token: Secret::new(token), client, uid, expires_at })
}

/// What programs call themselves can be any length.
pub(super) fn shortened(user_agent: &str) -> String {
    user_agent.chars().filter(|c| !c.is_control()).take(MAX_USER_AGENT_CHARS).collect()
}

/// What is being tried, and by whom, without naming either.
pub(super) fn throttle_key(what: &str, whose: &str) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, format!("{}\n{whose}", what.to_lowercase()).as_bytes());
    super::base64url(digest.as_ref())
}

/// What a request carries to say who it is from.
#[derive(Clone, Copy)]
pub enum Credential<'a> {
    /// `api_access_token`, or `Authorization: Bearer`.
    Api(&'a str),
    /// The session cookie.
    Session(&'a str),
    /// The three headers of a mobile app.
    Headers { access_token: &'a str, client: &'a str, uid: &'a str },
}

impl std::fmt::Debug for Credential<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Api(_) => "Credential::Api(…)",
            Self::Session(_) => "Credential::Session(…)",
            Self::Headers { .. } => "Credential::Headers(…)",
        })
    }
}

/// `None`: not known, expired, revoked, or presented in another way than it was given.
pub async fn authenticate(app: &App, credential: Credential<'_>) -> Result<Option<Caller>, StoreError> {
    let (token, kind) = match credential {
        Credential::Api(token) => (token, TokenKind::Api),
        Credential::Session(token) => (token, TokenKind::Session),
        Credential::Headers { access_token, .. } => (access_token, TokenKind::Client),
    };
    if token.is_empty() || token.len() > MAX_TOKEN_BYTES {
        return Ok(None);
    }
    let Some(found) = app.store().sign_in().authenticate_token(&TokenHash::of(token), app.now()).await? else {
        return Ok(None);
    };
    if found.kind != kind {
        return Ok(None);
    }
    if let Credential::Headers { client, uid, .. } = credential {
        let same_client = found.client_id.as_deref() == Some(client);
        if !same_client || !uid.eq_ignore_ascii_case(&found.user.email) {
            return Ok(None);
        }
    }
    uses::remember(app, found.token_id, found.last_used_at).await;
    Ok(Some(Caller { user: found.user, token_id: found.token_id, kind: found.kind, account_id: found.account_id }))
}

/// Ends the session the caller came with. An API token is not a session, and stays.
pub async fn sign_out(app: &App, caller: &Caller) -> Result<bool, StoreError> {
    match caller.kind {
        TokenKind::Api => Ok(false),
        TokenKind::Session | TokenKind::Client => {
            app.store().sign_in().revoke_token(caller.user.id, caller.token_id, app.now()).await
        }
    }
}
