//! API tokens and sessions of one person: tokens are shown once, stored as SHA-256, listed without their text, and revoked by id.
//!
//! A token never gives more than whoever asks for it has: one that opens a single account makes tokens for that account alone and sees no
//! others, and one that ends makes none that outlives it.

use super::Caller;
use crate::App;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::{AccountId, Secret, Timestamp, TokenId, UserId};
use store::{Device, NewToken, StoreError, TokenHash, TokenInfo, TokenKind};

/// API tokens of one person for one account, or for all of theirs. None ends for a new one: a program goes by each.
pub const MAX_API_TOKENS: u32 = 100;
const MAX_NAME_CHARS: usize = 255;
/// The token that Chatwoot's one call gives; by this name the one before is found.
const RESET_NAME: &str = "reset_access_token";

pub(crate) fn base64url(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// What a person asks of a new token.
#[derive(Clone, Debug, Default)]
pub struct TokenAsked {
    pub name: Option<String>,
    /// The one account it opens; `None`: every account of the person, or the one that the asking token opens.
    pub account_id: Option<AccountId>,
    pub expires_at: Option<Timestamp>,
}

#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    #[error("the name needs 1 to 255 characters")]
    NameInvalid,
    /// Not one of theirs, or none at all: the two look the same.
    #[error("no such account")]
    AccountInvalid,
    #[error("the end must be in the future")]
    ExpiryPast,
    #[error("the token that asks ends sooner")]
    OutlivesAsker,
    #[error("there are as many API tokens as there may be")]
    TooMany { limit: u32 },
    #[error("no such token or session")]
    NotFound,
    #[error("the session that asks cannot end itself here")]
    CurrentSession,
    /// A token for one account is no key to the person.
    #[error("a token for one account does not see sessions")]
    Forbidden,
    #[error(transparent)]
    Store(StoreError),
}

impl From<StoreError> for TokenError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::LimitReached(_) => Self::TooMany { limit: MAX_API_TOKENS },
            // They left it meanwhile.
            StoreError::NotFound("account") => Self::AccountInvalid,
            other => Self::Store(other),
        }
    }
}

/// The text is returned here and never again.
pub async fn create_api_token(
    app: &App,
    caller: &Caller,
    asked: TokenAsked,
) -> Result<(TokenInfo, Secret), TokenError> {
    let name = asked.name.map(|name| name.trim().to_owned());
    if name.as_ref().is_some_and(|name| name.is_empty() || name.chars().count() > MAX_NAME_CHARS) {
        return Err(TokenError::NameInvalid);
    }
    if asked.expires_at.is_some_and(|end| end <= app.now()) {
        return Err(TokenError::ExpiryPast);
    }
    let account_id = asked.account_id.or(caller.account_id);
    if let Some(account) = account_id {
        let other = caller.account_id.is_some_and(|only| only != account);
        let memberships = app.store().sign_in().memberships(caller.user.id).await?;
        if other || !memberships.iter().any(|m| m.account.id == account) {
            return Err(TokenError::AccountInvalid);
        }
    }
    outlives_not(app, caller, asked.expires_at).await?;
    let (id, token) = mint(app, caller.user.id, account_id, name, asked.expires_at).await?;
    let made = list_tokens(app, caller).await?.into_iter().find(|info| info.id == id);
    Ok((made.ok_or(TokenError::NotFound)?, token))
}

/// A session ends too, but a person holds it; a token may be in anybody's hands for as long as it lasts, and no longer.
async fn outlives_not(app: &App, caller: &Caller, expires_at: Option<Timestamp>) -> Result<(), TokenError> {
    if caller.kind != TokenKind::Api {
        return Ok(());
    }
    let tokens = app.store().sign_in().tokens(caller.user.id, app.now()).await?;
    let ends = tokens.iter().find(|info| info.id == caller.token_id).and_then(|info| info.expires_at);
    match (ends, expires_at) {
        (Some(ends), Some(asked)) if asked <= ends => Ok(()),
        (Some(_), _) => Err(TokenError::OutlivesAsker),
        (None, _) => Ok(()),
    }
}

