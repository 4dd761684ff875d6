//! Tenancy (S1, A4): every operation of the document, as nobody and as another tenant.

use crate::openapi::{Named, committed, fields, operations};
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use testkit::browser::Browser;
use testkit::builders::Mail;
use testkit::world::{ADMIN_PASSWORD, SUPPORT, Setup, World};

/// Operations that are there for people who have not signed in.
const OPEN: &[&str] = &["/api", "/auth/sign_in"];

/// A body that is right in everything but, for some, whose things it names: it is never refused for its shape.
fn body_of(path: &str, named: &Named) -> Value {
    match path.rsplit('/').next().unwrap_or_default() {
        "agents" => json!({"name": "x", "email": "x@y.zz", "role": "agent"}),
        "inbox_members" => json!({"inbox_id": named.inbox, "user_ids": [named.user]}),
        "authorization" => json!({"inbox_id": named.inbox}),
        "assignments" => json!({"assignee_id": named.user}),
        "toggle_status" => json!({"status": "resolved"}),
        "try_again" => json!({"part": "fetch"}),
        "messages" => json!({"content": "x", "private": true}),
        "availability" => json!({"profile": {"account_id": 1, "availability": "busy"}}),
        "auto_offline" => json!({"profile": {"account_id": 1, "auto_offline": true}}),
        "set_active_account" => json!({"profile": {"account_id": 1}}),
        "resolve" => json!({"sent": true}),
        "profile" => json!({"profile": {"name": "x"}}),
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

/// The places outside the path where an id is sent. A new one must be told apart here, so that it is tried below.
const IDS_IN_BODIES: &[(&str, &str)] = &[
    ("set_active_account", "account_id"),
    ("set_auto_offline", "account_id"),
    ("set_availability", "account_id"),
    ("add_inbox_members", "inbox_id"),
    ("add_inbox_members", "user_ids"),
    ("set_inbox_members", "inbox_id"),
    ("set_inbox_members", "user_ids"),
    ("list_assignable_agents", "inbox_ids[]"),
    ("start_microsoft_authorization", "inbox_id"),
    ("list_conversations", "inbox_id"),
    ("count_conversations", "inbox_id"),
    ("assign_conversation", "team_id"),
    ("assign_conversation", "assignee_id"),
    // Numbers of messages of the conversation in the path, which only say where a page begins.
    ("list_messages", "before"),
    ("list_messages", "after"),
];

#[test]
fn every_id_that_is_sent_outside_the_path_is_known_to_the_story_below() {
    let document: Value = serde_json::from_str(&committed()).expect("JSON");
    let mut found = BTreeSet::new();
    for (_, _, operation) in operations() {
        let id = operation["operationId"].as_str().expect("an operationId").to_owned();
        for parameter in operation["parameters"].as_array().into_iter().flatten().filter(|p| p["in"] == "query") {
            let name = parameter["name"].as_str().expect("a name");
            if name.contains("id") || ["before", "after"].contains(&name) {
                found.insert((id.clone(), name.to_owned()));
            }
        }
        let content = operation["requestBody"]["content"].as_object().into_iter().flatten();
        for (_, media) in content {
            for name in fields(&document, &media["schema"]) {
                if name.ends_with("_id") || name.ends_with("_ids") {
                    found.insert((id.clone(), name));
                }
            }
        }
    }
    found.retain(|(_, name)| !["echo_id", "updated_within"].contains(&name.as_str()));
    let known: BTreeSet<_> = IDS_IN_BODIES.iter().map(|(id, name)| ((*id).to_owned(), (*name).to_owned())).collect();
    assert_eq!(found, known);
}

/// Connects a mailbox for the account the world works in now, in the browser of one of its administrators.
async fn connect_as(w: &mut World, administrator: &str, mailbox: &str) -> Result<i64> {
    let (url, connection) = w.authorization(&json!({"email": mailbox})).await?;
    let request = w.api.with_token(None).request("POST", "/auth/sign_in").header("origin", &w.base);
    let signed_in = request.json(&json!({"email": administrator, "password": ADMIN_PASSWORD})).send().await?;
    let mut browser = Browser::new();
    for cookie in signed_in.headers().get_all("set-cookie") {
        let (name, value) =
            cookie.to_str()?.split(';').next().and_then(|pair| pair.split_once('=')).context("a cookie")?;
        browser.set_cookie("127.0.0.1", name, value);
    }
    let callback = w.sign_in_at_microsoft(&mut browser, &url, mailbox).await?;
    browser.open(&callback).await?;
    w.connected(connection).await
}

#[tokio::test(flavor = "multi_thread")]
async fn another_tenants_ids_in_bodies_and_queries_name_nothing() -> Result<()> {
    World::run(Setup::default(), async |w| {
        let theirs = Named::in_world(w, "Secret", "nobody else's business").await?;
        // Mallory's account has an inbox and a conversation of its own, so that nothing but the foreign id is wrong.
        let other = w.create_account("Mallory", "mallory@elsewhere.example")?;
        let her_account = other["account_id"].as_i64().context("account_id")?;
        let her_id = other["user_id"].as_i64().context("user_id")?;
        let as_mallory = w.api.with_token(other["access_token"].as_str());
        let admin = std::mem::replace(&mut w.api, as_mallory);
        let account = std::mem::replace(&mut w.account_id, her_account);
        let her_inbox = connect_as(w, "mallory@elsewhere.example", "sales@contoso.example").await?;
        w.watched(her_inbox).await?;
        w.sandbox
            .deliver("sales@contoso.example", &Mail::new("eve@customer.example", "Hers", "her own").id("h@c").bytes());
        let hers = w.conversations_are(1).await?[0]["id"].as_i64().context("id")?;
        let (mallory, path) = (w.api.clone(), |rest: &str| format!("/api/v1/accounts/{her_account}{rest}"));
        let refused = async |method: &str, rest: &str, body: Option<Value>, status: u16| -> Result<()> {
            let answer = mallory.call(method, &path(rest), body.as_ref()).await?;
            assert_eq!(answer.status, status, "{method} {rest} {body:?}: {}", answer.text);
            assert!(
                !answer.text.contains("nobody else") && !answer.text.contains("contoso.example"),
                "{}",
                answer.text
            );
            Ok(())
        };
        for method in ["POST", "PATCH"] {
            let foreign_inbox = json!({"inbox_id": theirs.inbox, "user_ids": [her_id]});
            refused(method, "/inbox_members", Some(foreign_inbox), 404).await?;
            let stranger = json!({"inbox_id": her_inbox, "user_ids": [her_id, theirs.user]});
            refused(method, "/inbox_members", Some(stranger), 422).await?;
        }
        refused("POST", "/microsoft/authorization", Some(json!({"inbox_id": theirs.inbox})), 404).await?;
        refused("GET", &format!("/assignable_agents?inbox_ids[]={}", theirs.inbox), None, 404).await?;
        let both = format!("/assignable_agents?inbox_ids[]={her_inbox}&inbox_ids[]={}", theirs.inbox);
        refused("GET", &both, None, 404).await?;
        let assignments = format!("/conversations/{hers}/assignments");
        refused("POST", &assignments, Some(json!({"assignee_id": theirs.user})), 422).await?;
        refused("POST", &assignments, Some(json!({"team_id": 1})), 422).await?;
        refused("POST", &format!("{assignments}?team_id=1"), None, 422).await?;
        for name in ["availability", "auto_offline", "set_active_account"] {
            let profile = json!({"profile": {"account_id": account, "availability": "busy", "auto_offline": true}});
            let method = if name == "set_active_account" { "PUT" } else { "POST" };
            let answer = mallory.call(method, &format!("/api/v1/profile/{name}"), Some(&profile)).await?;
            assert_eq!(answer.status, 404, "{name}: {}", answer.text);
        }
        // A filter by what is not there finds nothing, and does not say why.
        let listed = mallory.get(&path(&format!("/conversations?status=all&inbox_id={}", theirs.inbox))).await?;
        assert_eq!((&listed["data"]["payload"], &listed["data"]["meta"]["all_count"]), (&json!([]), &json!(0)));
        let counted = mallory.get(&path(&format!("/conversations/meta?status=all&inbox_id={}", theirs.inbox))).await?;
        assert_eq!(counted["meta"]["all_count"], json!(0));
        for end in ["before", "after"] {
            let messages =
                mallory.get(&path(&format!("/conversations/{hers}/messages?{end}={}", theirs.message))).await?;
            assert!(!messages.to_string().contains("nobody else"), "{messages}");
        }
        // Nothing of it was kept.
        let members = mallory.get(&path(&format!("/inbox_members/{her_inbox}"))).await?;
        assert!(
            members["payload"].as_array().is_some_and(|list| list.iter().all(|m| m["id"] != json!(theirs.user))),
            "{members}"
        );
        assert_eq!(mallory.get(&path(&format!("/conversations/{hers}"))).await?["meta"]["assignee"], json!(null));
        w.api = admin;
        w.account_id = account;
        let members = w.api.get(&w.path(&format!("/inbox_members/{}", theirs.inbox))).await?;
        assert!(
            members["payload"].as_array().is_some_and(|list| list.iter().all(|m| m["id"] != json!(her_id))),
            "{members}"
        );
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
