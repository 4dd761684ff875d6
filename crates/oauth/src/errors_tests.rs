//! Tests of the classifier, against bodies as the token endpoint writes them.

use super::*;
use domain::{Actor, Retry};

fn body(error: &str, suberror: Option<&str>, code: u32, words: &str) -> String {
    let description = format!(
        "AADSTS{code}: {words}\r\nTrace ID: 255d1aef-8c98-452f-ac51-23d051240864\r\nCorrelation ID: fb3d2015-bc17-4bb9-bb85-30c5cf1aaaa7\r\nTimestamp: 2026-01-09 02:02:12Z"
    );
    serde_json::json!({
        "error": error, "error_description": description, "error_codes": [code], "suberror": suberror,
        "timestamp": "2026-01-09 02:02:12Z", "trace_id": "255d1aef-8c98-452f-ac51-23d051240864",
        "correlation_id": "fb3d2015-bc17-4bb9-bb85-30c5cf1aaaa7",
        "error_uri": format!("https://login.microsoftonline.com/error?code={code}"),
    })
    .to_string()
}

fn class(status: u16, error: &str, suberror: Option<&str>, code: u32) -> Class {
    classify_token_error(status, None, body(error, suberror, code, "Words.").as_bytes()).class
}

#[test]
fn each_answer_of_the_token_endpoint_has_its_class() {
    let table: &[(&str, Option<&str>, u32, Class)] = &[
        ("invalid_grant", Some("bad_token"), 700082, Class::GrantExpired),
        ("invalid_grant", None, 70008, Class::GrantExpired),
        ("invalid_grant", None, 70000, Class::GrantExpired),
        ("invalid_grant", None, 70043, Class::GrantExpired),
        ("invalid_grant", None, 54005, Class::GrantExpired),
        ("invalid_grant", None, 99999, Class::GrantExpired),
        ("invalid_grant", None, 700084, Class::AppMisconfigured),
        ("invalid_grant", None, 50173, Class::GrantRevoked),
        ("invalid_grant", None, 50132, Class::GrantRevoked),
        ("invalid_grant", None, 50133, Class::GrantRevoked),
        ("invalid_grant", None, 501481, Class::RequestMalformed),
        ("invalid_grant", Some("basic_action"), 50076, Class::InteractionRequired),
        ("interaction_required", None, 50079, Class::InteractionRequired),
        ("interaction_required", None, 50158, Class::InteractionRequired),
        ("login_required", None, 50058, Class::InteractionRequired),
        ("invalid_grant", Some("user_password_expired"), 50055, Class::InteractionRequired),
        ("invalid_grant", None, 53003, Class::PolicyBlocked),
        ("interaction_required", None, 530035, Class::PolicyBlocked),
        ("invalid_grant", None, 50131, Class::PolicyBlocked),
        ("invalid_grant", None, 53011, Class::AccountBlocked),
        ("invalid_grant", None, 50105, Class::AccountBlocked),
        ("invalid_grant", None, 50057, Class::AccountBlocked),
        ("invalid_grant", None, 50034, Class::WrongAccount),
        ("invalid_grant", None, 50020, Class::WrongAccount),
        ("invalid_grant", Some("consent_required"), 65001, Class::ConsentRequired),
        ("consent_required", None, 11111, Class::ConsentRequired),
        ("invalid_grant", None, 65004, Class::SignInCancelled),
        ("invalid_grant", None, 90094, Class::AdminConsentRequired),
        ("invalid_client", None, 90095, Class::AdminConsentRequired),
        ("invalid_grant", None, 90099, Class::AdminConsentRequired),
        ("invalid_client", None, 650052, Class::ServiceMissing),
        ("invalid_client", None, 7000215, Class::AppCredentialRefused),
        ("invalid_client", None, 7000218, Class::AppCredentialRefused),
        ("invalid_client", None, 11111, Class::AppCredentialRefused),
        ("invalid_client", None, 7000222, Class::AppCredentialExpired),
        ("unauthorized_client", None, 700016, Class::AppMisconfigured),
        ("invalid_client", None, 700016, Class::AppMisconfigured),
        ("unauthorized_client", None, 7000112, Class::AppMisconfigured),
        ("invalid_request", None, 50194, Class::AppMisconfigured),
        ("invalid_request", None, 90002, Class::AppMisconfigured),
        ("invalid_resource", None, 500011, Class::AppMisconfigured),
        ("invalid_request", None, 9002313, Class::RequestMalformed),
        ("invalid_scope", None, 70011, Class::RequestMalformed),
        ("invalid_request", None, 28000, Class::RequestMalformed),
        ("unsupported_grant_type", None, 11111, Class::RequestMalformed),
        ("temporarily_unavailable", None, 11111, Class::SignInUnavailable),
        ("server_error", None, 90033, Class::SignInUnavailable),
        ("invalid_grant", None, 90033, Class::SignInUnavailable),
        ("invalid_grant", None, 50053, Class::SignInUnavailable),
        ("invalid_grant", None, 50196, Class::ClientLoop),
        ("never_seen", None, 11111, Class::SignInUnavailable),
    ];
    for (error, suberror, code, expected) in table {
        let status = if *error == "invalid_client" { 401 } else { 400 };
        assert_eq!(class(status, error, *suberror, *code), *expected, "{error} {suberror:?} {code}");
    }
}

#[test]
fn a_number_stands_in_one_list() {
    let lists = [
        LOOP,
        TRANSIENT,
        SECRET_EXPIRED,
        SECRET_REFUSED,
        APP,
        ADMIN_CONSENT,
        POLICY,
        ACCOUNT,
        SERVICE_MISSING,
        MALFORMED,
        REVOKED,
        INTERACTION,
        WRONG_ACCOUNT,
    ];
    let mut all: Vec<u32> = lists.concat();
    let count = all.len();
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), count);
}

