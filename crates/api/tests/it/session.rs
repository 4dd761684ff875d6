//! Signing in as a page of ours, as the mobile app, and too often.

use crate::world::{PASSWORD, World, assert_refusal};
use poem::http::Method;
use serde_json::json;

const EMAIL: &str = "admin@contoso.example";
const SAME_ORIGIN: (&str, &str) = ("sec-fetch-site", "same-origin");

#[tokio::test]
async fn an_api_token_works_as_its_own_header_and_as_a_bearer_token() {
    let world = World::new().await;
    let token = world.ours.access_token.expose().to_owned();
    let bearer = format!("bearer {token}");
    for header in [("api_access_token", token.as_str()), ("authorization", bearer.as_str())] {
        let answer = world.send(Method::GET, "/api/v1/profile", &[header], ()).await;
        assert_eq!(answer.status.as_u16(), 200, "{}", answer.text);
        let profile = answer.json();
        assert_eq!((&profile["email"], &profile["role"]), (&json!(EMAIL), &json!("administrator")));
        assert_eq!(profile["account_id"], json!(world.ours.account_id.0));
        assert!(profile["access_token"].is_null() && !answer.text.contains(&token));
    }
}

#[tokio::test]
async fn the_mobile_app_signs_in_with_headers_and_must_send_all_three() {
    let world = World::new().await;
    let signed_in = world.sign_in(EMAIL, &[]).await;
    assert_eq!(signed_in.status.as_u16(), 200, "{}", signed_in.text);
    assert_eq!(signed_in.json()["data"]["email"], EMAIL);
    assert_eq!((signed_in.header("uid"), signed_in.header("token-type")), (EMAIL, "Bearer"));
    assert_eq!(signed_in.header("set-cookie"), "", "no cookie for who is no page of ours");
    assert!(signed_in.header("expiry").parse::<i64>().is_ok());
    let (token, client) = (signed_in.header("access-token"), signed_in.header("client"));
    let all = [("access-token", token), ("client", client), ("uid", EMAIL)];
    let valid = world.send(Method::GET, "/auth/validate_token", &all, ()).await;
    assert_eq!(valid.json()["payload"]["success"], true, "{}", valid.text);
    for left_out in 1..3 {
        let some: Vec<_> = all.iter().copied().enumerate().filter(|(i, _)| *i != left_out).map(|(_, h)| h).collect();
        assert_refusal(&world.send(Method::GET, "/api/v1/profile", &some, ()).await, 401, "invalid_access_token");
    }
    let as_api = world.send(Method::GET, "/api/v1/profile", &[("api_access_token", token)], ()).await;
    assert_refusal(&as_api, 401, "invalid_access_token");
    assert_eq!(world.send(Method::DELETE, "/auth/sign_out", &all, ()).await.json()["success"], true);
    assert_refusal(&world.send(Method::GET, "/api/v1/profile", &all, ()).await, 401, "invalid_access_token");
}

#[tokio::test]
async fn a_page_of_ours_gets_a_cookie_that_changes_things_from_our_pages_only() {
    let world = World::new().await;
    let signed_in = world.sign_in(EMAIL, &[SAME_ORIGIN]).await;
    assert_eq!(signed_in.header("access-token"), "", "no token that a script could read");
    let cookie = signed_in.header("set-cookie");
    assert!(cookie.starts_with("postroom_session=") && cookie.contains("; HttpOnly; SameSite=Lax"), "{cookie}");
    assert!(!cookie.contains("Secure"), "FRONTEND_URL is http here");
    let cookie = ("cookie", cookie.split(';').next().unwrap_or_default());
    let read = world.send(Method::GET, "/api/v1/profile", &[cookie, ("sec-fetch-site", "cross-site")], ()).await;
    assert_eq!(read.status.as_u16(), 200, "{}", read.text);
    let agent = json!({"name": "Ada", "email": "ada@contoso.example"}).to_string();
    let content = ("content-type", "application/json");
    for from in [("sec-fetch-site", "cross-site"), ("origin", "https://evil.example"), ("x-nothing", "said")] {
        let refused = world.send(Method::POST, "~/agents", &[cookie, content, from], agent.clone()).await;
        assert_refusal(&refused, 403, "cross_site");
    }
    for from in [("origin", "http://desk.example:3000"), SAME_ORIGIN] {
        let answer = world.send(Method::POST, "~/agents", &[cookie, content, from], agent.clone()).await;
        assert!(matches!(answer.status.as_u16(), 200 | 422), "{}", answer.text);
    }
    let out = world.send(Method::DELETE, "/auth/sign_out", &[cookie, SAME_ORIGIN], ()).await;
    assert!(out.header("set-cookie").contains("Max-Age=0"), "{}", out.header("set-cookie"));
    assert_refusal(&world.send(Method::GET, "/api/v1/profile", &[cookie], ()).await, 401, "not_signed_in");
}

#[tokio::test]
async fn over_https_the_cookie_is_bound_to_this_host() {
    let world = World::under("https://desk.example/").await;
    let signed_in = world.sign_in(EMAIL, &[SAME_ORIGIN]).await;
    let cookie = signed_in.header("set-cookie");
    assert!(cookie.starts_with("__Host-postroom_session=") && cookie.ends_with("; Secure"), "{cookie}");
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_person_are_told_the_same_until_it_is_too_often() {
    let world = World::new().await;
    let content = [("content-type", "application/json")];
    let mut said = Vec::new();
    for (email, password) in [(EMAIL, "wrong"), ("nobody@contoso.example", PASSWORD), ("no address", PASSWORD)] {
        let body = json!({"email": email, "password": password}).to_string();
        let answer = world.send(Method::POST, "/auth/sign_in", &content, body).await;
        assert_refusal(&answer, 401, "invalid_login");
        said.push(answer.json()["error"].clone());
    }
    assert!(said.windows(2).all(|pair| pair[0] == pair[1]), "{said:?}");
    let wrong = json!({"email": EMAIL, "password": "wrong"}).to_string();
    let mut last = None;
    for _ in 0..20 {
        let answer = world.send(Method::POST, "/auth/sign_in", &content, wrong.clone()).await;
        if answer.status.as_u16() == 429 {
            last = Some(answer);
            break;
        }
    }
    let throttled = last.expect("a limit");
    assert_refusal(&throttled, 429, "too_many_requests");
    assert!(throttled.header("retry-after").parse::<u64>().is_ok_and(|seconds| seconds > 0));
    let right = world.sign_in(EMAIL, &[]).await;
    assert_refusal(&right, 429, "too_many_requests");
}
