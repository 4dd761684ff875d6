//! The one way to refuse: a [`Problem`], shown as the one error body of `wire::error`.
//!
//! Use cases' errors become a `Problem` by exhaustive `From`; what poem refuses by itself (a broken body, a wrong path, a wrong content
//! type) goes through [`Problem::of_poem`]. A 5xx says nothing but its request id; its cause is logged here and nowhere shown.

use poem::error::{MethodNotAllowedError, NotFoundError, ReadBodyError};
use poem::http::{HeaderValue, StatusCode, header};
use poem::{IntoResponse, Response};
use poem_openapi::ApiResponse;
use poem_openapi::error::{
    ContentTypeError, ParseMultipartError, ParseParamError, ParsePathError, ParseRequestPayloadError,
};
use poem_openapi::registry::{MetaMediaType, MetaResponse, MetaResponses, Registry};
use poem_openapi::types::{ToJSON, Type};
use std::borrow::Cow;
use std::marker::PhantomData;
use std::time::Duration;
use wire::error::ErrorBody;

/// The longest explanation that is shown; parsers quote what they were given.
const MAX_WORDS_CHARS: usize = 400;

/// Why a request is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub status: StatusCode,
    /// A stable word for programs.
    pub code: &'static str,
    pub words: Cow<'static, str>,
    /// The fields it is about; with these the words stand under `message`, as Chatwoot has it for validations.
    pub attributes: Vec<String>,
    pub retry_after: Option<Duration>,
}

impl Problem {
    pub fn new(status: StatusCode, code: &'static str, words: impl Into<Cow<'static, str>>) -> Self {
        Self { status, code, words: words.into(), attributes: Vec::new(), retry_after: None }
    }

