//! Takes an operation's path with a slash at its end for the one without, as Rails does: some of Chatwoot's clients write it so.
//!
//! It stands outside of everything that looks at the path, so that all see the same one. Pages are left alone.

use poem::http::Uri;
use poem::http::uri::PathAndQuery;
use poem::{Endpoint, Request};

pub struct TrailingSlash<E>(pub E);

impl<E: Endpoint> Endpoint for TrailingSlash<E> {
    type Output = E::Output;

    async fn call(&self, mut request: Request) -> Result<E::Output, poem::Error> {
        if let Some(uri) = without(request.uri()) {
            *request.uri_mut() = uri;
        }
        self.0.call(request).await
    }
}

/// `None`: there is nothing to take away.
fn without(uri: &Uri) -> Option<Uri> {
    let path = uri.path();
    let short = path.strip_suffix('/')?;
    if !(short.starts_with("/api/") || short.starts_with("/auth/")) || short.ends_with('/') {
        return None;
    }
    let text = uri.query().map_or_else(|| short.to_owned(), |query| format!("{short}?{query}"));
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(text).ok()?);
    Uri::from_parts(parts).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_slash_at_the_end_of_an_operations_path_means_nothing() {
        let without = |text: &'static str| without(&Uri::from_static(text)).map(|uri| uri.to_string());
        assert_eq!(without("/api/v1/profile/").as_deref(), Some("/api/v1/profile"));
        assert_eq!(without("/auth/sign_in/?a=/&b").as_deref(), Some("/auth/sign_in?a=/&b"));
        assert_eq!(without("http://a.example/api/v1/profile/").as_deref(), Some("http://a.example/api/v1/profile"));
        for left in ["/", "/api/v1/profile", "/api/", "/app/", "/api/v1//", "/docs/", "/api/v1/a?b=/"] {
            assert_eq!(without(left), None, "{left}");
        }
    }
}
