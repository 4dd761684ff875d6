//! Processes whose clocks are an hour apart are one installation (M4, C1, C6, I10, O3): they go by the database's clock.
//!
//! Only on PostgreSQL and Redis: in one process there is one clock.

use anyhow::{Context, Result};
use sandbox::{CONTOSO, SmtpFault, TenantUser};
use serde_json::json;
use std::time::Duration;
use testkit::builders::numbered;
use testkit::client::ApiClient;
use testkit::post::ADA;
use testkit::process::Signal;
use testkit::several::clock_off_by;
use testkit::world::{Database, Queue, SUPPORT, Setup, World};

const SALES: &str = "sales@contoso.example";
const DIFFER: &str = "this computer's clock and the database's differ";

fn setup() -> Setup {
    Setup::on(Database::Postgres, Queue::Redis).with("OUTCOME_LOOKS_SECONDS", "1,2,2")
}

/// The process of this name is replaced by one whose clock is off.
async fn put_off(w: &mut World, name: &'static str, off: &str) -> Result<()> {
    assert!(w.stop(name, Duration::from_secs(30))?.success());
    w.start_with(name, &clock_off_by(off)?)?;
    w.start_processes().await
}

async fn reply_at(api: &ApiClient, w: &World, conversation: i64, text: &str, key: &str) -> Result<i64> {
    let path = w.path(&format!("/conversations/{conversation}/messages"));
    let request = api.request("POST", &path).header("Idempotency-Key", key).json(&json!({"content": text}));
    api.send(request).await?.ok()?["id"].as_i64().context("id")
}

/// `first` is the clock of the API that the browser sees, `second` that of another one.
async fn two_apis_are_one(first: Option<&str>, second: Option<&str>) -> Result<()> {
    World::run(setup(), async |w| {
        if let Some(off) = first {
            put_off(w, "serve", off).await?;
        }
        let other = w.start_another_api(&second.map(clock_off_by).transpose()?.unwrap_or_default()).await?;
        w.says("serve", DIFFER, 1).await?;
        let conversation = w.first_conversation().await?;
        // Asked for at one, opened and finished at the other: the state lives for a quarter of an hour.
        w.sandbox.add_user(TenantUser::work(CONTOSO, SALES, "Sales"));
        let asked = other.post(&w.path("/microsoft/authorization"), &json!({"email": SALES})).await?;
        let mut browser = w.admin_browser().await?;
        let url = asked["url"].as_str().context("url")?.to_owned();
        let callback = w.sign_in_at_microsoft(&mut browser, &url, SALES).await?;
        let page = browser.open(&callback).await?;
        assert!(page.status < 400, "{}: {}", page.status, page.text());
        w.connected(asked["connection_id"].as_i64().context("connection_id")?).await?;
        // What is written by turns stands in the order in which it was written.
        let first = w.api.clone();
        let mut written = Vec::new();
        for (n, api) in [&other, &first, &other, &first].into_iter().enumerate() {
            written.push(reply_at(api, w, conversation, &format!("reply {n}"), &format!("key {n}")).await?);
        }
        // A key is a key at both.
        assert_eq!(reply_at(&first, w, conversation, "reply 2", "key 2").await?, written[2]);
        assert_eq!(reply_at(&other, w, conversation, "reply 3", "key 3").await?, written[3]);
        let said: Vec<i64> = w.said(conversation).await?.iter().filter_map(|said| said["id"].as_i64()).collect();
        assert_eq!(said[1..], written[..], "in the order in which they were written");
        for id in written {
            w.delivery_is(conversation, id, "sent").await?;
        }
        w.inbox_has(ADA, 4).await?;
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_signs_in_at_an_api_whose_clock_is_an_hour_ahead() -> Result<()> {
    two_apis_are_one(Some("+1h"), None).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_signs_in_at_an_api_whose_clock_is_an_hour_behind() -> Result<()> {
    two_apis_are_one(Some("-1h"), None).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_that_was_begun_by_an_api_an_hour_behind_is_finished_by_another() -> Result<()> {
    two_apis_are_one(None, Some("-1h")).await
}

async fn a_worker_is_off(off: &str) -> Result<()> {
    let mut setup = setup();
    setup.sandbox.token_lifetime_seconds = Some(3600);
    World::run(setup, async |w| {
        let conversation = w.first_conversation().await?;
        // The token was fetched by one whose clock was right, and has most of its hour left whatever the next one's clock says.
        let before = w.sandbox.refreshes();
        put_off(w, "work", off).await?;
        w.says("work", DIFFER, 1).await?;
        let first = w.reply(conversation, "at once").await?["id"].as_i64().context("id")?;
        w.delivery_is(conversation, first, "sent").await?;
        assert_eq!(w.sandbox.refreshes(), before, "a token that is good was thought to be at its end");
        // Alone: it takes mail in, needs a token, and has to try a reply again.
        w.sandbox.expire_access_tokens(SUPPORT);
        w.sandbox.faults().once(SmtpFault::server_busy());
        let reply = w.reply(conversation, "hello").await?["id"].as_i64().context("id")?;
        w.deliver(SUPPORT, &numbered(0)).await?;
        w.conversations_are(2).await?;
        // No story waits for an hour.
        w.delivery_is(conversation, reply, "sent").await?;
        // Beside one whose clock is right: they share tokens, and neither thinks that the other's are at their end.
        w.start_process("work")?;
        let before = w.sandbox.refreshes();
        let mut replies = Vec::new();
        for n in 1..=8 {
            w.deliver(SUPPORT, &numbered(n)).await?;
            replies.push(w.reply(conversation, &format!("reply {n}")).await?["id"].as_i64().context("id")?);
        }
        for reply in replies {
            w.delivery_is(conversation, reply, "sent").await?;
        }
        w.conversations_are(10).await?;
        // It stands still past its leases, the other takes over, and it comes back.
        w.signal("work", 0, Signal::Stop)?;
        w.deliver(SUPPORT, &numbered(9)).await?;
        w.conversations_are(11).await?;
        w.signal("work", 0, Signal::Continue)?;
        w.deliver(SUPPORT, &numbered(10)).await?;
        w.conversations_are(12).await?;
        assert!(w.sandbox.refreshes() <= before + 1, "{} refreshes", w.sandbox.refreshes() - before);
        w.inbox_has(ADA, 10).await?;
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_share_mailboxes_and_tokens_with_one_that_is_an_hour_ahead() -> Result<()> {
    a_worker_is_off("+1h").await
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_share_mailboxes_and_tokens_with_one_that_is_an_hour_behind() -> Result<()> {
    a_worker_is_off("-1h").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_whose_clock_is_wrong_keeps_nobody_from_signing_in_and_doctor_says_so() -> Result<()> {
    World::run(setup(), async |w| {
        // Everybody but the database is an hour further.
        put_off(w, "serve", "+1h").await?;
        put_off(w, "work", "+1h").await?;
        w.sandbox.advance(Duration::from_secs(3600));
        let conversation = w.first_conversation().await?;
        let reply = w.reply(conversation, "hello").await?["id"].as_i64().context("id")?;
        w.delivery_is(conversation, reply, "sent").await?;
        w.start_with("doctor", &clock_off_by("+1h")?)?;
        assert!(!w.ended("doctor")?.success());
        let found = w.said_by("doctor")?;
        assert!(
            found.lines().any(|line| line.starts_with("FAIL  clock") && line.contains("ahead of the database's")),
            "{found}"
        );
        Ok(())
    })
    .await
}
