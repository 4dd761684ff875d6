//! The one error body.
//!
//! Chatwoot says `error` for most refusals and `message` with `attributes` for failed validations; its mobile app reads `errors[0]`, and its
//! Python SDK takes `errors` for objects. All of these are here, beside a stable `code` and the `request_id` under which the operator finds the
//! log lines.

use poem_openapi::Object;

#[derive(Clone, Debug, Object)]
#[oai(skip_serializing_if_is_none)]
pub struct ErrorBody {
    /// What is wrong, in words. Absent when `message` is there.
    pub error: Option<String>,
    /// What is wrong with the values that were sent.
    pub message: Option<String>,
    /// The same words, as a list. Absent when the request came with an API token.
    pub errors: Option<Vec<String>>,
    /// A stable word for programs.
    pub code: String,
    /// The fields that `message` is about.
    pub attributes: Option<Vec<String>>,
    pub request_id: String,
}
