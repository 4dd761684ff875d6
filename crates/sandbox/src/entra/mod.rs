//! The sign-in service: which address does what. Each endpoint has a file of its own.

pub(crate) mod access;
mod admin_consent;
mod assertion;
mod authorize;
mod discovery;
pub(crate) mod errors;
pub(crate) mod flow;
pub(crate) mod grants;
pub(crate) mod id_token;
mod issue;
pub(crate) mod keys;
mod pages;
mod scopes;
mod token;

use std::sync::Arc;
use std::time::Duration;

use poem::http::{Method, StatusCode, header};
use poem::listener::TcpAcceptor;
use poem::{Request, Response, Server};
use serde_json::json;
use tokio::net::TcpListener;

use self::errors::{EntraError, answer, json_answer};
use self::flow::Purpose;
use crate::ambient::random_guid;
use crate::faults::{Endpoint, EndpointFault, Fault};
use crate::html::{self, Parameters};
use crate::journal::Event;
use crate::state::State;

/// No form of the sign-in service is longer.
const BODY_LIMIT: usize = 256 * 1024;

pub(crate) async fn serve(state: Arc<State>, listener: TcpListener) {
    let ended = state.ended.clone();
    let endpoint = poem::endpoint::make(move |request: Request| {
        let state = Arc::clone(&state);
        async move { handle(&state, request).await }
    });
    serve_http(listener, endpoint, ended).await;
}

/// Serves until the sandbox ends. Connections that are kept alive do not hold it up.
pub(crate) async fn serve_http(
    listener: TcpListener,
    endpoint: impl poem::Endpoint + 'static,
    ended: tokio_util::sync::CancellationToken,
) {
    let acceptor = match TcpAcceptor::from_tokio(listener) {
        Ok(acceptor) => acceptor,
        Err(error) => {
            tracing::error!(%error, "the sandbox cannot serve its pages");
            return;
        }
    };
    let served = Server::new_with_acceptor(acceptor)
        .run_with_graceful_shutdown(endpoint, ended.cancelled_owned(), Some(Duration::from_millis(100)))
        .await;
    if let Err(error) = served {
        tracing::error!(%error, "the sandbox stopped serving its pages");
    }
}

async fn handle(state: &Arc<State>, mut request: Request) -> Response {
    let path = request.uri().path().to_owned();
    if path.starts_with("/v1.0/") || path.starts_with(crate::graph::UPLOADS) {
        return crate::graph::handle(state, request).await;
    }
    let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    let method = request.method().clone();
    let asked = Parameters::of_query(&request);
    let form = if method == Method::POST {
        match request.take_body().into_bytes_limit(BODY_LIMIT).await {
            Ok(bytes) => Parameters::parse(&bytes),
            Err(_) => return answer(StatusCode::PAYLOAD_TOO_LARGE).finish(),
        }
    } else {
        Parameters::default()
    };
    let (get, post) = (method == Method::GET, method == Method::POST);
    if let Some(endpoint) = endpoint_of(&segments)
        && let Some(response) = endpoint_fault(state, endpoint).await
    {
        return response;
    }
    match segments.as_slice() {
        [] if get => pages::front(state),
        [tenant, "v2.0", ".well-known", "openid-configuration"] if get => metadata(state, tenant),
        [tenant, "discovery", "v2.0", "keys"] if get => keys(state, tenant),
        [tenant, "oauth2", "v2.0", "authorize"] if get => authorize::authorize(state, tenant, &asked),
        // OpenID Connect Core §3.1.2.1 has it by POST as well.
        [tenant, "oauth2", "v2.0", "authorize"] if post => authorize::authorize(state, tenant, &form),
        [_, "login"] if post => authorize::login(state, &form),
        [_, "consent"] if post => authorize::consent(state, &form),
        [tenant, "oauth2", "v2.0", "token"] if post => {
            if request.content_type().is_some_and(|kind| kind.starts_with("application/x-www-form-urlencoded")) {
                token::token(state, tenant, request.headers(), &form)
            } else {
                // Anything else than a form is read as a form without parameters.
                token::token(state, tenant, request.headers(), &Parameters::default())
            }
        }
        [tenant, "v2.0", "adminconsent"] if get => admin_consent::ask(state, tenant, &asked, Purpose::AdminConsent),
        [tenant, "adminconsent"] if get => admin_consent::ask(state, tenant, &asked, Purpose::AdminConsentV1),
        [_, "oauth2", "v2.0", "logout"] if get => logout(state, &asked),
        ["oidc", "userinfo"] if get || post => userinfo(state, &request),
        _ => answer(StatusCode::NOT_FOUND).finish(),
    }
}

