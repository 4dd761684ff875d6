//! An inbox changes hands (C3): somebody else signs in, an administrator of the account says yes, and the same mailbox opens for the new one.

use crate::connect_links::{agent_headers, as_agent};
use anyhow::{Context, Result};
use serde_json::{Value, json};
use testkit::browser::Browser;
use testkit::builders::{Mail, header};
use testkit::post::ADA;
use testkit::world::{SUPPORT, Setup, World};

const SALES: &str = "sales@contoso.example";

async fn connection(w: &World, id: i64) -> Result<Value> {
    w.api.get(&w.path(&format!("/connections/{id}"))).await
}

/// Sales signs in to the inbox of support.
async fn sales_signs_in(w: &World, inbox: i64) -> Result<i64> {
    let (url, id) = w.authorization(&json!({"inbox_id": inbox})).await?;
    let mut browser = w.admin_browser().await?;
    let callback = w.sign_in_at_microsoft(&mut browser, &url, SALES).await?;
    let page = browser.open(&callback).await?;
    assert_eq!(page.status, 200, "{}", page.text());
    assert!(
        page.text().contains("Another Microsoft account") && page.text().contains("hand the inbox over"),
        "{}",
        page.text()
    );
    Ok(id)
}

async fn logins(w: &World, inbox: i64) -> Result<(Value, Value)> {
    let shown = w.api.get(&w.path(&format!("/inboxes/{inbox}"))).await?;
    Ok((shown["imap_login"].clone(), shown["smtp_login"].clone()))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_administrator_hands_an_inbox_over_and_its_mail_goes_on_under_the_new_person() -> Result<()> {
    World::run(Setup::default(), async |w| {
        let inbox = w.connect_and_watch(SUPPORT).await?;
        w.sandbox.update_user(SALES, |user| {
            user.full_access.push(SUPPORT.to_owned());
            user.send_as.push(SUPPORT.to_owned());
        });
        let id = sales_signs_in(w, inbox).await?;
        let waits = connection(w, id).await?;
        assert_eq!(
            (&waits["status"], &waits["failure"]["code"], &waits["inbox_id"], &waits["email"]),
            (&json!("awaiting_handover"), &json!("other_principal"), &json!(inbox), &json!(SALES))
        );
        assert_eq!(logins(w, inbox).await?, (json!(SUPPORT), json!(SUPPORT)), "nothing has changed yet");

        let path = w.path(&format!("/connections/{id}/handover"));
        let bob = agent_headers(w).await?;
        assert_eq!(as_agent(w, &bob, "POST", &path).await?.status, 403);
        let confirmed = w.api.post(&path, &json!({})).await?;
        assert_eq!(confirmed["id"], json!(id));
        assert_eq!(w.connected(id).await?, inbox);
        assert_eq!(logins(w, inbox).await?, (json!(SUPPORT), json!(SALES)));
        assert_eq!(w.number("SELECT COUNT(*) FROM grants").await?, 1, "the one before is forgotten");
        let again = w.api.call("POST", &path, Some(&json!({}))).await?;
        assert_eq!((again.status, &again.body["code"]), (422, &json!("not_awaiting_handover")), "{}", again.text);

        // The old person's permission is of no use to it, and the mailbox is the same.
        w.sandbox.revoke_refresh_tokens(SUPPORT);
        w.watched(inbox).await?;
        w.deliver(SUPPORT, &Mail::new(ADA, "Order", "one").id("one@c").bytes()).await?;
        let conversation = w.conversations_are(1).await?[0]["id"].as_i64().context("id")?;
        let reply = w.reply(conversation, "hello").await?["id"].as_i64().context("id")?;
        w.delivery_is(conversation, reply, "sent").await?;
        let from = header(&w.inbox_has(ADA, 1).await?[0], "From").context("From")?;
        assert!(from.contains(SUPPORT), "{from}");
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_inbox_stays_where_it_is_when_its_mailbox_does_not_open_for_the_new_person() -> Result<()> {
    World::run(Setup::default(), async |w| {
        let inbox = w.connect_and_watch(SUPPORT).await?;
        let id = sales_signs_in(w, inbox).await?;
        w.api.post(&w.path(&format!("/connections/{id}/handover")), &json!({})).await?;
        let path = w.path(&format!("/connections/{id}"));
        w.eventually("it has failed", async |w| Ok(w.api.get(&path).await?["status"] == json!("failed"))).await?;
        let failure = connection(w, id).await?["failure"].clone();
        assert_eq!(
            (&failure["code"], &failure["who_must_act"]),
            (&json!("full_access_missing"), &json!("tenant_admin"))
        );
        assert_eq!(logins(w, inbox).await?, (json!(SUPPORT), json!(SUPPORT)));
        assert_eq!(w.number("SELECT COUNT(*) FROM grants").await?, 1, "the stranger's permission is not kept");
        w.watched(inbox).await?;
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_is_asked_before_their_sign_in_waits_for_anybody() -> Result<()> {
    World::run(Setup::default(), async |w| {
        let inbox = w.connect(SUPPORT).await?;
        let (url, id) = w.authorization(&json!({"inbox_id": inbox})).await?;
        let mut stranger = Browser::new();
        let callback = w.sign_in_at_microsoft(&mut stranger, &url, SALES).await?;
        let page = stranger.open(&callback).await?;
        assert!(page.text().contains("Contoso") && page.text().contains("Is this what you want?"), "{}", page.text());
        let early = w.api.call("POST", &w.path(&format!("/connections/{id}/handover")), Some(&json!({}))).await?;
        assert_eq!(early.status, 422, "{}", early.text);
        let form = page.forms().into_iter().next().context("a form")?;
        let page = stranger.submit(&page, &form, &[]).await?;
        assert_eq!(page.status, 200, "{}", page.text());
        assert_eq!(connection(w, id).await?["status"], json!("awaiting_handover"));
        assert_eq!(logins(w, inbox).await?, (json!(SUPPORT), json!(SUPPORT)));
        Ok(())
    })
    .await
}
