//! What mail may take of a process's memory, and that no mailbox with huge mails or a lying server holds up the others (I4, I10, S7).
//!
//! Bounds on memory are loose: a debug build and an allocator that keeps some back take their part. Each is well below what the same story
//! takes when nothing bounds it.

use anyhow::{Context, Result};
use sandbox::{CONTOSO, ImapFault, TenantUser};
use serde_json::{Value, json};
use std::time::Duration;
use testkit::builders::{Mail, numbered};
use testkit::world::{SUPPORT, Setup, World};

const MB: u64 = 1024 * 1024;
const SALES: &str = "sales@contoso.example";

/// A text and a file of so many bytes, encoded.
fn with_a_file(n: usize, bytes: u64) -> Vec<u8> {
    let line = "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWZnaGlqa2xtbm9wcXJzdHV2d3h5ejAxMjM=\r\n";
    let head = "--b\r\nContent-Type: text/plain\r\n\r\nsee the file\r\n--b\r\nContent-Type: application/zip; name=big.zip\r\n\
                Content-Disposition: attachment; filename=big.zip\r\nContent-Transfer-Encoding: base64\r\n\r\n";
    let mail = Mail::new("ada@customer.example", &format!("Big {n}"), head).id(&format!("big-{n}@c"));
    let mut raw = mail.header("MIME-Version", "1.0").header("Content-Type", "multipart/mixed; boundary=b").bytes();
    let lines = usize::try_from(bytes).expect("it fits") / line.len();
    raw.extend_from_slice(line.repeat(lines).as_bytes());
    raw.extend_from_slice(b"--b--\r\n");
    raw
}

/// How many conversations there are in the account.
async fn count(w: &World) -> Result<u64> {
    let meta = w.api.get(&w.path("/conversations/meta?status=all")).await?;
    meta["meta"]["all_count"].as_u64().context("a count")
}

async fn are(w: &mut World, wanted: u64) -> Result<()> {
    w.eventually(&format!("there are {wanted} conversations"), async |w| Ok(count(w).await? >= wanted)).await?;
    anyhow::ensure!(count(w).await? == wanted, "{} conversations instead of {wanted}", count(w).await?);
    Ok(())
}

