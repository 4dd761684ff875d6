//! The worker dies, or everything restarts, while mail arrives and replies leave (I1, O1, R3).

use anyhow::{Context, Result};
use serde_json::json;
use std::collections::BTreeSet;
use std::time::Duration;
use testkit::builders::numbered;
use testkit::world::{Database, Queue, SUPPORT, Setup, World};

/// Every mail that was delivered is exactly one conversation.
async fn each_is_there_once(w: &mut World, count: usize) -> Result<()> {
    let meta = w.path("/conversations/meta?status=all");
    w.eventually(&format!("{count} conversations"), async |w| {
        Ok(w.api.get(&meta).await?["meta"]["all_count"].as_i64().is_some_and(|n| n >= count as i64))
    })
    .await?;
    let mut subjects = BTreeSet::new();
    let mut seen = 0;
    for page in 1.. {
        let list = w.api.get(&w.path(&format!("/conversations?status=all&assignee_type=all&page={page}"))).await?;
        let items = list["data"]["payload"].as_array().context("payload")?.clone();
        if items.is_empty() {
            break;
        }
        seen += items.len();
        subjects.extend(items.iter().map(|c| c["additional_attributes"]["mail_subject"].to_string()));
    }
    assert_eq!((seen, subjects.len()), (count, count));
    Ok(())
}

async fn a_worker_that_is_killed_while_mail_arrives(setup: Setup) -> Result<()> {
    World::run(setup, async |w| {
        let inbox = w.connect(SUPPORT).await?;
        w.watched(inbox).await?;
        let worker = w.worker_name();
        let mut count = 0;
        for _ in 0..3 {
            for _ in 0..15 {
                w.sandbox.deliver(SUPPORT, &numbered(count));
                count += 1;
            }
            w.kill(worker)?;
            for _ in 0..5 {
                w.sandbox.deliver(SUPPORT, &numbered(count));
                count += 1;
            }
            w.start_processes().await?;
        }
        each_is_there_once(w, count).await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_killed_while_mail_arrives_loses_and_doubles_nothing_on_sqlite() -> Result<()> {
    a_worker_that_is_killed_while_mail_arrives(Setup::default()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_killed_while_mail_arrives_loses_and_doubles_nothing_on_postgres_and_redis() -> Result<()> {
    a_worker_that_is_killed_while_mail_arrives(Setup::on(Database::Postgres, Queue::Redis)).await
}

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
            w.kill("run")?;
            w.start_processes().await?;
            w.delivery_is(conversation, reply["id"].as_i64().context("id")?, "sent").await?;
        }
        assert_eq!(w.sandbox.mailbox("ada@customer.example").messages("INBOX").len(), 3);
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
    World::run(Setup::default(), async |w| {
        let refused = w.postroom(&["run"]).err().context("a second process was not refused")?.to_string();
        assert!(refused.contains("another") || refused.contains("already"), "{refused}");
        w.create_account("Beside", "beside@contoso.example")?;
        Ok(())
    })
    .await
}
