//! The worker dies, or everything restarts, while replies leave (O1, R3). What happens to mail that arrives meanwhile is told in
//! `conformance` and `kill_points`.

use anyhow::{Context, Result};
use sandbox::SmtpFault;
use serde_json::json;
use std::time::Duration;
use testkit::builders::numbered;
use testkit::chaos::Mode;
use testkit::post::ADA;
use testkit::ways::Link;
use testkit::world::{Database, Queue, SUPPORT, Setup, World};

#[tokio::test(flavor = "multi_thread")]
async fn redis_may_be_flushed_and_restarted_while_replies_wait() -> Result<()> {
    World::run(Setup::on(Database::Postgres, Queue::Redis), async |w| {
        let inbox = w.connect(SUPPORT).await?;
        w.watched(inbox).await?;
        w.sandbox.deliver(SUPPORT, &numbered(0));
        let conversation = w.conversations_are(1).await?[0]["id"].as_i64().context("id")?;
        let mut sent = Vec::new();
        for n in 0..6 {
            let reply = w.reply(conversation, &format!("reply {n}")).await?;
            sent.push(reply["id"].as_i64().context("id")?);
            let redis = w.redis.as_mut().context("redis")?;
            if n % 2 == 0 {
                redis.flush()?;
            } else {
                redis.stop();
                redis.start_again()?;
            }
        }
        for id in sent {
            w.delivery_is(conversation, id, "sent").await?;
        }
        assert_eq!(w.sandbox.mailbox("ada@customer.example").messages("INBOX").len(), 6);
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_accepted_by_the_api_survives_kill_9_and_is_sent_once() -> Result<()> {
    World::run(Setup::default().with("OUTCOME_LOOKS_SECONDS", "1,2,2"), async |w| {
        let inbox = w.connect(SUPPORT).await?;
        w.watched(inbox).await?;
        w.sandbox.deliver(SUPPORT, &numbered(0));
        let conversation = w.conversations_are(1).await?[0]["id"].as_i64().context("id")?;
        for n in 0..3 {
            let reply = w.reply(conversation, &format!("reply {n}")).await?;
            w.kill(w.worker_name())?;
            w.start_processes().await?;
            w.delivery_is(conversation, reply["id"].as_i64().context("id")?, "sent").await?;
        }
        assert_eq!(w.sandbox.mailbox("ada@customer.example").messages("INBOX").len(), 3);
        Ok(())
    })
    .await
}

/// The mail server's connection ends behind the final dot, and that cannot be written down: nobody but Sent knows what became of the mail.
#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_cut_off_behind_the_final_dot_makes_no_second_mail_of_it() -> Result<()> {
    let setup = Setup::on(Database::Postgres, Queue::Redis).through_proxies().with("OUTCOME_LOOKS_SECONDS", "1,1,1");
    World::run(setup, async |w| {
        let conversation = w.first_conversation().await?;
        for (n, accepted) in [true, false].into_iter().enumerate() {
            w.sandbox.faults().once(SmtpFault::StallAfterDot { accepted });
            let reply = w.reply(conversation, "hello").await?["id"].as_i64().context("id")?;
            w.eventually("the server has the final dot", async |w| Ok(w.sandbox.faults().fired().len() > n)).await?;
            w.proxy(Link::Database)?.set(Mode::Cut);
            w.sandbox.cut_mail_connections();
            w.says("work", "what became of a message could not be written; it is tried again", n + 1).await?;
            w.proxy(Link::Database)?.set(Mode::Pass);
            w.reads_again().await?;
            let sent = w.delivery_is(conversation, reply, "sent").await?;
            // What the server had is not handed to it a second time.
            assert_eq!(sent["delivery"]["attempts"], json!(if accepted { 1 } else { 2 }), "{sent}");
            w.inbox_has(ADA, n + 1).await?;
            w.holds().await?;
        }
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_ends_the_processes_cleanly() -> Result<()> {
    World::run(Setup::on(Database::Postgres, Queue::Redis), async |w| {
        let inbox = w.connect(SUPPORT).await?;
        w.watched(inbox).await?;
        assert!(w.stop("work", Duration::from_secs(30))?.success());
        assert!(w.stop("serve", Duration::from_secs(30))?.success());
        w.start_processes().await?;
        w.sandbox.deliver(SUPPORT, &numbered(1));
        w.conversations_are(1).await?;
        let health = w.api.get(&w.path(&format!("/inboxes/{inbox}/health"))).await?;
        assert_eq!(health["fetch"]["state"], json!("connected"));
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_serving_process_on_the_same_sqlite_file_is_refused() -> Result<()> {
    World::run(Setup::on(Database::Sqlite, Queue::Memory), async |w| {
        let refused = w.postroom(&["run"]).err().context("a second process was not refused")?.to_string();
        assert!(refused.contains("another process serves from this database file already"), "{refused}");
        w.create_account("Beside", "beside@contoso.example")?;
        Ok(())
    })
    .await
}
