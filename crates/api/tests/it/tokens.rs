//! API tokens, sessions, and what a page remembers for a person.

use crate::world::{Answer, World, assert_refusal};
use poem::http::Method;
use serde_json::{Value, json};

const ADMIN: &str = "admin@contoso.example";
const TOKENS: &str = "/api/v1/profile/access_tokens";
const SESSIONS: &str = "/api/v1/profile/sessions";

/// An app's three headers.
async fn app_session(world: &World) -> Vec<(String, String)> {
    let signed_in = world.sign_in(ADMIN, &[("user-agent", "Pocket/1.0")]).await;
    ["access-token", "client", "uid"].map(|name| (name.to_owned(), signed_in.header(name).to_owned())).into()
}

async fn as_app(world: &World, session: &[(String, String)], method: Method, path: &str, body: Value) -> Answer {
    let mut headers: Vec<(&str, &str)> = session.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    headers.push(("content-type", "application/json"));
    world.send(method, path, &headers, body.to_string()).await
}

async fn status_of(world: &World, token: &str) -> u16 {
    world.send(Method::GET, "/api/v1/profile", &[("api_access_token", token)], ()).await.status.as_u16()
}

#[tokio::test]
async fn a_token_is_shown_once_listed_without_its_text_and_ends_when_it_is_revoked() {
    let world = World::new().await;
    let session = app_session(&world).await;
    let made = as_app(&world, &session, Method::POST, TOKENS, json!({"name": " ci "})).await;
    assert_eq!(made.status.as_u16(), 200, "{}", made.text);
    let text = made.json()["access_token"].as_str().expect("shown once").to_owned();
    assert_eq!(made.json()["token"]["name"], "ci");
    assert_eq!(status_of(&world, &text).await, 200);

    let listed = as_app(&world, &session, Method::GET, TOKENS, Value::Null).await;
    assert!(!listed.text.contains(&text) && !listed.text.contains("hash"), "{}", listed.text);
    let listed = listed.json();
    // The newest first; the other one is the account's first, which `account create` made.
    assert_eq!(listed["payload"][0]["id"], made.json()["token"]["id"]);
    assert!(listed["payload"][0]["last_used_at"].is_i64(), "{listed}");
    assert_eq!(listed["payload"].as_array().map(Vec::len), Some(2));
    let path = format!("{TOKENS}/{}", made.json()["token"]["id"]);
    assert_eq!(as_app(&world, &session, Method::DELETE, &path, Value::Null).await.status.as_u16(), 200);
    assert_eq!(status_of(&world, &text).await, 401);
    assert_refusal(&as_app(&world, &session, Method::DELETE, &path, Value::Null).await, 404, "not_found");
}

#[tokio::test]
async fn nobody_ends_anothers_token_or_session_and_a_session_is_no_token() {
    let world = World::new().await;
    let (mine, other) = (app_session(&world).await, app_session(&world).await);
    let sessions = as_app(&world, &mine, Method::GET, SESSIONS, Value::Null).await.json();
    let sessions = sessions["payload"].as_array().expect("a list").clone();
    assert_eq!(sessions.len(), 2);
    assert_eq!((&sessions[0]["current"], &sessions[1]["current"]), (&json!(false), &json!(true)));
    assert_eq!((&sessions[0]["kind"], &sessions[0]["user_agent"]), (&json!("app"), &json!("Pocket/1.0")));
    let theirs = world.theirs.access_token.expose();
    for path in [format!("{SESSIONS}/{}", sessions[0]["id"]), format!("{TOKENS}/{}", sessions[0]["id"])] {
        let asked = world.json_as(theirs, Method::DELETE, &path, &Value::Null).await;
        assert!(matches!(asked.status.as_u16(), 403 | 404), "{path}: {}", asked.text);
    }
    let as_token = format!("{TOKENS}/{}", sessions[0]["id"]);
    assert_refusal(&as_app(&world, &mine, Method::DELETE, &as_token, Value::Null).await, 404, "not_found");
    let own = format!("{SESSIONS}/{}", sessions[1]["id"]);
    assert_refusal(&as_app(&world, &mine, Method::DELETE, &own, Value::Null).await, 422, "current_session");
    let end = format!("{SESSIONS}/{}", sessions[0]["id"]);
    assert_eq!(as_app(&world, &mine, Method::DELETE, &end, Value::Null).await.status.as_u16(), 200);
    assert_eq!(as_app(&world, &other, Method::GET, SESSIONS, Value::Null).await.status.as_u16(), 401);
    assert_eq!(as_app(&world, &mine, Method::GET, SESSIONS, Value::Null).await.status.as_u16(), 200);
}

