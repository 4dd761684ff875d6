//! Signing in for sending when the mail server refuses it: once with a fresh token, and then a person's reply waits.

use crate::support::{World, connected, world};
use app::inbound::pull;
use app::outbound::{self, Draft};
use app::tending::{self, ChannelLease};
use app::{conversations, job, owed};
use domain::message::{Delivery, DeliveryState, Message};
use domain::{DisplayId, FailureClass};
use sandbox::{Event, INBOX, SmtpFault};
use std::time::Duration;
use store::Rooms;
use tokio_util::sync::CancellationToken;

const SUPPORT: &str = "support@contoso.example";
const ADA: &str = "ada@customer.example";
/// So long after the sign-in that its token is no fresh one, and has most of its hour left.
const TEN_MINUTES: Duration = Duration::from_secs(600);

/// A mailbox that was connected a while ago, with a mail of Ada's.
struct Answering {
    world: World,
    conversation: DisplayId,
}

impl Answering {
    async fn new() -> Self {
        let world = world().await;
        connected(&world.connect(SUPPORT, None).await);
        world.stop_proving();
        let session = tending::begin_session(&world.app, "test").await.expect("the database");
        let lease: ChannelLease = tending::lease_mailboxes(&world.app, session, 1).await.expect("leases").remove(0);
        let mut mailbox = pull::open(&world.app, &lease).await.expect("opens");
        world.sandbox.deliver(SUPPORT, &testkit::builders::numbered(1));
        pull::pull(&world.app, &lease, &mut mailbox).await.expect("pulls");
        mailbox.close().await;
        world.advance(TEN_MINUTES);
        let query = conversations::ConversationFilter { status: None, ..conversations::ConversationFilter::default() };
        let list = conversations::list(&world.app, &world.admin().await, &query).await.expect("a list");
        let conversation = list.items[0].conversation.display_id;
        Self { world, conversation }
    }

    async fn reply(&self) -> Message {
        let draft = Draft { content: "hello".to_owned(), ..Draft::default() };
        outbound::reply(&self.world.app, &self.world.admin().await, self.conversation, draft).await.expect("accepted")
    }

    /// One try at most.
    async fn works(&self) {
        for (_, envelope) in owed::due(&self.world.app, Rooms::of_each(50), &[]).await.expect("the store works") {
            job::run(&self.world.app, &envelope, "test", &CancellationToken::new()).await;
        }
    }

    async fn delivery(&self, of: &Message) -> Delivery {
        let scope = self.world.admin().await.scope;
        scope.delivery_of_message(of.id).await.expect("answers").expect("a delivery").delivery
    }

    fn refreshes(&self) -> usize {
        let is_refresh = |event: &&Event| matches!(event, Event::TokenRequested { grant_type, answered: Ok(()), .. } if grant_type == "refresh_token");
        self.world.sandbox.events().iter().filter(is_refresh).count()
    }

    fn arrived(&self) -> usize {
        self.world.sandbox.mailbox(ADA).messages(INBOX).len()
    }
}

#[tokio::test]
async fn a_refused_token_is_replaced_once_and_the_mail_leaves_in_the_same_try() {
    let desk = Answering::new().await;
    let before = desk.refreshes();
    // By our clock it has fifty minutes left; the mail server does not take it any more, and takes none but a new one.
    desk.world.sandbox.expire_access_tokens(SUPPORT);
    let sent = desk.reply().await;
    desk.works().await;
    let delivery = desk.delivery(&sent).await;
    assert_eq!((delivery.state, delivery.attempts, delivery.failure), (DeliveryState::Sent, 1, None));
    assert_eq!((desk.refreshes(), desk.arrived()), (before + 1, 1));
}

#[tokio::test]
async fn a_sign_in_that_is_refused_with_a_fresh_token_too_is_no_third_one_and_the_reply_waits() {
    let desk = Answering::new().await;
    let before = desk.refreshes();
    desk.world.sandbox.faults().always(SmtpFault::authentication_unsuccessful());
    let sent = desk.reply().await;
    for tries in 1..=3 {
        desk.works().await;
        assert_eq!(desk.world.sandbox.faults().fired().len(), 2 * tries, "with the stored token, and with a fresh one");
        assert_eq!(desk.refreshes(), before + tries);
        let waits = desk.delivery(&sent).await;
        assert_eq!(waits.state, DeliveryState::Queued);
        assert_eq!(waits.failure.map(|failure| failure.class), Some(FailureClass::SendingRefused));
        desk.works().await;
        assert_eq!(desk.world.sandbox.faults().fired().len(), 2 * tries, "not before its time");
        desk.world.advance(TEN_MINUTES);
        outbound::retry(&desk.world.app, &desk.world.admin().await, desk.conversation, sent.id, false)
            .await
            .expect("a person asks");
    }
    desk.world.sandbox.faults().clear();
    desk.works().await;
    assert_eq!((desk.delivery(&sent).await.state, desk.arrived()), (DeliveryState::Sent, 1));
    assert_eq!(desk.refreshes(), before + 3, "what was refused last was fresh ten minutes ago");
}
