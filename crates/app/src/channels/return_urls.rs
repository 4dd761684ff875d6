//! Where a person may be sent back to at the end of a connect link: places that the operator named, and nothing that only looks like one.
//!
//! Scheme, host and port are compared as wholes and the path by segments, after the address was read as a browser reads it. Whatever
//! could be read in two ways is refused.

use url::{Host, Url};

/// `CONNECT_RETURN_URLS`. Empty: nobody is sent anywhere.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReturnUrls(Vec<Url>);

/// The longest address that is kept.
const MAX_BYTES: usize = 2048;

impl ReturnUrls {
    /// Addresses with commas between them. `plain_http`: outside production. `Err` says which one cannot be used, and why.
    pub fn parse(text: &str, plain_http: bool) -> Result<Self, String> {
        let entries = text.split(',').map(str::trim).filter(|entry| !entry.is_empty());
        entries
            .map(|entry| prefix(entry, plain_http).map_err(|why| format!("{entry:?} {why}")))
            .collect::<Result<_, _>>()
            .map(Self)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The address as it is kept, if a person may be sent there.
    pub fn permitted(&self, text: &str) -> Option<Url> {
        let url = unambiguous(text)?;
        let origin = url.origin();
        self.0.iter().any(|prefix| prefix.origin() == origin && is_below(url.path(), prefix.path())).then_some(url)
    }
}

fn prefix(text: &str, plain_http: bool) -> Result<Url, &'static str> {
    let url = unambiguous(text).ok_or("is not a plain web address")?;
    let is_local = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    if url.scheme() != "https" && !plain_http && !is_local {
        return Err("must begin with https://");
    }
    if url.query().is_some() {
        return Err("must end with its path");
    }
    Ok(url)
}

/// Read in one way by everybody: a web address with a host, without a user, a fragment, or anything that some program decodes and another
/// does not.
fn unambiguous(text: &str) -> Option<Url> {
    let odd = |c: char| c.is_control() || c.is_whitespace() || c == '\\';
    if text.len() > MAX_BYTES || text.contains(odd) {
        return None;
    }
    let authority = text.split_once("://")?.1.split(['/', '?', '#']).next()?;
    // `https:///x` is `https://x/` to a browser, and nothing to others.
    if authority.is_empty() || authority.contains('@') || !authority.is_ascii() || authority.contains('%') {
        return None;
    }
    let url = Url::parse(text).ok()?;
    let plain = matches!(url.scheme(), "https" | "http")
        && url.has_host()
        && url.username().is_empty()
        && url.password().is_none()
        && url.fragment().is_none()
        && url.as_str().len() <= MAX_BYTES;
    let path = text.split_once("://")?.1.split(['?', '#']).next()?.to_ascii_lowercase();
    // A proxy may decode these before it looks for the segments.
    let hidden = ["%2f", "%5c", "%2e", "%00", "%25", "/../", "/./", "//"].iter().any(|odd| path.contains(odd));
    let dots = path.ends_with("/..") || path.ends_with("/.") || path.contains(';');
    (plain && !hidden && !dots).then_some(url)
}

