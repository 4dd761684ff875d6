//! What Graph said → what it means. Each line has its entry in docs/COMPATIBILITY.md.
//!
//! Pure. Decided by the error's code; Graph's status alone only decides what nothing else did. What is not JSON comes from something before
//! Graph and is its bad day.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use domain::{ClaimsChallenge, Failure, FailureClass};
use net::HttpAnswer;
use serde::Deserialize;
use std::time::Duration;

/// The window of the daily limit is rolling; trying again sooner is of no use.
const QUOTA_WAIT: Duration = Duration::from_secs(3600);
/// Longer than any word or GUID, shorter than any credential.
const LONGEST_WORD: usize = 48;

#[derive(Deserialize)]
struct Body {
    error: Error,
}

#[derive(Deserialize)]
struct Error {
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: String,
}

/// Any answer that is not the success that was asked for.
pub(super) fn refused(answer: &HttpAnswer) -> Failure {
    let error = answer.json::<Body>().ok().map(|body| body.error);
    let class = error.as_ref().and_then(|error| by_code(&error.code)).unwrap_or_else(|| by_status(answer.status));
    let mut failure = Failure::new(class);
    if let Some(error) = &error {
        failure = failure.said(words(&format!("{} {}: {}", answer.status, error.code, error.message)));
    } else {
        failure = failure.detail(format!("status {}", answer.status));
    }
    if let Some(id) = answer.header("request-id").filter(|id| id.len() <= 64) {
        failure = failure.correlation(id);
    }
    if answer.status == 401 {
        failure.claims = claims(answer);
    }
    match (class, answer.retry_after()) {
        (FailureClass::SendingQuotaExceeded, wait) => failure.after(wait.unwrap_or_default().max(QUOTA_WAIT)),
        // A wait that is stated beside a refusal for good says nothing about it.
        (FailureClass::Throttled | FailureClass::ServerUnavailable, Some(wait)) => failure.after(wait),
        _ => failure,
    }
}

/// The same before a mail is sent. What is said of a thing that was made at Graph for this attempt is not said of the mail: a draft that somebody
/// deleted or changed, a piece of a file that came twice, the end of the time for an upload.
pub(super) fn not_done(answer: &HttpAnswer) -> Failure {
    let failure = refused(answer);
    match (failure.class, answer.status) {
        (FailureClass::MessageRefused, 404 | 409 | 410 | 412 | 416) => {
            Failure { class: FailureClass::ProtocolError, ..failure }
        }
        _ => failure,
    }
}

/// What the next sign-in must bring along, as a `WWW-Authenticate` of Graph's has it ("Claims challenges, claims requests and client capabilities").
fn claims(answer: &HttpAnswer) -> Option<ClaimsChallenge> {
    let (_, after) = answer.header("www-authenticate")?.split_once("claims=\"")?;
    let (encoded, _) = after.split_once('"')?;
    let decoded = STANDARD.decode(encoded).or_else(|_| URL_SAFE.decode(encoded)).ok()?;
    ClaimsChallenge::parse(std::str::from_utf8(&decoded).ok()?)
}

/// A success that says nothing, or not what was asked for. Graph is known to answer 200 with nothing in it (EmailEngine).
pub(super) fn says_nothing(answer: &HttpAnswer) -> Failure {
    let failure = Failure::new(FailureClass::ProtocolError).detail(format!("status {} and no answer", answer.status));
    match answer.header("request-id").filter(|id| id.len() <= 64) {
        Some(id) => failure.correlation(id),
        None => failure,
    }
}

/// The message is not there (any more).
pub(super) fn is_gone(answer: &HttpAnswer) -> bool {
    let code = answer.json::<Body>().map(|body| body.error.code).unwrap_or_default();
    answer.status == 404 && matches!(code.as_str(), "ErrorItemNotFound" | "ErrorInvalidIdMalformed" | "")
        || matches!(code.as_str(), "ErrorInvalidIdMalformed")
}

