//! API tokens and sessions of the signed-in person.

use crate::auth::Auth;
use crate::error::{ActingOnOneself, Oneself, Refusal, WritingOneself};
use crate::profile::shown as profile_shown;
use crate::tags::Tag;
use app::accounts::{self, TokenAsked, TokenInfo, TokenKind};
use domain::{AccountId, TokenId};
use poem_openapi::OpenApi;
use poem_openapi::param::Path;
use poem_openapi::payload::Json;
use wire::profile::Profile;
use wire::token::{
    AccessToken, AccessTokenList, CreatedAccessToken, NewAccessToken, Session, SessionKind, SessionList, moment, shown,
};

pub struct TokensApi;

#[OpenApi(tag = "Tag::Profile")]
impl TokensApi {
    /// List one's API tokens
    ///
    /// Those that are valid, newest first; at most 100 for each account and 100 for all. A token for one account sees only tokens for it.
    #[oai(path = "/api/v1/profile/access_tokens", method = "get", operation_id = "list_access_tokens")]
    async fn list(&self, auth: Auth) -> Result<Json<AccessTokenList>, Refusal<Oneself>> {
        let tokens = accounts::list_tokens(auth.app(), &auth.caller).await?;
        Ok(Json(AccessTokenList { payload: tokens.iter().map(|token| access_token(&auth, token)).collect() }))
    }

    /// Make an API token
    ///
    /// The answer shows it, and nothing shows it again. It opens no more than what asked for it, and lasts no longer than a token that asked.
    #[oai(path = "/api/v1/profile/access_tokens", method = "post", operation_id = "create_access_token")]
    async fn create(
        &self,
        auth: Auth,
        body: Json<NewAccessToken>,
    ) -> Result<Json<CreatedAccessToken>, Refusal<WritingOneself>> {
        let asked = TokenAsked {
            name: body.0.name,
            account_id: body.0.account_id.map(AccountId),
            expires_at: moment(body.0.expires_at),
        };
        let (made, text) = accounts::create_api_token(auth.app(), &auth.caller, asked).await?;
        let token = access_token(&auth, &made);
        Ok(Json(CreatedAccessToken { access_token: text.expose().to_owned(), token }))
    }

    /// Revoke an API token
    #[oai(path = "/api/v1/profile/access_tokens/:token_id", method = "delete", operation_id = "delete_access_token")]
    async fn delete(&self, auth: Auth, token_id: Path<i64>) -> Result<(), Refusal<ActingOnOneself>> {
        accounts::revoke_token(auth.app(), &auth.caller, TokenId(token_id.0)).await?;
        Ok(())
    }

    /// Replace the API token
    ///
    /// Chatwoot's call: `access_token` of the answer is a new API token, shown this once. The one that this gave before ends, and so does
    /// the token that the request came with; others stay.
    #[oai(path = "/api/v1/profile/reset_access_token", method = "post", operation_id = "reset_access_token")]
    async fn reset(&self, auth: Auth) -> Result<Json<Profile>, Refusal<ActingOnOneself>> {
        let token = accounts::reset_access_token(auth.app(), &auth.caller).await?;
        let mut profile = profile_shown(&accounts::profile(auth.app(), &auth.caller).await?);
        profile.access_token = Some(token.expose().to_owned());
        Ok(profile)
    }

    /// List one's sessions
    ///
    /// Browsers and apps that are signed in, newest first; 25 at most. Not for a token that opens one account only.
    #[oai(path = "/api/v1/profile/sessions", method = "get", operation_id = "list_sessions")]
    async fn sessions(&self, auth: Auth) -> Result<Json<SessionList>, Refusal<Oneself>> {
        let sessions = accounts::list_sessions(auth.app(), &auth.caller).await?;
        Ok(Json(SessionList { payload: sessions.iter().map(|one| session(&auth, one)).collect() }))
    }

    /// End a session
    ///
    /// Another than the one that asks: that one signs out.
    #[oai(path = "/api/v1/profile/sessions/:session_id", method = "delete", operation_id = "delete_session")]
    async fn end_session(&self, auth: Auth, session_id: Path<i64>) -> Result<(), Refusal<ActingOnOneself>> {
        accounts::end_session(auth.app(), &auth.caller, TokenId(session_id.0)).await?;
        Ok(())
    }
}

fn access_token(auth: &Auth, token: &TokenInfo) -> AccessToken {
    AccessToken {
        id: token.id.0,
        name: token.name.clone(),
        account_id: token.account_id.map(|account| account.0),
        created_at: token.created_at.seconds(),
        expires_at: shown(token.expires_at),
        last_used_at: shown(token.last_used_at),
        current: token.id == auth.caller.token_id,
    }
}

fn session(auth: &Auth, session: &TokenInfo) -> Session {
    Session {
        id: session.id.0,
        kind: if session.kind == TokenKind::Session { SessionKind::Browser } else { SessionKind::App },
        user_agent: session.device.user_agent.clone(),
        ip_address: session.device.address.clone(),
        created_at: session.created_at.seconds(),
        last_activity_at: shown(session.last_used_at),
        expires_at: shown(session.expires_at),
        current: session.id == auth.caller.token_id,
    }
}
