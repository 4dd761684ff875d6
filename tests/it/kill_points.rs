//! The process dies between two lines, at every moment where what happened and what is written down differ (I1, O1, O2, C6, C1).
//!
//! Each story first sees the process die at its kill point, so that none passes because the moment never came.

use anyhow::{Context, Result};
use serde_json::json;
use testkit::builders::numbered;
use testkit::post::ADA;
use testkit::world::{Database, Queue, SUPPORT, Setup, World};

fn setup() -> Setup {
    Setup::default().with("OUTCOME_LOOKS_SECONDS", "1,2,2")
}

/// Ends `name` if it runs, and starts it so that it dies at `point`.
fn start_to_die(w: &mut World, name: &'static str, point: &str) -> Result<()> {
    w.kill_if_running(name)?;
    w.start_process_with(name, &[("POSTROOM_TEST_KILL_AT", point)])
}

/// It died of the kill point, and not of something else.
fn died(w: &mut World, name: &str) -> Result<()> {
    let status = w.ended(name)?;
    assert!(
        !status.success() && status.code().is_none(),
        "{name} ended with {status} instead of dying at its kill point"
    );
    Ok(())
}

async fn mail_arrives_and_the_worker_dies_at(point: &str) -> Result<()> {
    World::run(setup(), async |w| {
        w.first_conversation().await?;
        let worker = w.worker_name();
        w.kill(worker)?;
        for n in 0..4 {
            w.deliver(SUPPORT, &numbered(n)).await?;
        }
        start_to_die(w, worker, point)?;
        died(w, worker)?;
        // Twice: what was left behind by one death is not only mended when nothing else happens.
        start_to_die(w, worker, point)?;
        w.deliver(SUPPORT, &numbered(4)).await?;
        died(w, worker)?;
        w.start_processes().await?;
        w.deliver(SUPPORT, &numbered(5)).await?;
        w.conversations_are(7).await?;
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn after_mail_was_fetched_and_before_it_is_stored() -> Result<()> {
    mail_arrives_and_the_worker_dies_at("fetched").await
}

#[tokio::test(flavor = "multi_thread")]
async fn inside_the_transaction_that_makes_messages_of_mail() -> Result<()> {
    mail_arrives_and_the_worker_dies_at("ingesting").await
}

#[tokio::test(flavor = "multi_thread")]
async fn after_raw_mail_was_stored_and_before_it_is_a_message() -> Result<()> {
    mail_arrives_and_the_worker_dies_at("raw_stored").await
}

/// A reply is written, the worker dies at `point`, and another one takes over: the customer has it once.
async fn a_reply_leaves_and_the_worker_dies_at(point: &str) -> Result<()> {
    World::run(setup(), async |w| {
        let conversation = w.first_conversation().await?;
        let worker = w.worker_name();
        if worker == w.api_name() {
            // One process does both: it dies of the reply it has just accepted, or while it accepts it.
            start_to_die(w, worker, point)?;
            w.start_processes().await?;
            let path = w.path(&format!("/conversations/{conversation}/messages"));
            let _ = w.api.call("POST", &path, Some(&json!({"content": "hello"}))).await;
        } else {
            w.kill(worker)?;
            w.reply(conversation, "hello").await?;
            start_to_die(w, worker, point)?;
        }
        died(w, worker)?;
        w.start_processes().await?;
        let said = w.said_are(conversation, 2).await?;
        let message = said[1]["id"].as_i64().context("id")?;
        w.delivery_is(conversation, message, "sent").await?;
        w.inbox_has(ADA, 1).await?;
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_job_was_taken_from_the_queue_and_before_its_row_is_claimed() -> Result<()> {
    a_reply_leaves_and_the_worker_dies_at("handed_over").await
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_delivery_was_claimed_and_before_anything_is_sent() -> Result<()> {
    a_reply_leaves_and_the_worker_dies_at("claimed").await
}

#[tokio::test(flavor = "multi_thread")]
async fn after_sending_was_committed_and_before_mail_from() -> Result<()> {
    a_reply_leaves_and_the_worker_dies_at("sending").await
}

#[tokio::test(flavor = "multi_thread")]
async fn after_the_server_took_a_reply_and_before_that_is_written() -> Result<()> {
    a_reply_leaves_and_the_worker_dies_at("answered").await
}

#[tokio::test(flavor = "multi_thread")]
async fn after_the_final_dot_and_before_the_servers_answer() -> Result<()> {
    for accepted in [true, false] {
        World::run(setup(), async |w| {
            let conversation = w.first_conversation().await?;
            w.sandbox.faults().once(sandbox::SmtpFault::StallAfterDot { accepted });
            let reply = w.reply(conversation, "hello").await?["id"].as_i64().context("id")?;
            w.eventually("the server has the final dot", async |w| Ok(!w.sandbox.faults().fired().is_empty())).await?;
            let worker = w.worker_name();
            w.kill(worker)?;
            w.start_processes().await?;
            let sent = w.delivery_is(conversation, reply, "sent").await?;
            // What the server had is not handed to it a second time.
            assert_eq!(sent["delivery"]["attempts"], json!(if accepted { 1 } else { 2 }), "{sent}");
            w.inbox_has(ADA, 1).await?;
            Ok(())
        })
        .await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_reply_was_committed_and_before_anybody_is_told() -> Result<()> {
    World::run(setup(), async |w| {
        let conversation = w.first_conversation().await?;
        let api = w.api_name();
        start_to_die(w, api, "reply_committed")?;
        w.start_processes().await?;
        let path = w.path(&format!("/conversations/{conversation}/messages"));
        let call = |w: &World| {
            w.api.request("POST", &path).header("Idempotency-Key", "one-reply").json(&json!({"content": "hello"}))
        };
        assert!(w.api.send(call(w)).await.is_err(), "the process answered before it died");
        died(w, api)?;
        w.start_processes().await?;
        // Whoever got no answer asks again under the same key, and gets the message that was made.
        let reply = w.api.send(call(w)).await?.ok()?["id"].as_i64().context("id")?;
        w.delivery_is(conversation, reply, "sent").await?;
        w.said_are(conversation, 2).await?;
        w.inbox_has(ADA, 1).await?;
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn after_new_tokens_came_and_before_they_are_stored() -> Result<()> {
    World::run(setup(), async |w| {
        let inbox = w.connect_and_watch(SUPPORT).await?;
        let worker = w.worker_name();
        w.kill(worker)?;
        w.sandbox.expire_access_tokens(SUPPORT);
        start_to_die(w, worker, "token_answered")?;
        died(w, worker)?;
        w.start_processes().await?;
        w.deliver(SUPPORT, &numbered(1)).await?;
        w.conversations_are(1).await?;
        let health = w.api.get(&w.path(&format!("/inboxes/{inbox}/health"))).await?;
        assert_eq!(health["fetch"]["state"], json!("connected"), "nobody has to sign in again: {health}");
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_code_was_redeemed_and_before_anything_of_it_is_stored() -> Result<()> {
    World::run(setup(), async |w| {
        let api = w.api_name();
        let (url, connection) = w.authorization(&json!({})).await?;
        let mut browser = w.admin_browser().await?;
        let callback = w.sign_in_at_microsoft(&mut browser, &url, SUPPORT).await?;
        start_to_die(w, api, "code_redeemed")?;
        w.start_processes().await?;
        assert!(browser.open(&callback).await.is_err(), "the process answered before it died");
        died(w, api)?;
        w.start_processes().await?;
        // The state was used and the code is spent: the page says so, and a new attempt works.
        let page = browser.open(&callback).await?;
        assert!(!page.text().is_empty() && page.status < 500, "{}: {}", page.status, page.text());
        let shown = w.api.get(&w.path(&format!("/connections/{connection}"))).await?;
        assert_ne!(shown["status"], json!("connected"), "{shown}");
        w.connect(SUPPORT).await?;
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn work_that_kills_the_process_whenever_it_is_begun_is_given_up_and_says_so() -> Result<()> {
    // In one process: whoever takes it up again dies with the API and with everything else.
    World::run(Setup::on(Database::Sqlite, Queue::Memory), async |w| {
        let conversation = w.first_conversation().await?;
        start_to_die(w, "run", "claimed")?;
        w.start_processes().await?;
        let path = w.path(&format!("/conversations/{conversation}/messages"));
        let _ = w.api.call("POST", &path, Some(&json!({"content": "hello"}))).await;
        died(w, "run")?;
        for _ in 1..5 {
            start_to_die(w, "run", "claimed")?;
            died(w, "run")?;
        }
        w.start_processes().await?;
        let reply = w.said_are(conversation, 2).await?[1]["id"].as_i64().context("id")?;
        let failed = w.delivery_is(conversation, reply, "failed").await?;
        assert_eq!(failed["delivery"]["failure"]["code"], json!("given_up"), "{failed}");
        // A person may ask once more, and by now it works.
        w.api.post(&format!("{path}/{reply}/retry"), &json!({})).await?;
        w.delivery_is(conversation, reply, "sent").await?;
        w.inbox_has(ADA, 1).await?;
        Ok(())
    })
    .await
}
