//! `POST /{tenant}/oauth2/v2.0/token`: codes and refresh tokens become tokens, or errors in Microsoft's words.
//!
//! Microsoft's documentation of the authorization code flow, of refresh tokens and of client credentials.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use poem::http::{HeaderMap, StatusCode, header};
use poem::{Body, Response};
use ring::digest;
use serde_json::{Value, json};

use super::errors::{EntraError, json_answer};
use super::grants::{CodeGrant, CodeRefusal, Principal};
use super::issue::{Extra, Success, challenged, consented, first_resource, lifetime, success, user_of};
use super::scopes;
use crate::ambient::random_guid;
use crate::directory::Audience;
use crate::faults::{Fault, TokenFault};
use crate::html::Parameters;
use crate::journal::Event;
use crate::state::State;

pub(crate) fn token(state: &State, segment: &str, headers: &HeaderMap, form: &Parameters) -> Response {
    let grant_type = form.get("grant_type").unwrap_or_default().to_owned();
    let scope = form.get("scope").unwrap_or_default().to_owned();
    let result = answer(state, segment, headers, form);
    let answered = result.as_ref().map(|_| ()).map_err(|error| error.code);
    state.journal.note(Event::TokenRequested { grant_type, scope, answered });
    match result {
        Ok(Success { lost: true, .. }) => {
            let broken = futures_util::stream::once(async {
                Err::<Vec<u8>, _>(std::io::Error::new(
                    std::io::ErrorKind::ConnectionReset,
                    "the answer is lost on its way",
                ))
            });
            super::errors::answer(StatusCode::OK).body(Body::from_bytes_stream(broken))
        }
        Ok(success) => json_answer(StatusCode::OK, &Value::Object(success.body), &random_guid()),
        Err(error) => error.response(state.clock.now(), headers, &state.login_url),
    }
}

fn answer(state: &State, segment: &str, headers: &HeaderMap, form: &Parameters) -> Result<Success, EntraError> {
    let audience = state.directory().audience(segment).ok_or_else(|| EntraError::tenant_not_found(segment))?;
    let grant_type = form.get("grant_type").ok_or_else(|| EntraError::missing_parameter("grant_type"))?;
    if state.config.reads_codes_first
        && let Some(code) = form.get("code")
        && !state.grants.knows_code(code)
    {
        return Err(malformed());
    }
    let client_id = check_client(state, &audience, segment, headers, form)?;
    match grant_type {
        "authorization_code" => by_code(state, &audience, &client_id, form),
        "refresh_token" => by_refresh_token(state, &audience, &client_id, form),
        "client_credentials" => by_client_credentials(state, &audience, segment, form),
        other => {
            let text = format!("The app requested an unsupported grant type '{other}'.");
            Err(EntraError::new("unsupported_grant_type", 70_003, text))
        }
    }
}

/// `client_secret_post`, `client_secret_basic` or `private_key_jwt`, the three of the discovery document. Answers the client id.
fn check_client(
    state: &State,
    audience: &Audience,
    segment: &str,
    headers: &HeaderMap,
    form: &Parameters,
) -> Result<String, EntraError> {
    let basic = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Basic "))
        .and_then(|value| STANDARD.decode(value).ok())
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .and_then(|pair| pair.split_once(':').map(|(id, secret)| (form_decoded(id), form_decoded(secret))));
    let (client_id, secret) = match basic {
        Some((id, secret)) => (Some(id), Some(secret)),
        None => (form.owned("client_id"), form.owned("client_secret")),
    };
    let client_id = client_id.ok_or_else(|| EntraError::missing_parameter("client_id"))?;
    let app = state.app(&client_id).ok_or_else(|| EntraError::unknown_application(&client_id))?;
    app.admits(audience, segment)?;
    if let Some(assertion) = form.get("client_assertion") {
        super::assertion::check(state, &app, segment, form.get("client_assertion_type"), assertion)?;
        return Ok(app.client_id);
    }
    let Some(secret) = secret else {
        let text = "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.";
        return Err(EntraError::new("invalid_client", 7_000_218, text));
    };
    let Some(held) = app.secrets.iter().find(|held| held.value == secret) else {
        let text = format!(
            "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, \
             not the client secret ID, for a secret added to app '{client_id}'."
        );
        return Err(EntraError::new("invalid_client", 7_000_215, text));
    };
    if held.expires_at.is_some_and(|expires_at| expires_at <= state.clock.now()) {
        let text = format!(
            "The provided client secret keys for app '{client_id}' are expired. Visit the Azure portal to create new \
             keys for your app, or consider using certificate credentials for added security."
        );
        return Err(EntraError::new("invalid_client", 7_000_222, text));
    }
    Ok(app.client_id)
}

/// RFC 6749 §2.3.1 has both halves form-encoded before they are joined.
fn form_decoded(text: &str) -> String {
    let pair = format!("x={text}");
    url::form_urlencoded::parse(pair.as_bytes()).next().map(|(_, value)| value.into_owned()).unwrap_or_default()
}

