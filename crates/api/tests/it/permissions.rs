//! Nobody, strangers, agents and administrators, against every operation of the document.

use crate::world::{World, assert_refusal};
use poem::http::Method;
use serde_json::{Value, json};

/// Every operation of an account, with 1 for every id.
fn operations() -> Vec<(Method, String)> {
    let document: Value = serde_json::from_str(&api::openapi_json()).expect("the document");
    let mut found = Vec::new();
    for (path, methods) in document["paths"].as_object().expect("paths") {
        for method in methods.as_object().expect("methods").keys() {
            found.push((method.to_uppercase().parse().expect("a method"), path.clone()));
        }
    }
    assert!(found.len() > 30, "{}", found.len());
    found
}

/// Those that answer without a credential, on purpose.
const OPEN: &[&str] = &["/auth/sign_in", "/auth/password", "/api"];

fn filled(path: &str, account: i64) -> String {
    let path = path.replace("{account_id}", &account.to_string());
    let mut parts = path.split('{');
    let mut filled = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        filled.push('1');
        filled.push_str(part.split_once('}').map_or("", |(_, rest)| rest));
    }
    filled
}

#[tokio::test]
async fn nobody_gets_anything() {
    // More calls than a stranger's minute has.
    let world = World::in_one_minute(|settings| settings.calls_per_minute = 1_000_000).await;
    for (method, path) in operations() {
        if OPEN.contains(&path.as_str()) {
            continue;
        }
        let path = filled(&path, world.ours.account_id.0);
        let json = [("content-type", "application/json")];
        assert_refusal(&world.send(method.clone(), &path, &json, "{}").await, 401, "not_signed_in");
        for credential in
            [("api_access_token", "nonsense"), ("authorization", "Bearer nonsense"), ("access-token", "nonsense")]
        {
            let answer = world.send(method.clone(), &path, &[credential, json[0]], "{}").await;
            assert_refusal(&answer, 401, "invalid_access_token");
        }
    }
}

#[tokio::test]
async fn another_tenants_account_answers_like_one_that_does_not_exist() {
    let world = World::new().await;
    let stranger = world.theirs.access_token.expose();
    for (method, path) in operations() {
        if !path.contains("{account_id}") {
            continue;
        }
        // Bodies that are well-formed, so that nothing but the account can be the reason.
        let mut body = json!({
            "name": "n", "email": "a@b.example", "part": "fetch", "inbox_id": 1, "user_ids": [1],
            "content": "c", "status": "open", "assignee_id": 1, "sent": true, "title": "t", "labels": [], "query": {},
            "custom_attributes": {}, "draft_message": {}, "type": "Conversation", "ids": [], "emails": ["a@b.example"],
            "base_contact_id": 1, "mergee_contact_id": 2, "attribute_display_name": "n", "attribute_key": "k",
            "payload": [{"attribute_key": "name", "filter_operator": "is_present", "values": []}],
            "typing_status": "on", "viewing": true, "send_transport": "smtp", "from_address": "a@b.example", "mailbox": "a@b.example", "snoozed_until": 4_102_444_800_i64, "notification_settings": {},
        });
        if path.ends_with("/notifications/destroy_all") {
            body["type"] = json!("all");
        }
        if path.ends_with("/destroy_custom_attributes") {
            body["custom_attributes"] = json!([]);
        }
        if path.ends_with("/bulk_actions") {
            body["labels"] = json!({});
        }
        // What is looked for must be said.
        let path = if path.contains("/search") { format!("{path}?q=words") } else { path };
        let ours = world.json_as(stranger, method.clone(), &filled(&path, world.ours.account_id.0), &body).await;
        assert_refusal(&ours, 404, "not_found");
        let none = world.json_as(stranger, method.clone(), &filled(&path, 4242), &body).await;
        let without_id = |answer: &crate::world::Answer| {
            let mut body = answer.json();
            body["request_id"] = Value::Null;
            body
        };
        assert_eq!((ours.status, without_id(&ours)), (none.status, without_id(&none)), "{method} {path}");
    }
}

#[tokio::test]
async fn an_agent_who_is_no_administrator_is_forbidden_to_manage() {
    let world = World::new().await;
    let new = json!({"name": "Agent", "email": "agent@contoso.example", "role": "agent", "auto_offline": false, "password": crate::world::PASSWORD});
    let made = world.json(Method::POST, "~/agents", &new).await;
    assert_eq!((made.status.as_u16(), &made.json()["role"]), (200, &json!("agent")), "{}", made.text);
    assert_eq!(made.json()["auto_offline"], false);
    let signed_in = world.sign_in("agent@contoso.example", &[]).await;
    let headers = [
        ("access-token", signed_in.header("access-token").to_owned()),
        ("client", signed_in.header("client").to_owned()),
        ("uid", signed_in.header("uid").to_owned()),
        ("content-type", "application/json".to_owned()),
    ];
    let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let forbidden = [
        (Method::POST, "~/agents", json!({"name": "x", "email": "x@contoso.example"})),
        (Method::PATCH, "~/agents/1", json!({"role": "administrator"})),
        (Method::DELETE, "~/agents/1", json!({})),
        (Method::POST, "~/microsoft/authorization", json!({})),
        (Method::GET, "~/connections/1", json!({})),
        (Method::DELETE, "~/contacts/1", json!({})),
        (Method::POST, "~/custom_attribute_definitions", json!({"attribute_display_name": "n", "attribute_key": "k"})),
    ];
    for (method, path, body) in forbidden {
        let answer = world.send(method, path, &headers, body.to_string()).await;
        assert_refusal(&answer, 403, "forbidden");
        assert_eq!(answer.json()["error"], "You are not authorized to do this action");
    }
    let list = world.send(Method::GET, "~/agents", &headers, ()).await;
    assert_eq!(list.json().as_array().map(Vec::len), Some(2), "a bare list: {}", list.text);
    let availability = json!({"availability": "busy"}).to_string();
    let own = format!("~/agents/{}", made.json()["id"]);
    let answer = world.send(Method::PATCH, &own, &headers, availability).await;
    assert_eq!(answer.json()["availability_status"], "busy", "{}", answer.text);
}

#[tokio::test]
async fn an_agent_who_has_no_password_yet_is_not_confirmed() {
    let world = World::new().await;
    let new = json!({"name": "Invited", "email": "invited@contoso.example", "role": "agent"});
    let made = world.json(Method::POST, "~/agents", &new).await;
    assert_eq!((made.status.as_u16(), &made.json()["confirmed"]), (200, &json!(false)), "{}", made.text);
    let list = world.get("~/agents").await.json();
    for agent in list.as_array().expect("a bare list") {
        assert_eq!(agent["confirmed"], json!(agent["email"] != "invited@contoso.example"), "{agent}");
    }
}
