//! How a mailbox that cannot be read stands, and what a person is asked for: by real answers of the mail server, and hours that pass.

use crate::support::{World, connected, world};
use app::inbound::pull;
use app::tending::{self, ChannelLease};
use domain::channel::{Health, HealthState};
use domain::{FailureClass, InboxId};
use sandbox::ImapFault;
use std::time::Duration;

const SUPPORT: &str = "support@contoso.example";
const FIVE_MINUTES: Duration = Duration::from_secs(300);

struct Read {
    world: World,
    inbox: InboxId,
    lease: ChannelLease,
}

impl Read {
    async fn new() -> Self {
        let world = world().await;
        let inbox = connected(&world.connect(SUPPORT, None).await);
        let lease = world.lease().await.expect("a lease");
        Self { world, inbox, lease }
    }

    /// What the mailbox's actor does each time. How it failed, and whether the mailbox is tried on.
    async fn fails(&self) -> (FailureClass, bool) {
        let refused = pull::open(&self.world.app, &self.lease).await.expect_err("a fault");
        let failure = refused.failure().expect("about the mailbox");
        let tried = tending::fetching_failed(&self.world.app, &self.lease, failure, FIVE_MINUTES).await;
        (failure.class, tried.expect("the database"))
    }

    async fn health(&self) -> Health {
        self.world.channel(self.inbox).await.fetch_health
    }
}

#[tokio::test]
async fn an_exchange_that_was_away_for_an_hour_and_then_refuses_once_asks_nobody_to_sign_in() {
    let read = Read::new().await;
    read.world.sandbox.faults().always(ImapFault::GreetingBye);
    for _ in 0..13 {
        let (class, tried) = read.fails().await;
        assert!(tried && class != FailureClass::AuthenticationRefused, "{class:?}");
        read.world.advance(FIVE_MINUTES);
    }
    read.world.sandbox.faults().clear();
    read.world.sandbox.faults().always(ImapFault::AuthenticateFailed);
    assert_eq!(read.fails().await, (FailureClass::AuthenticationRefused, true));
    let health = read.health().await;
    assert_eq!((health.state, health.failures_in_a_row, health.refusals), (HealthState::Failing, 14, 1));

    // It refuses on, for an hour, and goes away in between.
    for _ in 0..4 {
        read.world.advance(FIVE_MINUTES * 3);
        read.world.sandbox.faults().clear();
        read.world.sandbox.faults().always(ImapFault::GreetingBye);
        assert!(read.fails().await.1, "it is tried on");
        read.world.sandbox.faults().clear();
        read.world.sandbox.faults().always(ImapFault::AuthenticateFailed);
        assert!(read.health().await.state.is_tried());
        assert_eq!(read.fails().await.0, FailureClass::AuthenticationRefused);
    }
    assert_eq!(read.health().await.state, HealthState::NeedsReauth);
    assert!(!tending::holds(&read.world.app, &read.lease).await.expect("the database"));
}
