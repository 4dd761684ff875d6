//! The account, and how people come to a password, as the API shows it.

use crate::world::{Answer, PASSWORD, World, assert_refusal};
use app::{MailRelay, SystemMailer, TlsMode};
use domain::{EmailAddress, Mailbox};
use poem::http::Method;
use serde_json::{Value, json};

const GRACE: &str = "grace@contoso.example";

/// With a mailer that is never reached: nothing here sends.
async fn with_mailer() -> World {
    World::in_one_minute(|settings| {
        let endpoint = net::Endpoint::new("127.0.0.1", 9, TlsMode::None);
        let address = EmailAddress::parse("desk@contoso.example").expect("an address");
        let relay = MailRelay { endpoint, hello: None, password: None };
        settings.mailer = Some(SystemMailer { relay, from: Mailbox::bare(address) });
    })
    .await
}

async fn post(world: &World, path: &str, body: &Value) -> Answer {
    world.send(Method::POST, path, &[("content-type", "application/json")], body.to_string()).await
}

async fn put(world: &World, headers: &[(&str, &str)], body: &Value) -> Answer {
    let mut all = vec![("content-type", "application/json")];
    all.extend_from_slice(headers);
    world.send(Method::PUT, "/auth/password", &all, body.to_string()).await
}

/// The token in the link that an administrator is shown.
async fn invited(world: &World, email: &str) -> String {
    let made = world.json(Method::POST, "~/agents", &json!({"name": "Grace", "email": email})).await.json();
    assert_eq!(made["confirmed"], false);
    let link = made["invitation_url"].as_str().expect("a link").to_owned();
    let (page, token) = link.split_once("?reset_password_token=").expect("a token");
    assert_eq!(page, "http://desk.example:3000/app/auth/password/edit");
    token.to_owned()
}

#[tokio::test]
async fn the_answer_to_who_forgot_a_password_tells_nobody_who_is_here() {
    let world = with_mailer().await;
    let mut answers = Vec::new();
    for email in ["admin@contoso.example", "nobody@contoso.example", "no address at all", ""] {
        let answer = post(&world, "/auth/password", &json!({ "email": email })).await;
        answers.push((answer.status.as_u16(), answer.text.clone()));
    }
    assert!(answers.iter().all(|answer| *answer == answers[0] && answer.0 == 200), "{answers:?}");
    for _ in 1..5 {
        post(&world, "/auth/password", &json!({"email": "nobody@contoso.example"})).await;
    }
    let limited = post(&world, "/auth/password", &json!({"email": "Nobody@contoso.example"})).await;
    assert_refusal(&limited, 429, "too_many_requests");
    assert!(limited.header("retry-after").parse::<u64>().is_ok_and(|seconds| seconds > 60));
    for wrong in [json!({}), json!({"email": 5}), json!({"email": "x".repeat(321)}), json!({"email": "a\0b"})] {
        assert_eq!(post(&world, "/auth/password", &wrong).await.status.as_u16(), 400, "{wrong}");
    }
    let without = World::new().await;
    for email in ["admin@contoso.example", "nobody@contoso.example"] {
        assert_refusal(&post(&without, "/auth/password", &json!({ "email": email })).await, 422, "no_mailer");
    }
}

#[tokio::test]
async fn a_link_sets_a_password_once_and_signs_in() {
    let world = World::new().await;
    let token = invited(&world, GRACE).await;
    let set = |token: &str, password: &str, again: &str| json!({"reset_password_token": token, "password": password, "password_confirmation": again});
    for (body, field) in [
        (set("made-up", PASSWORD, PASSWORD), "reset_password_token"),
        (set("", PASSWORD, PASSWORD), "reset_password_token"),
        (set(&token, "short", "short"), "password"),
        (set(&token, PASSWORD, "another one"), "password_confirmation"),
    ] {
        let refused = put(&world, &[], &body).await;
        assert_refusal(&refused, 422, "invalid");
        assert_eq!(refused.json()["attributes"], json!([field]));
        assert!(refused.header("set-cookie").is_empty() && refused.header("access-token").is_empty());
    }
    let app = put(&world, &[], &set(&token, PASSWORD, PASSWORD)).await;
    assert_eq!((app.status.as_u16(), &app.json()["data"]["email"]), (200, &json!(GRACE)), "{}", app.text);
    assert_eq!((app.header("uid"), app.header("set-cookie")), (GRACE, ""));
    assert!(!app.header("access-token").is_empty() && !app.text.contains(&token));
    assert_refusal(&put(&world, &[], &set(&token, PASSWORD, PASSWORD)).await, 422, "invalid");
    assert_eq!(world.sign_in(GRACE, &[]).await.status.as_u16(), 200);

    let token = invited(&world, "alan@contoso.example").await;
    let page = put(&world, &[("sec-fetch-site", "same-origin")], &set(&token, PASSWORD, PASSWORD)).await;
    assert!(page.header("set-cookie").contains("HttpOnly") && page.header("access-token").is_empty());
    let agents = world.get("~/agents").await.json();
    for agent in agents.as_array().expect("a bare list") {
        assert_eq!((&agent["confirmed"], agent.get("invitation_url")), (&json!(true), None), "{agent}");
    }
}

