//! `GET /attachments/{token}`: a file, to whoever holds its signed link.
//!
//! A file came from a stranger, so it is never shown as part of this site: it is a download, its type is not guessed, and should a
//! browser show it all the same, it stands in a sandbox without scripts. No cookie is read here. Images may be shown inside a mail's frame.

use crate::error::Problem;
use app::{App, attachments};
use poem::http::{HeaderValue, header};
use poem::web::{Data, Path};
use poem::{IntoResponse, Response, handler};
use poem_openapi::ApiResponse;
use poem_openapi::registry::{MetaMediaType, MetaResponse, MetaResponses, MetaSchema, MetaSchemaRef, Registry};

const BYTES: &str = "application/octet-stream";
/// Should a browser show a file all the same, then as nothing.
const NOT_SHOWN: &str = "default-src 'none'; sandbox; frame-ancestors 'none'";

#[handler]
pub async fn download(Data(app): Data<&App>, Path(token): Path<String>) -> Result<Response, poem::Error> {
    serve(app, &token).await
}

/// The same with the file's name at the end, which is for people and proves nothing.
#[handler]
pub async fn download_named(
    Data(app): Data<&App>,
    Path((token, _name)): Path<(String, String)>,
) -> Result<Response, poem::Error> {
    serve(app, &token).await
}

async fn serve(app: &App, token: &str) -> Result<Response, poem::Error> {
    let file = attachments::open(app, token).await.map_err(Problem::from)?;
    let mut response = Response::builder().content_type(safe_type(&file.content_type)).body(file.bytes);
    let headers = response.headers_mut();
    if let Ok(value) = HeaderValue::from_str(&disposition(&file.file_name)) {
        headers.insert(header::CONTENT_DISPOSITION, value);
    }
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(NOT_SHOWN));
    // The link's own life bounds this; a file never changes under its link.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, max-age=3600"));
    headers.insert(
        poem::http::HeaderName::from_static("cross-origin-resource-policy"),
        HeaderValue::from_static("same-site"),
    );
    Ok(response)
}

/// Bytes of an operation's answer that are to be saved and never shown.
#[derive(Debug)]
pub struct RawDownload {
    pub file_name: String,
    pub bytes: Vec<u8>,
}

impl IntoResponse for RawDownload {
    fn into_response(self) -> Response {
        let mut response = Response::builder().content_type(BYTES).body(self.bytes);
        let headers = response.headers_mut();
        if let Ok(value) = HeaderValue::from_str(&disposition(&self.file_name)) {
            headers.insert(header::CONTENT_DISPOSITION, value);
        }
        headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(NOT_SHOWN));
        response
    }
}

impl ApiResponse for RawDownload {
    fn meta() -> MetaResponses {
        let schema = MetaSchema { format: Some("binary"), ..MetaSchema::new("string") };
        MetaResponses {
            responses: vec![MetaResponse {
                description: "The bytes, as a file to be saved.",
                status: Some(200),
                status_range: None,
                content: vec![MetaMediaType { content_type: BYTES, schema: MetaSchemaRef::Inline(Box::new(schema)) }],
                headers: vec![],
            }],
        }
    }

    fn register(_registry: &mut Registry) {}
}

/// The sender's claim where a browser can do no harm with it; else plain bytes.
fn safe_type(claimed: &str) -> &str {
    let essence = claimed.split(';').next().unwrap_or_default().trim();
    let (kind, name) = essence.split_once('/').unwrap_or_default();
    let well_formed = !name.is_empty() && essence.bytes().all(|b| b.is_ascii_alphanumeric() || b"/.+-_".contains(&b));
    let harmless = matches!(kind, "image" | "audio" | "video") && !name.starts_with("svg");
    if well_formed && (harmless || essence == "application/pdf") { essence } else { "application/octet-stream" }
}

/// RFC 6266: a plain name for old programs, and the whole one percent-encoded.
fn disposition(name: &str) -> String {
    let plain: String = name
        .chars()
        .map(|c| if c.is_ascii_graphic() && !matches!(c, '"' | '\\' | '%') || c == ' ' { c } else { '_' })
        .collect();
    let mut encoded = String::new();
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"!#$&+-.^_`|~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            use std::fmt::Write as _;
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    format!("attachment; filename=\"{plain}\"; filename*=UTF-8''{encoded}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_name_cannot_leave_its_header() {
        assert_eq!(
            disposition("a\"b\r\nSet-Cookie: x=1; ü.pdf"),
            "attachment; filename=\"a_b__Set-Cookie: x=1; _.pdf\"; \
             filename*=UTF-8''a%22b%0D%0ASet-Cookie%3A%20x%3D1%3B%20%C3%BC.pdf"
        );
    }

    #[test]
    fn what_a_browser_would_run_is_bytes() {
        for claimed in
            ["text/html", "image/svg+xml", "application/javascript", "text/xml", "", "image/", "image/p ng", "x"]
        {
            assert_eq!(safe_type(claimed), "application/octet-stream", "{claimed}");
        }
        assert_eq!(safe_type("image/png; name=x"), "image/png");
    }
}
