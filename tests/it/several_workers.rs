//! Two and more workers on one database: one stands still past its leases and goes on, one is replaced under load (M4, R3, I1, O2).
//!
//! Only on PostgreSQL and Redis: on SQLite a second process is refused. Here time passes as it does; [`crate::kill_matrix`] lets a process stand
//! still at every moment, and moves the leases' ends instead.

use anyhow::{Context, Result};
use sandbox::SmtpFault;
use std::time::Duration;
use testkit::builders::numbered;
use testkit::check::run_where_free;
use testkit::post::ADA;
use testkit::process::Signal;
use testkit::world::{Database, Queue, SUPPORT, Setup, World};

fn setup() -> Setup {
    Setup::on(Database::Postgres, Queue::Redis).with("OUTCOME_LOOKS_SECONDS", "1,2,2")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_stood_still_while_another_took_its_mailbox_doubles_nothing() -> Result<()> {
    World::run(setup(), async |w| {
        w.connect_and_watch(SUPPORT).await?;
        w.deliver(SUPPORT, &numbered(0)).await?;
        w.conversations_are(1).await?;
        w.signal("work", 0, Signal::Stop)?;
        w.start_process("work")?;
        for n in 1..4 {
            w.deliver(SUPPORT, &numbered(n)).await?;
        }
        // The second one has the mailbox when these are there. The first wakes up with its session open and its cursor behind.
        w.conversations_are(4).await?;
        w.signal("work", 0, Signal::Continue)?;
        for n in 4..8 {
            w.deliver(SUPPORT, &numbered(n)).await?;
        }
        w.conversations_are(8).await?;
        // And the other way round: whoever has it now stands still, and the first takes over again.
        w.signal("work", 1, Signal::Stop)?;
        w.deliver(SUPPORT, &numbered(8)).await?;
        w.conversations_are(9).await?;
        w.signal("work", 1, Signal::Continue)?;
        w.deliver(SUPPORT, &numbered(9)).await?;
        w.conversations_are(10).await?;
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sender_that_stood_still_after_the_final_dot_does_not_overrule_the_one_that_took_over() -> Result<()> {
    World::run(setup(), async |w| {
        let conversation = w.first_conversation().await?;
        w.sandbox.faults().once(SmtpFault::StallAfterDot { accepted: true });
        let reply = w.reply(conversation, "hello").await?["id"].as_i64().context("id")?;
        w.eventually("the server has the final dot", async |w| Ok(!w.sandbox.faults().fired().is_empty())).await?;
        w.signal("work", 0, Signal::Stop)?;
        w.start_process("work")?;
        w.delivery_is(conversation, reply, "sent").await?;
        // The first one wakes up, and its connection ends: it does not know what became of the mail, and the database does.
        w.signal("work", 0, Signal::Continue)?;
        w.sandbox.cut_mail_connections();
        let next = w.reply(conversation, "and another").await?["id"].as_i64().context("id")?;
        w.delivery_is(conversation, next, "sent").await?;
        w.delivery_is(conversation, reply, "sent").await?;
        w.inbox_has(ADA, 2).await?;
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_are_replaced_one_by_one_under_load() -> Result<()> {
    World::run(setup(), async |w| {
        let conversation = w.first_conversation().await?;
        let mut replies = Vec::new();
        let mut count = 0;
        for round in 0..3 {
            w.start_process("work")?;
            for n in 0..6 {
                w.deliver(SUPPORT, &numbered(count)).await?;
                count += 1;
                let reply = w.reply(conversation, &format!("reply {round}.{n}")).await?;
                replies.push(reply["id"].as_i64().context("id")?);
            }
            // The oldest one goes, in the middle of it.
            let ended = w.stop("work", Duration::from_secs(30))?;
            assert!(ended.success(), "{ended}");
        }
        for reply in &replies {
            w.delivery_is(conversation, *reply, "sent").await?;
        }
        w.conversations_are(1 + count).await?;
        w.inbox_has(ADA, replies.len()).await?;
        Ok(())
    })
    .await
}

/// A worker stops itself at this moment while mail comes in; another one takes its mailbox over, and then the first goes on where it was.
async fn a_worker_freezes_while_mail_comes_in(point: &str) -> Result<()> {
    World::run(setup(), async |w| {
        w.connect_and_watch(SUPPORT).await?;
        w.kill("work")?;
        w.start_process_with("work", &[("POSTROOM_TEST_KILL_AT", &format!("{point}:stop"))])?;
        for n in 0..3 {
            w.deliver(SUPPORT, &numbered(n)).await?;
        }
        w.stands_still("work", 0).await?;
        w.start_process("work")?;
        w.deliver(SUPPORT, &numbered(3)).await?;
        // Everything, also what the first one has in its hands, is there before it goes on.
        w.conversations_are(4).await?;
        let before = where_it_stands(w).await?;
        assert_eq!(w.sandbox.imap_connections(SUPPORT), 2, "the first one's session is open");
        w.signal("work", 0, Signal::Continue)?;
        w.says("work", "this worker was away for longer than it is thought alive", 1).await?;
        // It has come to the end of what it was at, and nothing new came meanwhile that the new owner would have written.
        w.eventually("the old owner left the mailbox", async |w| Ok(w.sandbox.imap_connections(SUPPORT) == 1)).await?;
        assert_eq!(where_it_stands(w).await?, before, "the old owner wrote cursor or epoch");
        for n in 4..7 {
            w.deliver(SUPPORT, &numbered(n)).await?;
        }
        w.conversations_are(7).await?;
        // It says which mailboxes it lost.
        let channel = w.number("SELECT id FROM email_channels").await?;
        let said = w.said_by("work")?;
        let away = said.lines().find(|line| line.contains("this worker was away")).context("it said so")?;
        assert!(away.contains("lost=1") && away.contains(&format!("channels={channel}")), "{away}");
        assert_eq!(where_it_stands(w).await?.epoch, before.epoch, "the new owner kept the mailbox");
        Ok(())
    })
    .await
}

#[derive(Debug, PartialEq, Eq)]
struct Standing {
    cursor: i64,
    /// When somebody last wrote the cursor, be it to the same place.
    written_at: i64,
    /// How often the mailbox changed hands.
    epoch: i64,
}

async fn where_it_stands(w: &World) -> Result<Standing> {
    let cursor = w.number("SELECT last_uid FROM channel_folders WHERE role = 'inbox'").await?;
    let written_at = w.number("SELECT updated_at FROM channel_folders WHERE role = 'inbox'").await?;
    Ok(Standing { cursor, written_at, epoch: w.number("SELECT epoch FROM email_channels").await? })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_freezes_with_fetched_mail_in_its_hands_stores_nothing_afterwards() -> Result<()> {
    a_worker_freezes_while_mail_comes_in("fetched").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_freezes_inside_a_transaction_holds_up_nobody_and_doubles_nothing() -> Result<()> {
    a_worker_freezes_while_mail_comes_in("ingesting").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sender_that_freezes_before_mail_from_doubles_nothing() -> Result<()> {
    World::run(setup(), async |w| {
        let conversation = w.first_conversation().await?;
        w.kill("work")?;
        w.start_process_with("work", &[("POSTROOM_TEST_KILL_AT", "sending:stop")])?;
        let reply = w.reply(conversation, "hello").await?["id"].as_i64().context("id")?;
        w.stands_still("work", 0).await?;
        w.start_process("work")?;
        w.delivery_is(conversation, reply, "sent").await?;
        w.signal("work", 0, Signal::Continue)?;
        w.says("work", "this worker was away for longer than it is thought alive", 1).await?;
        let next = w.reply(conversation, "and another").await?["id"].as_i64().context("id")?;
        w.delivery_is(conversation, next, "sent").await?;
        w.delivery_is(conversation, reply, "sent").await?;
        w.inbox_has(ADA, 2).await?;
        Ok(())
    })
    .await
}

/// The process that has the mailbox; a worker's session is named after it.
async fn owner(w: &World) -> Result<u32> {
    let owner = "SELECT split_part(s.name, '-', 2)::BIGINT FROM worker_sessions s JOIN email_channels c ON c.worker_session_id = s.id";
    Ok(u32::try_from(w.number(owner).await?)?)
}

/// Minutes pass for this process alone, and the others see that they did.
async fn is_thought_dead(w: &World, process: u32) -> Result<()> {
    let named = format!("LIKE '%-{process}-%'");
    let statements = [
        format!("UPDATE worker_sessions SET heartbeat_at = heartbeat_at - 60000000 WHERE name {named}"),
        format!("UPDATE email_channels SET send_lease_until = 1 WHERE send_lease_worker {named}"),
        format!(
            "UPDATE owed_work SET lease_until = 1, handed_until = 0, ready_at = 1 WHERE lease_worker {named} AND state = 'waiting'"
        ),
        format!("UPDATE raw_emails SET lease_until = 0, ready_at = 1 WHERE lease_worker {named} AND state = 'waiting'"),
    ];
    run_where_free(w.database_url(), &statements.each_ref().map(String::as_str)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn of_three_workers_two_stand_still_by_turns_and_the_third_goes_on() -> Result<()> {
    World::run(setup(), async |w| {
        let conversation = w.first_conversation().await?;
        w.start_process("work")?;
        w.start_process("work")?;
        w.eventually("there are three", async |w| Ok(w.number("SELECT COUNT(*) FROM worker_sessions").await? == 3))
            .await?;
        let (mut still, mut replies, mut mails) = (Vec::new(), Vec::new(), 0);
        // First the one that has the mailbox stands still, then the one that took it over, and then both go on, one after the other. Each
        // time mail and a reply are on their way, and more follow.
        for round in 0..4 {
            for late in [false, true] {
                for _ in 0..2 {
                    w.deliver(SUPPORT, &numbered(mails)).await?;
                    mails += 1;
                }
                replies.push(
                    w.reply(conversation, &format!("reply {round}, {late}")).await?["id"].as_i64().context("id")?,
                );
                match round {
                    _ if late => {}
                    0 | 1 => {
                        let owner = owner(w).await?;
                        assert!(!still.contains(&owner), "the mailbox is still with one that stands still");
                        Signal::Stop.send(owner);
                        is_thought_dead(w, owner).await?;
                        still.push(owner);
                    }
                    _ => Signal::Continue.send(still.remove(0)),
                }
            }
            w.conversations_are(1 + mails).await?;
            for reply in &replies {
                w.delivery_is(conversation, *reply, "sent").await?;
            }
        }
        w.inbox_has(ADA, replies.len()).await?;
        Ok(())
    })
    .await
}