fn by_code(code: &str) -> Option<FailureClass> {
    Some(match code {
        "InvalidAuthenticationToken" | "AuthenticationError" | "CompactToken parsing failed" => {
            FailureClass::GraphTokenRefused
        }
        "ErrorAccessDenied" | "Authorization_RequestDenied" | "accessDenied" => FailureClass::GraphAccessDenied,
        "ErrorSendAsDenied" => FailureClass::SenderNotAllowed,
        "MailboxNotEnabledForRESTAPI"
        | "ErrorMailboxNotEnabledForRESTAPI"
        | "ResourceNotFound"
        | "ErrorInvalidUser"
        | "ErrorNonExistentMailbox" => FailureClass::GraphMailboxMissing,
        "ErrorExceededMessageLimit" | "ErrorSubmissionQuotaExceeded" | "ErrorMessageSubmissionBlocked" => {
            FailureClass::SendingQuotaExceeded
        }
        "ErrorAccountSuspend" | "ErrorAccountSuspendShowTierUpgrade" => FailureClass::SenderBlocked,
        "ApplicationThrottled" | "TooManyRequests" | "activityLimitReached" | "ErrorServerBusy" => {
            FailureClass::Throttled
        }
        "MailboxInfoStale"
        | "serviceNotAvailable"
        | "ErrorInternalServerTransientError"
        | "ErrorMailboxStoreUnavailable"
        | "ErrorTimeoutExpired" => FailureClass::ServerUnavailable,
        "ErrorQuotaExceeded" => FailureClass::MailboxFull,
        "ErrorMessageSizeExceeded" | "ErrorAttachmentSizeLimitExceeded" | "RequestEntityTooLarge" => {
            FailureClass::MessageTooLarge
        }
        "ErrorMimeContentInvalidBase64String" | "ErrorMimeContentInvalid" | "InvalidInternetMessageHeader" => {
            FailureClass::MessageUnbuildable
        }
        "ErrorInvalidRecipients" => FailureClass::RecipientRefused,
        _ => return None,
    })
}

fn by_status(status: u16) -> FailureClass {
    match status {
        401 => FailureClass::GraphTokenRefused,
        403 => FailureClass::GraphAccessDenied,
        408 => FailureClass::TimedOut,
        413 => FailureClass::MessageTooLarge,
        429 => FailureClass::Throttled,
        507 => FailureClass::MailboxFull,
        500.. => FailureClass::ServerUnavailable,
        400..500 => FailureClass::MessageRefused,
        _ => FailureClass::ProtocolError,
    }
}

