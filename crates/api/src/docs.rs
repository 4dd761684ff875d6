//! The API's document as JSON, and a page to browse and try it that loads nothing from elsewhere.

use poem::http::{HeaderValue, header};
use poem::web::Data;
use poem::{Response, handler};
use std::sync::Arc;

/// The document and its page, made once at start.
#[derive(Debug)]
pub struct Documents {
    pub json: String,
    pub page: String,
}

#[handler]
pub fn document(Data(documents): Data<&Arc<Documents>>) -> Response {
    Response::builder()
        .content_type("application/json; charset=utf-8")
        .header(header::CACHE_CONTROL, "no-cache")
        .body(documents.json.clone())
}

#[handler]
pub fn page(Data(documents): Data<&Arc<Documents>>) -> Response {
    let mut response = Response::builder()
        .content_type("text/html; charset=utf-8")
        .header(header::CACHE_CONTROL, "no-cache")
        .body(documents.page.clone());
    // Swagger UI is one page with its script and style inline, and draws its icons from data: addresses. It may call this server alone.
    response.headers_mut().insert(
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(
            "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src 'self' data:; \
             connect-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action 'none'",
        ),
    );
    response
}
