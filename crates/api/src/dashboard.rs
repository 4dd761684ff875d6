//! `/app/**`: the agents' page, and the empty document in which it shows a mail. Its files are part of the program.
//!
//! Whoever asks gets the same bytes: the page knows nothing until its script has asked the API. Files with a hash in their name never change.
//! Inside the mail's document nothing runs, submits or loads, whatever the mail holds; that is said by the header that it is served with.

use crate::html::{Page, Tone};
use poem::http::{HeaderValue, StatusCode, header};
use poem::web::Path;
use poem::{IntoResponse, Request, Response, handler};

/// One file of the page, as Vite wrote it, and compressed.
pub struct File {
    pub path: &'static str,
    pub bytes: &'static [u8],
    pub brotli: Option<&'static [u8]>,
    pub gzip: Option<&'static [u8]>,
}

include!(concat!(env!("OUT_DIR"), "/dashboard.rs"));

/// No inline script, nothing evaluated, nobody but this server called. Images of a note may be `blob:` before they are sent.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; font-src 'self'; \
     connect-src 'self'; frame-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// `allow-same-origin` lets the page measure the document and put the mail in. Without `allow-scripts` nothing in it can use that.
const FRAME_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'; \
     sandbox allow-same-origin allow-popups allow-popups-to-escape-sandbox";

const FRAME: &str = concat!(
    "<!doctype html><html lang=\"\"><head><meta charset=\"utf-8\"><meta name=\"referrer\" content=\"no-referrer\"><title>Mail</title><style>",
    include_str!("mail_frame.css"),
    "</style></head><body></body></html>"
);

/// Whether the program was built with the page.
pub const fn is_built_in() -> bool {
    MISSING.is_none()
}

/// The page itself, under every address that its router knows.
#[handler]
pub fn page(request: &Request) -> Response {
    match find("index.html") {
        Some(file) => served(file, request, &[("cache-control", "no-cache"), ("content-security-policy", POLICY)]),
        None => missing(),
    }
}

/// A file of the page, or the page where the path is one of its router's.
#[handler]
pub fn below(request: &Request, Path(path): Path<String>) -> Response {
    match find(&path) {
        Some(file) if path.starts_with("assets/") => {
            served(file, request, &[("cache-control", "public, max-age=31536000, immutable")])
        }
        Some(file) if path != "index.html" => served(file, request, &[("cache-control", "public, max-age=3600")]),
        // An old tab asks for a file of the version before: the page instead of a script would be run as one.
        None if path.starts_with("assets/") => StatusCode::NOT_FOUND.into_response(),
        _ => match find("index.html") {
            Some(file) => served(file, request, &[("cache-control", "no-cache"), ("content-security-policy", POLICY)]),
            None => missing(),
        },
    }
}

/// The empty document for a mail: images only from this server, or written into the mail itself.
#[handler]
pub fn frame() -> Response {
    framed("img-src 'self' data:")
}

/// The same for somebody who asked to see what the mail brings from elsewhere.
#[handler]
pub fn frame_with_remote_images() -> Response {
    framed("img-src 'self' data: https: http:")
}

fn framed(images: &str) -> Response {
    let mut response = Response::builder().content_type("text/html; charset=utf-8").body(FRAME);
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::from_str(&format!("{FRAME_POLICY}; {images}")) {
        headers.insert(header::CONTENT_SECURITY_POLICY, value);
    }
    headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("SAMEORIGIN"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=3600"));
    response
}

fn find(path: &str) -> Option<&'static File> {
    FILES.iter().find(|file| file.path == path)
}

fn served(file: &File, request: &Request, said: &[(&'static str, &'static str)]) -> Response {
    let takes = request.header(header::ACCEPT_ENCODING).unwrap_or_default();
    let takes = |name: &str| takes.split(',').any(|one| one.split(';').next().is_some_and(|one| one.trim() == name));
    let (encoding, bytes) = match (file.brotli, file.gzip) {
        (Some(bytes), _) if takes("br") => (Some("br"), bytes),
        (_, Some(bytes)) if takes("gzip") => (Some("gzip"), bytes),
        _ => (None, file.bytes),
    };
    let mut response = Response::builder().content_type(content_type(file.path)).body(bytes);
    let headers = response.headers_mut();
    headers.insert(header::VARY, HeaderValue::from_static("accept-encoding"));
    for (name, value) in said {
        headers.insert(*name, HeaderValue::from_static(value));
    }
    if let Some(encoding) = encoding {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static(encoding));
    }
    response
}

fn content_type(path: &str) -> &'static str {
    match path.rsplit('.').next() {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("woff2") => "font/woff2",
        Some("txt") => "text/plain; charset=utf-8",
        Some("webmanifest") => "application/manifest+json",
        _ => "application/octet-stream",
    }
}

fn missing() -> Response {
    Page::new("The page is not built in", Tone::Waiting)
        .status(StatusCode::NOT_FOUND)
        .text("This program was built without the agents' page. Everything else works: the API, the mailboxes, and the pages of a sign-in.")
        .fact("Why", MISSING.unwrap_or("a file of it is missing"))
        .fact("How to get it", "install Node.js 20.19 or newer with npm, then build again: cargo build -p server")
        .link("API reference", "/docs")
        .into_response()
}
