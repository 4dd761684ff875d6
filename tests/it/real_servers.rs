//! The main job on real parts: Dovecot and Postfix as the mail servers, PostgreSQL, Redis, API and worker apart.

use anyhow::{Context, Result};
use serde_json::json;
use testkit::builders::{Mail, header, message_id};
use testkit::world::{Database, Queue, SUPPORT, Setup, World};

const ADA: &str = "ada@customer.example";

fn setup() -> Setup {
    Setup { real_mail: true, ..Setup::on(Database::Postgres, Queue::Redis) }
}

async fn customer_writes(w: &World, mail: &Mail) -> Result<()> {
    w.mail.as_ref().context("real mail servers")?.customer_writes(ADA, SUPPORT, &mail.bytes()).await
}

fn inbox_of(w: &World, who: &str) -> Result<Vec<Vec<u8>>> {
    w.mail.as_ref().context("real mail servers")?.dovecot.inbox(who)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_main_job_runs_on_dovecot_postfix_postgres_and_redis() -> Result<()> {
    World::run(setup(), async |w| {
        let inbox = w.connect(SUPPORT).await?;
        w.watched(inbox).await?;
        customer_writes(w, &Mail::new("Ada <ada@customer.example>", "Broken lamp", "It does not shine.").id("lamp@c"))
            .await?;
        let conversation = w.conversations_are(1).await?[0]["id"].as_i64().context("id")?;
        let said = w.said_are(conversation, 1).await?;
        assert_eq!(said[0]["content"], json!("It does not shine."));

        let reply = w.reply(conversation, "Please send it back.").await?;
        w.delivery_is(conversation, reply["id"].as_i64().context("id")?, "sent").await?;
        w.eventually("the reply is in the customer's mailbox", async |w| Ok(!inbox_of(w, ADA)?.is_empty())).await?;
        let mails = inbox_of(w, ADA)?;
        assert_eq!(mails.len(), 1);
        assert_eq!(header(&mails[0], "In-Reply-To").as_deref(), Some("<lamp@c>"));

        let ours = message_id(&mails[0]).context("Message-ID")?;
        customer_writes(
            w,
            &Mail::new("Ada <ada@customer.example>", "Re: Broken lamp", "On its way.").id("lamp-2@c").answering(&ours),
        )
        .await?;
        let said = w.said_are(conversation, 3).await?;
        assert_eq!(said[2]["content"], json!("On its way."));
        w.conversations_are(1).await?;
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_killed_while_real_mail_arrives_loses_and_doubles_nothing() -> Result<()> {
    World::run(setup(), async |w| {
        let inbox = w.connect(SUPPORT).await?;
        w.watched(inbox).await?;
        for n in 0..20 {
            customer_writes(w, &Mail::new(ADA, &format!("Mail {n}"), "body").id(&format!("m-{n}@c"))).await?;
            if n % 7 == 3 {
                w.kill("work")?;
            }
            if n % 7 == 5 {
                w.start_processes().await?;
            }
        }
        w.start_processes().await?;
        w.conversations_are(20).await?;
        Ok(())
    })
    .await
}
