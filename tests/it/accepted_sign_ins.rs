//! A connect link for somebody whose sign-in name is another than their address, where Microsoft vouches for nothing (C3, C4): an administrator
//! of the account looks at the name and says yes, and nobody else brings it about.

use crate::connect_links::{agent_headers, as_agent};
use anyhow::{Context, Result};
use sandbox::{CONTOSO, TenantUser};
use serde_json::{Value, json};
use testkit::browser::{Browser, Page};
use testkit::world::{Setup, World};

/// Frieda has the address that the link is made for, signs in under another name, and her registration asks Microsoft to vouch for nothing.
const SIGN_IN_NAME: &str = "frieda@contoso.onmicrosoft.example";
const ADDRESS: &str = "frieda@contoso.example";

async fn link_status(w: &World, link: i64) -> Result<Value> {
    Ok(w.connect_link_shown(link).await?["status"].clone())
}

async fn inboxes(w: &World) -> Result<usize> {
    Ok(w.api.get(&w.path("/inboxes")).await?["payload"].as_array().context("payload")?.len())
}

/// The page at the end of a sign-in with the link.
async fn through(w: &World, browser: &mut Browser, url: &str, user: &str) -> Result<Page> {
    let page = browser.open(url).await?;
    let authorize = w.on_to_microsoft(browser, &page).await?;
    let callback = w.sandbox.sign_in(&authorize, user).await.map_err(|e| anyhow::anyhow!("{e}"))?;
    browser.open(&callback).await
}

/// Through the link as Frieda; the attempt, when its page says that somebody must accept her.
async fn frieda_signs_in(w: &World) -> Result<(i64, i64)> {
    w.sandbox.update_app(w.sandbox.client_id(), |app| app.optional_claims = false);
    w.sandbox.add_user(TenantUser::work(CONTOSO, SIGN_IN_NAME, "Frieda").with_primary_address(ADDRESS));
    let (url, link) = w.connect_link(&json!({"expected_email": ADDRESS})).await?;
    let mut browser = Browser::new();
    let page = through(w, &mut browser, &url, SIGN_IN_NAME).await?;
    assert_eq!(page.status, 200, "{}", page.text());
    for told in ["Nobody vouches", "accepts the account", "Waiting for an administrator", "need not sign in again"] {
        assert!(page.text().contains(told), "{told}: {}", page.text());
    }
    let attempt = w.connect_link_shown(link).await?["connection_id"].as_i64().context("the attempt")?;
    Ok((link, attempt))
}

#[tokio::test(flavor = "multi_thread")]
async fn who_signs_in_under_another_name_than_the_links_address_is_accepted_by_an_administrator_and_by_nobody_else()
-> Result<()> {
    World::run(Setup::default(), async |w| {
        let (link, attempt) = frieda_signs_in(w).await?;
        let waits = w.api.get(&w.path(&format!("/connections/{attempt}"))).await?;
        assert_eq!(
            (&waits["status"], &waits["failure"]["code"], &waits["email"], &waits["claimed_email"]),
            (&json!("awaiting_acceptance"), &json!("address_unvouched"), &json!(SIGN_IN_NAME), &json!(ADDRESS))
        );
        assert_eq!((link_status(w, link).await?, inboxes(w).await?), (json!("signing_in"), 0));
        let listed = w.api.get(&w.path("/connections?status=awaiting_acceptance")).await?;
        assert_eq!((&listed["meta"]["count"], &listed["payload"][0]["id"]), (&json!(1), &json!(attempt)));

        let path = w.path(&format!("/connections/{attempt}/accept"));
        let bob = agent_headers(w).await?;
        assert_eq!(as_agent(w, &bob, "POST", &path).await?.status, 403);
        let handover = w.path(&format!("/connections/{attempt}/handover"));
        assert_eq!(w.api.call("POST", &handover, Some(&json!({}))).await?.status, 422, "nothing is handed over");
        w.api.post(&path, &json!({})).await?;
        let log = w.api.get(&w.path("/audit_logs")).await?;
        let told = |entry: &Value| {
            let changes = &entry["audited_changes"];
            entry["auditable_type"] == json!("ConnectLink")
                && entry["auditable_id"] == json!(link)
                && changes["accepted_email"] == json!([null, SIGN_IN_NAME])
                && changes["claimed_email"] == json!([null, ADDRESS])
        };
        assert!(log["audit_logs"].as_array().is_some_and(|entries| entries.iter().any(told)), "{log}");
        let inbox = w.connected(attempt).await?;
        assert_eq!((link_status(w, link).await?, inboxes(w).await?), (json!("connected"), 1));
        let shown = w.api.get(&w.path(&format!("/inboxes/{inbox}"))).await?;
        assert_eq!((&shown["imap_login"], &shown["email"]), (&json!(SIGN_IN_NAME), &json!(ADDRESS)));
        let again = w.api.call("POST", &path, Some(&json!({}))).await?;
        assert_eq!((again.status, &again.body["code"]), (422, &json!("not_awaiting_acceptance")), "{}", again.text);
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_claims_no_address_of_the_link_is_refused_and_nobody_is_asked_to_accept_them() -> Result<()> {
    World::run(Setup::default(), async |w| {
        w.sandbox.update_app(w.sandbox.client_id(), |app| app.optional_claims = false);
        w.sandbox.add_user(TenantUser::work(CONTOSO, SIGN_IN_NAME, "Frieda").with_primary_address(ADDRESS));
        let (url, link) = w.connect_link(&json!({"expected_email": "grace@contoso.example"})).await?;
        let page = through(w, &mut Browser::new(), &url, SIGN_IN_NAME).await?;
        assert_eq!(page.status, 403, "{}", page.text());
        let shown = w.connect_link_shown(link).await?;
        assert_eq!((&shown["status"], &shown["failure"]["code"]), (&json!("failed"), &json!("unexpected_account")));
        let accept = w.path(&format!("/connections/{}/accept", shown["connection_id"]));
        assert_eq!(w.api.call("POST", &accept, Some(&json!({}))).await?.status, 422);
        assert_eq!((inboxes(w).await?, w.number("SELECT COUNT(*) FROM grants").await?), (0, 0));
        Ok(())
    })
    .await
}
