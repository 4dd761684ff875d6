//! `/authorize` and the pages behind it: choose an account, accept or decline, and back to the app.
//!
//! What is wrong with the client or its redirect URI is shown on a page and never redirected (Microsoft's
//! documentation, AADSTS50011); everything else the app is told.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use poem::Response;
use poem::http::StatusCode;
use serde_json::json;

use super::errors::EntraError;
use super::flow::{Flow, Purpose, ResponseMode};
use super::grants::CodeGrant;
use super::{pages, scopes};
use crate::ambient::random_guid;
use crate::directory::{Audience, TenantUser};
use crate::faults::{Fault, SignInFault};
use crate::html::Parameters;
use crate::journal::Event;
use crate::state::State;

/// Tenant, client and redirect URI, or the page that says what is wrong with them.
pub(crate) fn checked_client(
    state: &State,
    segment: &str,
    asked: &Parameters,
) -> Result<(Audience, String), Box<Response>> {
    let refuse = |error: EntraError| Box::new(pages::error(state, StatusCode::BAD_REQUEST, &error));
    let audience = state.directory().audience(segment).ok_or_else(|| refuse(EntraError::tenant_not_found(segment)))?;
    let client_id = asked.get("client_id").ok_or_else(|| refuse(EntraError::missing_parameter("client_id")))?;
    let app = state.app(client_id).ok_or_else(|| refuse(EntraError::unknown_application(client_id)))?;
    app.admits(&audience, segment).map_err(refuse)?;
    let redirect_uri = asked.get("redirect_uri").unwrap_or_default();
    if !state.is_redirect_uri(redirect_uri) {
        let text = format!(
            "The redirect URI '{redirect_uri}' specified in the request does not match the redirect URIs configured for \
             the application '{client_id}'. Make sure the redirect URI sent in the request matches one added to your \
             application in the Azure portal. Navigate to https://aka.ms/redirectUriMismatchError to learn more about \
             how to troubleshoot this error."
        );
        return Err(refuse(EntraError::new("invalid_request", 50_011, text)));
    }
    Ok((audience, redirect_uri.to_owned()))
}

/// `GET /{tenant}/oauth2/v2.0/authorize`.
pub(crate) fn authorize(state: &State, segment: &str, asked: &Parameters) -> Response {
    let (audience, redirect_uri) = match checked_client(state, segment, asked) {
        Ok(checked) => checked,
        Err(page) => return *page,
    };
    let mut flow = Flow::new(Purpose::SignIn, segment, audience, &redirect_uri, asked);
    if let Err(error) = read_request(&mut flow, asked) {
        return flow.answer_error(state, &error);
    }
    if let Some(answer) = state.faults.take(None, sign_in_error) {
        let (error, description) = answer;
        return flow.answer(&[("error", &error), ("error_description", &description)]);
    }
    // There is no session: a browser is never already signed in here.
    if asked.get("prompt") == Some("none") {
        let text = "Session information is not sufficient for single-sign-on.";
        return flow.answer_error(state, &EntraError::new("login_required", 50_058, text));
    }
    first_page(state, &flow)
}

fn sign_in_error(fault: &Fault) -> Option<(String, String)> {
    match fault {
        Fault::SignIn(SignInFault::Error { error, description }) => Some((error.clone(), description.clone())),
        _ => None,
    }
}

