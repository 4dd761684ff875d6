//! The token endpoint: what it gives, what it refuses, and the exact shape of the refusal.

use std::time::Duration;

use base64::Engine as _;
use sandbox::{CONTOSO, Endpoint, EndpointFault, Event, TokenFault};

use crate::support::*;

#[tokio::test]
async fn a_code_becomes_tokens_of_microsofts_length() {
    let sandbox = start().await;
    let code = code_for(&sandbox, SUPPORT).await;
    let answer = token(&sandbox, &[("code", &code)]).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some("application/json; charset=utf-8"));
    assert!(answer.header("cache-control").unwrap().contains("no-store"));
    assert!(answer.header("x-ms-request-id").is_some());
    let tokens = answer.json();
    assert_eq!(text(&tokens, "token_type"), "Bearer");
    assert!((2000..=4000).contains(&text(&tokens, "access_token").len()));
    assert!(text(&tokens, "access_token").starts_with("EwB"));
    assert!((1000..=2048).contains(&text(&tokens, "refresh_token").len()));
    assert!((3600..=5399).contains(&tokens["expires_in"].as_u64().unwrap()));
    assert_eq!(
        text(&tokens, "scope"),
        "openid profile email https://outlook.office.com/IMAP.AccessAsUser.All https://outlook.office.com/SMTP.Send"
    );
    assert!(tokens.get("client_info").is_none(), "only when asked for");
    assert_eq!(tokens_for(&sandbox, PERSONAL).await["expires_in"], 3600);
}

#[tokio::test]
async fn without_offline_access_and_openid_there_is_neither_refresh_token_nor_id_token() {
    let sandbox = start().await;
    let scope = "https://outlook.office.com/SMTP.Send";
    let back = soon(sandbox.sign_in(&authorize_url(&sandbox, "common", &[("scope", scope)]), SUPPORT)).await.unwrap();
    let code = parameter(&back, "code").unwrap();
    let tokens = token(&sandbox, &[("code", &code), ("scope", scope)]).await.json();
    assert!(tokens.get("refresh_token").is_none() && tokens.get("id_token").is_none());
    assert_eq!(text(&tokens, "scope"), scope);
}

#[tokio::test]
async fn a_code_is_good_once_for_ten_minutes_with_its_verifier_and_its_redirect_uri() {
    let sandbox = start().await;
    let code = code_for(&sandbox, SUPPORT).await;
    let refused = |answer: Http| (answer.status, answer.json()["error_codes"][0].as_u64().unwrap());
    assert_eq!(refused(token(&sandbox, &[("code", &code), ("code_verifier", "another")]).await), (400, 501_481));
    assert_eq!(refused(token(&sandbox, &[("code", &code), ("code_verifier", "")]).await), (400, 501_481));
    let other = [("code", code.as_str()), ("redirect_uri", "http://127.0.0.1:3000/elsewhere")];
    assert_eq!(refused(token(&sandbox, &other).await), (400, 500_112));
    assert_eq!(token(&sandbox, &[("code", &code)]).await.status, 200, "refusals do not use the code up");
    assert_eq!(refused(token(&sandbox, &[("code", &code)]).await), (400, 54_005));
    let late = code_for(&sandbox, SUPPORT).await;
    sandbox.advance(Duration::from_secs(601));
    assert_eq!(refused(token(&sandbox, &[("code", &late)]).await), (400, 70_008));
    assert_eq!(refused(token(&sandbox, &[("code", "nonsense")]).await), (400, 9_002_313));
}

#[tokio::test]
async fn an_error_body_has_microsofts_members_and_lines() {
    let sandbox = start().await;
    let answer = token(&sandbox, &[("code", "x"), ("client_secret", "wrong")]).await;
    assert_eq!(answer.status, 401);
    let body = answer.json();
    assert_eq!(text(&body, "error"), "invalid_client");
    assert_eq!(body["error_codes"], serde_json::json!([7_000_215]));
    let lines: Vec<&str> = text(&body, "error_description").split("\r\n").collect();
    assert!(lines[0].starts_with("AADSTS7000215: Invalid client secret provided."));
    assert_eq!(lines[1], format!("Trace ID: {}", text(&body, "trace_id")));
    assert_eq!(lines[2], format!("Correlation ID: {}", text(&body, "correlation_id")));
    assert_eq!(lines[3], format!("Timestamp: {}", text(&body, "timestamp")));
    assert_eq!(lines.len(), 4);
    assert!(text(&body, "error_uri").ends_with("/error?code=7000215"));
    let stamp = text(&body, "timestamp");
    assert!(stamp.len() == 20 && stamp.ends_with('Z') && stamp.as_bytes()[10] == b' ', "{stamp}");
}

