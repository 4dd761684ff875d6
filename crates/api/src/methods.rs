//! Which methods each path takes: what a 405 must say in `Allow` (RFC 9110 §15.5.6).
//!
//! Kept beside the routes, because poem does not tell what a route takes: pages are entered as they are routed ([`Pages`]), operations
//! are read from the API's document.

use poem::endpoint::EndpointExt;
use poem::http::Method;
use poem::{Endpoint, IntoEndpoint, IntoResponse, Route, RouteMethod};
use serde_json::Value;

/// A path as segments, with the methods it takes.
#[derive(Clone, Debug)]
struct Taken {
    /// `None`: anything.
    segments: Vec<Option<String>>,
    /// The last segment takes everything that follows, too.
    open_ended: bool,
    methods: Vec<Method>,
}

/// The table of all paths.
#[derive(Clone, Debug, Default)]
pub struct Methods(Vec<Taken>);

impl Methods {
    /// The operations of an OpenAPI document.
    pub fn of_document(document: &str) -> Self {
        let document: Value = serde_json::from_str(document).unwrap_or_default();
        let mut methods = Self::default();
        for (path, item) in document["paths"].as_object().into_iter().flatten() {
            for name in item.as_object().into_iter().flat_map(|item| item.keys()) {
                if let Ok(method) = name.to_uppercase().parse() {
                    methods.add(path, method);
                }
            }
        }
        methods
    }

    fn add(&mut self, path: &str, method: Method) {
        let segments: Vec<Option<String>> =
            path.split('/').map(|part| (!part.starts_with([':', '{', '*'])).then(|| part.to_owned())).collect();
        let open_ended = path.contains("/*");
        match self.0.iter_mut().find(|taken| taken.segments == segments) {
            Some(taken) => taken.methods.push(method),
            None => self.0.push(Taken { segments, open_ended, methods: vec![method] }),
        }
    }

    fn join(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }

    /// The value of `Allow` for a path, if it takes anything. What takes GET takes HEAD.
    pub fn allowed(&self, path: &str) -> Option<String> {
        let parts: Vec<&str> = path.split('/').collect();
        let fits = |taken: &&Taken| {
            let segments = &taken.segments;
            (segments.len() == parts.len() || taken.open_ended && segments.len() < parts.len())
                && segments.iter().zip(&parts).all(|(known, part)| known.as_ref().is_none_or(|known| known == part))
        };
        // A path that names its segments goes before one that takes anything there, as in the router.
        let named = |taken: &&Taken| taken.segments.iter().filter(|segment| segment.is_some()).count();
        let taken = self.0.iter().filter(fits).max_by_key(named)?;
        let mut names: Vec<&str> = taken.methods.iter().map(Method::as_str).collect();
        if names.contains(&"GET") {
            names.push("HEAD");
        }
        names.sort_unstable();
        names.dedup();
        Some(names.join(", "))
    }
}

/// The routes that are no operations of the document, each entered in the table as it is made.
#[derive(Default)]
pub struct Pages {
    route: Route,
    methods: Methods,
}

impl Pages {
    #[must_use]
    pub fn get<E>(self, path: &str, endpoint: E) -> Self
    where
        E: IntoEndpoint,
        E::Endpoint: 'static,
        <E::Endpoint as Endpoint>::Output: IntoResponse,
    {
        self.at(path, &[Method::GET], RouteMethod::new().get(endpoint))
    }

    /// A page that a HEAD must not touch: links are previewed by programs.
    #[must_use]
    pub fn get_and_head<G, H>(self, path: &str, get: G, head: H) -> Self
    where
        G: IntoEndpoint,
        G::Endpoint: 'static,
        H: IntoEndpoint,
        H::Endpoint: 'static,
    {
        self.at(path, &[Method::GET], RouteMethod::new().get(get).head(head))
    }

    #[must_use]
    pub fn post<E>(self, path: &str, endpoint: E) -> Self
    where
        E: IntoEndpoint,
        E::Endpoint: 'static,
    {
        self.at(path, &[Method::POST], RouteMethod::new().post(endpoint))
    }

    fn at(mut self, path: &str, methods: &[Method], endpoint: RouteMethod) -> Self {
        for method in methods {
            self.methods.add(path, method.clone());
        }
        self.route = self.route.at(path, endpoint.boxed());
        self
    }

    /// The routes, to which the operations are still to be added, and the table of both.
    pub fn with_operations(self, operations: Methods) -> (Route, Methods) {
        (self.route, self.methods.join(operations))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_named_segment_goes_before_one_that_takes_anything() {
        let mut methods = Methods::default();
        methods.add("/a/:id", Method::GET);
        methods.add("/a/meta", Method::POST);
        methods.add("/a/:id", Method::DELETE);
        assert_eq!(methods.allowed("/a/7").as_deref(), Some("DELETE, GET, HEAD"));
        assert_eq!(methods.allowed("/a/meta").as_deref(), Some("POST"));
        assert_eq!(methods.allowed("/a"), None);
        assert_eq!(methods.allowed("/a/7/"), None);
        methods.add("/app/*path", Method::GET);
        assert_eq!(methods.allowed("/app/a/b").as_deref(), Some("GET, HEAD"));
        assert_eq!(methods.allowed("/app"), None);
    }
}