fn by_code(state: &State, audience: &Audience, client_id: &str, form: &Parameters) -> Result<Success, EntraError> {
    let code = form.get("code").ok_or_else(|| EntraError::missing_parameter("code"))?;
    let redirect_uri = form.get("redirect_uri").ok_or_else(|| EntraError::missing_parameter("redirect_uri"))?;
    let verifier = form.get("code_verifier");
    let asked = scopes::split(form.get("scope").unwrap_or_default());
    scopes::one_resource(&asked)?;
    planned_error(state, None)?;
    let grant = state
        .grants
        .redeem_code(code, state.clock.now(), |grant| check_code(grant, client_id, redirect_uri, verifier))
        .map_err(|refusal| refusal.map_or_else(|error| error, |refusal| code_refused(refusal, code)))?;
    let user = user_of(state, audience, &grant.tid, &grant.oid)?;
    switched_on(state, client_id, &grant.tid)?;
    challenged(&user, grant.claims.as_deref())?;
    // Without a scope Microsoft picks a resource itself; here it is that of the first scope asked for at sign-in.
    let granted = if asked.is_empty() { first_resource(&grant.scopes)? } else { asked };
    consented(state, client_id, &user, &granted)?;
    let openid = grant.scopes.iter().any(|scope| scope == "openid");
    let offline = grant.scopes.iter().any(|scope| scope == "offline_access");
    let nonce = grant.nonce.clone();
    let client_id = client_id.to_owned();
    success(
        state,
        &user,
        &granted,
        &Extra { client_id, openid, offline, nonce, client_info: grant.client_info, claims: grant.claims, kept: None },
    )
}

fn check_code(
    grant: &CodeGrant,
    client_id: &str,
    redirect_uri: &str,
    verifier: Option<&str>,
) -> Result<(), EntraError> {
    of_this_client(&grant.client_id, client_id)?;
    if grant.redirect_uri != redirect_uri {
        let text = format!(
            "The reply address '{redirect_uri}' does not match the reply address '{}' provided when requesting \
             Authorization code.",
            grant.redirect_uri
        );
        return Err(EntraError::new("invalid_grant", 500_112, text));
    }
    let Some((method, challenge)) = &grant.code_challenge else { return Ok(()) };
    let computed = match (verifier, method.as_str()) {
        (None, _) => None,
        (Some(verifier), "S256") => {
            Some(URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, verifier.as_bytes()).as_ref()))
        }
        (Some(verifier), _) => Some(verifier.to_owned()),
    };
    if computed.as_deref() == Some(challenge) {
        return Ok(());
    }
    let text = "The Code_Verifier does not match the code_challenge supplied in the authorization request.";
    Err(EntraError::new("invalid_grant", 501_481, text))
}

/// A tenant may have switched the app off for its own people.
fn switched_on(state: &State, client_id: &str, tid: &str) -> Result<(), EntraError> {
    let off = state.app(client_id).is_none_or(|app| app.disabled_in.iter().any(|tenant| tenant == tid));
    if off { Err(EntraError::application_disabled(client_id)) } else { Ok(()) }
}

/// What one app was given is nothing to another.
fn of_this_client(given_to: &str, client_id: &str) -> Result<(), EntraError> {
    if given_to == client_id {
        return Ok(());
    }
    let text = "Provided grant is invalid or malformed: it was issued to a different client id.";
    Err(EntraError::new("invalid_grant", 70_000, text).suberror("client_mismatch"))
}

/// No code of Microsoft's is as short as that.
const SHORTEST_CODE: usize = 100;

fn malformed() -> EntraError {
    EntraError::new("invalid_grant", 9_002_313, "Invalid request. Request is malformed or invalid.")
}

fn code_refused(refusal: CodeRefusal, code: &str) -> EntraError {
    match refusal {
        CodeRefusal::Unknown if code.len() < SHORTEST_CODE => malformed(),
        CodeRefusal::Unknown => {
            let text = "The provided value for the 'code' parameter is not valid.";
            EntraError::new("invalid_grant", 70_000, text)
        }
        CodeRefusal::AlreadyRedeemed => {
            let shown: String = code.chars().take(4).collect();
            let text = format!(
                "OAuth2 Authorization code '{shown}...' was already redeemed, please retry with a new valid code or use an existing refresh token."
            );
            EntraError::new("invalid_grant", 54_005, text)
        }
        CodeRefusal::Expired => {
            let text = "The provided authorization code or refresh token has expired due to inactivity. Send a new \
                        interactive authorization request for this user and resource.";
            EntraError::new("invalid_grant", 70_008, text)
        }
    }
}

