//! A mailbox that its server wants left alone is left alone, whatever hints fly about, until a person asks (I10).

use crate::machine::{Machine, SALES, SUPPORT};
use anyhow::{Context, Result};
use app::channels::{Part, health};
use domain::channel::HealthState;
use domain::{ChannelId, FailureClass};
use sandbox::ImapFault;
use std::time::Duration;
use testkit::installation::{Installation, eventually};
use testkit::setup::Database;

/// The longest that Exchange asks for.
const FIVE_MINUTES_MS: u64 = 299_961;

/// Two mailboxes; the server has asked to leave the second alone for five minutes.
async fn one_is_throttled() -> Result<(Installation, Machine, ChannelId, ChannelId)> {
    let installation = Installation::new(Database::Sqlite).await?;
    let well = installation.connect(SUPPORT).await?.channel.id;
    let throttled = installation.connect(SALES).await?.channel.id;
    let fault = ImapFault::Throttled { milliseconds: FIVE_MINUTES_MS, tagged_no: false, close: true };
    installation.sandbox.faults().once_for(SALES, fault);
    let machine = Machine::start(&installation, "one").await?;
    installation.says(SUPPORT, "IDLE", 1).await?;
    eventually("the throttling is written down", async || {
        Ok(installation.fetching(throttled).await?.state == HealthState::Failing)
    })
    .await?;
    let health = installation.fetching(throttled).await?;
    assert_eq!(health.failure.context("a failure")?.class, FailureClass::Throttled);
    let next = health.next_try_at.context("a next try")?;
    assert!(next.since(machine.app.now()) > Duration::from_secs(200));
    Ok((installation, machine, well, throttled))
}

/// Both are named among thousands of other hints; each time the one that is well has looked, the other has had as long.
async fn many_hints_fly_about(
    installation: &Installation,
    machine: &Machine,
    well: ChannelId,
    throttled: ChannelId,
) -> Result<()> {
    for _ in 0..20 {
        let looked = installation.said(SUPPORT, "IDLE");
        machine.flood(&[throttled, well]);
        installation.says(SUPPORT, "IDLE", looked + 1).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn hints_do_not_shorten_the_time_a_server_asked_for_and_a_persons_try_again_does() -> Result<()> {
    let (installation, machine, well, throttled) = one_is_throttled().await?;
    many_hints_fly_about(&installation, &machine, well, throttled).await?;
    assert_eq!(installation.said(SALES, "AUTHENTICATE"), 1, "it was left alone");
    health::try_again(&machine.app, &installation.member, inbox_of(&installation, throttled).await?, Part::Fetch)
        .await?;
    installation.says(SALES, "IDLE", 1).await?;
    assert_eq!(installation.said(SALES, "AUTHENTICATE"), 2);
    eventually(
        "it is well again",
        async || Ok(installation.fetching(throttled).await?.state == HealthState::Connected),
    )
    .await?;
    assert!(machine.stop().await?);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_persons_try_that_is_throttled_again_is_one_try() -> Result<()> {
    let (installation, machine, well, throttled) = one_is_throttled().await?;
    let fault = ImapFault::Throttled { milliseconds: FIVE_MINUTES_MS, tagged_no: true, close: true };
    installation.sandbox.faults().always_for(SALES, fault);
    let inbox = inbox_of(&installation, throttled).await?;
    health::try_again(&machine.app, &installation.member, inbox, Part::Fetch).await?;
    installation.says(SALES, "AUTHENTICATE", 2).await?;
    eventually("the answer is written down", async || {
        Ok(installation.fetching(throttled).await?.state == HealthState::Failing)
    })
    .await?;
    many_hints_fly_about(&installation, &machine, well, throttled).await?;
    assert_eq!(installation.said(SALES, "AUTHENTICATE"), 2);
    assert!(machine.stop().await?);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_time_a_server_asked_for_is_obeyed_by_the_next_worker_too_and_a_lost_hint_is_made_up_for() -> Result<()> {
    let (installation, machine, well, throttled) = one_is_throttled().await?;
    assert!(machine.stop().await?);
    let looked = installation.said(SUPPORT, "IDLE");
    let next = Machine::start(&installation, "two").await?;
    installation.says(SUPPORT, "IDLE", looked + 1).await?;
    many_hints_fly_about(&installation, &next, well, throttled).await?;
    assert_eq!(installation.said(SALES, "AUTHENTICATE"), 1, "it was left alone");
    // A person asks, and the hint of it is lost on its way.
    let asked = installation.fetching(throttled).await?.asked_again(next.app.now());
    installation.scope.update_fetch_health(throttled, &asked).await?;
    installation.says(SALES, "IDLE", 1).await?;
    assert!(next.stop().await?);
    Ok(())
}

async fn inbox_of(installation: &Installation, channel: ChannelId) -> Result<domain::InboxId> {
    Ok(installation.scope.channel(channel).await?.context("the channel")?.inbox_id)
}
