//! What the provider's errors mean: cause, who must act, whether trying again can help.
//!
//! Microsoft: "error codes and descriptions are not stable", so `error` and `suberror` decide the family and the AADSTS number refines
//! it; an unknown number within a known family is that family's plain case, and what belongs to no family is put down to the service until it has
//! lasted for a day ([`Class::RefusalUnknown`]). A timeout, a 429, a 5xx or anything that is not JSON never
//! asks anybody to sign in again. Source: "Microsoft Entra authentication and authorization error codes".
//!
//! Never a token: of the server's words only the sentence is kept, and nothing in it that is as long as a credential.

use domain::{ClaimsChallenge, Failure, FailureClass as Class};
use serde_json::Value;
use std::time::Duration;

/// Microsoft asks a client in a loop to stop for this long.
const LOOP_PAUSE: Duration = Duration::from_secs(300);
/// An account that was locked for too many attempts is not asked about again before this.
const LOCKED_PAUSE: Duration = Duration::from_secs(3600);

/// What a non-200 answer of the token endpoint means.
pub fn classify_token_error(status: u16, retry_after: Option<Duration>, body: &[u8]) -> Failure {
    let retry_after = retry_after.map(|wait| wait.min(net::http::MAX_RETRY_AFTER));
    let waiting = |failure: Failure| match retry_after {
        Some(wait) => failure.after(wait),
        None => failure,
    };
    let Some(error) = ProviderError::read(body) else {
        return waiting(Failure::new(Class::SignInUnavailable).detail(format!("http_{status}")));
    };
    if status == 429 || status >= 500 {
        return waiting(error.failure(Class::SignInUnavailable));
    }
    let class = error.class().unwrap_or(Class::RefusalUnknown);
    let failure = error.failure(class);
    match class {
        Class::ClientLoop => failure.after(retry_after.unwrap_or_default().max(LOOP_PAUSE)),
        Class::SignInUnavailable if error.codes.contains(&50053) => failure.after(LOCKED_PAUSE),
        _ => waiting(failure),
    }
}

/// What an error that came through the browser means. Anybody can write such a URL, so this is only ever shown, never acted upon
/// beyond the attempt it belongs to.
pub fn error_from_callback(error: &str, subcode: Option<&str>, description: Option<&str>) -> Failure {
    let error = ProviderError::new(error, subcode, description, &[], None);
    let class = match error.error.as_str() {
        // Entra appends what happened to the text, whatever the error is called.
        _ if error.has(ADMIN_CONSENT) => Class::AdminConsentRequired,
        _ if error.codes.contains(&65004) => Class::SignInCancelled,
        _ if error.has(POLICY) => Class::PolicyBlocked,
        _ if error.has(ACCOUNT) => Class::AccountBlocked,
        // The second is what the older admin consent page says when the administrator declines.
        "access_denied" | "permission_denied" => Class::SignInCancelled,
        _ => error.class().unwrap_or(Class::SignInUnavailable),
    };
    error.failure(class)
}

/// Microsoft looked at the grant, so it had taken the client's credential before.
///
/// A request that it could not read (AADSTS9002313), a bad day, and a loop that it broke off come under the same name, and may be told before
/// anybody has looked at the credential: they are proof of nothing.
pub fn is_about_the_grant(failure: &Failure) -> bool {
    let name = failure.detail.as_deref().and_then(|detail| detail.split(' ').next());
    let proves_nothing =
        matches!(failure.class, Class::RequestMalformed | Class::SignInUnavailable | Class::ClientLoop);
    name.is_some_and(|name| FAMILY.contains(&name)) && !proves_nothing && !failure.class.is_of_the_app()
}

/// Microsoft did not get as far as the credential: whether it takes it is as unknown as before.
pub fn is_unread(failure: &Failure) -> bool {
    failure.class == Class::RequestMalformed
}

/// The application is not known, or switched off: as often in one organisation as everywhere.
const UNKNOWN_OR_OFF: Numbers = &[one(700_016), one(7_000_112)];

/// Microsoft refused the application, and says no more than that it did so here.
pub fn may_be_of_a_tenant(failure: &Failure) -> bool {
    let said = failure.detail.as_deref().unwrap_or_default();
    let mut numbers = said.split(' ').filter_map(|word| word.strip_prefix("AADSTS")?.parse().ok());
    failure.class == Class::AppMisconfigured && numbers.any(|number: u32| is_among(number, UNKNOWN_OR_OFF))
}

/// Microsoft's JSON, or the query of its redirect, reduced to what decides.
struct ProviderError {
    error: String,
    suberror: Option<String>,
    codes: Vec<u32>,
    said: Option<String>,
    correlation_id: Option<String>,
    claims: Option<ClaimsChallenge>,
}