#[tokio::test]
async fn the_clients_mistakes_have_their_numbers() {
    let sandbox = start().await;
    for (replaced, status, error, code) in [
        (vec![("client_secret", "")], 401, "invalid_client", 7_000_218),
        (vec![("client_id", "someone-else")], 400, "unauthorized_client", 700_016),
        (vec![("grant_type", "")], 400, "invalid_request", 900_144),
        (vec![("grant_type", "password")], 400, "unsupported_grant_type", 70_003),
        (vec![("code", "")], 400, "invalid_request", 900_144),
        (
            vec![
                ("code", "x"),
                ("scope", "https://outlook.office.com/SMTP.Send https://graph.microsoft.com/Mail.Send"),
            ],
            400,
            "invalid_request",
            28_000,
        ),
    ] {
        let answer = token(&sandbox, &replaced).await;
        let body = answer.json();
        assert_eq!((answer.status, text(&body, "error")), (status, error), "{replaced:?}");
        assert_eq!(body["error_codes"][0], code, "{replaced:?}");
    }
}

#[tokio::test]
async fn the_secret_may_come_by_basic_authentication() {
    let sandbox = start().await;
    let code = code_for(&sandbox, SUPPORT).await;
    let pair = format!("{}:{}", sandbox.client_id(), sandbox.client_secret().replace('~', "%7E"));
    let basic = format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(pair));
    let body = encoded(&[
        ("grant_type", "authorization_code"),
        ("code", &code),
        ("redirect_uri", REDIRECT),
        ("code_verifier", VERIFIER),
        ("scope", MAIL_SCOPE),
    ]);
    let headers = [("Content-Type", "application/x-www-form-urlencoded"), ("Authorization", basic.as_str())];
    let answer = http("POST", &format!("{}/common/oauth2/v2.0/token", sandbox.login_url()), &headers, &body).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
}

#[tokio::test]
async fn a_refresh_token_rotates_and_the_old_one_stays_valid() {
    let sandbox = start().await;
    let first = tokens_for(&sandbox, SUPPORT).await;
    let refresh = |refresh_token: String, scope: &'static str| {
        let sandbox = &sandbox;
        async move {
            token(sandbox, &[("grant_type", "refresh_token"), ("refresh_token", &refresh_token), ("scope", scope)])
                .await
        }
    };
    let scope = "https://outlook.office.com/IMAP.AccessAsUser.All offline_access";
    let old = text(&first, "refresh_token").to_owned();
    let second = refresh(old.clone(), scope).await.json();
    let new = text(&second, "refresh_token").to_owned();
    assert_ne!(old, new);
    assert_ne!(text(&first, "access_token"), text(&second, "access_token"));
    assert!(second.get("id_token").is_none(), "openid was not asked for");
    assert_eq!(refresh(old.clone(), scope).await.status, 200, "the old one is replaced, not revoked");
    assert_eq!(refresh(new.clone(), scope).await.status, 200);
    // Another resource with the same refresh token: nobody consented to it.
    let graph = refresh(new.clone(), "https://graph.microsoft.com/Mail.Send").await.json();
    assert_eq!((graph["error_codes"][0].as_u64(), text(&graph, "suberror")), (Some(65_001), "consent_required"));
    sandbox.faults().once(TokenFault::NoRefreshToken);
    assert!(refresh(new.clone(), scope).await.json().get("refresh_token").is_none());
    sandbox.faults().once(TokenFault::NoRotation);
    assert_eq!(text(&refresh(new.clone(), scope).await.json(), "refresh_token"), new);
}

