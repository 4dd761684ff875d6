//! Signing in and out, as Chatwoot's clients and the dashboard do.
//!
//! A page of ours gets a cookie that no script can read; everybody else gets `access-token`, `client` and `uid` headers, as
//! devise-token-auth hands them out. Neither can stand in for the other.

use crate::auth::Auth;
use crate::client_address;
use crate::cookies::CookieRules;
use crate::error::{Oneself, Refusal, SigningIn};
use crate::same_origin::may_use_cookie;
use crate::tags::Tag;
use app::App;
use app::accounts::{self, SESSION_LIFETIME, SessionKind, SignIn};
use domain::Secret;
use poem::http::{HeaderName, HeaderValue, header};
use poem::web::Data;
use poem::{IntoResponse, Request, Response};
use poem_openapi::payload::{Json, Payload};
use poem_openapi::registry::{MetaResponses, Registry};
use poem_openapi::types::ToJSON;
use poem_openapi::{ApiResponse, OpenApi};
use wire::profile::Profile;
use wire::sign_in;

pub struct SessionApi;

/// A JSON answer with headers of its own beside it.
#[derive(Debug)]
pub struct WithHeaders<T> {
    pub(crate) body: Json<T>,
    pub(crate) headers: Response,
}

impl<T: ToJSON + Send> IntoResponse for WithHeaders<T> {
    fn into_response(self) -> Response {
        let mut response = self.body.into_response();
        response.headers_mut().extend(self.headers.into_parts().0.headers);
        response
    }
}

impl<T: ToJSON> ApiResponse for WithHeaders<T> {
    fn meta() -> MetaResponses {
        <Json<T> as ApiResponse>::meta()
    }

    fn register(registry: &mut Registry) {
        <Json<T> as Payload>::register(registry);
    }
}

#[OpenApi(tag = "Tag::Session")]
impl SessionApi {
    /// Sign in
    ///
    /// A page of this server gets a session cookie. Any other client finds `access-token`, `client`, `uid`, `expiry` and `token-type` in
    /// the answer's headers and sends the first three with every request.
    #[oai(path = "/auth/sign_in", method = "post", operation_id = "sign_in")]
    async fn sign_in(
        &self,
        app: Data<&App>,
        request: &Request,
        body: Json<sign_in::SignIn>,
    ) -> Result<WithHeaders<sign_in::SignedIn>, Refusal<SigningIn>> {
        let frontend = &app.settings().frontend_url;
        // Without the browser's word that a page of ours asks, no cookie is set: nobody is signed in unasked.
        let kind = if may_use_cookie(request, frontend) { SessionKind::Browser } else { SessionKind::Headers };
        let ask = SignIn {
            email: body.0.email,
            password: Secret::new(body.0.password.0),
            from: client_address::of(request, app.0),
            user_agent: user_agent(request),
            kind,
        };
        let signed_in = accounts::sign_in(app.0, ask).await?;
        let headers = handed_over(frontend, kind, &signed_in);
        let data = Profile::new(&signed_in.user, &signed_in.memberships).remembering(&signed_in.ui_settings);
        Ok(WithHeaders { body: Json(sign_in::SignedIn { data }), headers })
    }

    /// Check that a session or token is still good
    #[oai(path = "/auth/validate_token", method = "get", operation_id = "validate_token")]
    async fn validate_token(&self, auth: Auth) -> Result<Json<sign_in::TokenValidity>, Refusal<Oneself>> {
        let profile = accounts::profile(auth.app(), &auth.caller).await?;
        let data = Profile::new(&profile.user, &profile.memberships).remembering(&profile.ui_settings);
        Ok(Json(sign_in::TokenValidity { payload: sign_in::TokenValid { success: true, data } }))
    }

    /// Sign out
    ///
    /// Ends the session that the request came with. An API token is not a session, and stays.
    #[oai(path = "/auth/sign_out", method = "delete", operation_id = "sign_out")]
    async fn sign_out(&self, auth: Auth) -> Result<WithHeaders<sign_in::SignedOut>, Refusal<Oneself>> {
        let success = accounts::sign_out(auth.app(), &auth.caller).await?;
        let mut headers = Response::default();
        let rules = CookieRules::new(&auth.app().settings().frontend_url);
        rules.clear(&mut headers, rules.session_name());
        Ok(WithHeaders { body: Json(sign_in::SignedOut { success }), headers })
    }
}

/// The session as its carrier wants it: a cookie, or three headers.
pub(crate) fn handed_over(frontend: &url::Url, kind: SessionKind, signed_in: &accounts::SignedIn) -> Response {
    let mut headers = Response::default();
    match kind {
        SessionKind::Browser => {
            let rules = CookieRules::new(frontend);
            rules.set(&mut headers, rules.session_name(), signed_in.token.expose(), SESSION_LIFETIME);
        }
        SessionKind::Headers => {
            let expiry = signed_in.expires_at.seconds().to_string();
            for (name, value) in [
                ("access-token", signed_in.token.expose()),
                ("client", signed_in.client.as_str()),
                ("uid", signed_in.uid.as_str()),
                ("expiry", expiry.as_str()),
                ("token-type", "Bearer"),
            ] {
                if let Ok(value) = HeaderValue::from_str(value) {
                    headers.headers_mut().insert(HeaderName::from_static(name), value);
                }
            }
        }
    }
    headers
}

/// What the program calls itself.
pub(crate) fn user_agent(request: &Request) -> Option<String> {
    request.header(header::USER_AGENT).map(str::to_owned)
}