#[test]
fn a_bad_day_at_microsoft_never_asks_anybody_to_sign_in_again() {
    let html = b"<html><h1>503 Service Unavailable</h1></html>".as_slice();
    for (status, body) in [(503, html), (502, b"".as_slice()), (429, html), (400, html), (400, b"{}"), (500, b"[]")] {
        let failure = classify_token_error(status, None, body);
        assert_eq!(failure.class, Class::SignInUnavailable, "{status}");
        assert_eq!((failure.class.actor(), failure.class.retry()), (Actor::Nobody, Retry::Later));
    }
    // Even where the body blames the grant.
    for status in [429, 500, 503] {
        assert_eq!(class(status, "invalid_grant", None, 50173), Class::SignInUnavailable, "{status}");
    }
}

#[test]
fn a_stated_wait_is_kept_up_to_an_hour() {
    let wait =
        |seconds| classify_token_error(429, Some(Duration::from_secs(seconds)), b"slow down").retry_after_seconds;
    assert_eq!(wait(17), Some(17));
    assert_eq!(wait(86_400), Some(3600));
    assert_eq!(classify_token_error(503, None, b"").retry_after_seconds, None);
}

#[test]
fn a_client_in_a_loop_pauses_for_five_minutes_at_least() {
    let looping = body("invalid_grant", None, 50196, "Loop.");
    let wait = |stated| classify_token_error(400, stated, looping.as_bytes()).retry_after_seconds;
    assert_eq!(wait(None), Some(300));
    assert_eq!(wait(Some(Duration::from_secs(10))), Some(300));
    assert_eq!(wait(Some(Duration::from_secs(900))), Some(900));
}

#[test]
fn what_support_asks_for_is_kept_and_what_it_must_not_see_is_not() {
    let token = "1.AXkA".to_owned() + &"x".repeat(900);
    let words = format!("The provided grant {token} has expired due to it being revoked.");
    let failure = classify_token_error(400, None, body("invalid_grant", None, 50173, &words).as_bytes());
    assert_eq!(failure.correlation_id.as_deref(), Some("fb3d2015-bc17-4bb9-bb85-30c5cf1aaaa7"));
    assert_eq!(failure.detail.as_deref(), Some("invalid_grant AADSTS50173"));
    let said = failure.server_said.clone().expect("words");
    assert!(said.starts_with("AADSTS50173: The provided grant … has expired"), "{said}");
    assert!(!said.contains("Trace ID") && !format!("{failure:?}").contains("1.AXkA"));
}

#[test]
fn a_number_is_found_in_the_words_when_the_list_is_missing() {
    let body = br#"{"error":"invalid_grant","error_description":"AADSTS50173: The provided grant has expired"}"#;
    assert_eq!(classify_token_error(400, None, body).class, Class::GrantRevoked);
    // Personal accounts: no list, no number.
    let personal = br#"{"error":"invalid_grant","error_description":"The user could not be authenticated as the grant is expired. The user must sign in again."}"#;
    assert_eq!(classify_token_error(400, None, personal).class, Class::GrantExpired);
}

#[test]
fn each_error_that_comes_through_the_browser_has_its_class() {
    let table: &[(&str, Option<&str>, Option<&str>, Class)] = &[
        ("access_denied", Some("cancel"), None, Class::SignInCancelled),
        ("access_denied", None, Some("The user has denied access to the scope requested."), Class::SignInCancelled),
        ("consent_required", None, Some("AADSTS65004: User declined to consent."), Class::SignInCancelled),
        ("permission_denied", None, Some("The admin canceled the request"), Class::SignInCancelled),
        ("consent_required", None, Some("AADSTS90094: An administrator must grant."), Class::AdminConsentRequired),
        ("access_denied", None, Some("AADSTS90095: Admin consent is required."), Class::AdminConsentRequired),
        ("invalid_client", None, Some("AADSTS650052: The app needs access to a service."), Class::ServiceMissing),
        ("consent_required", None, Some("AADSTS65001: Not consented."), Class::ConsentRequired),
        ("access_denied", None, Some("AADSTS53003: Blocked by Conditional Access."), Class::PolicyBlocked),
        ("access_denied", None, Some("AADSTS50105: Not assigned to a role."), Class::AccountBlocked),
        ("interaction_required", None, None, Class::InteractionRequired),
        ("login_required", None, Some("AADSTS50058: Silent sign-in."), Class::InteractionRequired),
        ("unauthorized_client", None, Some("AADSTS700016: Application not found."), Class::AppMisconfigured),
        ("invalid_request", None, Some("AADSTS90014: A field is missing."), Class::RequestMalformed),
        ("temporarily_unavailable", None, None, Class::SignInUnavailable),
        ("server_error", None, None, Class::SignInUnavailable),
        ("<script>", Some("\"><"), None, Class::SignInUnavailable),
    ];
    for (error, subcode, description, expected) in table {
        let failure = error_from_callback(error, *subcode, *description);
        assert_eq!(failure.class, *expected, "{error} {description:?}");
        assert!(!failure.detail.unwrap_or_default().contains('<'));
    }
}

#[test]
fn the_correlation_id_of_a_redirect_is_in_its_words() {
    let words = "AADSTS65004: User declined.\r\nTrace ID: 1\r\nCorrelation ID: fb3d2015-bc17-4bb9-bb85-30c5cf1aaaa7\r\nTimestamp: x";
    let failure = error_from_callback("consent_required", None, Some(words));
    assert_eq!(failure.correlation_id.as_deref(), Some("fb3d2015-bc17-4bb9-bb85-30c5cf1aaaa7"));
    assert_eq!(failure.server_said.as_deref(), Some("AADSTS65004: User declined."));
}
