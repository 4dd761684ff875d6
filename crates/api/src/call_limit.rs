//! Counts every call before anything is done for it, and refuses the one that is too many.
//!
//! It stands before the body is read and before the database is asked. What only says that the process lives, and documents that are the same
//! for everybody, are not counted. Where a person looks at the answer it is a page.

use crate::body_limit::{JSON_BYTES, discard};
use crate::error::Problem;
use crate::html::{Page, Tone};
use crate::{auth, client_address};
use app::App;
use app::calls::{Admitted, Per, TooManyCalls};
use poem::http::{StatusCode, header};
use poem::{Endpoint, IntoResponse, Request, Response};
use std::sync::Arc;

pub struct CallLimit<E> {
    inner: E,
    app: App,
}

impl<E> CallLimit<E> {
    pub fn new(inner: E, app: App) -> Self {
        Self { inner, app }
    }
}

impl<E: Endpoint> Endpoint for CallLimit<E> {
    type Output = Response;

    async fn call(&self, mut request: Request) -> Result<Response, poem::Error> {
        if is_not_counted(request.uri().path()) {
            return self.inner.call(request).await.map(IntoResponse::into_response);
        }
        match self.admitted(&request).await {
            Ok(admitted) => {
                request.set_data(Arc::new(admitted));
                self.inner.call(request).await.map(IntoResponse::into_response)
            }
            Err(too_many) => {
                // A client that is still sending would see a broken connection, and not when to come back.
                let length = request.header(header::CONTENT_LENGTH).and_then(|length| length.parse::<u64>().ok());
                if length.is_some_and(|length| length <= JSON_BYTES) {
                    discard(request.take_body()).await;
                }
                refused(request.uri().path(), &too_many)
            }
        }
    }
}

impl<E> CallLimit<E> {
    async fn admitted(&self, request: &Request) -> Result<Admitted, TooManyCalls> {
        let from = client_address::of(request, &self.app);
        let limits = self.app.call_limits();
        if request.uri().path().starts_with("/attachments/") {
            return limits.admit_file(from).await;
        }
        let presented = auth::presented(&self.app, request);
        limits.admit(presented.as_ref().map(auth::Presented::token), from).await
    }
}

fn is_not_counted(path: &str) -> bool {
    path == "/app"
        || path.starts_with("/app/")
        || matches!(path, "/docs" | "/swagger" | "/openapi.json" | "/health/live" | "/health/ready")
}

/// Whose count it was is said, because a person who is told "too many" and did nothing wants to know.
pub fn problem(too_many: &TooManyCalls) -> Problem {
    let TooManyCalls { limit, per, retry_after } = *too_many;
    let whose = match per {
        Per::User => "this user, with all tokens and sessions",
        Per::Address => "this address",
    };
    let words = format!("Too many requests: {limit} a minute are answered for {whose}. Please try again later.");
    Problem { words: words.into(), ..Problem::too_many(retry_after) }
}

fn refused(path: &str, too_many: &TooManyCalls) -> Result<Response, poem::Error> {
    let problem = problem(too_many);
    if path != "/" && !path.starts_with("/microsoft/") {
        return Err(problem.into());
    }
    let mut response = Page::new("Too many requests", Tone::Waiting)
        .status(StatusCode::TOO_MANY_REQUESTS)
        .text(&problem.words)
        .aside("Nothing is lost: wait a minute, then load this page again.")
        .into_response();
    if let Some(value) = problem.retry_after_header() {
        response.headers_mut().insert(header::RETRY_AFTER, value);
    }
    Ok(response)
}
