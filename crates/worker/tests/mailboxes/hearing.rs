//! What a mailbox's actor does when somebody says that it should look, and what the process does by itself.

use crate::machine::{Machine, SUPPORT};
use anyhow::Result;
use app::{Hint, Wake};
use testkit::builders::numbered;
use testkit::installation::{Installation, eventually};
use testkit::setup::Database;

#[tokio::test(flavor = "multi_thread")]
async fn a_mailbox_that_is_to_be_looked_at_is_opened_again_in_its_session() -> Result<()> {
    let installation = Installation::new(Database::Sqlite).await?;
    let inbox = installation.connect(SUPPORT).await?;
    let machine = Machine::start(&installation, "one").await?;
    installation.says(SUPPORT, "IDLE", 1).await?;
    // A session need not be told that its folder was numbered anew; only opening it tells.
    machine.hints.wake(Hint::Channel(inbox.channel.id));
    installation.says(SUPPORT, "EXAMINE", 2).await?;
    installation.says(SUPPORT, "IDLE", 2).await?;
    installation.sandbox.deliver(SUPPORT, &numbered(0));
    installation.messages_are(1).await?;
    assert_eq!(installation.said(SUPPORT, "AUTHENTICATE"), 1, "all over one connection");
    assert!(machine.stop().await?);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nothing_refers_to_is_swept_by_one_of_the_processes() -> Result<()> {
    let installation = Installation::new(Database::Sqlite).await?;
    installation.scope.put_blob(b"nobody refers to this").await?;
    installation.sql("UPDATE blobs SET named_at = 1").await?;
    let machine = Machine::start(&installation, "one").await?;
    let blobs = "SELECT COUNT(*) FROM blobs";
    eventually("the blob is gone", async || Ok(installation.number(blobs).await? == 0)).await?;
    assert_eq!(installation.number("SELECT COUNT(*) FROM chores WHERE name = 'sweep_blobs'").await?, 1);
    assert!(machine.stop().await?);
    Ok(())
}