fn words(text: &str) -> String {
    let words = text.split_whitespace();
    words.map(|word| if word.len() > LONGEST_WORD { "…" } else { word }).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &str) -> HttpAnswer {
        HttpAnswer { status, headers: net::HeaderMap::new(), body: body.to_owned().into() }
    }

    fn error(status: u16, code: &str) -> HttpAnswer {
        answer(status, &format!(r#"{{"error":{{"code":"{code}","message":"Words of the server."}}}}"#))
    }

    #[test]
    fn graph_is_understood_by_its_codes() {
        use FailureClass::*;
        for (status, code, class) in [
            (401, "InvalidAuthenticationToken", GraphTokenRefused),
            (401, "SomethingNew", GraphTokenRefused),
            (403, "ErrorAccessDenied", GraphAccessDenied),
            (403, "ErrorSendAsDenied", SenderNotAllowed),
            (404, "MailboxNotEnabledForRESTAPI", GraphMailboxMissing),
            (404, "ErrorMailboxNotEnabledForRESTAPI", GraphMailboxMissing),
            (404, "ResourceNotFound", GraphMailboxMissing),
            (429, "ApplicationThrottled", Throttled),
            (429, "ErrorExceededMessageLimit", SendingQuotaExceeded),
            (503, "MailboxInfoStale", ServerUnavailable),
            (504, "", ServerUnavailable),
            (507, "ErrorQuotaExceeded", MailboxFull),
            (400, "ErrorQuotaExceeded", MailboxFull),
            (400, "ErrorMessageSizeExceeded", MessageTooLarge),
            (413, "RequestEntityTooLarge", MessageTooLarge),
            (400, "ErrorMimeContentInvalidBase64String", MessageUnbuildable),
            (400, "InvalidInternetMessageHeader", MessageUnbuildable),
            (400, "ErrorInvalidRecipients", RecipientRefused),
            (400, "SomethingNew", MessageRefused),
            (403, "SomethingNew", GraphAccessDenied),
            (500, "SomethingNew", ServerUnavailable),
        ] {
            let failure = refused(&error(status, code));
            assert_eq!(failure.class, class, "{status} {code}");
            assert_eq!(failure.server_said, Some(format!("{status} {code}: Words of the server.")));
        }
    }

    #[test]
    fn what_is_said_of_a_draft_or_a_piece_of_a_file_is_not_said_of_the_mail() {
        for (status, code) in
            [(404, "ErrorItemNotFound"), (409, "ErrorIrresolvableConflict"), (416, "ErrorInvalidRange")]
        {
            let not_done = not_done(&error(status, code));
            assert_eq!(
                (not_done.class, refused(&error(status, code)).class),
                (FailureClass::ProtocolError, FailureClass::MessageRefused)
            );
            assert!(not_done.server_said.is_some_and(|said| said.contains(code)));
        }
        assert_eq!(not_done(&error(400, "SomethingNew")).class, FailureClass::MessageRefused);
        assert_eq!(not_done(&error(404, "MailboxNotEnabledForRESTAPI")).class, FailureClass::GraphMailboxMissing);
    }

    #[test]
    fn a_page_from_before_graph_is_a_bad_day_and_asks_nobody_for_anything() {
        let failure = refused(&answer(502, "<html>Bad Gateway</html>"));
        assert_eq!((failure.class, failure.detail.as_deref()), (FailureClass::ServerUnavailable, Some("status 502")));
        assert_eq!(failure.server_said, None);
        assert_eq!(says_nothing(&answer(200, "")).class, FailureClass::ProtocolError);
    }

    #[test]
    fn the_wait_that_graph_asks_for_is_kept_and_a_days_limit_waits_an_hour_at_least() {
        let with_wait = |mut answer: HttpAnswer, seconds: &str| {
            answer.headers.insert("retry-after", seconds.parse().expect("a header"));
            refused(&answer).retry_after_seconds
        };
        assert_eq!(with_wait(error(429, "ApplicationThrottled"), "7"), Some(7));
        assert_eq!(with_wait(answer(503, "<html>"), "120"), Some(120));
        assert_eq!(with_wait(error(429, "ErrorExceededMessageLimit"), "7"), Some(3600));
        assert_eq!(with_wait(error(403, "ErrorSendAsDenied"), "7"), None);
        assert_eq!(refused(&error(429, "ApplicationThrottled")).retry_after_seconds, None);
    }

    #[test]
    fn what_graph_wants_of_the_next_sign_in_is_kept_for_it() {
        let wanted = r#"{"access_token":{"acrs":{"essential":true,"value":"c1"}}}"#;
        let challenged = |value: &str| {
            let mut answer = error(401, "InvalidAuthenticationToken");
            let header = format!(
                "Bearer realm=\"\", error=\"insufficient_claims\", claims=\"{value}\", cc_type=\"authcontext\""
            );
            answer.headers.insert("www-authenticate", header.parse().expect("a header"));
            refused(&answer).claims
        };
        assert_eq!(challenged(&STANDARD.encode(wanted)), ClaimsChallenge::parse(wanted));
        for nonsense in ["", "%%%", &STANDARD.encode("[]"), &STANDARD.encode([0xff, 0xfe])] {
            assert_eq!(challenged(nonsense), None, "{nonsense}");
        }
    }

    #[test]
    fn a_credential_that_a_server_repeats_is_not_kept() {
        let token = "eyJ0".repeat(30);
        let body = format!(r#"{{"error":{{"code":"InvalidAuthenticationToken","message":"bad token {token}"}}}}"#);
        let failure = refused(&answer(401, &body));
        assert!(!format!("{failure:?}").contains(&token), "{failure:?}");
    }
}
