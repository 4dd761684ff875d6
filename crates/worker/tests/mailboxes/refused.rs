//! A mailbox whose sign-ins are refused for longer than an hour: its owner is asked, and it is left alone until somebody has done something.

use crate::machine::{Machine, SALES, SUPPORT};
use anyhow::{Context, Result};
use app::channels::{Part, health};
use app::system::SystemClock;
use domain::channel::HealthState;
use domain::{Clock, FailureClass, Timestamp};
use sandbox::ImapFault;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;
use testkit::builders::numbered;
use testkit::installation::{Installation, eventually};
use testkit::setup::Database;
use worker::REST_AFTER_BREAKDOWN;

const SIXTEEN_MINUTES: Duration = Duration::from_secs(16 * 60);

/// The computer's clock, and what the test has added to it.
#[derive(Debug, Default)]
struct MovedClock(AtomicI64);

impl MovedClock {
    fn forward(&self, by: Duration) {
        self.0.fetch_add(i64::try_from(by.as_micros()).expect("not for ever"), Ordering::SeqCst);
    }
}

impl Clock for MovedClock {
    fn now(&self) -> Timestamp {
        Timestamp(SystemClock.now().0 + self.0.load(Ordering::SeqCst))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sign_ins_that_are_refused_for_an_hour_ask_the_owner_and_the_mailbox_is_left_alone_until_somebody_acts()
-> Result<()> {
    let installation = Installation::new(Database::Sqlite).await?;
    let inbox = installation.connect(SUPPORT).await?;
    let channel = inbox.channel.id;
    let clock = Arc::<MovedClock>::default();
    let start = async |name: &str| {
        let clock = clock.clone();
        Machine::start_with(&installation, name, REST_AFTER_BREAKDOWN, |parts| parts.clock = clock).await
    };
    let machine = start("one to which all is well").await?;
    installation.says(SUPPORT, "IDLE", 1).await?;
    assert!(machine.stop().await?);
    installation.sandbox.faults().always_for(SUPPORT, ImapFault::AuthenticateFailed);
    // At 0, 16, 32, 48 and 64 minutes, each time by a process that knows of the others' tries from the database alone: none rests longer than
    // it must before its first.
    let mut last = None;
    for tries in 0..5 {
        // As if its token had been refreshed a moment ago, and refused all the same.
        installation.sql(&format!("UPDATE grant_access_tokens SET stored_at = {}", clock.now().0)).await?;
        let known = installation.fetching(channel).await?;
        let machine = start(&format!("process {tries}")).await?;
        eventually("it is refused once more", async || {
            Ok(installation.fetching(channel).await?.refusals > known.refusals)
        })
        .await?;
        let health = installation.fetching(channel).await?;
        assert_eq!(health.failure.map(|failure| failure.class), Some(FailureClass::AuthenticationRefused));
        let expected = if tries < 4 { HealthState::Failing } else { HealthState::NeedsReauth };
        assert_eq!(health.state, expected, "after {tries} times sixteen minutes");
        if tries < 4 {
            assert!(machine.stop().await?);
            clock.forward(SIXTEEN_MINUTES);
        } else {
            last = Some(machine);
        }
    }
    let asked = "SELECT COUNT(*) FROM events WHERE kind = 'inbox_health_changed' AND CAST(payload AS TEXT) LIKE '%\"state\":\"needs_reauth\"%'";
    let machine = last.context("a process")?;
    assert_eq!(installation.number(asked).await?, 1, "the owner is asked once");

    // Neither mail nor hints nor time nor another process has it tried again.
    let sign_ins = installation.said(SUPPORT, "AUTHENTICATE");
    installation.sandbox.deliver(SUPPORT, &numbered(0));
    let well = installation.connect(SALES).await?.channel.id;
    installation.says(SALES, "IDLE", 1).await?;
    clock.forward(SIXTEEN_MINUTES);
    for _ in 0..5 {
        let looked = installation.said(SALES, "IDLE");
        machine.flood(&[channel, well]);
        installation.says(SALES, "IDLE", looked + 1).await?;
    }
    assert!(machine.stop().await?);
    let looked = installation.said(SALES, "IDLE");
    let machine = start("another").await?;
    installation.says(SALES, "IDLE", looked + 1).await?;
    assert_eq!(installation.said(SUPPORT, "AUTHENTICATE"), sign_ins, "it was left alone");

    // The owner has switched IMAP on again, and says so.
    installation.sandbox.faults().clear();
    health::try_again(&machine.app, &installation.member, inbox.id, Part::Fetch).await?;
    installation.messages_are(1).await?;
    eventually("it is well", async || Ok(installation.fetching(channel).await?.state == HealthState::Connected))
        .await?;
    assert_eq!(installation.number(asked).await?, 1);
    assert!(machine.stop().await?);
    Ok(())
}
