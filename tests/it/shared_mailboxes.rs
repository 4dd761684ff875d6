//! Shared mailboxes by delegation (C10): whoever signs in opens another mailbox, and one permission serves several inboxes.

use anyhow::{Context, Result};
use sandbox::{CONTOSO, INBOX, TenantUser};
use serde_json::{Value, json};
use testkit::builders::{Mail, header};
use testkit::world::{SUPPORT, Setup, World};

const SHARED: &str = "info@contoso.example";
const ADA: &str = "ada@customer.example";

fn a_shared_mailbox(w: &World, full_access: bool, send_as: bool) {
    w.sandbox.add_user(TenantUser::work(CONTOSO, SHARED, "Contoso Info"));
    w.sandbox.update_user(SUPPORT, |user| {
        user.full_access.extend(full_access.then(|| SHARED.to_owned()));
        user.send_as.extend(send_as.then(|| SHARED.to_owned()));
    });
}

/// Signs in for the shared mailbox; the attempt.
async fn sign_in_for_it(w: &World) -> Result<i64> {
    let (url, id) = w.authorization(&json!({"email": SUPPORT, "mailbox": SHARED})).await?;
    let mut browser = w.admin_browser().await?;
    let callback = w.sign_in_at_microsoft(&mut browser, &url, SUPPORT).await?;
    browser.open(&callback).await?;
    Ok(id)
}

async fn ended(w: &mut World, id: i64) -> Result<Value> {
    let path = w.path(&format!("/connections/{id}"));
    w.eventually("it has ended", async |w| {
        let status = w.api.get(&path).await?["status"].clone();
        Ok(status == json!("connected") || status == json!("failed"))
    })
    .await?;
    w.api.get(&path).await
}

