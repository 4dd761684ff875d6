//! Tenancy (S1, A4): every operation of the document, as nobody and as another tenant.

use crate::openapi::operations;
use anyhow::{Context, Result};
use serde_json::json;
use testkit::builders::Mail;
use testkit::world::{SUPPORT, Setup, World};

/// Operations that are there for people who have not signed in.
const OPEN: &[&str] = &["/api", "/auth/sign_in"];

#[tokio::test(flavor = "multi_thread")]
async fn every_operation_refuses_nobody_and_hides_everything_from_another_tenant() -> Result<()> {
    World::run(Setup::default(), async |w| {
        let inbox = w.connect(SUPPORT).await?;
        w.watched(inbox).await?;
        w.sandbox.deliver(SUPPORT, &Mail::new("ada@customer.example", "Secret", "nobody else's business").id("s@c").bytes());
        let list = w.conversations_are(1).await?;
        let conversation = list[0]["id"].as_i64().context("id")?;
        let contact = list[0]["meta"]["sender"]["id"].as_i64().context("contact")?;
        let message = w.said(conversation).await?[0]["id"].as_i64().context("message")?;
        let other = w.create_account("Mallory", "mallory@elsewhere.example")?;
        let (nobody, mallory) = (w.api.with_token(None), w.api.with_token(other["access_token"].as_str()));
        let hers = other["account_id"].as_i64().context("account_id")?;
        let mut tried = 0;
        for (method, path, _) in operations() {
            if OPEN.contains(&path.as_str()) {
                continue;
            }
            let fill = |account: i64| {
                path.replace("{account_id}", &account.to_string())
                    .replace("{conversation_id}", &conversation.to_string())
                    .replace("{message_id}", &message.to_string())
                    .replace("{contact_id}", &contact.to_string())
                    .replace("{inbox_id}", &inbox.to_string())
                    .replace("{agent_id}", &w.user_id.to_string())
                    .replace("{user_id}", &w.user_id.to_string())
                    .replace("{connection_id}", "1")
            };
            let mine = fill(w.account_id);
            assert!(!mine.contains('{'), "{path} has a parameter this test does not know");
            let body = json!({"content": "x", "name": "x", "email": "x@y.zz", "role": "agent", "status": "open", "inbox_id": inbox, "user_ids": [w.user_id], "part": "fetch"});
            let answer = nobody.call(&method, &mine, (method != "GET").then_some(&body)).await?;
            assert_eq!(answer.status, 401, "{method} {mine} as nobody: {}", answer.text);
            tried += 1;
            if !path.contains("{account_id}") {
                continue;
            }
            let foreign = mallory.call(&method, &mine, (method != "GET").then_some(&body)).await?;
            assert_eq!(foreign.status, 404, "{method} {mine} as another tenant: {}", foreign.text);
            // The same ids asked of her own account are ids that do not exist there.
            let own = fill(hers);
            if path.matches('{').count() > 1 {
                let answer = mallory.call(&method, &own, (method != "GET").then_some(&body)).await?;
                assert!([404, 422].contains(&answer.status), "{method} {own} with foreign ids: {} {}", answer.status, answer.text);
                assert!(!answer.text.contains("nobody else"), "{}", answer.text);
            }
        }
        assert!(tried >= 25, "only {tried} operations were tried");
        let still = w.said(conversation).await?;
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