fn endpoint_of(segments: &[&str]) -> Option<Endpoint> {
    match segments {
        [_, "v2.0", ".well-known", "openid-configuration"] => Some(Endpoint::Discovery),
        [_, "discovery", "v2.0", "keys"] => Some(Endpoint::Keys),
        [_, "oauth2", "v2.0", "authorize"] => Some(Endpoint::Authorize),
        [_, "oauth2", "v2.0", "token"] => Some(Endpoint::Token),
        _ => None,
    }
}

async fn endpoint_fault(state: &State, endpoint: Endpoint) -> Option<Response> {
    let fault = state.faults.take(None, |fault| match fault {
        Fault::Endpoint(fault) if fault.endpoint() == endpoint => Some(*fault),
        _ => None,
    })?;
    let retry = |status, seconds: u32| answer(status).header(header::RETRY_AFTER, seconds).finish();
    Some(match fault {
        EndpointFault::Slow { milliseconds, .. } => {
            tokio::time::sleep(Duration::from_millis(milliseconds)).await;
            return None;
        }
        EndpointFault::HtmlUnavailable(_) => answer(StatusCode::SERVICE_UNAVAILABLE)
            .header(header::CONTENT_TYPE, "text/html")
            .body("<html><head><title>503 Service Unavailable</title></head><body><h2>Our services aren't available right now</h2></body></html>"),
        EndpointFault::TooManyRequests { retry_after_seconds, .. } => {
            retry(StatusCode::TOO_MANY_REQUESTS, retry_after_seconds)
        }
        EndpointFault::Unavailable { retry_after_seconds, .. } => {
            retry(StatusCode::SERVICE_UNAVAILABLE, retry_after_seconds)
        }
        EndpointFault::Stall(_) => {
            state.ended.cancelled().await;
            answer(StatusCode::SERVICE_UNAVAILABLE).finish()
        }
        EndpointFault::Truncated(_) => answer(StatusCode::OK)
            .header(header::CONTENT_TYPE, "application/json; charset=utf-8")
            .body("{\"token_type\":\"Bea"),
        EndpointFault::RedirectElsewhere(_) => html::redirect("http://127.0.0.1:9/stolen"),
    })
}

fn metadata(state: &State, tenant: &str) -> Response {
    let audience = state.directory().audience(tenant);
    state.journal.note(Event::DiscoveryFetched { tenant: tenant.to_owned() });
    match audience {
        Some(audience) => json_answer(StatusCode::OK, &discovery::document(state, tenant, &audience), &random_guid()),
        None => {
            let error = EntraError::tenant_not_found(tenant);
            error.response(state.clock.now(), &poem::http::HeaderMap::new(), &state.login_url)
        }
    }
}

fn keys(state: &State, tenant: &str) -> Response {
    if state.directory().audience(tenant).is_none() {
        let error = EntraError::tenant_not_found(tenant);
        return error.response(state.clock.now(), &poem::http::HeaderMap::new(), &state.login_url);
    }
    state.journal.note(Event::KeysFetched);
    let fault = state.faults.take(None, |fault| match fault {
        Fault::Keys(fault) => Some(*fault),
        _ => None,
    });
    json_answer(StatusCode::OK, &state.keys.key_set(|tid| state.issuer(tid), fault), &random_guid())
}

/// There is no session to end; the page and the redirect are what an app sees of it.
fn logout(state: &State, asked: &Parameters) -> Response {
    match asked.get("post_logout_redirect_uri") {
        Some(uri) if state.is_redirect_uri(uri) => html::redirect(uri),
        _ => pages::message("You signed out of your account", "It's a good idea to close all browser windows."),
    }
}

/// `userinfo` wants a token for Graph; one for Outlook is 401.
fn userinfo(state: &State, request: &Request) -> Response {
    let bearer = request.header(header::AUTHORIZATION).and_then(|value| value.strip_prefix("Bearer "));
    let Some((user, _)) = bearer.and_then(|token| state.graph_user(token)) else {
        let body = json!({"error": {"code": "InvalidAuthenticationToken", "message": "Access token validation failure. Invalid audience."}});
        return json_answer(StatusCode::UNAUTHORIZED, &body, &random_guid());
    };
    let body =
        json!({"sub": user.subject_for(&state.config.client_id), "name": user.display_name, "email": user.email});
    json_answer(StatusCode::OK, &body, &random_guid())
}
