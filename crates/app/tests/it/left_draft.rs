//! A draft that is asked for because its mailbox sends by SMTP now, where asking itself is interrupted: nothing is lost, sent, or held against anybody.

use crate::support::{HOST_CONNECTIONS, World, connected, world};
use app::channels::switch_send_transport;
use domain::FailureClass;
use domain::channel::SendTransport;
use domain::message::{Delivery, DeliveryState, Message};
use sandbox::{Fault, GraphFault, GraphPoint, INBOX};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

const SUPPORT: &str = "support@contoso.example";
const ADA: &str = "ada@customer.example";
const DRAFTS: &str = "Drafts";

/// A reply whose draft Graph did not send, in a mailbox that sends by SMTP since.
struct Switched {
    world: World,
    reply: Message,
}

impl Switched {
    async fn new() -> Self {
        let world = world().await;
        let inbox = connected(&world.connect_by_graph(SUPPORT, None).await);
        world.stop_proving();
        let conversation = world.first_conversation(SUPPORT).await;
        world.sandbox.update_user(SUPPORT, |user| user.smtp_auth_enabled = true);
        world.sandbox.faults().once(GraphFault::too_many_requests(GraphPoint::Send, None));
        world.sandbox.faults().always(GraphFault::Html { at: GraphPoint::ReadMessage, status: 502 });
        let reply = world.reply(conversation).await;
        world.works().await;
        let switched = switch_send_transport(&world.app, &world.admin().await, inbox, SendTransport::Smtp).await;
        assert_eq!(switched.expect("switched").channel.send_transport, SendTransport::Smtp);
        world.sandbox.faults().clear();
        world.all_is_due().await;
        let switched = Self { world, reply };
        assert_eq!((switched.drafts(), switched.delivery().await.state), (1, DeliveryState::Queued));
        switched
    }

    async fn delivery(&self) -> Delivery {
        self.world.delivery(&self.reply).await
    }

    fn drafts(&self) -> usize {
        self.world.sandbox.mailbox(SUPPORT).messages(DRAFTS).len()
    }

    fn arrived(&self) -> usize {
        self.world.sandbox.mailbox(ADA).messages(INBOX).len()
    }
}

#[tokio::test]
async fn a_stop_while_a_draft_is_asked_for_gives_the_mail_to_whoever_comes_next_as_if_nothing_had_been() {
    let waits = Switched::new().await;
    let before = waits.delivery().await;
    let silence = GraphFault::Stall { at: GraphPoint::ReadMessage, carried_out: false };
    waits.world.sandbox.faults().always(silence.clone());
    let stop = CancellationToken::new();
    let stopping = async {
        while !waits.world.sandbox.faults().fired().contains(&Fault::from(silence.clone())) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        stop.cancel();
    };
    tokio::join!(waits.world.works_until(&stop), stopping);
    let stopped = waits.delivery().await;
    assert_eq!((stopped.state, stopped.attempts, stopped.failure), (before.state, before.attempts, before.failure));
    assert_eq!((waits.drafts(), waits.arrived()), (1, 0));
    // Nobody has to wait until a lease ends.
    waits.world.sandbox.faults().clear();
    waits.world.works().await;
    assert_eq!((waits.delivery().await.state, waits.drafts(), waits.arrived()), (DeliveryState::Sent, 0, 1));
}

#[tokio::test]
async fn a_draft_that_is_gone_while_no_connection_is_free_to_look_into_sent_waits_and_its_mailbox_is_well() {
    let waits = Switched::new().await;
    waits.world.sandbox.faults().always(GraphFault::Answer {
        at: GraphPoint::ReadMessage,
        status: 404,
        code: "ErrorItemNotFound".into(),
        message: "The specified object was not found in the store.".into(),
        retry_after_seconds: None,
    });
    let imap = waits.world.app.settings().imap.clone();
    let mut taken = Vec::new();
    for _ in 0..HOST_CONNECTIONS.get() {
        taken.push(waits.world.app.connector().slot(&imap).await);
    }
    waits.world.works().await;
    let waiting = waits.delivery().await;
    assert_eq!(
        (waiting.state, waiting.failure.map(|failure| failure.class)),
        (DeliveryState::Queued, Some(FailureClass::HostBusy))
    );
    let scope = waits.world.admin().await.scope;
    let channel = scope.channel_of_mailbox(SUPPORT).await.expect("answers").expect("a channel").channel_id;
    let health = scope.channel(channel).await.expect("answers").expect("there").fetch_health;
    assert!(health.failure.is_none(), "{health:?}");
    // Then Sent is looked into, where it is not: whether it left is for a person to say, and nothing is sent twice.
    drop(taken);
    waits.world.all_is_due().await;
    waits.world.works().await;
    assert_eq!((waits.delivery().await.state, waits.arrived()), (DeliveryState::OutcomeUnknown, 0));
}
