//! A person with more mailboxes than Exchange lets them have sessions (I10): all of them are read, and none is said to be closed.

use anyhow::{Context, Result};
use sandbox::{CONTOSO, TenantUser};
use serde_json::json;
use testkit::builders::Mail;
use testkit::post::ADA;
use testkit::world::{SUPPORT, Setup, World};

/// With their own, more than the sixteen that one user may have open (`Set-ImapSettings -MaxConnectionsPerUser`, which the sandbox keeps to).
const SHARED: usize = 17;

fn mailbox(n: usize) -> String {
    format!("shared{n}@contoso.example")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_with_more_mailboxes_than_sessions_has_all_of_them_connected_and_read() -> Result<()> {
    let setup = Setup::default().with("WORKER_BULK_CONCURRENCY", "1").with("POLL_INTERVAL_SECONDS", "1");
    World::run(setup, async |w| {
        let own = w.connect_and_watch(SUPPORT).await?;
        let path = w.path(&format!("/inboxes/{own}/shared_mailboxes"));
        let mut inboxes = vec![own];
        for n in 0..SHARED {
            let address = mailbox(n);
            w.sandbox.add_user(TenantUser::work(CONTOSO, &address, "Contoso"));
            w.sandbox.update_user(SUPPORT, |user| user.full_access.push(address.clone()));
            let begun = w.api.post(&path, &json!({"mailbox": address})).await?;
            let inbox = w.connected(begun["id"].as_i64().context("id")?).await?;
            w.watched(inbox).await?;
            inboxes.push(inbox);
        }
        // Twice: whoever had their turn has it again.
        for round in 0..2 {
            for n in 0..SHARED {
                let mut mail = Mail::new(ADA, "To the shared one", "hello").id(&format!("{round}-to-{n}"));
                mail.to = mailbox(n);
                w.sandbox.deliver(&mailbox(n), &mail.bytes());
            }
            let count = i64::try_from((round + 1) * SHARED)?;
            // More than a page of the list.
            let stored = "SELECT COUNT(*) FROM conversations";
            w.eventually("each is a conversation", async |w| Ok(w.number(stored).await? == count)).await?;
        }
        let open = w.sandbox.imap_connections(SUPPORT);
        assert!(open <= 8, "{open} sessions are open: six are kept, one is had in turn, one an import's");
        for inbox in inboxes {
            let health = w.api.get(&w.path(&format!("/inboxes/{inbox}/health"))).await?;
            assert_eq!(health["fetch"]["state"], json!("connected"), "{health}");
        }
        Ok(())
    })
    .await
}
