//! What people change about themselves, as Chatwoot's clients do it.

use crate::world::{Answer, PASSWORD, World, assert_refusal};
use poem::http::Method;
use serde_json::{Value, json};

const EMAIL: &str = "admin@contoso.example";
const NEW_PASSWORD: &str = "another battery staple";

async fn put(world: &World, token: &str, profile: Value) -> Answer {
    world.json_as(token, Method::PUT, "/api/v1/profile", &json!({ "profile": profile })).await
}

/// The cookie of a browser that signed in.
async fn browser(world: &World) -> String {
    let signed_in = world.sign_in(EMAIL, &[("sec-fetch-site", "same-origin")]).await;
    signed_in.header("set-cookie").split(';').next().unwrap_or_default().to_owned()
}

async fn is_signed_in(world: &World, cookie: &str) -> bool {
    world.send(Method::GET, "/api/v1/profile", &[("cookie", cookie)], ()).await.status.as_u16() == 200
}

async fn signs_in_with(world: &World, email: &str, password: &str) -> u16 {
    let body = json!({"email": email, "password": password}).to_string();
    world.send(Method::POST, "/auth/sign_in", &[("content-type", "application/json")], body).await.status.as_u16()
}

#[tokio::test]
async fn names_change_without_a_password_and_null_or_nothing_clears_what_may_be_empty() {
    let world = World::new().await;
    let person = world.everywhere().await;
    let changed =
        put(&world, &person, json!({"name": " Ada Lovelace ", "display_name": "Ada", "message_signature": "Bye"}))
            .await;
    assert_eq!(changed.status.as_u16(), 200, "{}", changed.text);
    let shown = world.get("/api/v1/profile").await.json();
    assert_eq!(changed.json(), shown);
    assert_eq!((&shown["name"], &shown["available_name"]), (&json!("Ada Lovelace"), &json!("Ada")));
    assert_eq!(shown["message_signature"], "Bye");
    let cleared = put(&world, &person, json!({"display_name": null, "message_signature": ""})).await.json();
    assert_eq!((&cleared["display_name"], &cleared["message_signature"]), (&Value::Null, &Value::Null));
    assert_eq!((&cleared["name"], &cleared["available_name"]), (&json!("Ada Lovelace"), &json!("Ada Lovelace")));
    let nameless = put(&world, &person, json!({"name": "  "})).await;
    assert_refusal(&nameless, 422, "invalid");
    assert_eq!(nameless.json()["attributes"], json!(["name"]));
}

#[tokio::test]
async fn a_new_password_wants_the_current_one_and_ends_every_other_session() {
    let world = World::new().await;
    let (mine, other) = (browser(&world).await, browser(&world).await);
    let phone = world.sign_in(EMAIL, &[]).await;
    let change = |current: Value| {
        json!({"profile": {
            "password": NEW_PASSWORD, "password_confirmation": NEW_PASSWORD, "current_password": current,
        }})
    };
    let headers = [("cookie", mine.as_str()), ("content-type", "application/json"), ("sec-fetch-site", "same-origin")];
    for current in [json!("wrong password"), json!(""), Value::Null] {
        let refused = world.send(Method::PUT, "/api/v1/profile", &headers, change(current).to_string()).await;
        assert_refusal(&refused, 422, "invalid_current_password");
        assert_eq!(refused.json()["error"], "Invalid current password");
    }
    assert!(is_signed_in(&world, &other).await);
    let changed = world.send(Method::PUT, "/api/v1/profile", &headers, change(json!(PASSWORD)).to_string()).await;
    assert_eq!(changed.status.as_u16(), 200, "{}", changed.text);

    assert!(is_signed_in(&world, &mine).await, "the session that asked stays");
    assert!(!is_signed_in(&world, &other).await);
    let phone = [
        ("access-token", phone.header("access-token")),
        ("client", phone.header("client")),
        ("uid", phone.header("uid")),
    ];
    assert_refusal(&world.send(Method::GET, "/api/v1/profile", &phone, ()).await, 401, "invalid_access_token");
    assert_eq!(world.get("/api/v1/profile").await.status.as_u16(), 200, "an API token is no session");
    assert_eq!(signs_in_with(&world, EMAIL, PASSWORD).await, 401);
    assert_eq!(signs_in_with(&world, EMAIL, NEW_PASSWORD).await, 200);
}

#[tokio::test]
async fn a_password_that_is_too_short_or_typed_twice_differently_is_refused_before_anything_else() {
    let world = World::new().await;
    let person = world.everywhere().await;
    let short = put(&world, &person, json!({"password": "short", "current_password": PASSWORD})).await;
    assert_refusal(&short, 422, "invalid");
    assert_eq!(short.json()["attributes"], json!(["password"]));
    let differs = json!({"password": NEW_PASSWORD, "password_confirmation": "x", "current_password": PASSWORD});
    let differs = put(&world, &person, differs).await;
    assert_eq!(differs.json()["attributes"], json!(["password_confirmation"]), "{}", differs.text);
    assert_eq!(signs_in_with(&world, EMAIL, PASSWORD).await, 200);
}

