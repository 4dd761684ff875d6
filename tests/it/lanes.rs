//! Nobody who waits in front of a screen waits for what can wait (I10): imports that hang keep no reply from leaving.

use anyhow::{Context, Result, ensure};
use sandbox::{CONTOSO, ImapFault, TenantUser};
use serde_json::json;
use testkit::builders::numbered;
use testkit::post::ADA;
use testkit::world::{Setup, World};

/// More mailboxes than there are places for imports.
const HANGING: [&str; 3] = ["one@contoso.example", "two@contoso.example", "three@contoso.example"];
/// One, so that one account may have them all.
const PLACES: usize = 1;

/// The mailboxes of which both the reader and an import stand still in a session of their own.
fn imports_that_hang(w: &World) -> Vec<&'static str> {
    HANGING.into_iter().filter(|mailbox| w.sandbox.imap_connections(mailbox) == 2).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn imports_that_hang_in_all_their_places_keep_no_reply_from_leaving() -> Result<()> {
    let setup = Setup::default().with("WORKER_CONCURRENCY", "2").with("WORKER_BULK_CONCURRENCY", &PLACES.to_string());
    World::run(setup, async |w| {
        let conversation = w.first_conversation().await?;
        for mailbox in HANGING {
            w.sandbox.add_user(TenantUser::work(CONTOSO, mailbox, mailbox));
            // Of an empty past nothing is asked.
            w.sandbox.deliver(mailbox, &numbered(0));
            w.sandbox.faults().always_for(mailbox, ImapFault::StallAt { verb: "SEARCH".to_owned() });
        }
        let mut inboxes = Vec::new();
        for mailbox in HANGING {
            inboxes.push(w.connect(mailbox).await?);
        }
        w.eventually("imports hang in all their places", async |w| Ok(imports_that_hang(w).len() == PLACES)).await?;
        let hanging = imports_that_hang(w);
        for n in 1..=3 {
            let reply = w.reply(conversation, "hello").await?["id"].as_i64().context("id")?;
            w.delivery_is(conversation, reply, "sent").await?;
            w.inbox_has(ADA, n).await?;
        }
        ensure!(imports_that_hang(w) == hanging, "they hung all the time: {:?}", w.sandbox.events());
        // The server is well again; the sessions that hang end with their process.
        w.sandbox.faults().clear();
        w.kill(w.worker_name())?;
        w.start_processes().await?;
        for inbox in inboxes {
            let path = w.path(&format!("/inboxes/{inbox}/health"));
            w.eventually("the import is done", async |w| {
                Ok(w.api.get(&path).await?["import"]["state"] == json!("done"))
            })
            .await?;
        }
        Ok(())
    })
    .await
}