fn read_request(flow: &mut Flow, asked: &Parameters) -> Result<(), EntraError> {
    flow.response_mode = match asked.get("response_mode") {
        None | Some("query") => ResponseMode::Query,
        Some("fragment") => ResponseMode::Fragment,
        Some("form_post") => ResponseMode::FormPost,
        Some(other) => {
            let text = format!("The value '{other}' for the parameter 'response_mode' is not supported.");
            return Err(EntraError::new("invalid_request", 90_023, text));
        }
    };
    match asked.get("response_type") {
        Some("code") => {}
        None => return Err(EntraError::missing_parameter("response_type")),
        Some(other) => {
            let text = format!("response_type '{other}' is not enabled for the application.");
            return Err(EntraError::new("unsupported_response_type", 700_051, text));
        }
    }
    if flow.scopes.is_empty() {
        return Err(EntraError::missing_parameter("scope"));
    }
    // Scopes of several resources are fine here: the person consents to all of them at once.
    for scope in &flow.scopes {
        scopes::resource_of(scope)?;
    }
    flow.code_challenge = match (asked.get("code_challenge"), asked.get("code_challenge_method")) {
        (None, _) => None,
        (Some(challenge), method @ (None | Some("plain" | "S256"))) => {
            if !(43..=128).contains(&challenge.len()) {
                let text = "Invalid size of Code_Challenge parameter.";
                return Err(EntraError::new("invalid_request", 501_491, text));
            }
            Some((method.unwrap_or("plain").to_owned(), challenge.to_owned()))
        }
        (Some(_), Some(other)) => {
            let text = format!("Invalid Code_Challenge_Method parameter: '{other}'.");
            return Err(EntraError::new("invalid_request", 50_149, text));
        }
    };
    flow.always_consent = match asked.get("prompt") {
        None | Some("login" | "select_account" | "none") => false,
        Some("consent") => true,
        Some(other) => {
            let text = format!("Unsupported 'prompt' value '{other}'.");
            return Err(EntraError::new("invalid_request", 90_023, text));
        }
    };
    Ok(())
}

/// The people whom the `{tenant}` of the URL admits, the hinted one first.
fn admitted(state: &State, flow: &Flow) -> Vec<TenantUser> {
    let hint = flow.login_hint.as_deref().unwrap_or_default();
    let for_admins = flow.purpose != Purpose::SignIn;
    let mut users: Vec<TenantUser> = state
        .directory()
        .users
        .iter()
        .filter(|user| flow.audience.admits(user) && (!for_admins || user.admin))
        .cloned()
        .collect();
    users.sort_by_key(|user| !user.is_called(hint));
    users
}

/// The page for a new flow of an administrator's consent.
pub(crate) fn first_page(state: &State, flow: &Flow) -> Response {
    let users = admitted(state, flow);
    let id = state.flows.open(flow.clone());
    pages::accounts(&id, flow, &users, None)
}

fn expired_page(state: &State) -> Response {
    let text = "The session has expired or was already used. Start again from the application.";
    pages::error(state, StatusCode::BAD_REQUEST, &EntraError::new("invalid_request", 50_089, text))
}

/// `POST /{tenant}/login`: an account was chosen, or its address typed.
pub(crate) fn login(state: &State, form: &Parameters) -> Response {
    let Some((id, flow)) = form.get("flow").and_then(|id| Some((id, state.flows.get(id)?))) else {
        return expired_page(state);
    };
    if form.get("decision") == Some("cancel") {
        state.flows.close(id);
        return flow.answer_cancelled();
    }
    let typed = form.get("login").unwrap_or_default().trim().to_owned();
    let known = state.directory().user(&typed).cloned();
    let Some(user) = known else {
        let complaint = "We couldn't find an account with that username. Try another, or get a new account.";
        return pages::accounts(id, &flow, &admitted(state, &flow), Some(complaint));
    };
    if !flow.audience.admits(&user) {
        let text = format!(
            "User account '{}' from identity provider 'https://sts.windows.net/{}/' does not exist in tenant '{}' and \
             cannot access the application '{}'(Postroom) in that tenant. The account needs to be added as an external \
             user in the tenant first. Sign out and sign in again with a different Azure Active Directory user account.",
            user.address, user.tid, flow.segment, flow.client_id
        );
        return pages::error(state, StatusCode::BAD_REQUEST, &EntraError::new("invalid_request", 50_020, text));
    }
    if user.disabled {
        let text = "The user account is disabled.";
        return pages::error(state, StatusCode::BAD_REQUEST, &EntraError::new("invalid_grant", 50_057, text));
    }
    state.flows.choose(id, &user.tid, &user.oid);
    if flow.purpose != Purpose::SignIn {
        return if user.admin {
            pages::consent(id, &flow, &user, true)
        } else {
            pages::admin_approval(id, &flow, &user)
        };
    }
    let wanted = scopes::needing_consent(&flow.scopes);
    if !flow.always_consent && state.grants.consented(&flow.client_id, &user.tid, &user.oid, &wanted) {
        return finish(state, id, &flow, &user);
    }
    if needs_approval(state, &user) {
        return pages::admin_approval(id, &flow, &user);
    }
    pages::consent(id, &flow, &user, false)
}