#[tokio::test]
async fn refresh_tokens_die_of_revocation_of_idleness_and_with_the_account() {
    let sandbox = start().await;
    let tokens = tokens_for(&sandbox, SUPPORT).await;
    let personal = tokens_for(&sandbox, PERSONAL).await;
    let refresh = |tokens: &serde_json::Value| {
        let (sandbox, refresh_token) = (&sandbox, text(tokens, "refresh_token").to_owned());
        async move { token(sandbox, &[("grant_type", "refresh_token"), ("refresh_token", &refresh_token)]).await.json() }
    };
    sandbox.revoke_refresh_tokens(PERSONAL);
    let terse = refresh(&personal).await;
    assert_eq!(terse["error_codes"][0], 70_000);
    assert!(terse.get("error_uri").is_none(), "personal accounts' errors have no error_uri");
    sandbox.update_user(SUPPORT, |user| user.disabled = true);
    assert_eq!(refresh(&tokens).await["error_codes"][0], 50_057);
    sandbox.update_user(SUPPORT, |user| user.disabled = false);
    sandbox.withdraw_consent(SUPPORT);
    assert_eq!(text(&refresh(&tokens).await, "suberror"), "consent_required");
    sandbox.advance(Duration::from_secs(91 * 86_400));
    let idle = refresh(&tokens).await;
    assert_eq!((idle["error_codes"][0].as_u64(), text(&idle, "suberror")), (Some(700_082), "bad_token"));
    sandbox.revoke_refresh_tokens(SUPPORT);
    assert_eq!(refresh(&tokens).await["error_codes"][0], 50_173);
}

#[tokio::test]
async fn the_services_own_troubles_come_as_armed() {
    let sandbox = start().await;
    let at = Endpoint::Token;
    sandbox.faults().once(EndpointFault::HtmlUnavailable(at));
    let html = token(&sandbox, &[("code", "x")]).await;
    assert_eq!(html.status, 503);
    assert!(html.body.starts_with("<html>"));
    sandbox.faults().once(TokenFault::mfa_required());
    let mfa = token(&sandbox, &[("code", "x")]).await.json();
    assert_eq!(text(&mfa, "error"), "interaction_required");
    assert!(text(&mfa, "claims").starts_with("{\"access_token\""));
    sandbox.faults().once(TokenFault::temporarily_unavailable());
    assert_eq!(token(&sandbox, &[("code", "x")]).await.status, 503);
    sandbox.faults().once_for("someone@else.example", TokenFault::grant_revoked());
    let tokens = tokens_for(&sandbox, SUPPORT).await;
    assert!(tokens.get("refresh_token").is_some(), "a fault for somebody else waits for him");
    sandbox.faults().clear();

    sandbox.faults().once(TokenFault::AnswerLost);
    let code = code_for(&sandbox, SUPPORT).await;
    let lost = token(&sandbox, &[("code", &code)]).await;
    assert!(lost.body.is_empty(), "{lost:?}");
    assert_eq!(
        token(&sandbox, &[("code", &code)]).await.json()["error_codes"][0],
        54_005,
        "the code was used all the same"
    );
}

#[tokio::test]
async fn client_credentials_need_a_concrete_tenant_and_give_an_access_token_only() {
    let sandbox = start().await;
    let ask = |tenant: &'static str| {
        let sandbox = &sandbox;
        async move {
            let pairs = [
                ("client_id", sandbox.client_id()),
                ("client_secret", sandbox.client_secret()),
                ("grant_type", "client_credentials"),
                ("scope", "https://outlook.office365.com/.default"),
            ];
            post_form(&format!("{}/{tenant}/oauth2/v2.0/token", sandbox.login_url()), &pairs).await
        }
    };
    assert_eq!(ask("common").await.json()["error_codes"][0], 9_001_023);
    let tokens = ask(CONTOSO).await.json();
    let mut members: Vec<&str> = tokens.as_object().unwrap().keys().map(String::as_str).collect();
    members.sort_unstable();
    assert_eq!(members, ["access_token", "expires_in", "ext_expires_in", "token_type"]);
    let (mut imap, _) = Imap::open(&sandbox).await;
    let blob = xoauth2("sales@contoso.example", text(&tokens, "access_token"));
    let answer = imap.run(&format!("AUTHENTICATE XOAUTH2 {blob}")).await;
    assert!(answer[0].contains("OK AUTHENTICATE"), "the app opens a mailbox of its tenant: {answer:?}");
}

#[tokio::test]
async fn the_journal_counts_what_was_asked_without_a_token_in_it() {
    let sandbox = start().await;
    let tokens = tokens_for(&sandbox, SUPPORT).await;
    let events = sandbox.events();
    assert!(events.contains(&Event::SignedIn { user: SUPPORT.into() }));
    let requests: Vec<&Event> = events.iter().filter(|event| matches!(event, Event::TokenRequested { .. })).collect();
    assert!(
        matches!(requests[..], [Event::TokenRequested { grant_type, answered: Ok(()), .. }] if grant_type == "authorization_code")
    );
    assert!(!format!("{events:?}").contains(text(&tokens, "access_token")));
}
