//! Graph's answers: JSON, its errors, and the ids that support asks for (Microsoft Learn, "Microsoft Graph error responses").

use poem::Response;
use poem::http::{HeaderValue, StatusCode, header};
use serde_json::{Value, json};

use crate::ambient::random_guid;

/// What Graph says when it does not do what it was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct GraphError {
    status: u16,
    code: String,
    message: String,
}

impl GraphError {
    pub(super) fn new(status: u16, code: &str, message: &str) -> Self {
        Self { status, code: code.into(), message: message.into() }
    }

    pub(super) fn unknown_path() -> Self {
        Self::new(400, "BadRequest", "Resource not found for the segment.")
    }

    pub(super) fn not_found() -> Self {
        Self::new(404, "ErrorItemNotFound", "The specified object was not found in the store.")
    }

    pub(super) fn bad_request(message: &str) -> Self {
        Self::new(400, "ErrorInvalidRequest", message)
    }
}

pub(super) fn error_answer(error: &GraphError) -> Response {
    let status = StatusCode::from_u16(error.status).unwrap_or(StatusCode::BAD_REQUEST);
    let inner = json!({"date": "2026-01-01T00:00:00", "request-id": random_guid(), "client-request-id": random_guid()});
    let body = json!({"error": {"code": error.code, "message": error.message, "innerError": inner}});
    json_answer(status, &body)
}

pub(super) fn json_answer(status: StatusCode, body: &Value) -> Response {
    Response::builder()
        .status(status)
        .header(header::CONTENT_TYPE, "application/json; odata.metadata=minimal; charset=utf-8")
        .header(header::CACHE_CONTROL, "private")
        .body(body.to_string())
}

/// 202 and 204 have no body.
pub(super) fn empty(status: StatusCode) -> Response {
    Response::builder().status(status).finish()
}

/// Every answer has them.
pub(super) fn with_ids(mut answer: Response) -> Response {
    for name in ["request-id", "client-request-id"] {
        if let Ok(value) = HeaderValue::from_str(&random_guid()) {
            answer.headers_mut().insert(name, value);
        }
    }
    answer
}
