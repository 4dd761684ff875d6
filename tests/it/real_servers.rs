//! What only real mail servers can show: Dovecot and Postfix stopped and started under PostgreSQL, Redis, API and worker apart.

use anyhow::{Context, Result};
use serde_json::{Value, json};
use testkit::builders::numbered;
use testkit::post::ADA;
use testkit::world::{SUPPORT, Setup, World};

#[tokio::test(flavor = "multi_thread")]
async fn a_dovecot_that_is_restarted_loses_and_doubles_nothing() -> Result<()> {
    World::run(Setup::real(), async |w| {
        let inbox = w.connect_and_watch(SUPPORT).await?;
        w.deliver(SUPPORT, &numbered(0)).await?;
        w.conversations_are(1).await?;
        w.mail.as_mut().context("real mail servers")?.dovecot.stop();
        let health = w.path(&format!("/inboxes/{inbox}/health"));
        w.eventually("the inbox says that it cannot be read", async |w| {
            let fetch = w.api.get(&health).await?["fetch"].clone();
            Ok(fetch["state"] == json!("failing") && fetch["failure"]["who_must_act"] == json!("nobody"))
        })
        .await?;
        // Postfix keeps it until Dovecot takes it.
        w.deliver(SUPPORT, &numbered(1)).await?;
        let mail = w.mail.as_mut().context("real mail servers")?;
        mail.dovecot.start_again()?;
        mail.postfix.deliver_what_waits()?;
        w.conversations_are(2).await?;
        w.watched(inbox).await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_waits_for_a_postfix_that_is_down_and_is_sent_once() -> Result<()> {
    World::run(Setup::real(), async |w| {
        let conversation = w.first_conversation().await?;
        w.mail.as_ref().context("real mail servers")?.postfix.stop();
        let reply = w.reply(conversation, "hello").await?["id"].as_i64().context("id")?;
        w.eventually("the reply says what it waits for", async |w| {
            let delivery = w.message(conversation, reply).await?["delivery"].clone();
            Ok(delivery["state"] == json!("queued") && delivery["failure"]["code"].is_string())
        })
        .await?;
        let waiting = w.message(conversation, reply).await?;
        assert!(waiting["delivery"]["next_try_at"].is_i64(), "{waiting}");
        w.mail.as_ref().context("real mail servers")?.postfix.start_again()?;
        w.delivery_is(conversation, reply, "sent").await?;
        w.inbox_has(ADA, 1).await?;
        Ok(())
    })
    .await
}

fn steps(way: &Value) -> Vec<(&str, &str)> {
    let steps = way.as_array().map(Vec::as_slice).unwrap_or_default();
    steps.iter().filter_map(|step| Some((step["name"].as_str()?, step["outcome"].as_str()?))).collect()
}

/// The step that failed, and its failure.
fn failed(way: &Value) -> Option<(&str, &Value)> {
    let step = way.as_array()?.iter().find(|step| step["outcome"] == json!("failed"))?;
    Some((step["name"].as_str()?, &step["failure"]))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_look_at_a_mailbox_on_dovecot_and_postfix_shows_each_step_and_who_refuses() -> Result<()> {
    World::run(Setup::real(), async |w| {
        let inbox = w.connect_and_watch(SUPPORT).await?;
        let path = w.path(&format!("/inboxes/{inbox}/diagnose"));
        let number = inbox.to_string();
        let look = async |w: &World| w.api.post(&path, &json!({})).await;

        let well = look(w).await?;
        let reading =
            ["dns", "tcp", "tls", "greeting", "auth", "capability", "select", "idle"].map(|name| (name, "ok"));
        let sending = ["dns", "tcp", "greeting", "tls", "auth", "mail_from"].map(|name| (name, "ok"));
        assert_eq!((steps(&well["fetch"]), steps(&well["send"])), (reading.to_vec(), sending.to_vec()), "{well}");
        assert_eq!(well["token"]["outcome"], json!("ok"), "{well}");
        let said = w.postroom(&["doctor", "--inbox", &number])?;
        for works in ["sign-in works", "reading works (dns, tcp, tls", "sending works (dns, tcp, greeting"] {
            assert!(said.contains(&format!("ok    inbox {inbox}")) && said.contains(works), "{said}");
        }
        assert!(w.inbox_of(ADA)?.is_empty(), "nothing is sent");

        // Dovecot takes nobody's token any more: neither its own IMAP nor Postfix, which asks it.
        let mail = w.mail.as_mut().context("real mail servers")?;
        mail.dovecot.lose_keys(true)?;
        // Else it goes on asking the Dovecot that it began with, which has not quite ended.
        mail.postfix.stop();
        mail.postfix.start_again()?;
        let refused = look(w).await?;
        let (step, failure) = failed(&refused["fetch"]).context("reading is refused")?;
        assert_eq!((step, &failure["code"]), ("auth", &json!("authentication_refused")), "{refused}");
        let (step, failure) = failed(&refused["send"]).context("sending is refused")?;
        assert_eq!((step, &failure["code"]), ("auth", &json!("sending_refused")), "{refused}");
        assert_eq!(steps(&refused["send"]).last(), Some(&("mail_from", "skipped")));
        let error = w.postroom(&["doctor", "--inbox", &number]).err().context("doctor found nothing wrong")?;
        let found = format!("{error:#}");
        for line in ["reading fails at auth: authentication_refused", "sending fails at auth: sending_refused"] {
            assert!(found.contains("FAIL  inbox ") && found.contains(line), "{found}");
        }
        assert!(found.contains("Check that IMAP is switched on"), "with the cure: {found}");

        // A Postfix that is down is found at its step, and hides nothing of reading.
        let mail = w.mail.as_mut().context("real mail servers")?;
        mail.dovecot.lose_keys(false)?;
        mail.postfix.stop();
        let down = look(w).await?;
        assert_eq!((failed(&down["fetch"]), steps(&down["fetch"])), (None, reading.to_vec()), "{down}");
        let (step, failure) = failed(&down["send"]).context("sending fails")?;
        assert_eq!((step, &failure["code"]), ("tcp", &json!("unreachable")), "{down}");
        w.mail.as_ref().context("real mail servers")?.postfix.start_again()?;
        let again = look(w).await?;
        assert_eq!((failed(&again["fetch"]), failed(&again["send"])), (None, None), "{again}");
        w.watched(inbox).await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn doctor_looks_at_the_inboxes_that_do_not_work_and_at_those_that_it_is_asked_for() -> Result<()> {
    World::run(Setup::real(), async |w| {
        let inbox = w.connect_and_watch(SUPPORT).await?;
        let said = w.postroom(&["doctor"])?;
        assert!(said.contains("ok    inboxes") && !said.contains(&format!("inbox {inbox} ")), "{said}");
        w.mail.as_mut().context("real mail servers")?.dovecot.lose_keys(true)?;
        let path = w.path(&format!("/inboxes/{inbox}/health"));
        w.eventually("the inbox fails", async |w| Ok(w.api.get(&path).await?["fetch"]["state"] == json!("failing")))
            .await?;
        // It is the owner's to mend, so the installation is well.
        let said = w.postroom(&["doctor"])?;
        let line = "reading fails at auth: authentication_refused";
        assert!(said.contains(&format!("note  inbox {inbox}")) && said.contains(line), "{said}");
        assert!(said.contains("the mailbox's owner: Check that IMAP is switched on"), "{said}");
        assert!(said.contains("Nothing is wrong."), "{said}");
        let error = w.postroom(&["doctor", "--inbox", "4711"]).err().context("there is no such inbox")?;
        assert!(format!("{error:#}").contains("FAIL  inbox 4711     there is no such inbox"), "{error:#}");
        w.mail.as_mut().context("real mail servers")?.dovecot.lose_keys(false)?;
        w.watched(inbox).await
    })
    .await
}
