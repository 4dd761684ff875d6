//! What ties one attempt to one browser: the link, the state, the cookie and the confirmation, each derived from secrets only that
//! attempt has, so that two attempts in two tabs never meet.
//!
//! The link's token makes the state (one way), the state names the cookie, and cookie and state together make the confirmation's token.

use crate::App;
use domain::Secret;
use oauth::{PkceVerifier, random_token};
use ring::digest::{SHA256, digest};
use std::time::Duration;
use store::{Handshake, TokenHash};

/// Finds a cookie of the request by its name.
pub type CookieLookup<'a> = &'a (dyn Fn(&str) -> Option<String> + Send + Sync);

/// A cookie to be set with `HttpOnly`, `SameSite=Lax` and `Path=/`; `Lax`, because Microsoft sends the browser back by a GET.
#[derive(Clone, PartialEq, Eq)]
pub struct BrowserCookie {
    pub name: String,
    pub value: String,
    pub max_age: Duration,
    /// Set `Secure`: wherever we are reached over https.
    pub secure: bool,
}

impl std::fmt::Debug for BrowserCookie {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BrowserCookie").field("name", &self.name).finish_non_exhaustive()
    }
}

/// How long the browser may come back and look what became of it.
const COOKIE_LIFETIME: Duration = Duration::from_secs(3600);
/// The same where an administrator's approval is waited for.
const COOKIE_LIFETIME_WAITING: Duration = Duration::from_secs(8 * 24 * 3600);

fn derived(purpose: &str, parts: &[&str]) -> String {
    let mut bytes = format!("postroom connect {purpose}");
    for part in parts {
        bytes.push('\0');
        bytes.push_str(part);
    }
    crate::accounts::base64url(digest(&SHA256, bytes.as_bytes()).as_ref())
}

/// The state that belongs to a link: 256 bits, and nobody gets from it to the link.
pub(super) fn state_of(link_token: &str) -> String {
    derived("state", &[link_token])
}

/// Where there is TLS, the `__Host-` prefix keeps a sibling domain from planting the cookie (RFC 6265bis §4.1.3.2).
pub(super) fn cookie_name(app: &App, state: &str) -> String {
    let prefix = if over_tls(app) { "__Host-" } else { "" };
    format!("{prefix}postroom_connect_{}", &derived("cookie", &[state])[..16])
}

pub(super) fn cookie(app: &App, state: &str, value: String) -> BrowserCookie {
    BrowserCookie { name: cookie_name(app, state), value, max_age: COOKIE_LIFETIME, secure: over_tls(app) }
}

/// The same cookie once more, to be kept for as long as an approval may take.
pub(super) fn kept_cookie(app: &App, state: &str, browser: &Browser) -> BrowserCookie {
    BrowserCookie { max_age: COOKIE_LIFETIME_WAITING, ..cookie(app, state, browser.value.clone()) }
}

/// Where the browser that agreed on a connect link's page keeps the state of its attempt.
fn link_cookie_name(app: &App, link_token: &str) -> String {
    let prefix = if over_tls(app) { "__Host-" } else { "" };
    format!("{prefix}postroom_link_{}", &derived("link cookie", &[link_token])[..16])
}

pub(super) fn link_cookie(app: &App, link_token: &str, state: &str) -> BrowserCookie {
    let name = link_cookie_name(app, link_token);
    BrowserCookie { name, value: state.to_owned(), max_age: COOKIE_LIFETIME_WAITING, secure: over_tls(app) }
}

pub(super) fn state_of_link_cookie(app: &App, link_token: &str, cookies: CookieLookup<'_>) -> Option<String> {
    cookies(&link_cookie_name(app, link_token)).filter(|state| !state.is_empty() && state.len() <= 128)
}

/// A link's token, and the texts that go to Microsoft and must come back: all of it new.
pub(super) fn fresh(app: &App) -> (String, Handshake) {
    let link_token = random_token(app.entropy(), 32);
    let handshake = Handshake {
        state: Secret::new(state_of(&link_token)),
        nonce: Secret::new(random_token(app.entropy(), 32)),
        pkce_verifier: PkceVerifier::generate(app.entropy()).secret().clone(),
    };
    (link_token, handshake)
}

/// What comes back from the page where an administrator approves: it finds the attempt, and opens nothing.
pub(super) fn consent_state(app: &App) -> String {
    format!("{CONSENT_STATE}.{}", random_token(app.entropy(), 24))
}

/// How a state that comes back from that page begins.
pub(super) const CONSENT_STATE: &str = "consent";

fn over_tls(app: &App) -> bool {
    app.settings().frontend_url.scheme() == "https"
}

/// The browser behind a request, as far as this attempt knows it.
#[derive(Clone)]
pub(super) struct Browser {
    value: String,
}

impl Browser {
    pub(super) fn of(app: &App, state: &str, cookies: CookieLookup<'_>) -> Option<Self> {
        let value = cookies(&cookie_name(app, state))?;
        (!value.is_empty() && value.len() <= 512).then_some(Self { value })
    }

    pub(super) fn into_value(self) -> String {
        self.value
    }

    pub(super) fn hash(&self) -> TokenHash {
        TokenHash::of(&self.value)
    }

    /// The hidden token of the confirmation page. Who does not have this browser's cookie cannot make it; a reload makes the same.
    pub(super) fn confirmation(&self, state: &str) -> Secret {
        Secret::new(format!("{state}.{}", derived("confirmation", &[state, &self.value])))
    }
}

/// The state inside a confirmation's token, which names the cookie to look for.
pub(super) fn state_of_confirmation(token: &str) -> Option<&str> {
    token.split_once('.').map(|(state, _)| state).filter(|state| !state.is_empty() && state.len() <= 128)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_follows_from_the_link_and_says_nothing_about_it() {
        let state = state_of("a link");
        assert_eq!(state, state_of("a link"));
        assert_ne!(state, state_of("another link"));
        assert_eq!(state.len(), 43, "256 bits");
    }

    #[test]
    fn a_confirmation_is_made_by_its_own_browser_for_its_own_attempt() {
        let browser = |value: &str| Browser { value: value.to_owned() };
        let ours = browser("ours").confirmation("state");
        assert_eq!(ours, browser("ours").confirmation("state"));
        assert_ne!(ours, browser("theirs").confirmation("state"));
        assert_ne!(ours, browser("ours").confirmation("other"));
        assert_eq!(state_of_confirmation(ours.expose()), Some("state"));
        for nonsense in ["", ".", "no dot", ".token"] {
            assert_eq!(state_of_confirmation(nonsense), None, "{nonsense}");
        }
    }
}
