//! A mail server that allows fewer connections than there are mailboxes (I10): they take turns, and nobody waits for ever.

use anyhow::{Context, Result};
use sandbox::{CONTOSO, TenantUser};
use serde_json::json;
use std::collections::BTreeMap;
use testkit::builders::numbered;
use testkit::post::ADA;
use testkit::world::{Setup, World};

const MAILBOXES: usize = 6;
const ALLOWED: usize = 3;

fn mailbox(n: usize) -> String {
    format!("m{n}@contoso.example")
}

#[tokio::test(flavor = "multi_thread")]
async fn more_mailboxes_than_connections_to_their_server_take_turns_and_all_are_read_and_send() -> Result<()> {
    let setup = Setup::default()
        .with("MAIL_HOST_CONNECTIONS", &ALLOWED.to_string())
        .with("WORKER_BULK_CONCURRENCY", "1")
        .with("POLL_INTERVAL_SECONDS", "1");
    World::run(setup, async |w| {
        for n in 0..MAILBOXES {
            let address = mailbox(n);
            w.sandbox.add_user(TenantUser::work(CONTOSO, &address, &address));
            w.connect_and_watch(&address).await?;
        }
        let mut conversations = Vec::new();
        // Twice: whoever gave way comes again.
        for round in 0..2 {
            for n in 0..MAILBOXES {
                w.deliver(&mailbox(n), &numbered(round * MAILBOXES + n)).await?;
            }
            conversations = w.conversations_are((round + 1) * MAILBOXES).await?;
        }
        let one_of_each: BTreeMap<_, _> =
            conversations.iter().map(|one| (one["inbox_id"].as_i64(), one["id"].as_i64())).collect();
        assert_eq!(one_of_each.len(), MAILBOXES);
        // Each keeps its connection for its next reply, until another one needs it.
        for conversation in one_of_each.into_values() {
            let conversation = conversation.context("id")?;
            let reply = w.reply(conversation, "an answer").await?["id"].as_i64().context("id")?;
            w.delivery_is(conversation, reply, "sent").await?;
        }
        w.inbox_has(ADA, MAILBOXES).await?;
        let (reading, sending) = w.sandbox.most_connections();
        assert!(reading <= ALLOWED && sending <= ALLOWED, "{reading} IMAP and {sending} SMTP connections at once");
        assert!(w.logs().contains("more connections to a mail server are wanted than it is allowed"));
        // Not one of them is said to be ill for having waited.
        let inboxes = w.api.get(&w.path("/inboxes")).await?;
        for inbox in inboxes["payload"].as_array().into_iter().flatten() {
            let health = w.api.get(&w.path(&format!("/inboxes/{}/health", inbox["id"]))).await?;
            assert_eq!(
                (&health["fetch"]["state"], &health["send"]["state"]),
                (&json!("connected"), &json!("connected"))
            );
        }
        Ok(())
    })
    .await
}
