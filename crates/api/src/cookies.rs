//! Cookies: reading them as browsers send them, and making ours so that no script and no foreign site can use them.

use app::channels::BrowserCookie;
use poem::http::{HeaderValue, header};
use poem::{Request, Response};
use std::time::Duration;
use url::Url;

/// The value of the cookie `name`; the first one, when a browser sends several.
pub fn read(request: &Request, name: &str) -> Option<String> {
    request
        .headers()
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(key, _)| *key == name)
        .map(|(_, value)| value.to_owned())
}

/// Where a cookie goes and whether it may travel in the clear, from the address people reach us under.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CookieRules {
    secure: bool,
}

impl CookieRules {
    pub fn new(frontend_url: &Url) -> Self {
        Self { secure: frontend_url.scheme() == "https" }
    }

    /// The dashboard's session. `__Host-` makes browsers insist on Secure, on this host alone, and on the root path.
    pub const fn session_name(self) -> &'static str {
        if self.secure { "__Host-postroom_session" } else { "postroom_session" }
    }

    /// HttpOnly always; SameSite=Lax, because Microsoft sends people back with a top-level GET that must carry it.
    pub fn set(self, response: &mut Response, name: &str, value: &str, lifetime: Duration) {
        append(response, name, value, lifetime, self.secure);
    }

    pub fn clear(self, response: &mut Response, name: &str) {
        self.set(response, name, "", Duration::ZERO);
    }
}

/// The cookie that ties one attempt to connect to one browser.
pub fn set_for_attempt(response: &mut Response, cookie: &BrowserCookie) {
    append(response, &cookie.name, &cookie.value, cookie.max_age, cookie.secure);
}

fn append(response: &mut Response, name: &str, value: &str, lifetime: Duration, secure: bool) {
    let secure = if secure { "; Secure" } else { "" };
    let line = format!("{name}={value}; Path=/; Max-Age={}; HttpOnly; SameSite=Lax{secure}", lifetime.as_secs());
    if let Ok(line) = HeaderValue::from_str(&line) {
        response.headers_mut().append(header::SET_COOKIE, line);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_found_among_others() {
        let request = Request::builder().header("cookie", "a=1; b=2=3").header("cookie", "c=4").finish();
        assert_eq!(read(&request, "b").as_deref(), Some("2=3"));
        assert_eq!(read(&request, "c").as_deref(), Some("4"));
        assert_eq!(read(&request, "d"), None);
    }

    #[test]
    fn a_cookie_of_ours_is_closed_to_scripts_and_to_other_sites() {
        let mut response = Response::default();
        let rules = CookieRules::new(&Url::parse("https://desk.example").expect("a URL"));
        rules.set(&mut response, rules.session_name(), "v", Duration::from_secs(60));
        let line = response.header("set-cookie").expect("set");
        assert_eq!(line, "__Host-postroom_session=v; Path=/; Max-Age=60; HttpOnly; SameSite=Lax; Secure");
    }
}
