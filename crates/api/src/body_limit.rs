//! Counts the bytes of a request's body as they come, and stops at the limit.
//!
//! poem's own `SizeLimit` wants a Content-Length on every request, GETs included. A body that is longer than its kind may be is
//! answered with 413, whether it said so before or not.

use crate::error::Problem;
use bytes::Bytes;
use futures_util::StreamExt;
use poem::http::header;
use poem::{Body, Endpoint, IntoResponse, Request, Response};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Everything but uploads.
pub const JSON_BYTES: u64 = 1024 * 1024;

/// So much of a body that is too long is read and thrown away, so that its sender gets to read the refusal.
const MOST_DISCARDED_BYTES: u64 = 16 * 1024 * 1024;

pub async fn discard(body: Body) {
    let mut stream = body.into_bytes_stream();
    while let Some(Ok(_)) = stream.next().await {}
}

pub struct BodyLimit<E> {
    inner: E,
    upload_bytes: u64,
}

impl<E> BodyLimit<E> {
    pub fn new(inner: E, upload_bytes: u64) -> Self {
        Self { inner, upload_bytes }
    }
}

impl<E: Endpoint> Endpoint for BodyLimit<E> {
    type Output = Response;

    async fn call(&self, mut request: Request) -> Result<Response, poem::Error> {
        let is_upload =
            request.content_type().is_some_and(|t| t.to_ascii_lowercase().starts_with("multipart/form-data"));
        let limit = if is_upload { self.upload_bytes } else { JSON_BYTES };
        let announced = request.header(header::CONTENT_LENGTH).and_then(|length| length.parse::<u64>().ok());
        if let Some(length) = announced.filter(|length| *length > limit) {
            // A client that is still sending sees a broken connection, not the answer, unless what it sends is read; up to a bound.
            if length <= limit.saturating_add(MOST_DISCARDED_BYTES) {
                discard(request.take_body()).await;
            }
            return Err(Problem::too_large().into());
        }
        let exceeded = Arc::new(AtomicBool::new(false));
        let body = request.take_body();
        request.set_body(limited(body, limit, exceeded.clone()));
        let answer = self.inner.call(request).await;
        // The extractor that met the end of the allowance reports some read error; what happened is told here.
        if exceeded.load(Ordering::Relaxed) {
            return Err(Problem::too_large().into());
        }
        answer.map(IntoResponse::into_response)
    }
}

fn limited(body: Body, limit: u64, exceeded: Arc<AtomicBool>) -> Body {
    let seen = AtomicU64::new(0);
    Body::from_bytes_stream(body.into_bytes_stream().map(move |chunk| -> std::io::Result<Bytes> {
        let chunk = chunk?;
        let length = u64::try_from(chunk.len()).unwrap_or(u64::MAX);
        if seen.fetch_add(length, Ordering::Relaxed).saturating_add(length) > limit {
            exceeded.store(true, Ordering::Relaxed);
            return Err(std::io::Error::other("the body is too large"));
        }
        Ok(chunk)
    }))
}
