//! What surrounds every request: its id, its time, its safety headers, the one error body, and a net below panics.
//!
//! This is the outermost layer, so that nothing leaves in another shape. It never logs a query string, a header or a body: sign-in
//! codes, states and tokens travel there.

use crate::error::{Problem, Reader};
use crate::methods::Methods;
use app::App;
use futures_util::FutureExt;
use poem::http::{HeaderName, HeaderValue, StatusCode, Version, header};
use poem::{Endpoint, IntoResponse, Request, Response};
use std::panic::AssertUnwindSafe;
use tracing::Instrument;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Under which the log has a request.
#[derive(Clone, Debug)]
pub struct RequestId(pub String);

pub struct Envelope<E> {
    inner: E,
    app: App,
    methods: Methods,
}

impl<E> Envelope<E> {
    pub fn new(inner: E, app: App, methods: Methods) -> Self {
        Self { inner, app, methods }
    }

    /// A caller's id is kept when it can stand in a log line; else one is made.
    fn request_id(&self, request: &Request) -> String {
        let sent = request.header(REQUEST_ID).filter(|id| {
            (8..=64).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
        });
        sent.map_or_else(
            || {
                let mut bytes = [0; 12];
                self.app.entropy().fill(&mut bytes);
                bytes.iter().map(|b| format!("{b:02x}")).collect()
            },
            ToOwned::to_owned,
        )
    }
}

impl<E: Endpoint> Endpoint for Envelope<E> {
    type Output = Response;

    async fn call(&self, mut request: Request) -> Result<Response, poem::Error> {
        let id = self.request_id(&request);
        request.set_data(RequestId(id.clone()));
        let path = request.uri().path().to_owned();
        let reader = reader(&request);
        let is_form = request.version() <= Version::HTTP_11
            && request.content_type().is_some_and(|kind| kind.to_ascii_lowercase().starts_with("multipart/"));
        let span = tracing::info_span!("request", id = %id, method = %request.method());
        let answer = AssertUnwindSafe(self.inner.call(request)).catch_unwind().instrument(span.clone()).await;
        let _entered = span.enter();
        let mut response = match answer {
            Ok(Ok(output)) => output.into_response(),
            Ok(Err(error)) if error.is_from_response() => error.into_response(),
            Ok(Err(error)) => Problem::of_poem(&error).into_response(),
            Err(_panic) => Problem::internal(&"a handler panicked").into_response(),
        };
        if let Some(problem) = response.extensions_mut().remove::<Problem>() {
            response = problem.render(&id, reader);
        } else if response.status().is_server_error() && response.data::<Deliberate>().is_none() {
            response = Problem::internal(&"an answer with a bare status").render(&id, reader);
        }
        if response.status() == StatusCode::METHOD_NOT_ALLOWED
            && let Some(allowed) = self.methods.allowed(&path)
            && let Ok(value) = HeaderValue::from_str(&allowed)
        {
            response.headers_mut().insert(header::ALLOW, value);
        }
        // A form that was refused is left unread, and the connection then ends: whoever sent it must not send more over it.
        if is_form && response.status().is_client_error() {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        finish(&mut response, &id);
        Ok(response)
    }
}

/// An API token is sent in two ways (auth.rs); whether it is a good one does not matter here.
fn reader(request: &Request) -> Reader {
    let headers = request.headers();
    if headers.contains_key("api_access_token") || headers.contains_key(header::AUTHORIZATION) {
        Reader::Program
    } else {
        Reader::Person
    }
}

/// Marks a 5xx answer whose body is meant to be read, such as the readiness report.
#[derive(Clone, Copy, Debug)]
pub struct Deliberate;

fn finish(response: &mut Response, id: &str) {
    let status = response.status();
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::from_str(id) {
        headers.insert(REQUEST_ID, value);
    }
    let mut unless_set = |name: HeaderName, value: &'static str| {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    };
    unless_set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    unless_set(header::REFERRER_POLICY, "no-referrer");
    unless_set(header::CACHE_CONTROL, "no-store");
    unless_set(header::X_FRAME_OPTIONS, "DENY");
    if status == StatusCode::UNAUTHORIZED {
        unless_set(header::WWW_AUTHENTICATE, "Bearer");
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = self.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}