async fn mail_goes_both_ways(w: &mut World, inbox: i64) -> Result<()> {
    w.watched(inbox).await?;
    let before = w.conversations().await?.len();
    let mut mail = Mail::new(ADA, "To the shared one", "hello").id("shared-1");
    mail.to = SHARED.to_owned();
    w.sandbox.deliver(SHARED, &mail.bytes());
    let conversation = w.conversations_are(before + 1).await?[0]["id"].as_i64().context("id")?;
    let reply = w.reply(conversation, "and hello to you").await?["id"].as_i64().context("id")?;
    w.delivery_is(conversation, reply, "sent").await?;
    let answers = w.sandbox.mailbox(ADA).messages(INBOX);
    let from = header(&answers.last().context("the answer")?.bytes, "From").context("From")?;
    assert!(from.ends_with(&format!("<{SHARED}>")), "{from}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shared_mailbox_is_read_and_answered_from_by_whoever_may() -> Result<()> {
    World::run(Setup::default(), async |w| {
        a_shared_mailbox(w, true, true);
        let id = sign_in_for_it(w).await?;
        let inbox = w.connected(id).await?;
        let shown = w.api.get(&w.path(&format!("/inboxes/{inbox}"))).await?;
        assert_eq!(
            (&shown["imap_login"], &shown["smtp_login"], &shown["email"], &shown["name"]),
            (&json!(SHARED), &json!(SUPPORT), &json!(SHARED), &json!(SHARED))
        );
        mail_goes_both_ways(w, inbox).await?;
        // Their own mailbox is another inbox, under the same permission.
        let own = w.connect(SUPPORT).await?;
        assert_ne!(own, inbox);
        assert_eq!(w.number("SELECT COUNT(*) FROM grants").await?, 1);
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn without_full_access_or_send_as_it_is_said_who_gives_it() -> Result<()> {
    World::run(Setup::default(), async |w| {
        a_shared_mailbox(w, false, false);
        let id = sign_in_for_it(w).await?;
        let failed = ended(w, id).await?;
        assert_eq!(
            (&failed["status"], &failed["failure"]["code"], &failed["failure"]["who_must_act"]),
            (&json!("failed"), &json!("full_access_missing"), &json!("tenant_admin")),
            "{failed}"
        );
        assert!(failed["failure"]["cure"].as_str().is_some_and(|cure| cure.contains("Full Access")), "{failed}");

        w.sandbox.update_user(SUPPORT, |user| user.full_access.push(SHARED.to_owned()));
        let id = sign_in_for_it(w).await?;
        let connected = ended(w, id).await?;
        assert_eq!(
            (&connected["status"], &connected["failure"]["code"]),
            (&json!("connected"), &json!("sender_not_allowed")),
            "{connected}"
        );
        let inbox = connected["inbox_id"].as_i64().context("an inbox")?;
        let health = w.api.get(&w.path(&format!("/inboxes/{inbox}/health"))).await?;
        assert_eq!((&health["send"]["state"], &health["fetch"]["state"]), (&json!("blocked"), &json!("connected")));
        w.sandbox.update_user(SUPPORT, |user| user.send_as.push(SHARED.to_owned()));
        let again = json!({"part": "send"});
        w.api.post(&w.path(&format!("/inboxes/{inbox}/health/try_again")), &again).await?;
        mail_goes_both_ways(w, inbox).await?;
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn another_mailbox_is_connected_with_an_inboxs_permission_and_outlives_that_inbox() -> Result<()> {
    World::run(Setup::default(), async |w| {
        a_shared_mailbox(w, true, true);
        let own = w.connect_and_watch(SUPPORT).await?;
        let path = w.path(&format!("/inboxes/{own}/shared_mailboxes"));
        for (body, status) in
            [(json!({"mailbox": "nobody"}), 422), (json!({}), 422), (json!({"mailbox": SUPPORT}), 422)]
        {
            let refused = w.api.call("POST", &path, Some(&body)).await?;
            assert_eq!(
                (refused.status, &refused.body["attributes"]),
                (status, &json!(["mailbox"])),
                "{body}: {}",
                refused.text
            );
        }
        let begun = w.api.post(&path, &json!({"mailbox": SHARED})).await?;
        assert_eq!((&begun["mailbox"], &begun["email"]), (&json!(SHARED), &json!(SUPPORT)), "{begun}");
        let inbox = w.connected(begun["id"].as_i64().context("id")?).await?;
        assert_eq!(w.number("SELECT COUNT(*) FROM grants").await?, 1);
        mail_goes_both_ways(w, inbox).await?;

        // The first inbox goes, and what it shared stays; with the last one the permission goes too.
        w.api.delete(&w.path(&format!("/inboxes/{own}"))).await?;
        assert_eq!(w.number("SELECT COUNT(*) FROM grants").await?, 1);
        let health =
            w.api.post(&w.path(&format!("/inboxes/{inbox}/health/try_again")), &json!({"part": "send"})).await?;
        assert_eq!(health["send"]["state"], json!("connected"), "{health}");
        w.api.delete(&w.path(&format!("/inboxes/{inbox}"))).await?;
        assert_eq!(w.number("SELECT COUNT(*) FROM grants").await?, 0);
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shared_mailbox_whose_full_access_was_taken_back_says_so() -> Result<()> {
    World::run(Setup::default(), async |w| {
        a_shared_mailbox(w, true, true);
        let id = sign_in_for_it(w).await?;
        let inbox = w.connected(id).await?;
        w.watched(inbox).await?;
        w.sandbox.update_user(SUPPORT, |user| user.full_access.clear());
        w.sandbox.cut_mail_connections();
        let path = w.path(&format!("/inboxes/{inbox}/health"));
        w.eventually("it is told", async |w| {
            Ok(w.api.get(&path).await?["fetch"]["failure"]["code"] == json!("full_access_missing"))
        })
        .await?;
        w.sandbox.update_user(SUPPORT, |user| user.full_access.push(SHARED.to_owned()));
        Ok(())
    })
    .await
}
