//! A mailbox that works, and the small troubles that are nobody's business.

use crate::machine::{Machine, SALES, SUPPORT};
use anyhow::Result;
use domain::account::AccountStatus;
use domain::channel::HealthState;
use sandbox::{Event, ImapFault};
use testkit::builders::numbered;
use testkit::installation::{Installation, eventually};
use testkit::setup::Database;

const HEALTH_EVENTS: &str = "SELECT COUNT(*) FROM events WHERE kind = 'inbox_health_changed'";

async fn new_mail_becomes_a_message_without_a_poll(database: Database) -> Result<()> {
    let installation = Installation::new(database).await?;
    installation.connect(SUPPORT).await?;
    let machine = Machine::start(&installation, "one").await?;
    installation.says(SUPPORT, "IDLE", 1).await?;
    for n in 0..3 {
        installation.sandbox.deliver(SUPPORT, &numbered(n));
        installation.messages_are(n + 1).await?;
    }
    assert_eq!(installation.said(SUPPORT, "AUTHENTICATE"), 1, "all over one connection");
    assert!(machine.stop().await?);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn new_mail_becomes_a_message_without_a_poll_on_sqlite() -> Result<()> {
    new_mail_becomes_a_message_without_a_poll(Database::Sqlite).await
}

#[tokio::test(flavor = "multi_thread")]
async fn new_mail_becomes_a_message_without_a_poll_on_postgres() -> Result<()> {
    new_mail_becomes_a_message_without_a_poll(Database::Postgres).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mailbox_whose_connection_was_cut_is_read_again_with_all_that_came_meanwhile() -> Result<()> {
    let installation = Installation::new(Database::Sqlite).await?;
    let inbox = installation.connect(SUPPORT).await?;
    let machine = Machine::start(&installation, "one").await?;
    installation.says(SUPPORT, "IDLE", 1).await?;
    installation.sandbox.cut_mail_connections();
    installation.sandbox.deliver(SUPPORT, &numbered(0));
    installation.sandbox.deliver(SUPPORT, &numbered(1));
    installation.messages_are(2).await?;
    assert_eq!(installation.said(SUPPORT, "AUTHENTICATE"), 2);
    // A connection that was cut before it had lived is a failure, and the mails are stored before it is written that it is over.
    eventually("the mailbox is well", async || {
        Ok(installation.fetching(inbox.channel.id).await?.state == HealthState::Connected)
    })
    .await?;
    assert!(machine.stop().await?);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_runs_out_in_idle_is_no_alarm() -> Result<()> {
    let installation = Installation::new(Database::Sqlite).await?;
    let inbox = installation.connect(SUPPORT).await?;
    let machine = Machine::start(&installation, "one").await?;
    installation.says(SUPPORT, "IDLE", 1).await?;
    let said_before = installation.number(HEALTH_EVENTS).await?;
    installation.sandbox.faults().once_for(SUPPORT, ImapFault::AccessTokenExpired);
    installation.says(SUPPORT, "IDLE", 2).await?;
    assert_eq!(installation.sandbox.faults().fired(), [ImapFault::AccessTokenExpired.into()]);
    let health = installation.fetching(inbox.channel.id).await?;
    assert_eq!((health.state, health.failures_in_a_row), (HealthState::Connected, 0));
    assert_eq!(installation.number(HEALTH_EVENTS).await?, said_before, "nobody was told");
    installation.sandbox.deliver(SUPPORT, &numbered(0));
    installation.messages_are(1).await?;
    assert!(machine.stop().await?);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_that_is_refused_once_is_no_alarm() -> Result<()> {
    let installation = Installation::new(Database::Sqlite).await?;
    let inbox = installation.connect(SUPPORT).await?;
    let machine = Machine::start(&installation, "one").await?;
    installation.says(SUPPORT, "IDLE", 1).await?;
    let (before, said_before) =
        (installation.fetching(inbox.channel.id).await?, installation.number(HEALTH_EVENTS).await?);
    // It has to sign in anew, as it has every hour or so, and Exchange refuses now and then by itself.
    for fault in [ImapFault::AuthenticateFailed, ImapFault::AccessTokenExpired] {
        installation.sandbox.faults().once_for(SUPPORT, fault);
    }
    installation.says(SUPPORT, "IDLE", 2).await?;
    let met = installation.sandbox.faults().fired();
    assert_eq!(met, [ImapFault::AccessTokenExpired.into(), ImapFault::AuthenticateFailed.into()]);
    let health = installation.fetching(inbox.channel.id).await?;
    assert_eq!((health.state, health.since), (HealthState::Connected, before.since));
    assert_eq!((health.failures_in_a_row, health.refusals, health.failure), (0, 0, None));
    assert_eq!(installation.number(HEALTH_EVENTS).await?, said_before, "nobody was told");
    installation.sandbox.deliver(SUPPORT, &numbered(0));
    installation.messages_are(1).await?;
    assert!(machine.stop().await?);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_ends_every_mailbox_promptly_whatever_it_is_at_and_gives_it_back() -> Result<()> {
    const OPENING: &str = "opening@contoso.example";
    const PULLING: &str = "pulling@contoso.example";
    let installation = Installation::new(Database::Sqlite).await?;
    for address in [SUPPORT, SALES, OPENING, PULLING] {
        installation.connect(address).await?;
    }
    let faults = installation.sandbox.faults();
    faults.once_for(SALES, ImapFault::Throttled { milliseconds: 299_961, tagged_no: false, close: true });
    faults.always_for(OPENING, ImapFault::StallAt { verb: "EXAMINE".to_owned() });
    let machine = Machine::start(&installation, "one").await?;
    installation.says(SUPPORT, "IDLE", 1).await?;
    installation.says(OPENING, "EXAMINE", 1).await?;
    installation.says(PULLING, "IDLE", 1).await?;
    faults.always_for(PULLING, ImapFault::StallAt { verb: "FETCH".to_owned() });
    installation.sandbox.deliver(PULLING, &numbered(0));
    installation.says(PULLING, "UID FETCH", 1).await?;
    let resting = "SELECT COUNT(*) FROM email_channels WHERE fetch_state = 'failing'";
    eventually("a mailbox rests", async || Ok(installation.number(resting).await? == 1)).await?;
    assert!(machine.stop().await?, "nothing had to be dropped");
    let connections = async || Ok(installation.sandbox.imap_connections(SUPPORT) == 0);
    eventually("the connection is closed", connections).await?;
    assert_eq!(installation.said(SUPPORT, "LOGOUT"), 1, "politely");
    // Nobody need wait until the session is thought dead.
    let next = installation.store.sync().start_session("next").await?;
    assert_eq!(installation.store.sync().lease_channels(next, 10).await?.len(), 4);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspended_accounts_mailbox_is_closed_and_opened_again_when_the_suspension_is_lifted() -> Result<()> {
    let installation = Installation::new(Database::Sqlite).await?;
    installation.connect(SUPPORT).await?;
    let machine = Machine::start(&installation, "one").await?;
    installation.says(SUPPORT, "IDLE", 1).await?;
    let operator = installation.store.operator();
    assert!(operator.set_account_status(installation.scope.account_id(), AccountStatus::Suspended).await?);
    eventually("the mailbox is closed", async || Ok(installation.sandbox.imap_connections(SUPPORT) == 0)).await?;
    installation.sandbox.deliver(SUPPORT, &numbered(0));
    assert!(operator.set_account_status(installation.scope.account_id(), AccountStatus::Active).await?);
    installation.messages_are(1).await?;
    assert!(machine.stop().await?);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_whose_answer_was_lost_is_found_with_the_next_beat() -> Result<()> {
    let installation = Installation::new(Database::Sqlite).await?;
    let machine = Machine::start(&installation, "one").await?;
    let sessions = "SELECT COUNT(*) FROM worker_sessions";
    eventually("the worker has a session", async || Ok(installation.number(sessions).await? == 1)).await?;
    // As the database has it when the statement was committed and the connection broke before its answer arrived: the row is the
    // session's, and the session does not know.
    let session = installation.number("SELECT MAX(id) FROM worker_sessions").await?;
    installation.sql(&format!("CREATE TRIGGER lost AFTER INSERT ON email_channels BEGIN UPDATE email_channels SET worker_session_id = {session}, epoch = 1 WHERE id = NEW.id; END")).await?;
    installation.connect(SUPPORT).await?;
    installation.says(SUPPORT, "IDLE", 1).await?;
    installation.sandbox.deliver(SUPPORT, &numbered(0));
    installation.messages_are(1).await?;
    let connections = installation.sandbox.events().iter().filter(|event| **event == Event::ImapConnected).count();
    assert_eq!(connections, 1);
    assert!(machine.stop().await?);
    Ok(())
}
