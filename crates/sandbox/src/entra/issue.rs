//! The tokens of a request that was granted: which ones, with which rights, for how long.

use serde_json::{Map, Value, json};

use super::errors::EntraError;
use super::grants::RefreshGrant;
use super::{authorize, id_token, scopes};
use crate::ambient::random_between;
use crate::directory::{Audience, TenantUser};
use crate::faults::{Fault, TokenFault};
use crate::state::State;

/// Everything a success says.
pub(super) struct Success {
    pub(super) body: Map<String, Value>,
    /// The connection ends instead.
    pub(super) lost: bool,
}

pub(super) struct Extra {
    pub(super) client_id: String,
    pub(super) openid: bool,
    pub(super) offline: bool,
    pub(super) nonce: Option<String>,
    pub(super) client_info: bool,
    /// What the sign-in was asked for with.
    pub(super) claims: Option<String>,
    /// The refresh token that was used, for a server that does not rotate.
    pub(super) kept: Option<(String, RefreshGrant)>,
}

pub(super) fn success(
    state: &State,
    user: &TenantUser,
    granted: &[String],
    extra: &Extra,
) -> Result<Success, EntraError> {
    let take = |pick: fn(&TokenFault) -> bool| {
        state.faults.take(Some(&user.address), |fault| match fault {
            Fault::Token(fault) if pick(fault) => Some(fault.clone()),
            _ => None,
        })
    };
    let now = state.clock.now();
    let mut full: Vec<String> = granted.iter().map(|scope| scopes::full_name(scope)).collect();
    if let Some(TokenFault::MissingScope(missing)) = take(|fault| matches!(fault, TokenFault::MissingScope(_))) {
        full.retain(|scope| *scope != missing);
    }
    let expires_in = match take(|fault| matches!(fault, TokenFault::ExpiresIn(_))) {
        Some(TokenFault::ExpiresIn(seconds)) => seconds,
        _ => lifetime(state, user.is_personal()),
    };
    let mut rights: Vec<String> = full.iter().filter(|scope| !scopes::is_openid(scope)).cloned().collect();
    if take(|fault| *fault == TokenFault::WrongAudience).is_some() {
        rights = vec![format!("{}/IMAP.AccessAsUser.All", scopes::GRAPH)];
    }
    let access_token = id_token::access_token_for(state, user, rights, now + i64::from(expires_in));

    let mut body = Map::new();
    body.insert("token_type".into(), json!("Bearer"));
    // `offline_access` is asked for but not listed among what was granted.
    let listed: Vec<&str> = full.iter().map(String::as_str).filter(|scope| *scope != "offline_access").collect();
    body.insert("scope".into(), json!(listed.join(" ")));
    body.insert("expires_in".into(), json!(expires_in));
    body.insert("ext_expires_in".into(), json!(expires_in));
    body.insert("access_token".into(), json!(access_token));
    if extra.offline && take(|fault| *fault == TokenFault::NoRefreshToken).is_none() {
        let kept = extra.kept.as_ref().filter(|_| take(|fault| *fault == TokenFault::NoRotation).is_some());
        let refresh_token = kept.map(|(token, _)| token.clone()).unwrap_or_else(|| {
            let scopes = extra.kept.as_ref().map_or_else(|| granted.to_vec(), |(_, grant)| grant.scopes.clone());
            let (tid, oid) = (user.tid.clone(), user.oid.clone());
            let scopes = with_offline(scopes);
            state.grants.issue_refresh_token(RefreshGrant {
                client_id: extra.client_id.clone(),
                tid,
                oid,
                scopes,
                issued_at: now,
                used_at: now,
                revoked: false,
                claims: extra.claims.clone(),
            })
        });
        body.insert("refresh_token".into(), json!(refresh_token));
    }
    if extra.openid && take(|fault| *fault == TokenFault::NoIdToken).is_none() {
        let wrong = state.faults.take(Some(&user.address), |fault| match fault {
            Fault::IdToken(fault) => Some(*fault),
            _ => None,
        });
        let id_token = id_token::issue(state, user, &extra.client_id, extra.nonce.as_deref(), wrong);
        state.grants.note_id_token(&id_token);
        body.insert("id_token".into(), json!(id_token));
    }
    if extra.client_info {
        body.insert("client_info".into(), json!(authorize::client_info(&user.tid, &user.oid)));
    }
    let lost = take(|fault| *fault == TokenFault::AnswerLost).is_some();
    Ok(Success { body, lost })
}

pub(super) fn with_offline(mut scopes: Vec<String>) -> Vec<String> {
    if !scopes.iter().any(|scope| scope == "offline_access") {
        scopes.push("offline_access".into());
    }
    scopes
}

/// Random between 60 and 90 minutes for organisations, an hour for personal accounts.
pub(super) fn lifetime(state: &State, personal: bool) -> u32 {
    state.config.token_lifetime_seconds.unwrap_or_else(|| if personal { 3600 } else { random_between(3600, 5399) })
}

/// The scopes of the first resource among those asked for at sign-in, with OpenID's.
pub(super) fn first_resource(scopes: &[String]) -> Result<Vec<String>, EntraError> {
    let mut first = None;
    let mut chosen = Vec::new();
    for scope in scopes {
        match scopes::resource_of(scope)? {
            Some(resource) if *first.get_or_insert(resource) != resource => {}
            _ => chosen.push(scope.clone()),
        }
    }
    Ok(chosen)
}

pub(super) fn consented(
    state: &State,
    client_id: &str,
    user: &TenantUser,
    granted: &[String],
) -> Result<(), EntraError> {
    let wanted = scopes::needing_consent(granted);
    if state.grants.consented(client_id, &user.tid, &user.oid, &wanted) {
        return Ok(());
    }
    if user.is_personal() {
        let text = "The request was denied because one or more scopes requested are unauthorized or expired. The user \
                    must first sign in and grant the client application access to the requested scope.";
        let mut error = EntraError::new("invalid_grant", 70_000, text);
        error.with_uri = false;
        return Err(error);
    }
    let text = format!(
        "The user or administrator has not consented to use the application with ID '{client_id}' named 'Postroom'. Send an \
         interactive authorization request for this user and resource."
    );
    Err(EntraError::new("invalid_grant", 65_001, text).suberror("consent_required"))
}

/// A policy may want more than this sign-in brought along.
pub(super) fn challenged(user: &TenantUser, brought: Option<&str>) -> Result<(), EntraError> {
    let Some(wanted) = user.wanted_claims.as_deref().filter(|wanted| Some(*wanted) != brought) else { return Ok(()) };
    let text = "Due to a configuration change made by your administrator, or because you moved to a new location, you must \
                use multi-factor authentication to access the resource.";
    let mut error = EntraError::new("interaction_required", 50_076, text).suberror("basic_action");
    error.claims = Some(wanted.to_owned());
    Err(error)
}

pub(super) fn user_of(state: &State, audience: &Audience, tid: &str, oid: &str) -> Result<TenantUser, EntraError> {
    let user = state.directory().user_by_id(tid, oid).cloned().ok_or_else(|| {
        let text = format!("The user account {{EUII Hidden}} does not exist in the {tid} directory.");
        EntraError::new("invalid_grant", 50_034, text)
    })?;
    if !audience.admits(&user) {
        let text = "User account from another tenant does not exist in this tenant and cannot access the application.";
        return Err(EntraError::new("invalid_grant", 50_020, text));
    }
    if user.disabled {
        return Err(EntraError::new("invalid_grant", 50_057, "The user account is disabled."));
    }
    Ok(user)
}