    pub fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", "Resource could not be found")
    }

    pub fn forbidden() -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", "You are not authorized to do this action")
    }

    pub fn suspended() -> Self {
        Self::new(StatusCode::FORBIDDEN, "account_suspended", "Account is suspended")
    }

    pub fn bad_token() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "invalid_access_token", "Invalid Access Token")
    }

    pub fn not_signed_in() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "not_signed_in", "You need to sign in or sign up before continuing.")
    }

    pub fn bad_request(words: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_request", words)
    }

    pub fn too_large() -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", "The request is larger than is accepted here")
    }

    /// Understood, and refused for what it holds.
    pub fn unprocessable(code: &'static str, words: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, words)
    }

    /// Not at this moment.
    pub fn conflict(code: &'static str, words: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::CONFLICT, code, words)
    }

    /// A value of one field that cannot be taken.
    pub fn invalid(field: &str, words: impl Into<Cow<'static, str>>) -> Self {
        Self { attributes: vec![field.to_owned()], ..Self::unprocessable("invalid", words) }
    }

    pub fn too_many(retry_after: Duration) -> Self {
        Self {
            retry_after: Some(retry_after),
            ..Self::new(
                StatusCode::TOO_MANY_REQUESTS,
                "too_many_requests",
                "Too many attempts. Please try again later.",
            )
        }
    }

    /// Ours. The cause is logged, never shown.
    pub fn internal(cause: &dyn std::fmt::Display) -> Self {
        tracing::error!(%cause, "a request failed inside");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "Something went wrong on our side")
    }

    /// A part that we need is down; the same request may work in a moment.
    pub fn unavailable(cause: &dyn std::fmt::Display) -> Self {
        tracing::warn!(%cause, "a request could not be served for now");
        Self {
            retry_after: Some(Duration::from_secs(5)),
            ..Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "Temporarily unavailable. Please try again.")
        }
    }

    /// What was sealed with a key that is not there. Nothing of the request was kept.
    pub fn key_missing(cause: &dyn std::fmt::Display) -> Self {
        tracing::error!(%cause, "a request could not be served: a key is missing in POSTROOM_SECRET_KEY");
        Self {
            retry_after: Some(Duration::from_secs(60)),
            ..Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "key_missing",
                "This server lacks a key. Nothing is lost: it works again when whoever runs it has put the key back.",
            )
        }
    }

    /// Nothing can be kept until somebody makes room. Nothing of the request was kept.
    pub fn full(cause: &dyn std::fmt::Display) -> Self {
        tracing::error!(%cause, "a request could not be served: there is no room left");
        Self {
            retry_after: Some(Duration::from_secs(60)),
            ..Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "storage_full",
                "There is no room left to store this. Nothing was stored or sent; please try again later.",
            )
        }
    }

    /// What poem or poem-openapi refused before any code of ours ran.
    pub fn of_poem(error: &poem::Error) -> Self {
        if error.is::<ParsePathError>() || error.is::<NotFoundError>() {
            // An id that is no number names nothing, like an id that does not exist.
            return Self::not_found();
        }
        if error.is::<MethodNotAllowedError>() {
            return Self::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "method_not_allowed",
                "This path does not take that method",
            );
        }
        if let Some(reason) = error.downcast_ref::<ParseParamError>() {
            return Self::bad_request(shortened(&format!("{}: {}", reason.name, reason.reason)));
        }
        if let Some(reason) = error.downcast_ref::<ParseRequestPayloadError>() {
            return Self::new(StatusCode::BAD_REQUEST, "invalid_body", shortened(&reason.reason));
        }
        if let Some(reason) = error.downcast_ref::<ParseMultipartError>() {
            return Self::new(StatusCode::BAD_REQUEST, "invalid_body", shortened(&reason.reason));
        }
        if let Some(reason) = error.downcast_ref::<poem::error::ParseMultipartError>() {
            // A part that names no boundary at all is no form, whatever it calls itself.
            return Self::new(StatusCode::BAD_REQUEST, "invalid_body", shortened(&reason.to_string()));
        }
        if error.is::<ContentTypeError>() {
            return Self::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "unsupported_media_type",
                "This Content-Type is not understood here",
            );
        }
        if matches!(error.downcast_ref::<ReadBodyError>(), Some(ReadBodyError::PayloadTooLarge)) {
            return Self::too_large();
        }
        let status = error.status();
        if status.is_server_error() {
            return Self::internal(error);
        }
        let code = match status {
            StatusCode::NOT_FOUND => return Self::not_found(),
            StatusCode::PAYLOAD_TOO_LARGE => return Self::too_large(),
            StatusCode::UNAUTHORIZED => return Self::bad_token(),
            StatusCode::UNSUPPORTED_MEDIA_TYPE => "unsupported_media_type",
            _ => "bad_request",
        };
        Self::new(status, code, status.canonical_reason().unwrap_or("The request cannot be served"))
    }

    fn body(&self, request_id: &str, reader: Reader) -> ErrorBody {
        let words = self.words.to_string();
        let is_validation = !self.attributes.is_empty();
        ErrorBody {
            error: (!is_validation).then(|| words.clone()),
            message: is_validation.then(|| words.clone()),
            errors: (reader == Reader::Person).then(|| vec![words]),
            code: self.code.to_owned(),
            attributes: is_validation.then(|| self.attributes.clone()),
            request_id: request_id.to_owned(),
        }
    }

    /// The answer itself; made at the very outside, where the request id is known.
    pub fn render(&self, request_id: &str, reader: Reader) -> Response {
        let body = self.body(request_id, reader).to_json().unwrap_or_default().to_string();
        let mut response =
            Response::builder().status(self.status).content_type("application/json; charset=utf-8").body(body);
        if let Some(value) = self.retry_after_header() {
            response.headers_mut().insert(header::RETRY_AFTER, value);
        }
        response
    }

    /// In whole seconds, never too few.
    pub fn retry_after_header(&self) -> Option<HeaderValue> {
        let seconds = self.retry_after?.as_millis().div_ceil(1000).max(1);
        HeaderValue::from_str(&seconds.to_string()).ok()
    }
}

/// Who reads a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reader {
    /// A page or the mobile app, which shows `errors[0]`.
    Person,
    /// A program with an API token: Chatwoot's Python SDK breaks down over texts in `errors`, where Chatwoot sends none.
    Program,
}

fn shortened(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX_WORDS_CHARS).collect()
}

/// Travels to the outside as an error that carries the problem beside it. Not inside the response: poem replaces a response's
/// extensions with the error's own.
impl From<Problem> for poem::Error {
    fn from(problem: Problem) -> Self {
        let mut error = poem::Error::from_response(problem.status.into_response());
        error.set_data(problem);
        error
    }
}

/// Which error answers an operation declares in the API's document.
pub trait Answers: Send + Sync + 'static {
    const STATUSES: &'static [u16];
}

/// Asking who answers, which anybody may.
#[derive(Debug)]
pub struct Asking;
impl Answers for Asking {
    const STATUSES: &'static [u16] = &[429];
}