/// `/done` has `/done` and `/done/x` below it, and not `/done-not`.
fn is_below(path: &str, prefix: &str) -> bool {
    let prefix = prefix.strip_suffix('/').unwrap_or(prefix);
    path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Where a person goes at the end, and how it ended. Never a secret.
pub(super) fn back(to: &Url, is_connected: bool, link: domain::ConnectLinkId) -> Url {
    let own = |name: &str| matches!(name, "status" | "connect_link_id");
    let kept: Vec<(String, String)> = to.query_pairs().into_owned().filter(|(name, _)| !own(name)).collect();
    let mut url = to.clone();
    url.query_pairs_mut()
        .clear()
        .extend_pairs(kept)
        .append_pair("status", if is_connected { "connected" } else { "failed" })
        .append_pair("connect_link_id", &link.0.to_string());
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed() -> ReturnUrls {
        ReturnUrls::parse("https://app.example.com/mail/done, https://other.example:8443", false).expect("plain ones")
    }

    #[test]
    fn a_person_is_sent_below_what_was_named_and_nowhere_else() {
        for fine in [
            "https://app.example.com/mail/done",
            "https://app.example.com/mail/done/",
            "https://app.example.com/mail/done/7?x=1&status=me",
            "https://APP.example.com:443/mail/done",
            "https://other.example:8443",
            "https://other.example:8443/anything?at=all",
        ] {
            assert!(allowed().permitted(fine).is_some(), "{fine}");
        }
        for evil in [
            "",
            "/mail/done",
            "//app.example.com/mail/done",
            "http://app.example.com/mail/done",
            "ftp://app.example.com/mail/done",
            "javascript:alert(1)//https://app.example.com/mail/done",
            "data:text/html,https://app.example.com/mail/done",
            "https://app.example.com/mail/done-not",
            "https://app.example.com/mail",
            "https://app.example.com/Mail/done",
            "https://app.example.com:444/mail/done",
            "https://other.example/",
            "https://app.example.com.evil.example/mail/done",
            "https://evil.example/https://app.example.com/mail/done",
            "https://evil.example?https://app.example.com/mail/done",
            "https://evil.example#https://app.example.com/mail/done",
            "https://app.example.com@evil.example/mail/done",
            "https://app.example.com:x@evil.example/mail/done",
            "https://user@app.example.com/mail/done",
            "https://evil.example\\@app.example.com/mail/done",
            "https://evil.example\\.app.example.com/mail/done",
            "https:\\\\evil.example/mail/done",
            "https:/\\evil.example/mail/done",
            "https:///evil.example/mail/done",
            "https:evil.example/mail/done",
            "https://app.example.com/mail/done/../../evil",
            "https://app.example.com/mail/done/%2e%2e/evil",
            "https://app.example.com/mail/done/..%2fevil",
            "https://app.example.com/mail/done%2f..%2f..",
            "https://app.example.com/mail/done/%5c..",
            "https://app.example.com/mail/done/%252e%252e/",
            "https://app.example.com/mail/done//evil.example",
            "https://app.example.com/mail/done/;/../x",
            "https://app.example.com/mail/done#token",
            " https://app.example.com/mail/done",
            "https://app.example.com/mail/\tdone",
            "https://app.example.com\r\nLocation: https://evil.example/mail/done",
            "https://app\u{3002}example.com/mail/done",
            "https://\u{ff41}pp.example.com/mail/done",
            "https://app%2eexample.com/mail/done",
            "https://\u{430}pp.example.com/mail/done",
        ] {
            assert_eq!(allowed().permitted(evil), None, "{evil}");
        }
        let long = format!("https://app.example.com/mail/done/{}", "x".repeat(3000));
        assert_eq!(allowed().permitted(&long), None);
        assert_eq!(ReturnUrls::default().permitted("https://app.example.com/mail/done"), None);
    }

    #[test]
    fn what_the_operator_names_is_checked_when_it_is_read() {
        for wrong in [
            "app.example.com",
            "http://app.example.com",
            "https://a@b.example",
            "https://a.example/x?y=1",
            "https://*.a.example/../x",
        ] {
            assert!(ReturnUrls::parse(wrong, false).is_err(), "{wrong}");
        }
        assert!(ReturnUrls::parse("http://127.0.0.1:5000/x", false).is_ok(), "a person's own machine");
        assert!(ReturnUrls::parse("http://app.example.com", true).is_ok());
        assert!(ReturnUrls::parse(" , ", false).is_ok_and(|none| none.is_empty()));
    }

    #[test]
    fn the_way_back_says_how_it_ended_and_keeps_the_rest() {
        let to = Url::parse("https://app.example.com/done?tenant=7&status=mine&connect_link_id=1").expect("a URL");
        let url = back(&to, true, domain::ConnectLinkId(9));
        assert_eq!(url.as_str(), "https://app.example.com/done?tenant=7&status=connected&connect_link_id=9");
        assert!(back(&to, false, domain::ConnectLinkId(9)).as_str().contains("status=failed"));
    }
}
