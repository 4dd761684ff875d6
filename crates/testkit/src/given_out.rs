//! What a world gives out or is given that no log may hold: passwords, tokens, secrets, private keys and links, noted as they pass.
//!
//! By the names of fields and by the shape of addresses, so that whoever writes a story need not think of it. Only what passes between a client
//! of this crate and a world that is watched is noted.

use serde_json::Value;
use std::collections::{BTreeSet, HashMap};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use url::Url;

/// Nothing shorter is looked for: it may stand in a log by chance.
const SHORTEST: usize = 12;
/// How the names of fields end that hold a secret.
const NAMES: [&str; 6] = ["password", "password_confirmation", "secret", "token", "private_key", "api_key"];
/// What comes after these parts of a path is a link's secret.
const BEFORE_A_SECRET: [&str; 4] = ["connect", "consent", "invitation", "webhooks_inbound"];
/// And these parameters.
const PARAMETERS: [&str; 5] = ["state", "code", "token", "reset_password_token", "nonce"];

/// By the address of the world.
static GIVEN_OUT: LazyLock<Mutex<HashMap<String, BTreeSet<String>>>> = LazyLock::new(Mutex::default);

fn given_out() -> MutexGuard<'static, HashMap<String, BTreeSet<String>>> {
    GIVEN_OUT.lock().unwrap_or_else(PoisonError::into_inner)
}

fn origin(address: &str) -> Option<String> {
    Url::parse(address).ok().map(|url| url.origin().ascii_serialization())
}

/// From here on what passes is noted.
pub(crate) fn watch(base: &str) {
    if let Some(origin) = origin(base) {
        given_out().entry(origin).or_default();
    }
}

/// Everything that was noted; nothing is any more.
pub(crate) fn taken(base: &str) -> Vec<String> {
    let noted = origin(base).and_then(|origin| given_out().remove(&origin));
    noted.unwrap_or_default().into_iter().collect()
}

pub(crate) fn note(base: &str, secret: &str) {
    if secret.len() < SHORTEST {
        return;
    }
    let Some(origin) = origin(base) else { return };
    if let Some(noted) = given_out().get_mut(&origin) {
        if secret.contains("-----BEGIN") {
            // Line by line: a log may write the ends of lines in its own way.
            noted.extend(secret.lines().filter(|line| line.len() >= 24 && !line.starts_with('-')).map(str::to_owned));
        } else {
            noted.insert(secret.to_owned());
        }
    }
}

fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_lowercase().replace('-', "_");
    NAMES.iter().any(|ending| name.ends_with(ending))
}

pub(crate) fn note_field(base: &str, name: &str, value: &str) {
    if is_secret(name) {
        note(base, value);
    }
    if value.contains("://") {
        note_address(base, value);
    }
}

pub(crate) fn note_json(base: &str, json: &Value) {
    match json {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value {
                    Value::String(text) => note_field(base, name, text),
                    other => note_json(base, other),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| note_json(base, item)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Links of ours hold their secret in the path; what goes to Microsoft and comes back holds some in its query.
pub(crate) fn note_address(base: &str, address: &str) {
    let Ok(url) = Url::parse(address) else { return };
    let parts: Vec<&str> = url.path_segments().map(Iterator::collect).unwrap_or_default();
    for pair in parts.windows(2) {
        // A word of ours is no secret.
        if BEFORE_A_SECRET.contains(&pair[0]) && pair[1].len() >= 20 {
            note(base, pair[1]);
        }
    }
    for (name, value) in url.query_pairs() {
        if PARAMETERS.contains(&&*name) && value.len() >= 20 {
            note(base, &value);
        }
    }
}

/// What an answer gives in its headers: a session's token, cookies, and where it leads.
pub(crate) fn note_headers(base: &str, headers: &reqwest::header::HeaderMap) {
    for (name, value) in headers {
        let Ok(value) = value.to_str() else { continue };
        match name.as_str() {
            "set-cookie" => {
                let pair = value.split(';').next().and_then(|pair| pair.split_once('='));
                if let Some((_, value)) = pair.filter(|(_, value)| value.len() >= 20) {
                    note(base, value);
                }
            }
            "location" => note_address(base, value),
            name => note_field(base, name, value),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_passes_is_noted_by_its_name_or_its_shape_and_words_are_not() {
        let base = "http://127.0.0.1:9";
        note(base, "nobody-watches-this-one");
        watch(base);
        note_json(
            base,
            &json!({
                "name": "a name that is no secret", "credential": {"client_secret": "an-own-apps-secret-1"},
                "webhook": [{"secret": "a-webhooks-secret-2"}], "token": {"name": "token"}, "access_token": "an-api-token-3",
                "url": "http://127.0.0.1:9/connect/abcdefghijklmnopqrstuvwxyz/agree", "password": "a long phrase 4",
                "private_key": "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC\n-----END PRIVATE KEY-----\n",
            }),
        );
        note_address(
            base,
            "http://login/authorize?state=aaaaaaaaaaaaaaaaaaaaaaaa&client_id=bbbbbbbbbbbbbbbbbbbbbbbbbb",
        );
        let mut noted = taken(base);
        noted.sort();
        let expected = [
            "MIIEvQIBADANBgkqhkiG9w0BAQEFAASC",
            "a long phrase 4",
            "a-webhooks-secret-2",
            "aaaaaaaaaaaaaaaaaaaaaaaa",
            "abcdefghijklmnopqrstuvwxyz",
            "an-api-token-3",
            "an-own-apps-secret-1",
        ];
        assert_eq!(noted, expected);
        assert!(taken(base).is_empty());
    }
}
