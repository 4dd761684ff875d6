//! Tenancy (S1, A4): every operation of the document, as nobody and as another tenant.

use crate::openapi::{Named, operations};
use anyhow::{Context, Result};
use serde_json::{Value, json};
use testkit::builders::Mail;
use testkit::world::{SUPPORT, Setup, World};

/// Operations that are there for people who have not signed in.
const OPEN: &[&str] = &["/api", "/auth/sign_in", "/auth/password"];

/// A body that is right in everything but, for some, whose things it names: it is never refused for its shape.
fn body_of(path: &str, named: &Named) -> Value {
    match path.rsplit('/').next().unwrap_or_default() {
        "agents" => json!({"name": "x", "email": "x@y.zz", "role": "agent"}),
        "inbox_members" => json!({"inbox_id": named.inbox, "user_ids": [named.user]}),
        "authorization" | "connect_links" => json!({"inbox_id": named.inbox}),
        "shared_mailboxes" => json!({"mailbox": "info@contoso.example"}),
        "assignments" => json!({"assignee_id": named.user}),
        "toggle_typing_status" => json!({"typing_status": "on"}),
        "snooze" => json!({"snoozed_until": 4_102_444_800_i64}),
        "notification_settings" => json!({"notification_settings": {}}),
        "viewing" => json!({"viewing": true}),
        "toggle_status" => json!({"status": "resolved"}),
        "try_again" => json!({"part": "fetch"}),
        "from_address" => json!({"from_address": "info@contoso.example"}),
        "send_transport" => json!({"send_transport": "graph"}),
        "messages" => json!({"content": "x", "private": true}),
        "availability" => json!({"profile": {"account_id": 1, "availability": "busy"}}),
        "auto_offline" => json!({"profile": {"account_id": 1, "auto_offline": true}}),
        "set_active_account" => json!({"profile": {"account_id": 1}}),
        "resolve" => json!({"sent": true}),
        "profile" => json!({"profile": {"name": "x"}}),
        "labels" => json!({"labels": [], "title": "x"}),
        "notes" | "{note_id}" => json!({"content": "x"}),
        "contact_inboxes" => json!({"inbox_id": named.inbox}),
        "contact_merge" => json!({"base_contact_id": named.contact, "mergee_contact_id": named.contact}),
        "filter" => json!({"payload": [{"attribute_key": "name", "filter_operator": "is_present"}]}),
        "custom_attribute_definitions" => json!({"attribute_display_name": "x", "attribute_key": "x"}),
        "bulk_create" => json!({"emails": ["x@y.zz"]}),
        "participants" | "team_members" => json!({"user_ids": [named.user]}),
        "draft_messages" => json!({"draft_message": {"message": "x"}}),
        "custom_attributes" => json!({"custom_attributes": {"x": 1}}),
        "destroy_custom_attributes" => json!({"custom_attributes": ["x"]}),
        "bulk_actions" => {
            json!({"type": "Conversation", "ids": [named.conversation], "fields": {"status": "resolved"}})
        }
        "conversations" => json!({"inbox_id": named.inbox, "contact_id": named.contact}),
        "teams" => json!({"name": "x"}),
        "canned_responses" => json!({"short_code": "x", "content": "x"}),
        "custom_filters" => json!({"name": "x", "query": {"payload": []}}),
        "oauth_apps" => json!({"name": "x", "client_id": "6cb04018-a3f5-46a7-b995-940c78f5aef3"}),
        "credentials" => json!({"client_secret": "a-secret-of-some-length"}),
        "webhooks" => json!({"url": "https://hooks.example/x", "subscriptions": ["message_created"]}),
        "{agent_id}" => json!({"role": "agent"}),
        "{inbox_id}" => json!({"name": "x"}),
        _ => json!({}),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_operation_refuses_nobody_and_hides_everything_from_another_tenant() -> Result<()> {
    World::run(Setup::default(), async |w| {
        let named = Named::in_world(w, "Secret", "nobody else's business").await?;
        let other = w.create_account("Mallory", "mallory@elsewhere.example")?;
        let (nobody, mallory) = (w.api.with_token(None), w.api.with_token(other["access_token"].as_str()));
        let hers = other["account_id"].as_i64().context("account_id")?;
        let mut tried = 0;
        for (method, path, operation) in operations() {
            if OPEN.contains(&path.as_str()) {
                continue;
            }
            let body = (operation["requestBody"].is_object()).then(|| body_of(&path, &named));
            let mine = named.path(&path, w.account_id);
            let answer = nobody.call(&method, &mine, body.as_ref()).await?;
            assert_eq!(answer.status, 401, "{method} {mine} as nobody: {}", answer.text);
            tried += 1;
            if !path.contains("{account_id}") {
                continue;
            }
            let foreign = mallory.call(&method, &mine, body.as_ref()).await?;
            assert_eq!(foreign.status, 404, "{method} {mine} as another tenant: {}", foreign.text);
            // The same ids asked of her own account are ids that do not exist there, and nothing but the ids is wrong.
            if path.matches('{').count() > 1 {
                let own = named.path(&path, hers);
                let answer = mallory.call(&method, &own, body.as_ref()).await?;
                assert_eq!(answer.status, 404, "{method} {own} with foreign ids: {}", answer.text);
            }
        }
        assert!(tried >= 25, "only {tried} operations were tried");
        let still = w.said(named.conversation).await?;
        assert_eq!(still.len(), 1, "another tenant changed something: {still:?}");
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_sees_only_the_inboxes_they_are_a_member_of() -> Result<()> {
    World::run(Setup::default(), async |w| {
        let inbox = w.connect(SUPPORT).await?;
        w.watched(inbox).await?;
        w.sandbox.deliver(SUPPORT, &Mail::new("ada@customer.example", "Order", "one").id("o@c").bytes());
        let conversation = w.conversations_are(1).await?[0]["id"].as_i64().context("id")?;
        let body = json!({"name": "Bob", "email": "bob@contoso.example", "role": "agent", "password": "another long phrase 2"});
        let bob = w.api.post(&w.path("/agents"), &body).await?["id"].as_i64().context("id")?;
        let signed = w.api.with_token(None).request("POST", "/auth/sign_in");
        let signed = signed.json(&json!({"email": "bob@contoso.example", "password": "another long phrase 2"})).send().await?;
        let headers: Vec<(String, String)> = ["access-token", "client", "uid"]
            .iter()
            .map(|name| (name.to_string(), signed.headers().get(*name).and_then(|v| v.to_str().ok()).unwrap_or_default().to_owned()))
            .collect();
        let as_bob = async |path: String| {
            let mut request = w.api.with_token(None).request("GET", &path);
            for (name, value) in &headers {
                request = request.header(name, value);
            }
            w.api.send(request).await
        };
        assert_eq!(as_bob(w.path(&format!("/conversations/{conversation}"))).await?.status, 404);
        assert_eq!(as_bob(w.path("/inboxes")).await?.body["payload"], json!([]));
        w.api.post(&w.path("/inbox_members"), &json!({"inbox_id": inbox, "user_ids": [bob]})).await?;
        assert_eq!(as_bob(w.path(&format!("/conversations/{conversation}"))).await?.status, 200);
        let shown = as_bob(w.path("/inboxes")).await?.body;
        assert_eq!(shown["payload"][0]["id"], json!(inbox));
        assert!(shown["payload"][0].get("imap_login").is_none(), "an agent sees the mailbox's settings: {shown}");
        Ok(())
    })
    .await
}
