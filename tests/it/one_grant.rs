//! One permission that several processes need at once (C6): it is asked for once, by one of them, and the others use what it got.
//!
//! Only on PostgreSQL and Redis: on SQLite a second process is refused. One mailbox to a process, so that each of three needs the token by
//! itself.

use anyhow::{Context, Result};
use sandbox::{CONTOSO, Endpoint, EndpointFault, TenantUser};
use serde_json::json;
use testkit::builders::Mail;
use testkit::check::run_where_free;
use testkit::world::{Database, Queue, SUPPORT, Setup, World};

const SHARED: [&str; 2] = ["info@contoso.example", "jobs@contoso.example"];
const ADA: &str = "ada@customer.example";

fn setup() -> Setup {
    Setup::on(Database::Postgres, Queue::Redis).with("WORKER_MAILBOXES", "1")
}

async fn from_ada(w: &mut World, count: usize, subject: &str) -> Result<()> {
    for mailbox in [SUPPORT, SHARED[0], SHARED[1]] {
        let mut mail = Mail::new(ADA, subject, "hello").id(&format!("{subject}-to-{mailbox}"));
        mail.to = mailbox.to_owned();
        w.sandbox.deliver(mailbox, &mail.bytes());
    }
    w.conversations_are(count).await?;
    Ok(())
}

/// Three inboxes of one permission, each looked after by another process.
async fn three_mailboxes(w: &mut World) -> Result<()> {
    for mailbox in SHARED {
        w.sandbox.add_user(TenantUser::work(CONTOSO, mailbox, "Contoso"));
        w.sandbox.update_user(SUPPORT, |user| {
            user.full_access.push(mailbox.to_owned());
            user.send_as.push(mailbox.to_owned());
        });
    }
    let own = w.connect_and_watch(SUPPORT).await?;
    w.start_process("work")?;
    w.start_process("work")?;
    for mailbox in SHARED {
        let path = w.path(&format!("/inboxes/{own}/shared_mailboxes"));
        let begun = w.api.post(&path, &json!({"mailbox": mailbox})).await?;
        let inbox = w.connected(begun["id"].as_i64().context("id")?).await?;
        w.watched(inbox).await?;
    }
    let owners = "SELECT COUNT(DISTINCT worker_session_id) FROM email_channels";
    w.eventually("each process has one of them", async |w| Ok(w.number(owners).await? == 3)).await?;
    assert_eq!(w.number("SELECT COUNT(*) FROM grants").await?, 1);
    from_ada(w, 3, "first").await
}

/// The access token runs out, and everybody has to sign in to the mailbox anew at the same moment.
async fn everybody_needs_a_token(w: &World) -> Result<()> {
    run_where_free(w.database_url(), &["UPDATE grant_access_tokens SET expires_at = 0"]).await?;
    w.sandbox.cut_mail_connections();
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn three_processes_that_need_the_token_of_one_grant_at_once_ask_for_it_once() -> Result<()> {
    World::run(setup(), async |w| {
        three_mailboxes(w).await?;
        // All of them ask while the first is still waiting.
        w.sandbox.faults().always(EndpointFault::Slow { at: Endpoint::Token, milliseconds: 5000 });
        for round in 1..=3 {
            let before = w.sandbox.refreshes();
            everybody_needs_a_token(w).await?;
            from_ada(w, 3 + 3 * round, &format!("round {round}")).await?;
            assert_eq!(w.sandbox.refreshes(), before + 1, "in round {round}");
        }
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn while_microsoft_holds_its_answer_back_the_claim_is_renewed_and_nobody_else_asks() -> Result<()> {
    World::run(setup(), async |w| {
        three_mailboxes(w).await?;
        let before = w.sandbox.refreshes();
        w.sandbox.faults().once(EndpointFault::Stall(Endpoint::Token));
        everybody_needs_a_token(w).await?;
        let until = "SELECT COALESCE(MAX(lease_until), 0) FROM grants";
        w.eventually("one of them asks", async |w| Ok(w.number(until).await? > 0)).await?;
        for _ in 0..2 {
            let now = w.number(until).await?;
            w.eventually("its claim is renewed", async |w| Ok(w.number(until).await? > now)).await?;
            assert_eq!((w.sandbox.faults().fired().len(), w.sandbox.refreshes()), (1, before), "the others wait");
        }
        // It gives up, and the next one asks.
        from_ada(w, 6, "at last").await?;
        assert_eq!(w.sandbox.refreshes(), before + 1, "what was never answered is no refresh");
        Ok(())
    })
    .await
}
