//! What only real mail servers can show: Dovecot and Postfix stopped and started under PostgreSQL, Redis, API and worker apart.

use anyhow::{Context, Result};
use serde_json::json;
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
