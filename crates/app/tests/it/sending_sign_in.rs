//! Signing in for sending when the mail server refuses it: once with a fresh token, and then a person's reply waits.

use crate::support::{World, connected, world};
use app::outbound;
use domain::message::DeliveryState;
use domain::{DisplayId, FailureClass};
use sandbox::{INBOX, SmtpFault};
use std::time::Duration;

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
        let conversation = world.first_conversation(SUPPORT).await;
        world.advance(TEN_MINUTES);
        Self { world, conversation }
    }

    fn arrived(&self) -> usize {
        self.world.sandbox.mailbox(ADA).messages(INBOX).len()
    }
}

#[tokio::test]
async fn a_refused_token_is_replaced_once_and_the_mail_leaves_in_the_same_try() {
    let desk = Answering::new().await;
    let before = desk.world.sandbox.refreshed();
    // By our clock it has fifty minutes left; the mail server does not take it any more, and takes none but a new one.
    desk.world.sandbox.expire_access_tokens(SUPPORT);
    let sent = desk.world.reply(desk.conversation).await;
    desk.world.works().await;
    let delivery = desk.world.delivery(&sent).await;
    assert_eq!((delivery.state, delivery.attempts, delivery.failure), (DeliveryState::Sent, 1, None));
    assert_eq!((desk.world.sandbox.refreshed(), desk.arrived()), (before + 1, 1));
}

#[tokio::test]
async fn a_sign_in_that_is_refused_with_a_fresh_token_too_is_no_third_one_and_the_reply_waits() {
    let desk = Answering::new().await;
    let before = desk.world.sandbox.refreshed();
    desk.world.sandbox.faults().always(SmtpFault::authentication_unsuccessful());
    let sent = desk.world.reply(desk.conversation).await;
    for tries in 1..=3 {
        desk.world.works().await;
        assert_eq!(desk.world.sandbox.faults().fired().len(), 2 * tries, "with the stored token, and with a fresh one");
        assert_eq!(desk.world.sandbox.refreshed(), before + tries);
        let waits = desk.world.delivery(&sent).await;
        assert_eq!(waits.state, DeliveryState::Queued);
        assert_eq!(waits.failure.map(|failure| failure.class), Some(FailureClass::SendingRefused));
        desk.world.works().await;
        assert_eq!(desk.world.sandbox.faults().fired().len(), 2 * tries, "not before its time");
        desk.world.advance(TEN_MINUTES);
        outbound::retry(&desk.world.app, &desk.world.admin().await, desk.conversation, sent.id, false)
            .await
            .expect("a person asks");
    }
    desk.world.sandbox.faults().clear();
    desk.world.works().await;
    assert_eq!((desk.world.delivery(&sent).await.state, desk.arrived()), (DeliveryState::Sent, 1));
    assert_eq!(desk.world.sandbox.refreshed(), before + 3, "what was refused last was fresh ten minutes ago");
}
