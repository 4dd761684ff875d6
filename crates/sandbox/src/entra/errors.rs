//! Microsoft's errors: as the token endpoint's JSON, as the parameters of a redirect, and as a page.
//!
//! Microsoft's documentation ("Microsoft Entra authentication and authorization error codes") gives the numbers; the
//! shape of the body is that of its authorization code flow, with the parts of `error_description` on lines of their own.

use chrono::DateTime;
use poem::http::{HeaderMap, StatusCode, header};
use poem::{Response, ResponseBuilder};
use serde_json::{Map, Value, json};

use crate::ambient::{is_guid, random_guid};

/// One error, before it is given a time and the ids to ask Microsoft's support with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EntraError {
    pub(crate) status: u16,
    pub(crate) error: String,
    pub(crate) suberror: Option<String>,
    pub(crate) code: u32,
    pub(crate) text: String,
    pub(crate) claims: Option<String>,
    /// Personal accounts' errors come without `error_uri`.
    pub(crate) with_uri: bool,
}

impl EntraError {
    pub(crate) fn new(error: &str, code: u32, text: impl Into<String>) -> Self {
        // 401 goes with invalid_client alone; everything else is 400.
        let status = if error == "invalid_client" { 401 } else { 400 };
        let (error, text) = (error.into(), text.into());
        Self { status, error, suberror: None, code, text, claims: None, with_uri: true }
    }

    pub(crate) fn suberror(mut self, suberror: &str) -> Self {
        self.suberror = Some(suberror.into());
        self
    }

    pub(crate) fn missing_parameter(name: &str) -> Self {
        let text = format!("The request body must contain the following parameter: '{name}'.");
        Self::new("invalid_request", 900_144, text)
    }

    pub(crate) fn tenant_not_found(segment: &str) -> Self {
        let text = format!(
            "Tenant '{segment}' not found. Check to make sure you have the correct tenant ID and are signing into the \
             correct cloud. Check with your subscription administrator, this may happen if there are no active \
             subscriptions for the tenant."
        );
        Self::new("invalid_request", 90_002, text)
    }

    pub(crate) fn unknown_application(client_id: &str) -> Self {
        let text = format!(
            "Application with identifier '{client_id}' was not found in the directory. This can happen if the \
             application has not been installed by the administrator of the tenant or consented to by any user in the \
             tenant. You may have sent your authentication request to the wrong tenant."
        );
        Self::new("unauthorized_client", 700_016, text)
    }

    pub(crate) fn application_disabled(client_id: &str) -> Self {
        let text = format!("Application '{client_id}'(Postroom) is disabled.");
        Self::new("unauthorized_client", 7_000_112, text)
    }

    /// The error with everything Microsoft adds to it.
    pub(crate) fn at(&self, now: i64, headers: Option<&HeaderMap>) -> Told {
        // A caller may choose the correlation id.
        let asked = headers.and_then(|headers| headers.get("client-request-id")).and_then(|value| value.to_str().ok());
        let correlation_id = asked.filter(|id| is_guid(id)).map_or_else(random_guid, str::to_owned);
        let trace_id = random_guid();
        let timestamp = timestamp(now);
        let description = format!(
            "AADSTS{}: {}\r\nTrace ID: {trace_id}\r\nCorrelation ID: {correlation_id}\r\nTimestamp: {timestamp}",
            self.code, self.text
        );
        Told { error: self.clone(), description, trace_id, correlation_id, timestamp }
    }

    /// The answer of the token endpoint.
    pub(crate) fn response(&self, now: i64, headers: &HeaderMap, login_url: &str) -> Response {
        let told = self.at(now, Some(headers));
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::BAD_REQUEST);
        json_answer(status, &told.body(login_url), &told.trace_id)
    }
}

/// An error that was told, with its ids.
pub(crate) struct Told {
    pub(crate) error: EntraError,
    pub(crate) description: String,
    pub(crate) trace_id: String,
    pub(crate) correlation_id: String,
    pub(crate) timestamp: String,
}

impl Told {
    pub(crate) fn error_uri(&self, login_url: &str) -> String {
        format!("{login_url}/error?code={}", self.error.code)
    }

    fn body(&self, login_url: &str) -> Value {
        let mut body = Map::new();
        body.insert("error".into(), json!(self.error.error));
        body.insert("error_description".into(), json!(self.description));
        body.insert("error_codes".into(), json!([self.error.code]));
        body.insert("timestamp".into(), json!(self.timestamp));
        body.insert("trace_id".into(), json!(self.trace_id));
        body.insert("correlation_id".into(), json!(self.correlation_id));
        if self.error.with_uri {
            body.insert("error_uri".into(), json!(self.error_uri(login_url)));
        }
        if let Some(suberror) = &self.error.suberror {
            body.insert("suberror".into(), json!(suberror));
        }
        if let Some(claims) = &self.error.claims {
            body.insert("claims".into(), json!(claims));
        }
        Value::Object(body)
    }
}

/// JSON as the sign-in service sends it: never stored by anybody between.
pub(crate) fn json_answer(status: StatusCode, body: &Value, request_id: &str) -> Response {
    answer(status)
        .header(header::CONTENT_TYPE, "application/json; charset=utf-8")
        .header("x-ms-request-id", request_id)
        .body(body.to_string())
}

pub(crate) fn answer(status: StatusCode) -> ResponseBuilder {
    Response::builder()
        .status(status)
        .header(header::CACHE_CONTROL, "no-store, no-cache")
        .header(header::PRAGMA, "no-cache")
        .header("Strict-Transport-Security", "max-age=31536000; includeSubDomains")
        .header("X-Content-Type-Options", "nosniff")
}

/// `2016-01-09 02:02:12Z`, as in Microsoft's bodies.
fn timestamp(now: i64) -> String {
    DateTime::from_timestamp(now, 0).unwrap_or_default().format("%Y-%m-%d %H:%M:%SZ").to_string()
}
