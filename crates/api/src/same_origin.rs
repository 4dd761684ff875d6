//! Whether a request that a cookie speaks for came from a page of ours.
//!
//! Only cookies are sent by browsers unasked, so only they need this; a token in a header was put there by somebody who knows it.

use poem::Request;
use poem::http::{Method, header};
use url::Url;

/// Reading is always fine. Changing needs the browser's word that the page was ours; silence is a refusal.
pub fn may_use_cookie(request: &Request, frontend_url: &Url) -> bool {
    if matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS) {
        return true;
    }
    if let Some(site) = request.header("sec-fetch-site") {
        return site == "same-origin";
    }
    request.header(header::ORIGIN).is_some_and(|origin| origin == frontend_url.origin().ascii_serialization())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(method: Method, name: &str, value: &str) -> bool {
        let request = Request::builder().method(method).header(name, value).finish();
        may_use_cookie(&request, &Url::parse("https://desk.example/").expect("a URL"))
    }

    #[test]
    fn a_cookie_changes_things_only_from_a_page_of_ours() {
        assert!(allowed(Method::GET, "origin", "https://evil.example"));
        assert!(allowed(Method::POST, "sec-fetch-site", "same-origin"));
        assert!(allowed(Method::DELETE, "origin", "https://desk.example"));
        assert!(!allowed(Method::POST, "sec-fetch-site", "same-site"));
        assert!(!allowed(Method::POST, "sec-fetch-site", "cross-site"));
        assert!(!allowed(Method::POST, "origin", "https://desk.example.evil.example"));
        assert!(!allowed(Method::POST, "origin", "null"));
        assert!(!allowed(Method::PATCH, "x-nothing", "here"));
    }
}
