//! What is checked after every story finds what it is there to find: rows are broken on purpose, and each time the check says so.
//!
//! Nothing runs meanwhile that would mend them: what the product does about such rows is told elsewhere.

use anyhow::{Context, Result};
use sandbox::{CONTOSO, TenantUser};
use std::time::Duration;
use testkit::builders::numbered;
use testkit::check::run_where_free;
use testkit::world::{Database, Queue, SUPPORT, Setup, World};

const SALES: &str = "sales@contoso.example";
const TEAM: &str = "team@contoso.example";

/// Breaks, mends, and the words by which the check tells it.
const BROKEN: &[(&str, &str, &str)] = &[
    (
        "UPDATE events SET conversation_id = conversation_id + 1000",
        "UPDATE events SET conversation_id = conversation_id - 1000",
        "every event's conversation is there",
    ),
    (
        "UPDATE events SET inbox_id = inbox_id + 1000",
        "UPDATE events SET inbox_id = inbox_id - 1000",
        "every event's inbox is there",
    ),
    (
        "UPDATE channel_folders SET uidvalidity = uidvalidity + 1000",
        "UPDATE channel_folders SET uidvalidity = uidvalidity - 1000",
        "is known under UIDVALIDITY",
    ),
    (
        "UPDATE raw_emails SET uid = uid + 1000, source = 'import' WHERE source = 'live'",
        "UPDATE raw_emails SET uid = uid - 1000, source = 'live' WHERE uid > 1000",
        "passed over the UIDs",
    ),
    (
        "UPDATE raw_emails SET uid = uid + 1000 WHERE source = 'import'",
        "UPDATE raw_emails SET uid = uid - 1000 WHERE source = 'import'",
        "is imported without the UIDs",
    ),
    // Incoming ones have none.
    (
        "UPDATE messages SET message_type = 1 WHERE message_type = 0",
        "UPDATE messages SET message_type = 0 WHERE message_type = 1 AND id NOT IN (SELECT message_id FROM deliveries)",
        "every message that an agent sent has a delivery",
    ),
    // With a failure they wait for another try, which may be days away.
    (
        "UPDATE deliveries SET state = 'queued', failure = '{}'",
        "UPDATE deliveries SET state = 'sent', failure = NULL",
        "every delivery that is under way is owed",
    ),
    (
        "UPDATE deliveries SET state = 'outcome_unknown', next_try_at = 1",
        "UPDATE deliveries SET state = 'sent', next_try_at = NULL",
        "every delivery that is under way is owed",
    ),
];

/// As if nobody knew any more that the server took it.
const SENT_ANEW: &[&str] = &[
    "UPDATE deliveries SET state = 'queued', recipients = '{}', sent_at = NULL",
    "INSERT INTO owed_work (account_id, kind, subject_id, payload, priority, state, due_at, ready_at, created_at, updated_at) \
     SELECT account_id, 'deliver_message', id, '{}', 0, 'waiting', 1, 1, 1, 1 FROM deliveries",
];

async fn what_is_broken_is_found(setup: Setup) -> Result<()> {
    World::run(setup, async |w| {
        w.connect_and_watch(SUPPORT).await?;
        w.deliver(SUPPORT, &numbered(0)).await?;
        let conversation = w.conversations_are(1).await?[0]["id"].as_i64().context("id")?;
        let reply = w.reply(conversation, "hello").await?["id"].as_i64().context("id")?;
        let sent = w.delivery_is(conversation, reply, "sent").await?;
        // This one has a past.
        w.deliver(TEAM, &numbered(1)).await?;
        w.sandbox.add_user(TenantUser::work(CONTOSO, TEAM, "Team"));
        w.connect_and_watch(TEAM).await?;
        w.conversations_are(2).await?;
        // Its conversations are gone, and their events stay.
        w.sandbox.add_user(TenantUser::work(CONTOSO, SALES, "Sales"));
        let inbox = w.connect_and_watch(SALES).await?;
        w.deliver(SALES, &numbered(2)).await?;
        w.conversations_are(3).await?;
        w.api.call("DELETE", &w.path(&format!("/inboxes/{inbox}")), None).await?.ok()?;
        w.eventually("nobody is at the other mailbox any more", async |w| Ok(w.holds().await.is_ok())).await?;
        let worker = w.worker_name();
        assert!(w.stop(worker, Duration::from_secs(40))?.success());
        w.holds().await?;
        for (breaks, mends, words) in BROKEN {
            run_where_free(w.database_url(), &[breaks]).await?;
            let found = w.holds().await.err().with_context(|| format!("nothing is found wrong after {breaks}"))?;
            assert!(format!("{found:#}").contains(words), "{breaks}: {found:#}");
            run_where_free(w.database_url(), &[mends]).await?;
            w.holds().await.with_context(|| format!("mended by {mends}"))?;
        }
        // Exchange refuses the second one, and the product says "sent": nobody outside would see it.
        run_where_free(w.database_url(), SENT_ANEW).await?;
        w.start_processes().await?;
        w.eventually("it is sent anew", async |w| Ok(!w.sandbox.handed_in_again().is_empty())).await?;
        w.delivery_is(conversation, reply, "sent").await?;
        let found = w.holds().await.err().context("nothing is found wrong after a second sending")?;
        assert!(format!("{found:#}").contains("handed to the server a second time"), "{found:#}");
        w.is_sent_again(sent["source_id"].as_str().context("an id")?);
        w.holds().await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_broken_row_is_found_on_sqlite() -> Result<()> {
    what_is_broken_is_found(Setup::default()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_broken_row_is_found_on_postgres() -> Result<()> {
    what_is_broken_is_found(Setup::on(Database::Postgres, Queue::Memory)).await
}

/// A reply is on its way and nobody owes it: the next worker finds it and sends it, so that no row shows it afterwards.
async fn something_is_forgotten(w: &mut World) -> Result<()> {
    let conversation = w.first_conversation().await?;
    let reply = w.reply(conversation, "hello").await?["id"].as_i64().context("id")?;
    let sent = w.delivery_is(conversation, reply, "sent").await?;
    w.is_sent_again(sent["source_id"].as_str().context("an id")?);
    assert!(w.stop("run", Duration::from_secs(40))?.success());
    run_where_free(w.database_url(), &SENT_ANEW[..1]).await?;
    w.start_processes().await?;
    w.eventually("it is sent anew", async |w| Ok(!w.sandbox.handed_in_again().is_empty())).await?;
    w.delivery_is(conversation, reply, "sent").await.map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_forgotten_and_mended_by_the_next_worker_is_found() -> Result<()> {
    let mut w = World::start(Setup::on(Database::Sqlite, Queue::Memory)).await?;
    let told = something_is_forgotten(&mut w).await;
    let found = w.finish().await.err();
    told?;
    let found = found.context("nothing is found wrong after something was forgotten")?;
    assert!(format!("{found:#}").contains("found what was to be owed and was not"), "{found:#}");
    Ok(())
}