/// Reading something of an account.
#[derive(Debug)]
pub struct Reading;
impl Answers for Reading {
    const STATUSES: &'static [u16] = &[400, 401, 403, 404, 429, 500, 503];
}

/// Changing something, without a body.
#[derive(Debug)]
pub struct Acting;
impl Answers for Acting {
    const STATUSES: &'static [u16] = &[400, 401, 403, 404, 422, 429, 500, 503];
}

/// Deciding about something that goes on at the same time, without a body.
#[derive(Debug)]
pub struct Deciding;
impl Answers for Deciding {
    const STATUSES: &'static [u16] = &[400, 401, 403, 404, 409, 422, 429, 500, 503];
}

/// Changing something, with a body.
#[derive(Debug)]
pub struct Writing;
impl Answers for Writing {
    const STATUSES: &'static [u16] = &[400, 401, 403, 404, 413, 415, 422, 429, 500, 503];
}

/// Changing something with a body, of what goes on at the same time.
#[derive(Debug)]
pub struct WritingDeciding;
impl Answers for WritingDeciding {
    const STATUSES: &'static [u16] = &[400, 401, 403, 404, 409, 413, 415, 422, 429, 500, 503];
}

/// Signing in: nobody is known yet.
#[derive(Debug)]
pub struct SigningIn;
impl Answers for SigningIn {
    const STATUSES: &'static [u16] = &[400, 401, 413, 415, 429, 500, 503];
}

/// Setting a password with a link: nobody is known yet.
#[derive(Debug)]
pub struct SettingPassword;
impl Answers for SettingPassword {
    const STATUSES: &'static [u16] = &[400, 413, 415, 422, 429, 500, 503];
}

/// Something about the caller, outside any account.
#[derive(Debug)]
pub struct Oneself;
impl Answers for Oneself {
    const STATUSES: &'static [u16] = &[401, 403, 429, 500, 503];
}

/// Changing something about the caller, without a body.
#[derive(Debug)]
pub struct ActingOnOneself;
impl Answers for ActingOnOneself {
    const STATUSES: &'static [u16] = &[401, 403, 404, 422, 429, 500, 503];
}

/// Changing something about the caller.
#[derive(Debug)]
pub struct WritingOneself;
impl Answers for WritingOneself {
    const STATUSES: &'static [u16] = &[400, 401, 403, 404, 413, 415, 422, 429, 500, 503];
}

/// A [`Problem`] of an operation that declares the answers `A`.
#[derive(Debug)]
pub struct Refusal<A> {
    problem: Problem,
    declared: PhantomData<A>,
}

impl<A> From<Problem> for Refusal<A> {
    fn from(problem: Problem) -> Self {
        Self { problem, declared: PhantomData }
    }
}

impl<A> From<Refusal<A>> for poem::Error {
    fn from(refusal: Refusal<A>) -> Self {
        refusal.problem.into()
    }
}

impl<A: Answers> ApiResponse for Refusal<A> {
    fn meta() -> MetaResponses {
        let responses = A::STATUSES
            .iter()
            .map(|status| MetaResponse {
                description: description(*status),
                status: Some(*status),
                status_range: None,
                content: vec![MetaMediaType {
                    content_type: "application/json; charset=utf-8",
                    schema: ErrorBody::schema_ref(),
                }],
                headers: vec![],
            })
            .collect();
        MetaResponses { responses }
    }

    fn register(registry: &mut Registry) {
        ErrorBody::register(registry);
    }
}

const fn description(status: u16) -> &'static str {
    match status {
        400 => "The request is not understood: broken JSON, a wrong type, a wrong parameter.",
        401 => "No valid credentials.",
        403 => {
            "Not allowed: the role does not permit it, the account is suspended, or a cookie came from another site."
        }
        404 => "There is nothing under this id, or nothing that the caller may see.",
        409 => "Not at this moment: it goes on elsewhere, or must wait.",
        413 => "Larger than is accepted.",
        415 => "The Content-Type is not understood.",
        422 => "Understood, but it cannot be done with these values or in this state.",
        429 => {
            "Too many requests, sign-ins or guesses at a password; `Retry-After` says in how many seconds to come back."
        }
        503 => "A part that is needed is down; try again.",
        _ => "Something failed on our side; `request_id` finds it in the log.",
    }
}
