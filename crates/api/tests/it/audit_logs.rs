//! What administrators did is told with who, what, and from where; and never with what must not be told.

use crate::desk::{Desk, desk};
use crate::world::assert_refusal;
use poem::http::Method;
use serde_json::{Value, json};

const POST: Method = Method::POST;
const PATCH: Method = Method::PATCH;
const DELETE: Method = Method::DELETE;

async fn log(desk: &Desk) -> Vec<Value> {
    let page = desk.world.get("~/audit_logs").await;
    assert_eq!(page.status.as_u16(), 200, "{}", page.text);
    page.json()["audit_logs"].as_array().expect("a list").clone()
}

/// Does something that must be allowed, and answers the entry that is new then.
async fn entry_of(desk: &Desk, method: Method, path: &str, body: Value) -> (Value, Value) {
    let before = log(desk).await.first().map_or(json!(0), |newest| newest["id"].clone());
    let answer = desk.world.json(method.clone(), path, &body).await;
    assert!(answer.status.is_success(), "{method} {path}: {}", answer.text);
    let after = log(desk).await;
    let new: Vec<&Value> = after.iter().take_while(|entry| entry["id"] != before).collect();
    assert_eq!(new.len(), 1, "{method} {path} is told once: {new:#?}");
    assert_eq!(new[0]["request_uuid"].as_str(), Some(answer.header("x-request-id")), "{path}");
    let answer =
        if answer.text.is_empty() { Value::Null } else { serde_json::from_str(&answer.text).unwrap_or_default() };
    (answer, new[0].clone())
}

fn what(entry: &Value) -> (&str, &str) {
    (entry["action"].as_str().expect("an action"), entry["auditable_type"].as_str().expect("a type"))
}

#[tokio::test]
async fn what_administrators_do_is_told_with_who_did_what_to_what() {
    let desk = desk().await;
    assert!(log(&desk).await.is_empty(), "what the program does by itself is no act of a person");

    let (label, made) = entry_of(&desk, POST, "~/labels", json!({"title": "billing"})).await;
    assert_eq!(what(&made), ("create", "Label"));
    assert_eq!((&made["auditable_id"], &made["audited_changes"]["title"]), (&label["id"], &json!("billing")));
    assert_eq!(made["username"], "admin@contoso.example");
    assert_eq!(made["user_id"], desk.world.ours.user_id.0);
    assert_eq!(
        (&made["associated_type"], &made["associated_id"]),
        (&json!("Account"), &json!(desk.world.ours.account_id.0))
    );

    let path = format!("~/labels/{}", label["id"]);
    let (_, changed) = entry_of(&desk, PATCH, &path, json!({"title": "invoices"})).await;
    assert_eq!(what(&changed), ("update", "Label"));
    assert_eq!(changed["audited_changes"], json!({"title": ["billing", "invoices"]}));
    assert_eq!(what(&entry_of(&desk, DELETE, &path, json!({})).await.1), ("destroy", "Label"));

    let (team, made) = entry_of(&desk, POST, "~/teams", json!({"name": "second line"})).await;
    assert_eq!(what(&made), ("create", "Team"));
    let path = format!("~/teams/{}", team["id"]);
    assert_eq!(
        what(&entry_of(&desk, PATCH, &path, json!({"description": "those who know"})).await.1),
        ("update", "Team")
    );
    let me = desk.world.ours.user_id.0;
    let (_, joined) = entry_of(&desk, POST, &format!("{path}/team_members"), json!({"user_ids": [me]})).await;
    assert_eq!((what(&joined), &joined["audited_changes"]["user_ids"]), (("update", "TeamMember"), &json!([[], [me]])));
    assert_eq!(what(&entry_of(&desk, DELETE, &path, json!({})).await.1), ("destroy", "Team"));

    let (agent, invited) =
        entry_of(&desk, POST, "~/agents", json!({"name": "Bo", "email": "bo@contoso.example", "role": "agent"})).await;
    assert_eq!((what(&invited), &invited["audited_changes"]["role"]), (("create", "AccountUser"), &json!("agent")));
    let path = format!("~/agents/{}", agent["id"]);
    let (_, promoted) = entry_of(&desk, PATCH, &path, json!({"role": "administrator"})).await;
    assert_eq!(promoted["audited_changes"], json!({"role": ["agent", "administrator"]}));
    let members = json!({"inbox_id": desk.inbox.0, "user_ids": [agent["id"]]});
    let (_, joined) = entry_of(&desk, POST, "~/inbox_members", members.clone()).await;
    assert_eq!((what(&joined), &joined["auditable_id"]), (("update", "InboxMember"), &json!(desk.inbox.0)));
    assert_eq!(what(&entry_of(&desk, DELETE, "~/inbox_members", members).await.1), ("update", "InboxMember"));
    assert_eq!(what(&entry_of(&desk, DELETE, &path, json!({})).await.1), ("destroy", "AccountUser"));

    let (_, renamed) = entry_of(&desk, PATCH, "~", json!({"name": "Contoso Ltd"})).await;
    assert_eq!(
        (what(&renamed), &renamed["audited_changes"]),
        (("update", "Account"), &json!({"name": ["Contoso", "Contoso Ltd"]}))
    );

    let path = format!("~/inboxes/{}", desk.inbox.0);
    let (_, renamed) = entry_of(&desk, PATCH, &path, json!({"name": "Help"})).await;
    assert_eq!(renamed["audited_changes"], json!({"name": ["Support", "Help"]}));
    let attribute = json!({"attribute_display_name": "Plan", "attribute_display_type": 0, "attribute_key": "plan", "attribute_model": 1});
    let (attribute, made) = entry_of(&desk, POST, "~/custom_attribute_definitions", attribute).await;
    assert_eq!(what(&made), ("create", "CustomAttributeDefinition"));
    let attribute = format!("~/custom_attribute_definitions/{}", attribute["id"]);
    let (_, gone) = entry_of(&desk, DELETE, &attribute, json!({})).await;
    assert_eq!(what(&gone), ("destroy", "CustomAttributeDefinition"));
    assert!(gone["audited_changes"].to_string().contains("Plan"), "what it was called stays: {gone}");

    let (_, deleted) = entry_of(&desk, DELETE, "~/conversations/1", json!({})).await;
    assert_eq!((what(&deleted), &deleted["auditable_id"]), (("destroy", "Conversation"), &json!(1)));
    let contact = desk.world.get("~/contacts").await.json()["payload"][0]["id"].clone();
    let (_, deleted) = entry_of(&desk, DELETE, &format!("~/contacts/{contact}"), json!({})).await;
    assert_eq!((what(&deleted), &deleted["audited_changes"]), (("destroy", "Contact"), &json!({})));
    assert!(!deleted.to_string().contains("ada@"), "nothing of the person stays: {deleted}");
    let (_, gone) = entry_of(&desk, DELETE, &path, json!({})).await;
    assert_eq!(what(&gone), ("destroy", "Inbox"));
    assert_eq!(gone["audited_changes"]["mailbox_address"], "support@contoso.example");
}