pub(super) async fn mint(
    app: &App,
    user_id: UserId,
    account_id: Option<AccountId>,
    name: Option<String>,
    expires_at: Option<Timestamp>,
) -> Result<(TokenId, Secret), StoreError> {
    let (text, new) = new_token(app, user_id, account_id, name, expires_at);
    let id = app.store().sign_in().create_token(&new, MAX_API_TOKENS).await?;
    Ok((id, text))
}

fn new_token(
    app: &App,
    user_id: UserId,
    account_id: Option<AccountId>,
    name: Option<String>,
    expires_at: Option<Timestamp>,
) -> (Secret, NewToken) {
    let token = oauth::random_token(app.entropy(), 32);
    let new = NewToken {
        user_id,
        kind: TokenKind::Api,
        hash: TokenHash::of(&token),
        account_id,
        client_id: None,
        name,
        expires_at,
        device: Device::default(),
    };
    (Secret::new(token), new)
}

/// The caller's API tokens that are valid now, newest first.
pub async fn list_tokens(app: &App, caller: &Caller) -> Result<Vec<TokenInfo>, StoreError> {
    let mut tokens = app.store().sign_in().tokens(caller.user.id, app.now()).await?;
    tokens.retain(|token| token.kind == TokenKind::Api);
    if let Some(only) = caller.account_id {
        tokens.retain(|token| token.account_id == Some(only));
    }
    Ok(tokens)
}

/// Ends an API token of the caller's.
pub async fn revoke_token(app: &App, caller: &Caller, token: TokenId) -> Result<(), TokenError> {
    if !list_tokens(app, caller).await?.iter().any(|known| known.id == token) {
        return Err(TokenError::NotFound);
    }
    match app.store().sign_in().revoke_token(caller.user.id, token, app.now()).await? {
        true => Ok(()),
        false => Err(TokenError::NotFound),
    }
}

/// Chatwoot's one token of a person: the one that this gave before ends, and so does the token that asks. Others stay.
pub async fn reset_access_token(app: &App, caller: &Caller) -> Result<Secret, TokenError> {
    let known = list_tokens(app, caller).await?;
    let asking = known.iter().find(|token| token.id == caller.token_id);
    let expires_at = asking.and_then(|token| token.expires_at);
    let before = |token: &&TokenInfo| {
        token.id == caller.token_id
            || (token.name.as_deref() == Some(RESET_NAME) && token.account_id == caller.account_id)
    };
    let ended: Vec<TokenId> = known.iter().filter(before).map(|token| token.id).collect();
    let (text, new) = new_token(app, caller.user.id, caller.account_id, Some(RESET_NAME.to_owned()), expires_at);
    // At once, or a failure between the two would take a program's only token.
    app.store().sign_in().replace_tokens(&ended, &new, MAX_API_TOKENS).await?;
    Ok(text)
}

/// The caller's sessions, newest first: browsers and apps that are signed in.
pub async fn list_sessions(app: &App, caller: &Caller) -> Result<Vec<TokenInfo>, TokenError> {
    if caller.account_id.is_some() {
        return Err(TokenError::Forbidden);
    }
    let mut sessions = app.store().sign_in().tokens(caller.user.id, app.now()).await?;
    sessions.retain(|session| session.kind != TokenKind::Api);
    Ok(sessions)
}

/// Ends another session of the caller's. To end one's own is to sign out.
pub async fn end_session(app: &App, caller: &Caller, session: TokenId) -> Result<(), TokenError> {
    if !list_sessions(app, caller).await?.iter().any(|known| known.id == session) {
        return Err(TokenError::NotFound);
    }
    if session == caller.token_id {
        return Err(TokenError::CurrentSession);
    }
    match app.store().sign_in().revoke_token(caller.user.id, session, app.now()).await? {
        true => Ok(()),
        false => Err(TokenError::NotFound),
    }
}