fn peak_below(w: &World, megabytes: u64) -> Result<()> {
    let peak = w.worker_peak_memory()? / MB;
    anyhow::ensure!(peak < megabytes, "the worker had {peak} MB in memory, {megabytes} are expected");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn long_mails_in_several_mailboxes_at_once_stay_within_the_budget_and_come_once() -> Result<()> {
    let mut setup = Setup::default().with("MAIL_MEMORY_MB", "24").with("FULL_PARSE_LIMIT_MB", "1");
    let addresses: Vec<String> = (0..5).map(|n| format!("team-{n}@contoso.example")).collect();
    setup.sandbox.users.extend(addresses.iter().map(|address| TenantUser::work(CONTOSO, address, "Team")));
    World::run(setup, async |w| {
        for address in &addresses {
            w.connect_and_watch(address).await?;
        }
        // All of it waits when the worker comes back.
        w.kill(w.worker_name())?;
        for (n, address) in addresses.iter().enumerate() {
            w.sandbox.deliver(address, &numbered(n * 10));
            w.sandbox.deliver(address, &with_a_file(n, 40 * MB));
            w.sandbox.deliver(address, &numbered(n * 10 + 1));
        }
        w.start_processes().await?;
        are(w, 15).await?;
        // One long mail at a time, and not five.
        peak_below(w, 260)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_of_150_mb_comes_with_its_beginning_shown_and_holds_up_no_other_mailbox() -> Result<()> {
    let setup = Setup::default().with("MAIL_MEMORY_MB", "64").with("FULL_PARSE_LIMIT_MB", "2");
    World::run(setup, async |w| {
        w.connect_and_watch(SUPPORT).await?;
        w.connect_and_watch(SALES).await?;
        let huge = with_a_file(0, 150 * MB);
        let size = huge.len();
        w.sandbox.deliver(SUPPORT, &huge);
        drop(huge);
        for n in 0..20 {
            w.sandbox.deliver(SALES, &numbered(n));
        }
        are(w, 21).await?;
        let big = w.path("/conversations?status=all&assignee_type=all&q=Big");
        w.eventually("the huge mail is found by its subject", async |w| {
            Ok(w.api.get(&big).await?["data"]["payload"].as_array().is_some_and(|found| !found.is_empty()))
        })
        .await?;
        let list = w.api.get(&big).await?;
        let id = list["data"]["payload"][0]["id"].as_i64().context("the huge mail's conversation")?;
        let said = w.said_are(id, 1).await?;
        assert_eq!(said[0]["content"], json!("see the file"));
        let defects = said[0]["content_attributes"]["email"]["defects"].as_array().context("defects")?;
        assert!(defects.contains(&json!("truncated")), "{defects:?}");
        // All of it is kept, though only the beginning was read.
        assert!(!defects.contains(&json!("not_fetched_whole")), "{defects:?}");
        assert!(kept_bytes(w).await? >= u64::try_from(size)?, "the whole mail is stored");
        // Its bytes are there once, and not three times.
        peak_below(w, 380)
    })
    .await
}

/// The size of the largest stored blob: on PostgreSQL all of them are rows, on SQLite those that are so long are files.
async fn kept_bytes(w: &World) -> Result<u64> {
    if w.database_url().starts_with("postgres") {
        let blobs = "SELECT SUM(length(bytes)) AS bytes FROM blob_chunks GROUP BY account_id, blob_id";
        let largest = w.number(&format!("SELECT COALESCE(MAX(bytes), 0)::BIGINT FROM ({blobs}) AS blobs")).await?;
        return Ok(u64::try_from(largest)?);
    }
    let mut folders = vec![w.dir.path().join("data/blobs")];
    let mut largest = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            let meta = entry.metadata()?;
            if meta.is_dir() {
                folders.push(entry.path());
            } else {
                largest = largest.max(meta.len());
            }
        }
    }
    Ok(largest)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stalls_in_a_huge_mail_holds_up_its_own_mailbox_only() -> Result<()> {
    World::run(Setup::default().with("MAIL_MEMORY_MB", "16"), async |w| {
        w.connect_and_watch(SUPPORT).await?;
        w.connect_and_watch(SALES).await?;
        // It takes all the room there is for long mails, and keeps it.
        w.sandbox.faults().once_for(SUPPORT, ImapFault::FetchStallInLiteral { after_messages: 0 });
        w.sandbox.deliver(SUPPORT, &with_a_file(0, 20 * MB));
        w.eventually("the server stalls", async |w| Ok(!w.sandbox.faults().fired().is_empty())).await?;
        for n in 0..20 {
            w.sandbox.deliver(SALES, &numbered(n));
        }
        are(w, 20).await?;
        w.sandbox.cut_mail_connections();
        are(w, 21).await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_that_dribble_lose_their_place_and_hold_up_no_other_mailbox() -> Result<()> {
    lose_their_place(ImapFault::Dribble { apart: Duration::from_millis(100) }).await
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_that_leave_a_mail_out_and_say_nothing_of_it_lose_their_place_and_hold_up_no_other_mailbox()
-> Result<()> {
    lose_their_place(ImapFault::LeftOutThenNoSearch { every: Duration::from_secs(2) }).await
}

/// Four mailboxes whose server does not send while room is held for their mail, and a fifth of the same account.
async fn lose_their_place(fault: ImapFault) -> Result<()> {
    let mut setup = Setup::default().with("MAIL_MEMORY_MB", "16");
    let held_up: Vec<String> = (0..4).map(|n| format!("slow-{n}@contoso.example")).collect();
    setup.sandbox.users.extend(held_up.iter().map(|address| TenantUser::work(CONTOSO, address, "Slow")));
    World::run(setup, async |w| {
        let mut slow = Vec::new();
        for address in &held_up {
            slow.push(w.connect_and_watch(address).await?);
            w.sandbox.faults().always_for(address, fault.clone());
        }
        w.connect_and_watch(SALES).await?;
        // Two of them take all that their account may have of the room for usual mail, to within less than the fifth mailbox's mail needs.
        for (n, address) in held_up.iter().enumerate() {
            w.sandbox.deliver(address, &with_a_file(n, 330_000));
        }
        w.eventually("two of them hold room", async |w| Ok(w.sandbox.faults().fired().len() >= 2)).await?;
        w.sandbox.deliver(SALES, &with_a_file(10, 300_000));
        are(w, 1).await?;
        // They are read with more patience now, one after the other, and nobody is told that anything is wrong with them.
        w.eventually("one is asked again", async |w| Ok(w.sandbox.faults().fired().len() >= 5)).await?;
        for inbox in slow {
            assert_eq!(health(w, inbox).await?["state"], json!("connected"));
        }
        w.sandbox.faults().clear();
        w.sandbox.cut_mail_connections();
        are(w, 5).await
    })
    .await
}

async fn health(w: &World, inbox: i64) -> Result<Value> {
    Ok(w.api.get(&w.path(&format!("/inboxes/{inbox}/health"))).await?["fetch"].clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_lies_is_told_of_in_words_and_hurts_its_own_mailbox_only() -> Result<()> {
    World::run(Setup::default(), async |w| {
        let inbox = w.connect_and_watch(SUPPORT).await?;
        w.connect_and_watch(SALES).await?;
        let mut there = 0;
        for (n, line, words) in [
            (0, format!("* OK {}", "on and on ".repeat(200_000)), "a line that does not end"),
            (1, "* 1 FETCH (UID 1 BODY[] {500000000}".to_owned(), "announced 500000000 bytes"),
            (2, format!("* 1 FETCH (BODYSTRUCTURE {}", "(".repeat(100_000)), "lists within lists"),
        ] {
            w.sandbox.faults().always_for(SUPPORT, ImapFault::GarbageAt { verb: "FETCH".to_owned(), line });
            w.sandbox.deliver(SUPPORT, &numbered(n * 2));
            w.eventually("the mailbox says what is wrong with it", async |w| {
                let fetch = health(w, inbox).await?;
                Ok(fetch["state"] == json!("failing") && fetch.to_string().contains(words))
            })
            .await?;
            let fetch = health(w, inbox).await?;
            assert_eq!(fetch["failure"]["code"], json!("protocol_error"), "{fetch}");
            assert!(fetch["next_try_at"].is_i64(), "it is tried again later: {fetch}");
            w.sandbox.deliver(SALES, &numbered(n * 2 + 1));
            there += 1;
            are(w, there).await?;
            w.sandbox.faults().clear();
            there += 1;
            are(w, there).await?;
        }
        // The library behind us would have made room for 500 MB.
        peak_below(w, 300)
    })
    .await
}
