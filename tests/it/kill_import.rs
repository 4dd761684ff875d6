//! The import of a mailbox's past, in three ways: its worker dies, stands still past its leases while another takes over, or finds its
//! connections dead when it goes on (I1; the table is in docs/FAILURES.md).
//!
//! Nothing is new mail here: a mailbox is connected when its mails lie in it, so that the import alone meets the moment.

use anyhow::{Context, Result};
use sandbox::{CONTOSO, TenantUser};
use serde_json::json;
use testkit::builders::Mail;
use testkit::ways::Link::{Database, Imap};
use testkit::ways::Way::{self, Dies, IsCut, Stalls};
use testkit::world::{self, ADMIN_EMAIL, Queue, Setup, World};

/// More than one transaction's.
const MAILS: usize = 60;

/// Connects a mailbox with a past, and waits for nothing but the page.
async fn connects(w: &World, round: usize) -> Result<i64> {
    let address = format!("team-{round}@contoso.example");
    for n in 0..MAILS {
        let mail = Mail::new("Bea <bea@customer.example>", &format!("Past {n}"), "").id(&format!("past-{round}-{n}@c"));
        w.deliver(&address, &mail.bytes()).await?;
    }
    w.sandbox.add_user(TenantUser::work(CONTOSO, &address, "Team"));
    w.signed_in_as(ADMIN_EMAIL, &address, &json!({})).await
}

async fn is_imported(w: &mut World, connection: i64, count: usize) -> Result<()> {
    let inbox = w.connected(connection).await?;
    let health = w.path(&format!("/inboxes/{inbox}/health"));
    w.eventually("the import is done", async |w| Ok(w.api.get(&health).await?["import"]["state"] == json!("done")))
        .await?;
    let import = w.api.get(&health).await?["import"].clone();
    assert_eq!((&import["done"], &import["total"]), (&json!(MAILS), &json!(MAILS)), "{import}");
    let meta = w.path("/conversations/meta?status=all");
    let there = async |w: &World| anyhow::Ok(w.api.get(&meta).await?["meta"]["all_count"].as_u64().context("a count")?);
    let count = u64::try_from(count)?;
    w.eventually("every mail is a conversation", async |w| Ok(there(w).await? >= count)).await?;
    assert_eq!(there(w).await?, count, "conversations");
    Ok(())
}

async fn a_past_is_imported(point: &str, ways: &[Way]) -> Result<()> {
    let setup = Setup::on(world::Database::Postgres, Queue::Redis).through_proxies();
    World::run(setup, async |w| {
        for (round, way) in ways.iter().enumerate() {
            let told = async {
                w.stop_all("work")?;
                w.start_towards("work", point, *way)?;
                let connection = connects(w, round).await?;
                w.meets_its_point("work", *way).await?;
                let count = (round + 1) * MAILS;
                w.befalls("work", *way, async |w| is_imported(w, connection, count).await).await?;
                w.stop_all("work")?;
                w.start_processes().await?;
                is_imported(w, connection, count).await?;
                w.holds().await
            };
            told.await.with_context(|| format!("at {point}, where the process {way:?}"))?;
        }
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_past_that_was_fetched_is_there_once_whatever_happens_to_its_worker() -> Result<()> {
    a_past_is_imported("fetched", &[Dies, Stalls, IsCut(&[Database, Imap])]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_past_that_was_stored_is_there_once_whatever_happens_to_its_worker() -> Result<()> {
    a_past_is_imported("raw_stored", &[Dies, Stalls, IsCut(&[Database])]).await
}