#[tokio::test]
async fn a_token_gives_no_more_than_whoever_asks_for_it_has() {
    let (world, pass) = World::where_time_passes(|_| {}).await;
    let session = app_session(&world).await;
    let now = world.app.now().seconds();
    // One for an account that ends in an hour.
    let asked = json!({"account_id": world.ours.account_id.0, "expires_at": now + 3600});
    let short = as_app(&world, &session, Method::POST, TOKENS, asked).await.json();
    let short = short["access_token"].as_str().expect("a token").to_owned();
    for (asked, field) in [
        (json!({"expires_at": now + 3601}), "expires_at"),
        (json!({}), "expires_at"),
        (json!({"account_id": world.theirs.account_id.0, "expires_at": now + 10}), "account_id"),
        (json!({"account_id": 987_654, "expires_at": now + 10}), "account_id"),
    ] {
        let refused = world.json_as(&short, Method::POST, TOKENS, &asked).await;
        assert_refusal(&refused, 422, "invalid");
        assert_eq!(refused.json()["attributes"], json!([field]), "{asked}");
    }
    let child = world.json_as(&short, Method::POST, TOKENS, &json!({"expires_at": now + 3600})).await.json();
    assert_eq!(child["token"]["account_id"], world.ours.account_id.0, "not for all accounts");
    let seen = world.json_as(&short, Method::GET, TOKENS, &Value::Null).await.json();
    for token in seen["payload"].as_array().expect("a list") {
        assert_eq!(token["account_id"], world.ours.account_id.0);
    }
    assert_refusal(&world.json_as(&short, Method::GET, SESSIONS, &Value::Null).await, 403, "forbidden");
    pass(3601);
    assert_eq!(status_of(&world, &short).await, 401);
    assert_eq!(status_of(&world, child["access_token"].as_str().expect("a token")).await, 401);
}

#[tokio::test]
async fn what_is_asked_of_a_token_is_checked() {
    let world = World::new().await;
    for (body, status) in [
        (json!({"name": ""}), 400),
        (json!({"name": "x".repeat(256)}), 400),
        (json!({"name": "   "}), 422),
        (json!({"name": 5}), 400),
        (json!({"expires_at": 1}), 422),
        (json!({"expires_at": -1}), 400),
        (json!({"expires_at": "tomorrow"}), 400),
    ] {
        let answer = world.json(Method::POST, TOKENS, &body).await;
        assert_eq!(answer.status.as_u16(), status, "{body}: {}", answer.text);
    }
    // The first is the account's own.
    for n in 1..100 {
        let made = world.json(Method::POST, TOKENS, &json!({})).await;
        assert_eq!(made.status.as_u16(), 200, "{n}: {}", made.text);
    }
    assert_refusal(&world.json(Method::POST, TOKENS, &json!({})).await, 422, "access_tokens_limit_reached");
}

#[tokio::test]
async fn resetting_the_token_ends_the_one_before_it_and_no_other() {
    let world = World::new().await;
    let session = app_session(&world).await;
    const RESET: &str = "/api/v1/profile/reset_access_token";
    let reset = as_app(&world, &session, Method::POST, RESET, Value::Null).await.json();
    let first = reset["access_token"].as_str().expect("shown once").to_owned();
    assert_eq!(reset["email"], ADMIN);
    assert_eq!(status_of(&world, &first).await, 200);
    let second = as_app(&world, &session, Method::POST, RESET, Value::Null).await.json();
    let second = second["access_token"].as_str().expect("shown once").to_owned();
    assert_eq!((status_of(&world, &first).await, status_of(&world, &second).await), (401, 200));
    assert_eq!(status_of(&world, world.ours.access_token.expose()).await, 200, "made another way");
    // A program that asks with its token goes on with the new one.
    let third = world.json_as(&second, Method::POST, RESET, &Value::Null).await.json();
    assert_eq!(status_of(&world, &second).await, 401);
    assert_eq!(status_of(&world, third["access_token"].as_str().expect("a token")).await, 200);
    assert_eq!(world.get("/api/v1/profile").await.json()["access_token"], Value::Null);
}

#[tokio::test]
async fn a_page_remembers_what_it_wants_for_a_person_within_bounds() {
    let world = World::new().await;
    let person = world.everywhere().await;
    let put = async |settings: Value| {
        world.json_as(&person, Method::PUT, "/api/v1/profile", &json!({"profile": {"ui_settings": settings}})).await
    };
    let settings = json!({"dark": true, "list": {"width": 320}});
    assert_eq!(put(settings.clone()).await.json()["ui_settings"], settings);
    assert_eq!(world.get("/api/v1/profile").await.json()["ui_settings"], settings);
    // Somebody who changes their name forgets nothing.
    world.json_as(&person, Method::PUT, "/api/v1/profile", &json!({"profile": {"name": "Ada"}})).await;
    let signed_in = world.sign_in(ADMIN, &[]).await.json();
    assert_eq!(signed_in["data"]["ui_settings"], settings);
    assert_eq!(put(json!({"other": 1})).await.json()["ui_settings"], json!({"other": 1}), "replaced, as Chatwoot does");
    for wrong in [json!([1]), json!("text"), json!(5)] {
        assert_eq!(put(wrong.clone()).await.status.as_u16(), 400, "{wrong}");
    }
    let large = put(json!({"x": "y".repeat(16 * 1024)})).await;
    assert_refusal(&large, 422, "invalid");
    assert_eq!(large.json()["attributes"], json!(["ui_settings"]));
    let theirs = [("api_access_token", world.theirs.access_token.expose())];
    let theirs = world.send(Method::GET, "/api/v1/profile", &theirs, ()).await;
    assert_eq!(theirs.json()["ui_settings"], json!({}));
}
