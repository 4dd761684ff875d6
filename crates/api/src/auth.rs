//! Who is asking. The one extractor that every operation of an account takes first, so that nothing is read before it is known.
//!
//! Four ways in, as Chatwoot's clients use them: `api_access_token`, `Authorization: Bearer`, the mobile app's `access-token` with
//! `client` and `uid`, and the dashboard's session cookie. A cookie changes things only from a page of ours. Headers win over cookies.

use crate::call_limit;
use crate::client_address;
use crate::cookies::{self, CookieRules};
use crate::envelope::RequestId;
use crate::error::Problem;
use crate::same_origin::may_use_cookie;
use app::App;
use app::accounts::{Caller, Credential, Member, authenticate, enter};
use app::calls::Admitted;
use domain::AccountId;
use poem::http::{StatusCode, header};
use poem::{Request, RequestBody};
use poem_openapi::registry::{MetaSecurityScheme, Registry};
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions};
use std::sync::Arc;

/// A caller whose credential was believed.
#[derive(Debug)]
pub struct Auth {
    app: App,
    pub caller: Caller,
    /// For the log of what administrators do.
    remote_address: Option<String>,
    request_id: Option<String>,
}

impl Auth {
    pub fn app(&self) -> &App {
        &self.app
    }

    /// Takes the caller into an account. Somebody else's account answers like one that does not exist.
    pub async fn enter(&self, account_id: i64) -> Result<Member, Problem> {
        let mut member = enter(&self.app, &self.caller, AccountId(account_id)).await?;
        member.scope = member.scope.came_from(self.remote_address.clone(), self.request_id.clone());
        Ok(member)
    }
}

const TOKEN: &str = "api_access_token";
const BEARER: &str = "bearer";
const CLIENT: &str = "access_token_client_uid";
const SESSION: &str = "session_cookie";

const fn scheme(ty: &'static str, description: &'static str) -> MetaSecurityScheme {
    MetaSecurityScheme {
        ty,
        description: Some(description),
        name: None,
        key_in: None,
        scheme: None,
        bearer_format: None,
        flows: None,
        openid_connect_url: None,
    }
}

impl<'a> ApiExtractor<'a> for Auth {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::SecurityScheme];
    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        registry.create_security_scheme(
            TOKEN,
            MetaSecurityScheme {
                name: Some("api_access_token"),
                key_in: Some("header"),
                ..scheme("apiKey", "An API token, as `postroom account create` prints one.")
            },
        );
        registry.create_security_scheme(
            BEARER,
            MetaSecurityScheme { scheme: Some("bearer"), ..scheme("http", "The same API token as a bearer token.") },
        );
        registry.create_security_scheme(
            CLIENT,
            MetaSecurityScheme {
                name: Some("access-token"),
                key_in: Some("header"),
                ..scheme("apiKey", "What `POST /auth/sign_in` answers in its headers; send `client` and `uid` along.")
            },
        );
        registry.create_security_scheme(
            SESSION,
            MetaSecurityScheme {
                name: Some("postroom_session"),
                key_in: Some("cookie"),
                ..scheme(
                    "apiKey",
                    "The dashboard's session. Named `__Host-postroom_session` where FRONTEND_URL is https.",
                )
            },
        );
    }

    fn security_schemes() -> Vec<&'static str> {
        vec![TOKEN, BEARER, CLIENT, SESSION]
    }

    async fn from_request(
        request: &'a Request,
        _body: &mut RequestBody,
        _options: ExtractParamOptions<()>,
    ) -> Result<Self, poem::Error> {
        let app = app_of(request)?;
        let caller = caller(&app, request).await?;
        let remote_address = client_address::of(request, &app).shown();
        let request_id = request.data::<RequestId>().map(|id| id.0.clone());
        Ok(Self { app, caller, remote_address, request_id })
    }
}

pub fn app_of(request: &Request) -> Result<App, Problem> {
    request.data::<App>().cloned().ok_or_else(|| Problem::internal(&"the routes were built without App"))
}

/// What a request carries to say whose it is, as it stands there.
pub enum Presented<'a> {
    Api(&'a str),
    Headers { access_token: &'a str, client: &'a str, uid: &'a str },
    Session(String),
}

impl Presented<'_> {
    pub fn token(&self) -> &str {
        match self {
            Self::Api(token) => token,
            Self::Headers { access_token, .. } => access_token,
            Self::Session(session) => session,
        }
    }

    fn credential(&self) -> Credential<'_> {
        match self {
            Self::Api(token) => Credential::Api(token),
            Self::Headers { access_token, client, uid } => Credential::Headers { access_token, client, uid },
            Self::Session(session) => Credential::Session(session),
        }
    }
}

pub fn presented<'a>(app: &App, request: &'a Request) -> Option<Presented<'a>> {
    let header = |name: &str| request.header(name).map(str::trim).filter(|value| !value.is_empty());
    let bearer = header(header::AUTHORIZATION.as_str()).and_then(bearer_token);
    if let Some(token) = header("api_access_token").or(bearer) {
        return Some(Presented::Api(token));
    }
    if let Some(access_token) = header("access-token") {
        let (client, uid) = (header("client").unwrap_or_default(), header("uid").unwrap_or_default());
        return Some(Presented::Headers { access_token, client, uid });
    }
    session_cookie(app, request).map(Presented::Session)
}

async fn caller(app: &App, request: &Request) -> Result<Caller, Problem> {
    let presented = presented(app, request).ok_or_else(Problem::not_signed_in)?;
    let unknown = match presented {
        Presented::Api(_) | Presented::Headers { .. } => Problem::bad_token(),
        Presented::Session(_) if !may_use_cookie(request, &app.settings().frontend_url) => {
            return Err(Problem::new(
                StatusCode::FORBIDDEN,
                "cross_site",
                "This request did not come from a page of this server",
            ));
        }
        Presented::Session(_) => Problem::not_signed_in(),
    };
    recognised(app, request, &presented).await?.ok_or(unknown)
}

/// Whose credential it is, by whom the call is counted from now on.
async fn recognised(app: &App, request: &Request, presented: &Presented<'_>) -> Result<Option<Caller>, Problem> {
    let limits = app.call_limits();
    let caller = authenticate(app, presented.credential()).await?;
    let admitted = request.data::<Arc<Admitted>>();
    match (&caller, admitted) {
        (Some(caller), Some(admitted)) => limits
            .recognised(admitted, presented.token(), caller.user.id)
            .await
            .map_err(|too_many| call_limit::problem(&too_many))?,
        (Some(_), None) => {}
        (None, _) => limits.not_recognised(presented.token()),
    }
    Ok(caller)
}

/// The scheme's name is compared without case (RFC 9110 §11.1).
fn bearer_token(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

fn session_cookie(app: &App, request: &Request) -> Option<String> {
    cookies::read(request, CookieRules::new(&app.settings().frontend_url).session_name())
}

/// Who sits at this browser, if anybody: for pages that work for strangers too.
pub async fn caller_by_session(app: &App, request: &Request) -> Option<Caller> {
    let session = Presented::Session(session_cookie(app, request)?);
    match recognised(app, request, &session).await {
        Ok(caller) => caller,
        Err(problem) => {
            tracing::warn!(problem.code, "a session could not be looked up; the page is shown as to a stranger");
            None
        }
    }
}