#[tokio::test]
async fn many_are_invited_at_once_and_one_that_is_wrong_keeps_out_no_other() {
    let world = World::new().await;
    let emails = json!({"emails": ["a@contoso.example", "no address", "admin@contoso.example", "b@contoso.example"]});
    let made = world.json(Method::POST, "~/agents/bulk_create", &emails).await;
    assert_eq!(made.status.as_u16(), 200, "{}", made.text);
    let made = made.json();
    let names: Vec<&Value> = made["payload"].as_array().expect("a list").iter().map(|one| &one["name"]).collect();
    assert_eq!(names, ["a", "b"]);
    assert_eq!(made["refused"][0], json!({"email": "no address", "code": "invalid", "message": "Email is invalid"}));
    assert_eq!(made["refused"][1]["message"], "Email has already been taken");
    let many: Vec<String> = (0..101).map(|n| format!("a{n}@x.example")).collect();
    for wrong in [json!({ "emails": many }), json!({"emails": []}), json!({})] {
        assert_eq!(world.json(Method::POST, "~/agents/bulk_create", &wrong).await.status.as_u16(), 400);
    }
    let again = format!("~/agents/{}/resend_invitation", made["payload"][0]["id"]);
    let again = world.json(Method::POST, &again, &Value::Null).await.json();
    assert!(again["invitation_url"].is_string(), "{again}");
    let own = world.get("/api/v1/profile").await.json()["id"].clone();
    let own = world.json(Method::POST, &format!("~/agents/{own}/resend_invitation"), &Value::Null).await;
    assert_refusal(&own, 422, "already_confirmed");
    let unknown = world.json(Method::POST, "~/agents/987654/resend_invitation", &Value::Null).await;
    assert_refusal(&unknown, 404, "not_found");
}

#[tokio::test]
async fn everybody_sees_the_account_and_administrators_change_it() {
    let world = World::new().await;
    let shown = world.get("~").await.json();
    assert_eq!(
        (&shown["name"], &shown["locale"], &shown["status"]),
        (&json!("Contoso"), &json!("en"), &json!("active"))
    );
    let change = json!({"name": " Contoso Ltd ", "locale": "pt_BR", "domain": "contoso.example", "support_email": "help@contoso.example"});
    let changed = world.json(Method::PATCH, "~", &change).await;
    assert_eq!(changed.status.as_u16(), 200, "{}", changed.text);
    assert_eq!(changed.json(), world.get("~").await.json());
    assert_eq!(
        (&changed.json()["name"], &changed.json()["domain"]),
        (&json!("Contoso Ltd"), &json!("contoso.example"))
    );
    let cleared = world.json(Method::PATCH, "~", &json!({"domain": null, "support_email": ""})).await.json();
    assert_eq!(
        (&cleared["domain"], &cleared["support_email"], &cleared["name"]),
        (&Value::Null, &Value::Null, &json!("Contoso Ltd"))
    );
    for (wrong, field) in [
        (json!({"name": " "}), "name"),
        (json!({"locale": "English"}), "locale"),
        (json!({"domain": "x y"}), "domain"),
        (json!({"support_email": "nobody"}), "support_email"),
    ] {
        let refused = world.json(Method::PATCH, "~", &wrong).await;
        assert_refusal(&refused, 422, "invalid");
        assert_eq!(refused.json()["attributes"], json!([field]));
    }
    let agent = json!({"name": "Bob", "email": "bob@contoso.example", "password": PASSWORD});
    world.json(Method::POST, "~/agents", &agent).await;
    let signed_in = world.sign_in("bob@contoso.example", &[]).await;
    let mut headers: Vec<(&str, &str)> =
        ["access-token", "client", "uid"].iter().map(|name| (*name, signed_in.header(name))).collect();
    headers.push(("content-type", "application/json"));
    assert_eq!(world.send(Method::GET, "~", &headers, ()).await.status.as_u16(), 200);
    assert_refusal(&world.send(Method::PATCH, "~", &headers, "{\"name\": \"x\"}").await, 403, "forbidden");
    assert_refusal(
        &world.send(Method::POST, "~/agents/bulk_create", &headers, "{\"emails\": [\"a@x.example\"]}").await,
        403,
        "forbidden",
    );
}