/// Numbers, first and last.
type Numbers = &'static [(u32, u32)];

const fn one(number: u32) -> (u32, u32) {
    (number, number)
}

fn is_among(code: u32, numbers: Numbers) -> bool {
    numbers.iter().any(|(first, last)| (*first..=*last).contains(&code))
}

const TRANSIENT: Numbers = &[
    one(90033),
    one(90006),
    one(90012),
    one(90024),
    one(90055),
    one(90090),
    one(50033),
    one(50087),
    one(50088),
    one(70012),
    one(40010),
    one(80002),
    one(50053),
];
const ADMIN_CONSENT: Numbers = &[(90094, 90095), one(90099)];
/// Conditional Access and what is counted to it. A person cannot do anything about it by signing in.
const POLICY: Numbers = &[(53000, 53010), (530_000, 530_999), one(50131), one(50097), one(1_000_031)];
const ACCOUNT: Numbers = &[one(53011), one(50105), one(50057)];

/// Numbers that decide whatever the error is called, in this order. One number stands in one row, here and in [`OF_A_GRANT`].
///
/// 70002 and 70000 stand nowhere: they say no more than the error's name, and others stand beside them.
const NUMBERED: &[(Numbers, Class)] = &[
    (&[one(50196)], Class::ClientLoop),
    (TRANSIENT, Class::SignInUnavailable),
    (&[one(7_000_222), one(1_000_502)], Class::AppCredentialExpired),
    (
        &[one(7_000_214), one(7_000_215), one(7_000_218), one(700_024), one(700_027), one(7_000_274), one(7_000_277)],
        Class::AppCredentialRefused,
    ),
    (ADMIN_CONSENT, Class::AdminConsentRequired),
    (&[one(650_052), one(500_011)], Class::ServiceMissing),
    (&[one(500_208)], Class::WrongAccount),
    (UNKNOWN_OR_OFF, Class::AppMisconfigured),
    // Wrong account types, redirect URI, permissions or kind of client.
    (
        &[
            one(700_025),
            one(700_020),
            one(700_084),
            one(50194),
            one(50011),
            one(9_001_023),
            one(9_002_332),
            one(90002),
            one(70001),
            one(65005),
            one(650_051),
            (650_053, 650_059),
        ],
        Class::AppMisconfigured,
    ),
    (POLICY, Class::PolicyBlocked),
    (ACCOUNT, Class::AccountBlocked),
    // Ours to mend: a request that Microsoft could not understand.
    (
        &[
            one(501_481),
            one(700_005),
            one(70011),
            one(700_022),
            one(28000),
            one(90013),
            one(90014),
            one(900_144),
            one(9_002_313),
        ],
        Class::RequestMalformed,
    ),
];

/// What an error's name says by itself.
const NAMED: &[(&str, Class)] = &[
    ("temporarily_unavailable", Class::SignInUnavailable),
    ("server_error", Class::SignInUnavailable),
    ("invalid_client", Class::AppCredentialRefused),
    ("unauthorized_client", Class::AppMisconfigured),
    ("invalid_resource", Class::AppMisconfigured),
    ("invalid_request", Class::RequestMalformed),
    ("invalid_scope", Class::RequestMalformed),
    ("unsupported_grant_type", Class::RequestMalformed),
    ("unsupported_response_type", Class::RequestMalformed),
    ("unsupported_response_mode", Class::RequestMalformed),
    ("unsupported_token_type", Class::RequestMalformed),
];

/// Numbers that decide within the family in which the person must go to Microsoft once more.
const OF_A_GRANT: &[(Numbers, Class)] = &[
    (&[one(65001)], Class::ConsentRequired),
    (&[one(65004)], Class::SignInCancelled),
    (&[one(70043)], Class::SignInFrequency),
    (&[one(50173), (50132, 50133)], Class::GrantRevoked),
    (&[one(50034), one(50020)], Class::WrongAccount),
    (
        &[
            one(50072),
            one(50074),
            one(50076),
            (50078, 50079),
            one(50158),
            one(50055),
            one(50126),
            one(50058),
            one(50085),
            one(50089),
        ],
        Class::InteractionRequired,
    ),
];

/// And where no number does: the error's name or its suberror. Whatever else is in the family is a grant that has expired.
const FAMILY: &[&str] = &["invalid_grant", "interaction_required", "login_required", "consent_required"];
const BY_WORD: &[(&str, Class)] = &[
    ("consent_required", Class::ConsentRequired),
    ("interaction_required", Class::InteractionRequired),
    ("login_required", Class::InteractionRequired),
    ("basic_action", Class::InteractionRequired),
    ("additional_action", Class::InteractionRequired),
    ("user_password_expired", Class::InteractionRequired),
    ("protection_policy_required", Class::PolicyBlocked),
];

