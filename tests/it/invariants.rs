//! What is checked after every story finds what it is there to find: rows are broken on purpose, and each time the check says so.
//!
//! Nothing runs meanwhile but the sandbox: what the product does about such rows is told elsewhere.

use anyhow::{Context, Result};
use std::time::Duration;
use testkit::check::run_where_free;
use testkit::world::{Database, Queue, Setup, World};

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
        "UPDATE raw_emails SET uid = uid + 1000, source = 'import'",
        "UPDATE raw_emails SET uid = uid - 1000, source = 'live'",
        "passed over the UIDs",
    ),
];

async fn what_is_broken_is_found(setup: Setup) -> Result<()> {
    World::run(setup, async |w| {
        w.first_conversation().await?;
        // Its conversations are gone, and their events stay.
        w.sandbox.add_user(sandbox::TenantUser::work(sandbox::CONTOSO, "sales@contoso.example", "Sales"));
        let inbox = w.connect_and_watch("sales@contoso.example").await?;
        w.deliver("sales@contoso.example", &testkit::builders::numbered(1)).await?;
        w.conversations_are(2).await?;
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
        Ok(())
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
