//! What a provider wants of the next sign-in before it gives tokens again (Conditional Access): a JSON object that is handed back as it came.
//!
//! It is of the provider's making and travels through a browser, so it is bounded, and it is in no log: it may name rules of an organisation.

use serde::{Deserialize, Deserializer, Serialize};

/// As it stands in a URL, percent-encoded: longer than any that was seen, and short enough for what proxies pass on (nginx: 4 kB a header by default).
pub const MAX_CLAIMS_BYTES: usize = 2048;

/// The `claims` parameter of OpenID Connect, in the provider's own letters.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct ClaimsChallenge(String);

impl ClaimsChallenge {
    /// `None` for what is no JSON object, or is too long: a sign-in without it is better than none.
    pub fn parse(text: &str) -> Option<Self> {
        let is_object = || matches!(serde_json::from_str(text), Ok(serde_json::Value::Object(_)));
        (encoded_bytes(text) <= MAX_CLAIMS_BYTES && is_object()).then(|| Self(text.to_owned()))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// How long it is in a query: what is no letter or digit may be three bytes.
fn encoded_bytes(text: &str) -> usize {
    text.bytes().map(|byte| if byte.is_ascii_alphanumeric() { 1 } else { 3 }).sum()
}

impl std::fmt::Debug for ClaimsChallenge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ClaimsChallenge(…)")
    }
}

/// What stands in a row is looked at as what came from outside: a failure is read in any case.
pub(crate) fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<ClaimsChallenge>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    Ok(text.as_deref().and_then(ClaimsChallenge::parse))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Failure, FailureClass};

    #[test]
    fn a_challenge_is_an_object_of_a_bounded_length_and_says_nothing_of_itself() {
        let text = r#"{"access_token":{"acrs":{"essential":true,"value":"c1"}}}"#;
        let challenge = ClaimsChallenge::parse(text).expect("an object");
        assert_eq!(challenge.as_str(), text);
        let mut failure = Failure::new(FailureClass::InteractionRequired);
        failure.claims = Some(challenge);
        assert!(!format!("{failure} {failure:?}").contains("acrs"));
        let written = serde_json::to_string(&failure).expect("JSON");
        assert_eq!(serde_json::from_str::<Failure>(&written).expect("a failure"), failure);

        let long = format!("{{\"a\":\"{}\"}}", "x".repeat(MAX_CLAIMS_BYTES));
        for text in ["", "[]", "\"text\"", "{", "null", "{} {}", &long] {
            assert_eq!(ClaimsChallenge::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_failure_whose_stored_challenge_is_none_is_a_failure_all_the_same() {
        let failure: Failure = serde_json::from_str(r#"{"class":"interaction_required","claims":"[]"}"#).expect("read");
        assert_eq!((failure.class, failure.claims), (FailureClass::InteractionRequired, None));
    }
}
