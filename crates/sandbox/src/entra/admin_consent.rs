//! An administrator's consent for the whole organisation, `/v2.0/adminconsent` and the older `/adminconsent`.
//!
//! The `tenant` of the answer is only a parameter of a URL that anybody can write; an app must not believe it.

use poem::Response;
use poem::http::StatusCode;

use super::errors::EntraError;
use super::flow::{Flow, Purpose};
use super::{authorize, pages, scopes};
use crate::directory::TenantUser;
use crate::html::Parameters;
use crate::state::State;

/// What the app registration lists, consented to by the older endpoint, which takes no `scope`.
const REGISTERED: [&str; 2] =
    ["https://outlook.office.com/IMAP.AccessAsUser.All", "https://outlook.office.com/SMTP.Send"];

pub(crate) fn ask(state: &State, segment: &str, asked: &Parameters, purpose: Purpose) -> Response {
    // v2.0 takes a tenant's id or domain, or `organizations`, but not `common` (Microsoft's documentation).
    if purpose == Purpose::AdminConsent && matches!(segment, "common" | "consumers") {
        let text = "Tenant-identifying information was not found in either the request or implied by any provided \
                    credentials.";
        return pages::error(state, StatusCode::BAD_REQUEST, &EntraError::new("invalid_request", 50_059, text));
    }
    let (audience, redirect_uri) = match authorize::checked_client(state, segment, asked) {
        Ok(checked) => checked,
        Err(page) => return *page,
    };
    let mut flow = Flow::new(purpose, segment, audience, &redirect_uri, asked);
    if purpose == Purpose::AdminConsentV1 {
        flow.scopes = REGISTERED.iter().map(|scope| (*scope).to_owned()).collect();
    } else if flow.scopes.is_empty() {
        return flow.answer_error(state, &EntraError::missing_parameter("scope"));
    }
    authorize::first_page(state, &flow)
}

pub(crate) fn accepted(state: &State, flow: &Flow, admin: &TenantUser) -> Response {
    let mut granted = scopes::needing_consent(&flow.scopes);
    // `.default` stands for everything the registration lists of that resource.
    if granted.iter().any(|scope| scope.ends_with("/.default")) {
        granted.extend(REGISTERED.iter().map(|scope| (*scope).to_owned()));
    }
    state.grants.consent(&flow.client_id, &admin.tid, None, &granted);
    let scope = flow.scopes.join(" ");
    match flow.purpose {
        Purpose::AdminConsentV1 => flow.answer(&[("tenant", &admin.tid), ("admin_consent", "True")]),
        Purpose::AdminConsent | Purpose::SignIn => {
            flow.answer(&[("admin_consent", "True"), ("tenant", &admin.tid), ("scope", &scope)])
        }
    }
}