#[tokio::test]
async fn what_a_webhook_is_signed_with_stands_in_no_entry() {
    let desk = desk().await;
    let url = json!({"url": "https://hooks.example/in"});
    let (made, told) = entry_of(&desk, POST, "~/webhooks", url).await;
    let webhook = &made["payload"]["webhook"];
    assert_eq!(
        (what(&told), &told["audited_changes"]["url"]),
        (("create", "Webhook"), &json!("https://hooks.example/in"))
    );
    let told_url = told["audited_changes"]["url"].clone();
    let path = format!("~/webhooks/{}", webhook["id"]);
    let (_, paused) = entry_of(&desk, PATCH, &path, json!({"enabled": false})).await;
    assert_eq!(paused["audited_changes"], json!({"enabled": [true, false]}));
    let (rotated, told) = entry_of(&desk, POST, &format!("{path}/rotate_secret"), json!({})).await;
    assert_eq!(what(&told), ("update", "Webhook"));
    let whole = desk.world.get("~/audit_logs").await.text;
    for secret in [&webhook["secret"], &rotated["payload"]["webhook"]["secret"]] {
        assert!(!whole.contains(secret.as_str().expect("shown once")), "{whole}");
    }
    let (_, gone) = entry_of(&desk, DELETE, &path, json!({})).await;
    assert_eq!((what(&gone), &gone["audited_changes"]["url"]), (("destroy", "Webhook"), &told_url));
}

#[tokio::test]
async fn only_administrators_of_the_account_read_its_log_a_page_at_a_time() {
    let desk = desk().await;
    for n in 0..30 {
        let made = desk.world.json(POST, "~/labels", &json!({"title": format!("l{n}")})).await;
        assert!(made.status.is_success(), "{}", made.text);
    }
    // What changes nothing is not told.
    let id = desk.world.get("~/labels").await.json()["payload"][0]["id"].clone();
    let same = desk.world.json(PATCH, &format!("~/labels/{id}"), &json!({"title": "l0"})).await;
    assert!(same.status.is_success(), "{}", same.text);
    let first = desk.world.get("~/audit_logs").await.json();
    assert_eq!(
        (&first["per_page"], &first["total_entries"], &first["current_page"]),
        (&json!(25), &json!(30), &json!(1))
    );
    assert_eq!(first["audit_logs"].as_array().map(Vec::len), Some(25));
    assert_eq!(first["audit_logs"][0]["audited_changes"]["title"], "l29", "newest first");
    let second = desk.world.get("~/audit_logs?page=2").await.json();
    assert_eq!(second["audit_logs"].as_array().map(Vec::len), Some(5));

    let theirs = desk.world.theirs.access_token.expose();
    let other = format!("/api/v1/accounts/{}/audit_logs", desk.world.theirs.account_id);
    let own = desk.world.json_as(theirs, Method::GET, &other, &json!({})).await.json();
    assert_eq!(own["total_entries"], 0, "{own}");
    assert_refusal(&desk.world.json_as(theirs, Method::GET, "~/audit_logs", &json!({})).await, 404, "not_found");

    let agent =
        json!({"name": "Bo", "email": "bo@contoso.example", "role": "agent", "password": crate::world::PASSWORD});
    assert!(desk.world.json(POST, "~/agents", &agent).await.status.is_success());
    let signed_in = desk.world.sign_in("bo@contoso.example", &[]).await;
    let own = |name: &'static str| (name, signed_in.header(name));
    let headers = [own("access-token"), own("client"), own("uid")];
    assert_refusal(&desk.world.send(Method::GET, "~/audit_logs", &headers, ()).await, 403, "forbidden");
}
