//! Several workers share the mailboxes, and one of them dies or is thought dead (DECISIONS: a lease belongs to a session that beats).

use crate::machine::{Machine, SUPPORT};
use anyhow::Result;
use app::system::SystemClock;
use domain::Clock;
use std::time::Duration;
use testkit::builders::numbered;
use testkit::installation::{Installation, eventually};
use testkit::setup::Database;

/// A session is thought dead after half a minute without a beat.
const LONGER_THAN_A_DEAD_SESSION: Duration = Duration::from_secs(40);

/// As if the worker's heart had stopped a while ago.
async fn has_not_beaten_for_a_while(installation: &Installation, worker: &str) -> Result<()> {
    let then = SystemClock.now().minus(LONGER_THAN_A_DEAD_SESSION).0;
    installation.sql(&format!("UPDATE worker_sessions SET heartbeat_at = {then} WHERE name = '{worker}'")).await?;
    Ok(())
}

async fn holds(installation: &Installation, worker: &str) -> Result<bool> {
    let query = format!(
        "SELECT COUNT(*) FROM email_channels c JOIN worker_sessions s ON s.id = c.worker_session_id WHERE s.name = '{worker}'"
    );
    Ok(installation.number(&query).await? == 1)
}

async fn a_second_worker_takes_over_from_a_dead_one(database: Database) -> Result<()> {
    let installation = Installation::new(database).await?;
    installation.connect(SUPPORT).await?;
    let first = Machine::start(&installation, "first").await?;
    installation.says(SUPPORT, "IDLE", 1).await?;
    let second = Machine::start(&installation, "second").await?;
    installation.sandbox.deliver(SUPPORT, &numbered(0));
    installation.messages_are(1).await?;
    assert!(holds(&installation, "first").await?, "nothing is taken from the living");
    first.kill();
    installation.sandbox.deliver(SUPPORT, &numbered(1));
    has_not_beaten_for_a_while(&installation, "first").await?;
    installation.messages_are(2).await?;
    assert!(holds(&installation, "second").await?);
    assert_eq!(installation.said(SUPPORT, "AUTHENTICATE"), 2);
    assert!(second.stop().await?);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_worker_takes_over_from_a_dead_one_on_sqlite() -> Result<()> {
    a_second_worker_takes_over_from_a_dead_one(Database::Sqlite).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_worker_takes_over_from_a_dead_one_on_postgres() -> Result<()> {
    a_second_worker_takes_over_from_a_dead_one(Database::Postgres).await
}

async fn a_worker_that_was_thought_dead_writes_nothing_more(database: Database) -> Result<()> {
    let installation = Installation::new(database).await?;
    installation.connect(SUPPORT).await?;
    let first = Machine::start(&installation, "first").await?;
    installation.says(SUPPORT, "IDLE", 1).await?;
    let second = Machine::start(&installation, "second").await?;
    // The first lives, and beats in between; it is only too late.
    eventually("the second worker has the mailbox", async || {
        has_not_beaten_for_a_while(&installation, "first").await?;
        holds(&installation, "second").await
    })
    .await?;
    for n in 0..5 {
        installation.sandbox.deliver(SUPPORT, &numbered(n));
    }
    installation.messages_are(5).await?;
    eventually("the first has let go", async || Ok(installation.sandbox.imap_connections(SUPPORT) == 1)).await?;
    installation.sandbox.deliver(SUPPORT, &numbered(5));
    installation.messages_are(6).await?;
    assert!(holds(&installation, "second").await?);
    assert!(first.stop().await? && second.stop().await?);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_was_thought_dead_writes_nothing_more_on_sqlite() -> Result<()> {
    a_worker_that_was_thought_dead_writes_nothing_more(Database::Sqlite).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_that_was_thought_dead_writes_nothing_more_on_postgres() -> Result<()> {
    a_worker_that_was_thought_dead_writes_nothing_more(Database::Postgres).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_whose_session_was_forgotten_begins_anew() -> Result<()> {
    let installation = Installation::new(Database::Sqlite).await?;
    installation.connect(SUPPORT).await?;
    let machine = Machine::start(&installation, "one").await?;
    installation.says(SUPPORT, "IDLE", 1).await?;
    installation.sql("DELETE FROM worker_sessions").await?;
    eventually("another session holds the mailbox", async || holds(&installation, "one").await).await?;
    eventually("the first connection is closed", async || Ok(installation.sandbox.imap_connections(SUPPORT) == 1))
        .await?;
    installation.says(SUPPORT, "AUTHENTICATE", 2).await?;
    installation.sandbox.deliver(SUPPORT, &numbered(0));
    installation.messages_are(1).await?;
    assert!(machine.stop().await?);
    Ok(())
}