impl ProviderError {
    /// `None` when the body is not the JSON of an error.
    fn read(body: &[u8]) -> Option<Self> {
        let json: Value = serde_json::from_slice(body).ok()?;
        let text = |name: &str| json.get(name).and_then(Value::as_str);
        let codes: Vec<u32> = json
            .get("error_codes")
            .and_then(Value::as_array)
            .map(|codes| codes.iter().filter_map(code_of).collect())
            .unwrap_or_default();
        let id = text("correlation_id").or_else(|| text("trace_id"));
        let mut error = Self::new(text("error")?, text("suberror"), text("error_description"), &codes, id);
        error.claims = text("claims").and_then(ClaimsChallenge::parse);
        Some(error)
    }

    fn new(error: &str, suberror: Option<&str>, description: Option<&str>, codes: &[u32], id: Option<&str>) -> Self {
        let mut codes = codes.to_vec();
        for code in description.map(codes_in).unwrap_or_default() {
            if !codes.contains(&code) {
                codes.push(code);
            }
        }
        Self {
            error: word(error).unwrap_or_default(),
            suberror: suberror.and_then(word),
            codes,
            said: description.map(sentence).filter(|said| !said.is_empty()),
            correlation_id: id.and_then(word).or_else(|| description.and_then(correlation_in)),
            // What comes through the browser has none: whoever wrote that could ask for anything.
            claims: None,
        }
    }

    fn has(&self, numbers: Numbers) -> bool {
        self.codes.iter().any(|code| is_among(*code, numbers))
    }

    fn of(&self, table: &[(Numbers, Class)]) -> Option<Class> {
        table.iter().find(|(numbers, _)| self.has(numbers)).map(|(_, class)| *class)
    }

    /// `None` for what nobody has seen yet.
    fn class(&self) -> Option<Class> {
        let named = || NAMED.iter().find(|(name, _)| *name == self.error).map(|(_, class)| *class);
        let of_a_grant = || FAMILY.contains(&self.error.as_str()).then(|| self.sign_in_again());
        self.of(NUMBERED).or_else(named).or_else(of_a_grant)
    }

    /// The person must go to Microsoft once more; the numbers say with which words.
    fn sign_in_again(&self) -> Class {
        let suberror = self.suberror.as_deref();
        if suberror == Some("consent_required") {
            return Class::ConsentRequired;
        }
        let said = |word: &str| self.error == word || suberror == Some(word);
        let by_word = || BY_WORD.iter().find(|(word, _)| said(word)).map(|(_, class)| *class);
        self.of(OF_A_GRANT).or_else(by_word).unwrap_or(Class::GrantExpired)
    }

    fn failure(&self, class: Class) -> Failure {
        let mut detail = vec![self.error.clone()];
        detail.extend(self.suberror.clone());
        detail.extend(self.codes.iter().take(5).map(|code| format!("AADSTS{code}")));
        detail.retain(|part| !part.is_empty());
        let mut failure = Failure::new(class);
        if !detail.is_empty() {
            failure = failure.detail(detail.join(" "));
        }
        if let Some(said) = &self.said {
            failure = failure.said(said);
        }
        if let Some(id) = &self.correlation_id {
            failure = failure.correlation(id.clone());
        }
        failure.claims.clone_from(&self.claims);
        failure
    }
}

/// Numbers as Microsoft sends them; as text they have been seen too.
fn code_of(value: &Value) -> Option<u32> {
    match value {
        Value::Number(number) => number.as_u64().and_then(|code| u32::try_from(code).ok()),
        Value::String(text) => text.trim().parse().ok(),
        _ => None,
    }
}

fn codes_in(description: &str) -> Vec<u32> {
    description
        .split("AADSTS")
        .skip(1)
        .filter_map(|rest| rest[..rest.bytes().take_while(u8::is_ascii_digit).count()].parse().ok())
        .collect()
}

fn correlation_in(description: &str) -> Option<String> {
    let (_, rest) = description.split_once("Correlation ID:")?;
    word(rest.split_whitespace().next()?)
}

/// An error's name or an id: short, and of harmless characters.
fn word(text: &str) -> Option<String> {
    let text = text.trim();
    let fits =
        !text.is_empty() && text.len() <= 64 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-.".contains(&b));
    fits.then(|| text.to_owned())
}

/// Longer than any word or GUID, shorter than any credential.
const LONGEST_WORD: usize = 48;

/// The part of a description that is a sentence: without the ids after it, and without anything that could be a credential.
fn sentence(description: &str) -> String {
    let end = description.find("Trace ID:").unwrap_or(description.len());
    let words = description[..end].split_whitespace();
    words.map(|word| if word.len() > LONGEST_WORD { "…" } else { word }).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
#[path = "errors_tests.rs"]
mod tests;
