//! A bug in reading one mailbox is that mailbox's trouble alone.

use crate::machine::{Machine, SALES, SUPPORT};
use anyhow::Result;
use app::system::SystemEntropy;
use domain::Entropy;
use sandbox::ImapFault;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use testkit::builders::numbered;
use testkit::installation::{Installation, eventually};
use testkit::setup::Database;

/// Randomness with a bug: it panics, once, when it is asked for the four bytes with which an actor spreads its waits.
#[derive(Debug)]
struct Broken {
    sound: SystemEntropy,
    next_wait_panics: AtomicBool,
}

impl Entropy for Broken {
    fn fill(&self, bytes: &mut [u8]) {
        assert!(
            !(bytes.len() == 4 && self.next_wait_panics.swap(false, Ordering::SeqCst)),
            "a bug in this test's port"
        );
        self.sound.fill(bytes);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mailbox_whose_actor_breaks_down_rests_alone_and_is_then_read_again() -> Result<()> {
    let installation = Installation::new(Database::Sqlite).await?;
    for address in [SUPPORT, SALES] {
        installation.connect(address).await?;
    }
    let entropy = Arc::new(Broken { sound: SystemEntropy::new(), next_wait_panics: AtomicBool::new(false) });
    let rest = Duration::from_secs(3);
    let machine = {
        let entropy = entropy.clone();
        Machine::start_with(&installation, "one", rest, |parts| parts.entropy = entropy).await?
    };
    for address in [SUPPORT, SALES] {
        installation.says(address, "IDLE", 1).await?;
    }
    entropy.next_wait_panics.store(true, Ordering::SeqCst);
    // Only a failure makes an actor wait. This one is the second mailbox's.
    installation.sandbox.faults().once_for(SALES, ImapFault::CloseAt { verb: "SEARCH".to_owned() });
    installation.sandbox.deliver(SALES, &numbered(0));
    let broken = async || Ok(!entropy.next_wait_panics.load(Ordering::SeqCst));
    eventually("the actor breaks down", broken).await?;
    installation.sandbox.deliver(SUPPORT, &numbered(1));
    installation.messages_are(1).await?;
    assert_eq!(installation.said(SUPPORT, "AUTHENTICATE"), 1, "the other mailbox saw nothing of it");
    assert_eq!(installation.said(SALES, "AUTHENTICATE"), 1, "the broken one rests");
    installation.sandbox.faults().clear();
    installation.messages_are(2).await?;
    assert!(machine.stop().await?);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_does_not_wait_for_a_mailbox_that_rests_after_a_breakdown() -> Result<()> {
    let installation = Installation::new(Database::Sqlite).await?;
    installation.connect(SUPPORT).await?;
    let entropy = Arc::new(Broken { sound: SystemEntropy::new(), next_wait_panics: AtomicBool::new(true) });
    installation.sandbox.faults().once_for(SUPPORT, ImapFault::CloseAt { verb: "EXAMINE".to_owned() });
    let machine = {
        let entropy = entropy.clone();
        let rest = Duration::from_secs(3600);
        Machine::start_with(&installation, "one", rest, |parts| parts.entropy = entropy).await?
    };
    let broken = async || Ok(!entropy.next_wait_panics.load(Ordering::SeqCst));
    eventually("the actor breaks down", broken).await?;
    assert!(machine.stop().await?);
    let next = installation.store.sync().start_session("next").await?;
    assert_eq!(installation.store.sync().lease_channels(next, 10).await?.len(), 1);
    Ok(())
}
