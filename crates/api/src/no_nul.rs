//! Refuses the character NUL wherever text comes in from outside, before any operation sees it: in the path, the query, JSON and forms.
//!
//! PostgreSQL keeps no NUL, neither in text nor in JSON, and no person types one: whoever sends it is told which field holds it. It stands
//! before all routes, so that no new field can be forgotten. The texts of a multipart form stream by and are judged where they are read
//! (`form_text`); files may hold what they like.

use crate::error::Problem;
use poem::http::StatusCode;
use poem::{Body, Endpoint, Request};
use serde_json::Value;

pub struct NoNul<E>(pub E);

impl<E: Endpoint> Endpoint for NoNul<E> {
    type Output = E::Output;

    async fn call(&self, mut request: Request) -> Result<E::Output, poem::Error> {
        // What no row can hold names nothing.
        if request.uri().path().contains(ESCAPED_IN_URL) {
            return Err(Problem::not_found().into());
        }
        if let Some(field) = in_form(request.uri().query().unwrap_or_default().as_bytes()) {
            return Err(in_parameter(&field).into());
        }
        let content_type = request.content_type().unwrap_or_default().to_ascii_lowercase();
        if content_type.starts_with("multipart/") {
            return self.0.call(request).await;
        }
        // No larger than the limit for everything but uploads, which was set around this.
        let bytes = request.take_body().into_bytes().await?;
        let is_form = content_type.starts_with("application/x-www-form-urlencoded");
        if let Some(field) = if is_form { in_form(&bytes) } else { in_json(&bytes) } {
            return Err(in_body(&field).into());
        }
        request.set_body(Body::from_bytes(bytes));
        self.0.call(request).await
    }
}

/// `%2500` does not hold it: that is the text `%00`.
const ESCAPED_IN_URL: &str = "%00";
/// The one way to write it in JSON, where it cannot stand as itself.
const ESCAPED_IN_JSON: &[u8] = br"\u0000";

fn words(field: &str) -> String {
    format!("{field} must not hold the character NUL")
}

fn in_parameter(field: &str) -> Problem {
    Problem { attributes: vec![field.to_owned()], ..Problem::bad_request(words(field)) }
}

pub fn in_body(field: &str) -> Problem {
    let problem = Problem::new(StatusCode::BAD_REQUEST, "invalid_body", words(field));
    Problem { attributes: vec![field.to_owned()], ..problem }
}

/// The first field of a query or a form that holds one.
fn in_form(bytes: &[u8]) -> Option<String> {
    let mut pairs = url::form_urlencoded::parse(bytes);
    pairs.find(|(name, value)| name.contains('\0') || value.contains('\0')).map(|(name, _)| name.replace('\0', ""))
}

/// The first field of a JSON body that holds one. Whatever is no JSON is somebody else's to refuse.
pub fn in_json(bytes: &[u8]) -> Option<String> {
    // Hardly any body has to be read twice.
    if !bytes.windows(ESCAPED_IN_JSON.len()).any(|window| window == ESCAPED_IN_JSON) {
        return None;
    }
    in_value(&serde_json::from_slice(bytes).ok()?, "the body")
}

/// Inside an object the field is named, inside a list the list: `profile.name`, `user_ids`.
fn in_value(value: &Value, at: &str) -> Option<String> {
    match value {
        Value::String(text) => text.contains('\0').then(|| at.to_owned()),
        Value::Array(items) => items.iter().find_map(|item| in_value(item, at)),
        Value::Object(fields) => fields.iter().find_map(|(name, value)| {
            let below = if at == "the body" { name.clone() } else { format!("{at}.{name}") };
            if name.contains('\0') { Some(at.to_owned()) } else { in_value(value, &below) }
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{in_form, in_json};

    #[test]
    fn the_field_that_holds_a_nul_is_named() {
        let json = |text: &str| in_json(text.as_bytes());
        assert_eq!(json(r#"{"a": 1, "profile": {"name": "x\u0000"}}"#).as_deref(), Some("profile.name"));
        assert_eq!(json(r#"{"cc_emails": ["a", "\u0000"]}"#).as_deref(), Some("cc_emails"));
        assert_eq!(json(r#"{"content_attributes": {"a\u0000": 1}}"#).as_deref(), Some("content_attributes"));
        assert_eq!(json(r#""\u0000""#).as_deref(), Some("the body"));
        assert_eq!(in_form(b"q=a&labels%5B%5D=%00").as_deref(), Some("labels[]"));
        assert_eq!(in_form(b"token=a\0b").as_deref(), Some("token"));
    }

    #[test]
    fn what_only_looks_like_one_passes() {
        assert_eq!(in_json(br#"{"a": "\\u0000"}"#), None);
        assert_eq!(in_json(br#"{"a": "\u0000"#), None, "broken JSON is refused as such");
        assert_eq!(in_form(b"q=%2500"), None);
    }
}
