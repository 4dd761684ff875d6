//! API tokens: shown once, stored as SHA-256, listed without their text, revoked by id.

use super::Caller;
use crate::App;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::{Secret, TokenId, UserId};
use store::{NewToken, StoreError, TokenHash, TokenInfo, TokenKind};

/// API tokens of one person for one account, or for all of theirs. None ends for a new one: a program goes by each.
const MAX_API_TOKENS: u32 = 100;

pub(crate) fn base64url(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A token for all accounts of the caller (or the one that the caller's own token opens). The text is returned here and never again.
pub async fn create_api_token(
    app: &App,
    caller: &Caller,
    name: Option<String>,
) -> Result<(TokenId, Secret), StoreError> {
    mint(app, caller.user.id, caller.account_id, name).await
}

pub(super) async fn mint(
    app: &App,
    user_id: UserId,
    account_id: Option<domain::AccountId>,
    name: Option<String>,
) -> Result<(TokenId, Secret), StoreError> {
    let token = oauth::random_token(app.entropy(), 32);
    let new = NewToken {
        user_id,
        kind: TokenKind::Api,
        hash: TokenHash::of(&token),
        account_id,
        client_id: None,
        name,
        expires_at: None,
    };
    let id = app.store().sign_in().create_token(&new, MAX_API_TOKENS).await?;
    Ok((id, Secret::new(token)))
}

pub async fn list_tokens(app: &App, caller: &Caller) -> Result<Vec<TokenInfo>, StoreError> {
    app.store().sign_in().tokens(caller.user.id, app.now()).await
}

/// `false`: not the caller's, or revoked before.
pub async fn revoke_token(app: &App, caller: &Caller, token: TokenId) -> Result<bool, StoreError> {
    app.store().sign_in().revoke_token(caller.user.id, token, app.now()).await
}
