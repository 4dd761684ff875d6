//! A person who has as many IMAP sessions open as Exchange allows: it says of one too many what it says of a mailbox without permission
//! (facts: "authenticated but not connected … also too many connections"), and counts whoever signed in, whichever mailboxes are open.

use crate::desk::{Desk, SUPPORT};
use app::inbound::{MailboxError, mailbox};
use app::tending;
use domain::channel::HealthState;
use domain::{Failure, FailureClass};
use sandbox::SandboxConfig;
use std::time::Duration;
use store::ChannelLease;

const INFO: &str = "info@contoso.example";

async fn with_a_shared_mailbox(sessions: usize) -> (Desk, ChannelLease) {
    let desk = Desk::with(SandboxConfig { imap_connections_per_user: sessions, ..SandboxConfig::default() }).await;
    let (inbox, _) = crate::senders::shared(&desk, INFO, true).await;
    let session = desk.app.store().sync().start_session("another").await.expect("a session");
    let leases = desk.app.store().sync().lease_channels(session, 9).await.expect("leases");
    let lease = leases.into_iter().find(|lease| lease.channel_id == inbox.channel.id).expect("a free mailbox");
    (desk, lease)
}

async fn refusal(desk: &Desk, lease: &ChannelLease) -> Failure {
    match mailbox::open(&desk.app, lease).await {
        Err(MailboxError::Failure(failure)) => failure,
        other => panic!("{other:?}"),
    }
}

/// As it is told, by state and cause.
async fn told(desk: &Desk, lease: &ChannelLease, failure: &Failure) -> (HealthState, Option<FailureClass>) {
    tending::fetching_failed(&desk.app, lease, failure, Duration::from_secs(1)).await.expect("written");
    let channel = desk.scope.channel(lease.channel_id).await.expect("answers").expect("there");
    (channel.fetch_health.state, channel.fetch_health.failure.map(|failure| failure.class))
}

#[tokio::test]
async fn one_session_too_many_of_a_person_is_not_told_as_a_shared_mailbox_without_access() {
    let (desk, shared) = with_a_shared_mailbox(1).await;
    let open = desk.open().await.expect("opens");
    tending::fetching_works(&desk.app, &desk.lease).await.expect("written");
    assert_eq!(desk.sandbox.imap_connections(SUPPORT), 1);
    // Ten times over ten hours: nobody is ever asked for anything.
    for _ in 0..10 {
        let failure = refusal(&desk, &shared).await;
        assert_eq!(failure.class, FailureClass::TooManyConnections);
        assert!(failure.server_said.as_deref().is_some_and(|said| said.contains("authenticated but not connected")));
        let crowded = (HealthState::Failing, Some(FailureClass::TooManyConnections));
        assert_eq!(told(&desk, &shared, &failure).await, crowded);
        desk.clock.forward(Duration::from_secs(3600));
    }
    open.close().await;
    mailbox::open(&desk.app, &shared).await.expect("a place is free").close().await;
}

#[tokio::test]
async fn a_shared_mailbox_without_access_is_told_so_however_many_others_are_open() {
    let (desk, shared) = with_a_shared_mailbox(2).await;
    let open = desk.open().await.expect("opens");
    tending::fetching_works(&desk.app, &desk.lease).await.expect("written");
    desk.sandbox.update_user(SUPPORT, |user| user.full_access.clear());
    let failure = refusal(&desk, &shared).await;
    let missing = (HealthState::Failing, Some(FailureClass::FullAccessMissing));
    assert_eq!(told(&desk, &shared, &failure).await, missing);
    open.close().await;
}