fn by_refresh_token(
    state: &State,
    audience: &Audience,
    client_id: &str,
    form: &Parameters,
) -> Result<Success, EntraError> {
    let token = form.get("refresh_token").ok_or_else(|| EntraError::missing_parameter("refresh_token"))?;
    let asked = scopes::split(form.get("scope").unwrap_or_default());
    scopes::one_resource(&asked)?;
    let now = state.clock.now();
    let known = state.grants.refresh(token);
    let owner = known
        .as_ref()
        .and_then(|grant| state.directory().user_by_id(&grant.tid, &grant.oid).map(|user| user.address.clone()));
    planned_error(state, owner.as_deref())?;
    let Some(grant) = known else {
        return Err(malformed());
    };
    of_this_client(&grant.client_id, client_id)?;
    let personal = grant.tid == crate::directory::PERSONAL_TENANT;
    if personal && (grant.revoked || now - grant.used_at > state.config.refresh_inactivity_seconds) {
        return Err(personal_grant_expired());
    }
    if grant.revoked {
        let text = "The provided grant has expired due to it being revoked, a fresh auth token is needed. The user might \
                    have changed or reset their password. The grant was issued on '2026-01-01T00:00:00.0000000Z' and the \
                    TokensValidFrom date (before which tokens are not valid) for this user is \
                    '2026-01-02T00:00:00.0000000Z'.";
        return Err(EntraError::new("invalid_grant", 50_173, text).suberror("bad_token"));
    }
    if now - grant.used_at > state.config.refresh_inactivity_seconds {
        let issued = chrono::DateTime::from_timestamp(grant.issued_at, 0).unwrap_or_default();
        let text = format!(
            "The refresh token has expired due to inactivity. The token was issued on {} and was inactive for \
             90.00:00:00.",
            issued.format("%Y-%m-%dT%H:%M:%S.0000000Z")
        );
        return Err(EntraError::new("invalid_grant", 700_082, text).suberror("bad_token"));
    }
    let user = user_of(state, audience, &grant.tid, &grant.oid)?;
    switched_on(state, client_id, &grant.tid)?;
    challenged(&user, grant.claims.as_deref())?;
    let granted = if asked.is_empty() { first_resource(&grant.scopes)? } else { asked };
    consented(state, client_id, &user, &granted)?;
    state.grants.used_refresh_token(token, now);
    let offline =
        granted.iter().any(|scope| scope == "offline_access") || grant.scopes.iter().any(|s| s == "offline_access");
    let openid = granted.iter().any(|scope| scope == "openid");
    let claims = grant.claims.clone();
    let kept = Some((token.to_owned(), grant));
    success(
        state,
        &user,
        &granted,
        &Extra {
            client_id: client_id.to_owned(),
            openid,
            offline,
            nonce: None,
            client_info: form.get("client_info") == Some("1"),
            claims,
            kept,
        },
    )
}

fn by_client_credentials(
    state: &State,
    audience: &Audience,
    segment: &str,
    form: &Parameters,
) -> Result<Success, EntraError> {
    let Audience::One(tid) = audience else {
        let text = format!(
            "The grant type 'client_credentials' is not supported over the /{segment} endpoint. Please use the \
             /organizations or tenant-specific endpoint."
        );
        return Err(EntraError::new("invalid_request", 9_001_023, text));
    };
    let asked = scopes::split(form.get("scope").ok_or_else(|| EntraError::missing_parameter("scope"))?);
    planned_error(state, None)?;
    let resource = scopes::one_resource(&asked)?;
    let default_only = asked.iter().all(|scope| scope.ends_with("/.default"));
    let Some(resource) = resource.filter(|_| default_only) else {
        let text = format!(
            "The provided request must include a 'scope' input parameter. The provided value for the input parameter \
             'scope' is not valid. The scope {} is not valid.",
            asked.join(" ")
        );
        return Err(EntraError::new("invalid_scope", 70_011, text));
    };
    let expires_in = lifetime(state, false);
    let expires_at = state.clock.now() + i64::from(expires_in);
    // The application permissions of the registration, on the resource asked for.
    let roles = ["IMAP.AccessAsApp", "SMTP.SendAsApp"].iter().map(|role| format!("{resource}/{role}")).collect();
    let access_token = state.grants.issue_access_token(Principal::App { tid: tid.clone() }, roles, expires_at);
    let body = json!({"token_type": "Bearer", "expires_in": expires_in, "ext_expires_in": expires_in, "access_token": access_token});
    let Value::Object(body) = body else { unreachable!("an object was written") };
    Ok(Success { body, lost: false })
}

/// Personal accounts say little, and without `error_uri`.
fn personal_grant_expired() -> EntraError {
    let text = "The user could not be authenticated as the grant is expired. The user must sign in again.";
    let mut error = EntraError::new("invalid_grant", 70_000, text);
    error.with_uri = false;
    error
}

/// An error that a test has armed.
fn planned_error(state: &State, user: Option<&str>) -> Result<(), EntraError> {
    let planned = state.faults.take(user, |fault| match fault {
        Fault::Token(fault @ (TokenFault::Error { .. } | TokenFault::PersonalGrantExpired)) => Some(fault.clone()),
        _ => None,
    });
    match planned {
        Some(TokenFault::Error { status, error, suberror, code, text, claims }) => {
            Err(EntraError { status, error, suberror, code, text, claims, with_uri: true })
        }
        Some(TokenFault::PersonalGrantExpired) => Err(personal_grant_expired()),
        _ => Ok(()),
    }
}