fn needs_approval(state: &State, user: &TenantUser) -> bool {
    !user.admin && state.directory().tenant(&user.tid).is_some_and(|tenant| tenant.admin_approval)
}

/// `POST /{tenant}/consent`: accepted, declined, or back to the app.
pub(crate) fn consent(state: &State, form: &Parameters) -> Response {
    let Some((id, flow)) = form.get("flow").and_then(|id| Some((id, state.flows.get(id)?))) else {
        return expired_page(state);
    };
    let chosen = flow.principal.clone().and_then(|(tid, oid)| state.directory().user_by_id(&tid, &oid).cloned());
    let Some(user) = chosen else { return expired_page(state) };
    match form.get("decision") {
        Some("another") => return pages::accounts(id, &flow, &admitted(state, &flow), None),
        Some("return") => {
            state.flows.close(id);
            return flow.answer_cancelled();
        }
        Some("accept" | "accept_organization") => {}
        _ => {
            state.flows.close(id);
            return declined(state, &flow, &user);
        }
    }
    let wanted = scopes::needing_consent(&flow.scopes);
    if flow.purpose != Purpose::SignIn {
        if !user.admin {
            return pages::admin_approval(id, &flow, &user);
        }
        state.flows.close(id);
        return super::admin_consent::accepted(state, &flow, &user);
    }
    if needs_approval(state, &user) {
        return pages::admin_approval(id, &flow, &user);
    }
    let for_organization = form.get("decision") == Some("accept_organization") && user.admin;
    let consenting = if for_organization { None } else { Some(user.oid.as_str()) };
    state.grants.consent(&flow.client_id, &user.tid, consenting, &wanted);
    finish(state, id, &flow, &user)
}

/// Work accounts' answer carries AADSTS65004; personal ones have words and no number.
fn declined(state: &State, flow: &Flow, user: &TenantUser) -> Response {
    if user.is_personal() {
        let text = "The user has denied access to the scope requested by the client application.";
        return flow.answer(&[("error", "access_denied"), ("error_description", text)]);
    }
    let text = "User declined to consent to access the app.";
    let error = EntraError::new("consent_required", 65_004, text);
    if flow.purpose == Purpose::SignIn {
        return flow.answer_error(state, &error);
    }
    let told = error.at(state.clock.now(), None);
    flow.answer(&[("error", "consent_required"), ("error_description", &told.description), ("admin_consent", "True")])
}

/// Back to the app with a code.
fn finish(state: &State, id: &str, flow: &Flow, user: &TenantUser) -> Response {
    state.flows.close(id);
    state.journal.note(Event::SignedIn { user: user.address.clone() });
    let take = |wanted: fn(&SignInFault) -> bool| {
        state.faults.take(Some(&user.address), |fault| match fault {
            Fault::SignIn(fault) if wanted(fault) => Some(fault.clone()),
            _ => None,
        })
    };
    let now = state.clock.now();
    let stale = take(|fault| matches!(fault, SignInFault::StaleCode)).is_some();
    let code = state.grants.issue_code(CodeGrant {
        client_id: flow.client_id.clone(),
        tid: user.tid.clone(),
        oid: user.oid.clone(),
        redirect_uri: flow.redirect_uri.clone(),
        scopes: flow.scopes.clone(),
        nonce: flow.nonce.clone(),
        code_challenge: flow.code_challenge.clone(),
        client_info: flow.client_info,
        claims: flow.claims.clone(),
        expires_at: if stale { now } else { now + i64::from(state.config.code_lifetime_seconds) },
        redeemed: false,
    });
    let mut flow = flow.clone();
    match take(|fault| matches!(fault, SignInFault::NoState | SignInFault::ForeignState(_))) {
        Some(SignInFault::NoState) => flow.state = None,
        Some(SignInFault::ForeignState(foreign)) => flow.state = Some(foreign),
        _ => {}
    }
    let session_state = random_guid();
    let client_info = client_info(&user.tid, &user.oid);
    let mut parameters = vec![("code", code.as_str()), ("session_state", session_state.as_str())];
    if flow.client_info {
        parameters.push(("client_info", &client_info));
    }
    flow.answer(&parameters)
}

/// base64url of `{"uid":…,"utid":…}`.
pub(crate) fn client_info(tid: &str, oid: &str) -> String {
    URL_SAFE_NO_PAD.encode(json!({"uid": oid, "utid": tid}).to_string())
}