#[tokio::test]
async fn the_current_password_cannot_be_guessed_at_will() {
    let world = World::new().await;
    let person = world.everywhere().await;
    let guess = json!({"password": NEW_PASSWORD, "current_password": "guess"});
    for _ in 0..5 {
        assert_refusal(&put(&world, &person, guess.clone()).await, 422, "invalid_current_password");
    }
    let right = put(&world, &person, json!({"password": NEW_PASSWORD, "current_password": PASSWORD})).await;
    assert_refusal(&right, 429, "too_many_requests");
    assert!(right.header("retry-after").parse::<u64>().is_ok_and(|seconds| seconds > 0));
    assert_eq!(signs_in_with(&world, EMAIL, NEW_PASSWORD).await, 401);
}

#[tokio::test]
async fn a_new_address_wants_the_password_and_must_be_free() {
    let world = World::new().await;
    let person = world.everywhere().await;
    // A client that sends the whole form sends the address that stays.
    assert_eq!(put(&world, &person, json!({"name": "Ada", "email": EMAIL})).await.status.as_u16(), 200);
    let new = "ada@contoso.example";
    assert_refusal(&put(&world, &person, json!({"email": new})).await, 422, "invalid_current_password");
    let taken = put(&world, &person, json!({"email": "Admin@Fabrikam.example", "current_password": PASSWORD})).await;
    assert_refusal(&taken, 422, "invalid");
    assert_eq!(taken.json()["message"], "Email has already been taken");
    let wrong = put(&world, &person, json!({"email": "no address", "current_password": PASSWORD})).await;
    assert_eq!(wrong.json()["attributes"], json!(["email"]));
    let changed = put(&world, &person, json!({"email": new, "current_password": PASSWORD})).await.json();
    assert_eq!((&changed["email"], &changed["uid"]), (&json!(new), &json!(new)));
    assert_eq!(signs_in_with(&world, EMAIL, PASSWORD).await, 401);
    assert_eq!(signs_in_with(&world, new, PASSWORD).await, 200);
}

#[tokio::test]
async fn a_form_as_a_browser_sends_it_changes_the_same() {
    let world = World::new().await;
    let person = world.everywhere().await;
    let part = |name: &str, value: &str| {
        format!("--b\r\nContent-Disposition: form-data; name=\"profile[{name}]\"\r\n\r\n{value}\r\n")
    };
    let parts = [
        part("name", "Ada"),
        part("email", EMAIL),
        part("display_name", ""),
        part("avatar", "not kept"),
        part("password", NEW_PASSWORD),
        part("password_confirmation", NEW_PASSWORD),
        part("current_password", PASSWORD),
    ];
    let headers = [("api_access_token", person.as_str()), ("content-type", "multipart/form-data; boundary=b")];
    let answer = world.send(Method::PUT, "/api/v1/profile", &headers, parts.concat() + "--b--\r\n").await;
    assert_eq!((answer.status.as_u16(), &answer.json()["name"]), (200, &json!("Ada")), "{}", answer.text);
    assert_eq!(signs_in_with(&world, EMAIL, NEW_PASSWORD).await, 200);
}

#[tokio::test]
async fn ones_place_in_an_account_changes_and_another_account_is_not_there() {
    let world = World::new().await;
    let account = world.ours.account_id.0;
    let send = async |method: Method, path: &str, profile: Value| {
        world.json(method, &format!("/api/v1/profile/{path}"), &json!({ "profile": profile })).await
    };
    let busy = send(Method::POST, "availability", json!({"account_id": account, "availability": "busy"})).await.json();
    assert_eq!(busy["accounts"][0]["availability_status"], "busy", "{busy}");
    let stays = send(Method::POST, "auto_offline", json!({"account_id": account, "auto_offline": false})).await.json();
    assert_eq!(stays["accounts"][0]["auto_offline"], false, "{stays}");
    assert_eq!(stays["accounts"][0]["active_at"], Value::Null);
    let active = send(Method::PUT, "set_active_account", json!({"account_id": account})).await.json();
    assert!(active["accounts"][0]["active_at"].is_string(), "{active}");
    assert_eq!(active["account_id"], account);
    for id in [world.theirs.account_id.0, 987_654] {
        let foreign = send(Method::PUT, "set_active_account", json!({"account_id": id})).await;
        assert_refusal(&foreign, 404, "not_found");
    }
}

/// Somebody's token for one account may leak there; the person is in others too.
#[tokio::test]
async fn a_token_for_one_account_does_not_change_the_person() {
    let world = World::new().await;
    for change in [
        json!({"name": "Mallory"}),
        json!({"display_name": "Mallory"}),
        json!({"message_signature": "Buy at evil.example"}),
        json!({"ui_settings": {"a": 1}}),
        json!({"password": NEW_PASSWORD, "current_password": PASSWORD}),
        json!({"email": "mallory@evil.example", "current_password": PASSWORD}),
    ] {
        let refused = put(&world, world.ours.access_token.expose(), change.clone()).await;
        assert_refusal(&refused, 403, "forbidden");
    }
    let shown = world.get("/api/v1/profile").await.json();
    assert_eq!((&shown["email"], &shown["message_signature"]), (&json!(EMAIL), &Value::Null));
    assert_eq!(signs_in_with(&world, EMAIL, PASSWORD).await, 200);
}
