//! What the provider's errors mean: cause, who must act, whether trying again can help.
//!
//! Microsoft: "error codes and descriptions are not stable", so `error` and `suberror` decide the family and the AADSTS number refines
//! it; an unknown number within a known family is that family's plain case. A timeout, a 429, a 5xx or anything that is not JSON never
//! asks anybody to sign in again. Source: "Microsoft Entra authentication and authorization error codes".
//!
//! Never a token: of the server's words only the sentence is kept, and nothing in it that is as long as a credential.

use domain::{Failure, FailureClass as Class};
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
    let class = error.class().unwrap_or(Class::SignInUnavailable);
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
pub(crate) fn is_about_the_grant(failure: &Failure) -> bool {
    failure.detail.as_deref().is_some_and(|detail| detail.split(' ').next() == Some("invalid_grant"))
}

/// Microsoft's JSON, or the query of its redirect, reduced to what decides.
struct ProviderError {
    error: String,
    suberror: Option<String>,
    codes: Vec<u32>,
    said: Option<String>,
    correlation_id: Option<String>,
}

// The numbers, by what they mean. One number stands in one list.
const LOOP: &[u32] = &[50196];
const TRANSIENT: &[u32] = &[90033, 90006, 90012, 90024, 90055, 90090, 50033, 50087, 50088, 70012, 40010, 80002, 50053];
const SECRET_EXPIRED: &[u32] = &[7000222, 1000502];
const SECRET_REFUSED: &[u32] = &[7000215, 7000218, 700027, 700024, 7000214, 7000274, 7000277];
/// Unknown or switched-off application, wrong account types, redirect URI, permissions or kind of client.
const APP: &[u32] = &[
    700016, 7000112, 700025, 700020, 700084, 50194, 50011, 500011, 500208, 9001023, 9002332, 90002, 70001, 65005,
    650056, 650057,
];
const ADMIN_CONSENT: &[u32] = &[90094, 90095, 90099];
const POLICY: &[u32] = &[53000, 53001, 53002, 53003, 53004, 530032, 530035, 50131, 50097, 1000031];
const ACCOUNT: &[u32] = &[53011, 50105, 50057];
const SERVICE_MISSING: &[u32] = &[650052];
/// Ours to mend: a request that Microsoft could not understand.
const MALFORMED: &[u32] = &[501481, 700005, 70011, 700022, 28000, 90014, 900144, 9002313, 90013, 70002];
const REVOKED: &[u32] = &[50173, 50132, 50133];
const INTERACTION: &[u32] = &[50076, 50079, 50074, 50072, 50078, 50158, 50055, 50126, 50058, 50085, 50089];
const WRONG_ACCOUNT: &[u32] = &[50034, 50020];

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
        Some(Self::new(text("error")?, text("suberror"), text("error_description"), &codes, id))
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
        }
    }

    fn has(&self, codes: &[u32]) -> bool {
        self.codes.iter().any(|code| codes.contains(code))
    }

    /// `None` for what nobody has seen yet: treated as a bad day of the service, with everything kept for the log.
    fn class(&self) -> Option<Class> {
        let numbered: &[(&[u32], Class)] = &[
            (LOOP, Class::ClientLoop),
            (TRANSIENT, Class::SignInUnavailable),
            (SECRET_EXPIRED, Class::AppCredentialExpired),
            (SECRET_REFUSED, Class::AppCredentialRefused),
            (ADMIN_CONSENT, Class::AdminConsentRequired),
            (SERVICE_MISSING, Class::ServiceMissing),
            (APP, Class::AppMisconfigured),
            (POLICY, Class::PolicyBlocked),
            (ACCOUNT, Class::AccountBlocked),
            (MALFORMED, Class::RequestMalformed),
        ];
        if let Some((_, class)) = numbered.iter().find(|(codes, _)| self.has(codes)) {
            return Some(*class);
        }
        match self.error.as_str() {
            "temporarily_unavailable" | "server_error" => Some(Class::SignInUnavailable),
            "invalid_client" => Some(Class::AppCredentialRefused),
            "unauthorized_client" | "invalid_resource" => Some(Class::AppMisconfigured),
            "invalid_request" | "invalid_scope" => Some(Class::RequestMalformed),
            unsupported if unsupported.starts_with("unsupported_") => Some(Class::RequestMalformed),
            "invalid_grant" | "interaction_required" | "login_required" | "consent_required" => {
                Some(self.sign_in_again())
            }
            _ => None,
        }
    }

    /// The person must go to Microsoft once more; the numbers say with which words.
    fn sign_in_again(&self) -> Class {
        let suberror = self.suberror.as_deref();
        if suberror == Some("consent_required") || self.codes.contains(&65001) {
            Class::ConsentRequired
        } else if self.codes.contains(&65004) {
            Class::SignInCancelled
        } else if self.has(REVOKED) {
            Class::GrantRevoked
        } else if self.has(WRONG_ACCOUNT) {
            Class::WrongAccount
        } else if self.has(INTERACTION) {
            Class::InteractionRequired
        } else {
            match (self.error.as_str(), suberror) {
                ("consent_required", _) => Class::ConsentRequired,
                ("interaction_required" | "login_required", _)
                | (_, Some("basic_action" | "additional_action" | "user_password_expired")) => {
                    Class::InteractionRequired
                }
                (_, Some("protection_policy_required")) => Class::PolicyBlocked,
                _ => Class::GrantExpired,
            }
        }
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
