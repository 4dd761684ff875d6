//! A sign-in on its way through the pages: what the app asked for, kept here between one page and the next.

use std::collections::HashMap;
use std::sync::Mutex;

use url::Url;

use super::errors::{EntraError, Told};
use super::pages;
use crate::ambient::random_token;
use crate::directory::Audience;
use crate::html::{self, Parameters};
use crate::state::{State, lock};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ResponseMode {
    Query,
    Fragment,
    FormPost,
}

/// What a flow is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    SignIn,
    /// `/v2.0/adminconsent`, which answers the scopes.
    AdminConsent,
    /// `/adminconsent`, everything the registration lists.
    AdminConsentV1,
}

#[derive(Clone, Debug)]
pub(crate) struct Flow {
    pub(crate) purpose: Purpose,
    /// The `{tenant}` of the URL.
    pub(crate) segment: String,
    pub(crate) audience: Audience,
    pub(crate) client_id: String,
    pub(crate) redirect_uri: String,
    pub(crate) response_mode: ResponseMode,
    pub(crate) state: Option<String>,
    pub(crate) nonce: Option<String>,
    pub(crate) scopes: Vec<String>,
    pub(crate) code_challenge: Option<(String, String)>,
    pub(crate) always_consent: bool,
    pub(crate) login_hint: Option<String>,
    pub(crate) client_info: bool,
    /// The `claims` parameter, as it was sent.
    pub(crate) claims: Option<String>,
    /// Who chose his account: `(tid, oid)`.
    pub(crate) principal: Option<(String, String)>,
}

impl Flow {
    pub(crate) fn new(
        purpose: Purpose,
        segment: &str,
        audience: Audience,
        redirect_uri: &str,
        asked: &Parameters,
    ) -> Self {
        Self {
            purpose,
            segment: segment.into(),
            audience,
            client_id: asked.owned("client_id").unwrap_or_default(),
            redirect_uri: redirect_uri.into(),
            response_mode: ResponseMode::Query,
            state: asked.owned("state"),
            nonce: asked.owned("nonce"),
            scopes: super::scopes::split(asked.get("scope").unwrap_or_default()),
            code_challenge: None,
            always_consent: false,
            login_hint: asked.owned("login_hint"),
            client_info: asked.get("client_info") == Some("1"),
            claims: asked.owned("claims"),
            principal: None,
        }
    }

    /// Sends the browser back to the app with these parameters; `state` is added.
    pub(crate) fn answer(&self, parameters: &[(&str, &str)]) -> poem::Response {
        let mut all: Vec<(&str, &str)> = parameters.to_vec();
        if let Some(state) = &self.state {
            all.push(("state", state));
        }
        match self.response_mode {
            ResponseMode::FormPost => pages::form_post(&self.redirect_uri, &all),
            ResponseMode::Query => html::redirect(&self.with_query(&all)),
            ResponseMode::Fragment => {
                let fragment = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(&all).finish();
                html::redirect(&format!("{}#{fragment}", self.redirect_uri))
            }
        }
    }

    fn with_query(&self, parameters: &[(&str, &str)]) -> String {
        match Url::parse(&self.redirect_uri) {
            Ok(mut url) => {
                url.query_pairs_mut().extend_pairs(parameters);
                url.into()
            }
            Err(_) => self.redirect_uri.clone(),
        }
    }

    /// An error that the app is told through the redirect.
    pub(crate) fn answer_error(&self, state: &State, error: &EntraError) -> poem::Response {
        let told: Told = error.at(state.clock.now(), None);
        let uri = told.error_uri(&state.login_url);
        self.answer(&[("error", &error.error), ("error_description", &told.description), ("error_uri", &uri)])
    }

    /// The person went away from the page. Without a description, as seen in the test constants of Microsoft's libraries.
    pub(crate) fn answer_cancelled(&self) -> poem::Response {
        match self.purpose {
            Purpose::SignIn => self.answer(&[("error", "access_denied"), ("error_subcode", "cancel")]),
            Purpose::AdminConsent | Purpose::AdminConsentV1 => self.answer(&[
                ("error", "permission_denied"),
                ("error_description", "The admin canceled the request"),
                ("admin_consent", "True"),
            ]),
        }
    }
}

/// The flows whose pages are open.
#[derive(Default)]
pub(crate) struct Flows {
    open: Mutex<HashMap<String, Flow>>,
}

impl Flows {
    pub(crate) fn open(&self, flow: Flow) -> String {
        let id = random_token(24);
        lock(&self.open).insert(id.clone(), flow);
        id
    }

    pub(crate) fn get(&self, id: &str) -> Option<Flow> {
        lock(&self.open).get(id).cloned()
    }

    pub(crate) fn choose(&self, id: &str, tid: &str, oid: &str) {
        if let Some(flow) = lock(&self.open).get_mut(id) {
            flow.principal = Some((tid.to_owned(), oid.to_owned()));
        }
    }

    /// The flow has come to its end; its pages work no more.
    pub(crate) fn close(&self, id: &str) {
        lock(&self.open).remove(id);
    }
}
