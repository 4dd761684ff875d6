//! The main job, whole: connect, receive, converse, reply, and the customer's answer comes back to the same conversation.
//!
//! The same story runs on both databases and both queues.

use anyhow::{Context, Result};
use serde_json::json;
use testkit::builders::{Mail, header, message_id};
use testkit::world::{Database, Queue, SUPPORT, Setup, World};

async fn the_main_job(setup: Setup) -> Result<()> {
    World::run(setup, async |w| {
        let inbox = w.connect(SUPPORT).await?;
        w.watched(inbox).await?;
        let shown = w.api.get(&w.path(&format!("/inboxes/{inbox}"))).await?;
        assert_eq!((&shown["channel_type"], &shown["provider"]), (&json!("Channel::Email"), &json!("microsoft")));

        w.sandbox.deliver(
            SUPPORT,
            &Mail::new("Ada <ada@customer.example>", "Broken lamp", "It does not shine.").id("lamp@c").bytes(),
        );
        let list = w.conversations_are(1).await?;
        let conversation = list[0]["id"].as_i64().context("id")?;
        assert_eq!(list[0]["meta"]["sender"]["email"], json!("ada@customer.example"));
        assert_eq!(list[0]["unread_count"], json!(1));
        let said = w.said_are(conversation, 1).await?;
        assert_eq!(said[0]["content"], json!("It does not shine."));

        let reply = w.reply(conversation, "Please send it **back**.").await?;
        let sent = w.delivery_is(conversation, reply["id"].as_i64().context("id")?, "sent").await?;
        assert_eq!(sent["status"], json!("sent"));
        let arrived = w.sandbox.mailbox("ada@customer.example").messages("INBOX");
        assert_eq!(arrived.len(), 1, "exactly one mail reached the customer");
        let raw = &arrived[0].bytes;
        assert_eq!(header(raw, "In-Reply-To").as_deref(), Some("<lamp@c>"));
        assert_eq!(header(raw, "Subject").as_deref(), Some("Re: Broken lamp"));
        assert!(header(raw, "From").context("From")?.contains(SUPPORT));
        let text = String::from_utf8_lossy(raw);
        assert!(text.contains("multipart/alternative") && text.contains("<strong>back</strong>"), "{text}");

        let answer = Mail::new("Ada <ada@customer.example>", "Re: Broken lamp", "It is on its way.")
            .id("lamp-2@c")
            .answering(&message_id(raw).context("Message-ID")?);
        w.sandbox.deliver(SUPPORT, &answer.bytes());
        let said = w.said_are(conversation, 3).await?;
        assert_eq!(said[2]["content"], json!("It is on its way."));
        w.conversations_are(1).await?;
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_main_job_runs_on_sqlite_and_memory() -> Result<()> {
    the_main_job(Setup::on(Database::Sqlite, Queue::Memory)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_main_job_runs_on_sqlite_and_redis() -> Result<()> {
    the_main_job(Setup::on(Database::Sqlite, Queue::Redis)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_main_job_runs_on_postgres_and_memory() -> Result<()> {
    the_main_job(Setup::on(Database::Postgres, Queue::Memory)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_main_job_runs_on_postgres_and_redis_with_api_and_worker_apart() -> Result<()> {
    the_main_job(Setup::on(Database::Postgres, Queue::Redis)).await
}
