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
        ("invalid_grant", None, 70043, Class::SignInFrequency),
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
        ("invalid_resource", None, 500011, Class::ServiceMissing),
        ("invalid_request", None, 9002313, Class::RequestMalformed),
        ("invalid_scope", None, 70011, Class::RequestMalformed),
        ("invalid_request", None, 28000, Class::RequestMalformed),
        ("unsupported_grant_type", None, 11111, Class::RequestMalformed),
        ("temporarily_unavailable", None, 11111, Class::SignInUnavailable),
        ("server_error", None, 90033, Class::SignInUnavailable),
        ("invalid_grant", None, 90033, Class::SignInUnavailable),
        ("invalid_grant", None, 50053, Class::SignInUnavailable),
        ("invalid_grant", None, 50196, Class::ClientLoop),
        ("never_seen", None, 11111, Class::RefusalUnknown),
        ("slow_down", None, 50173, Class::RefusalUnknown),
    ];
    for (error, suberror, code, expected) in table {
        let status = if *error == "invalid_client" { 401 } else { 400 };
        assert_eq!(class(status, error, *suberror, *code), *expected, "{error} {suberror:?} {code}");
    }
}

#[test]
fn a_number_stands_in_one_row() {
    let mut all: Vec<(u32, u32)> =
        [NUMBERED, OF_A_GRANT].concat().iter().flat_map(|(numbers, _)| numbers.to_vec()).collect();
    assert!(all.iter().all(|(first, last)| first <= last));
    all.sort_unstable();
    assert!(all.windows(2).all(|pair| pair[0].1 < pair[1].0), "{all:?}");
}

/// Every number that Microsoft's reference names as something that people must tell apart, each under the name that it usually has, and who must act.
#[test]
fn every_number_of_the_reference_has_who_must_act() {
    let (owner, admin, operator, nobody) = (Actor::Owner, Actor::TenantAdmin, Actor::Operator, Actor::Nobody);
    let table: &[(Actor, &str, &[u32])] = &[
        (
            owner,
            "invalid_grant",
            &[700_082, 70008, 70043, 70000, 50173, 50132, 50133, 54005, 65001, 65004, 50034, 50020, 50055, 50126],
        ),
        (owner, "interaction_required", &[50076, 50079, 50074, 50072, 50078, 50158, 50085, 50089]),
        (owner, "login_required", &[50058]),
        (
            admin,
            "invalid_grant",
            &[
                53000, 53001, 53002, 53003, 53004, 530_032, 530_034, 530_035, 50131, 50097, 53011, 50105, 50057,
                1_000_031,
            ],
        ),
        (admin, "invalid_grant", &[90094, 90095, 90099, 650_052]),
        (
            operator,
            "invalid_client",
            &[
                7_000_215, 7_000_222, 7_000_218, 700_027, 700_024, 7_000_214, 7_000_274, 7_000_277, 1_000_502, 70002,
                700_025,
            ],
        ),
        (
            operator,
            "unauthorized_client",
            &[700_016, 7_000_112, 50194, 70001, 700_020, 65005, 650_056, 650_057, 700_084, 50011],
        ),
        (
            operator,
            "invalid_request",
            &[501_481, 70011, 700_022, 28000, 90002, 90014, 900_144, 9_002_313, 90013, 9_001_023, 9_002_332, 700_005],
        ),
        (
            nobody,
            "invalid_grant",
            &[50196, 50053, 50033, 50087, 50088, 90006, 90012, 90024, 90033, 90055, 90090, 40010, 80002, 70012],
        ),
    ];
    for (actor, error, codes) in table {
        for code in *codes {
            let class = class(400, error, None, *code);
            assert_eq!(class.actor(), *actor, "{error} {code}: {class:?}");
        }
    }
}

#[test]
fn a_number_that_says_nothing_leaves_the_word_to_those_beside_it() {
    let two = br#"{"error":"invalid_grant","error_description":"AADSTS70002: Error validating credentials. AADSTS50173: The provided grant has expired."}"#;
    assert_eq!(classify_token_error(400, None, two).class, Class::GrantRevoked);
    let secret = br#"{"error":"invalid_client","error_description":"AADSTS70002: Error validating credentials. AADSTS50012: Invalid client secret is provided."}"#;
    assert_eq!(classify_token_error(401, None, secret).class, Class::AppCredentialRefused);
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
fn no_status_of_a_bad_day_and_no_body_that_is_no_error_asks_a_person_whatever_stands_in_it() {
    let numbers: Vec<u32> = [NUMBERED, OF_A_GRANT]
        .concat()
        .iter()
        .flat_map(|(numbers, _)| numbers.iter().map(|(first, _)| *first))
        .collect();
    for status in (500..600).chain([429]) {
        for error in FAMILY.iter().chain(NAMED.iter().map(|(name, _)| name)) {
            for code in &numbers {
                assert_eq!(
                    class(status, error, Some("bad_token"), *code),
                    Class::SignInUnavailable,
                    "{status} {error} {code}"
                );
            }
        }
    }
    let whole = body("invalid_grant", Some("bad_token"), 50173, "The provided grant has expired.");
    for status in (300..600).step_by(23) {
        for cut in 0..whole.len() {
            let failure = classify_token_error(status, None, &whole.as_bytes()[..cut]);
            assert_eq!(failure.class, Class::SignInUnavailable, "{status}: {}", &whole[..cut]);
        }
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
