//! Looking into Sent on servers that lie about their folders: what was not looked at is no look, and nothing is sent again because of it.

use crate::desk::{ADA, Desk, SUPPORT, mail};
use app::outbound;
use domain::message::delivery::RETRY_FOR_SECONDS;
use domain::message::{Delivery, DeliveryState, Message};
use domain::{DisplayId, FailureClass};
use sandbox::{INBOX, ImapFault, SandboxConfig, SmtpFault};
use std::time::Duration;

/// Longer than the longest wait between two looks.
const A_WHILE: Duration = Duration::from_secs(3600);

/// A reply whose answer was lost, behind a server that took it; one look that finds nothing is enough to send it again.
async fn may_have_left(lie: impl FnOnce(&Desk)) -> (Desk, DisplayId, Message) {
    let one_look = |settings: &mut app::Settings| settings.reconcile_looks = vec![Duration::ZERO];
    let desk = Desk::tuned(SandboxConfig::default(), None, one_look).await;
    desk.take_in(&mail(ADA, "1@x.example", "One", "", "first")).await;
    let id = desk.conversation().await.conversation.display_id;
    desk.sandbox.faults().once(SmtpFault::DropAfterDot { accepted: true });
    lie(&desk);
    let sent = desk.reply(id, "hello").await;
    desk.work().await;
    (desk, id, sent)
}

async fn delivery(desk: &Desk, id: DisplayId, sent: &Message) -> Delivery {
    desk.message(id, sent.id).await.delivery.expect("a delivery")
}

/// Whose outcome is open, with the looks that count.
async fn is_open(desk: &Desk, id: DisplayId, sent: &Message) {
    let delivery = delivery(desk, id, sent).await;
    assert_eq!((delivery.state, delivery.attempts), (DeliveryState::OutcomeUnknown, 1));
    let looks = desk.scope.delivery(delivery.id).await.expect("answers").expect("there").looks;
    assert_eq!(looks, 0, "nobody has looked into Sent");
}

fn lists(desk: &Desk) -> usize {
    desk.sandbox.faults().fired().iter().filter(|fault| matches!(fault, sandbox::Fault::Imap(_))).count()
}

#[tokio::test]
async fn a_list_of_folders_that_is_empty_for_a_moment_is_no_look_and_the_message_is_found_in_sent() {
    let (desk, id, sent) = may_have_left(|desk| desk.sandbox.faults().once(ImapFault::EmptyList)).await;
    assert_eq!(lists(&desk), 1);
    is_open(&desk, id, &sent).await;
    desk.mailbox_rests(A_WHILE).await;
    desk.work().await;
    let delivery = delivery(&desk, id, &sent).await;
    assert_eq!((delivery.state, delivery.attempts), (DeliveryState::Sent, 1));
    assert_eq!(desk.sandbox.mailbox(ADA).messages(INBOX).len(), 1);
}

#[tokio::test]
async fn a_look_for_which_no_connection_is_free_is_none_and_comes_again_soon() {
    let one_look = |settings: &mut app::Settings| settings.reconcile_looks = vec![Duration::ZERO];
    let desk = Desk::tuned(SandboxConfig::default(), None, one_look).await;
    desk.take_in(&mail(ADA, "1@x.example", "One", "", "first")).await;
    let id = desk.conversation().await.conversation.display_id;
    desk.sandbox.faults().once(SmtpFault::DropAfterDot { accepted: true });
    let taken = desk.all_slots(&desk.app.settings().imap).await;
    let sent = desk.reply(id, "hello").await;
    for _ in 0..20 {
        desk.work().await;
        is_open(&desk, id, &sent).await;
        let next = app::owed::next_due_in(&desk.app, A_WHILE).await.expect("the store works");
        assert!(
            next <= Duration::from_secs(5),
            "it is no failure, after which it would wait longer each time: {next:?}"
        );
        desk.mailbox_rests(A_WHILE).await;
    }
    drop(taken);
    desk.work().await;
    assert_eq!(desk.state(id, sent.id).await, DeliveryState::Sent);
    assert_eq!(desk.sandbox.mailbox(ADA).messages(INBOX).len(), 1);
}

#[tokio::test]
async fn where_folders_are_never_listed_nothing_is_sent_again_and_a_person_decides() {
    let (desk, id, sent) = may_have_left(|desk| desk.sandbox.faults().always(ImapFault::EmptyList)).await;
    for looked in 1..=4 {
        assert_eq!(lists(&desk), looked);
        is_open(&desk, id, &sent).await;
        desk.mailbox_rests(A_WHILE).await;
        desk.work().await;
    }
    // After as long as anything is tried nobody looks any more.
    desk.clock.forward(Duration::from_secs(RETRY_FOR_SECONDS));
    for _ in 0..2 {
        desk.mailbox_rests(A_WHILE).await;
        desk.work().await;
        is_open(&desk, id, &sent).await;
    }
    let looked = lists(&desk);
    desk.mailbox_rests(A_WHILE).await;
    desk.work().await;
    assert_eq!(lists(&desk), looked);
    let waits = delivery(&desk, id, &sent).await;
    assert_eq!(waits.next_try_at, None);
    assert_eq!(waits.failure.map(|failure| failure.class), Some(FailureClass::OutcomeUnknown));
    outbound::resolve(&desk.app, &desk.member, id, sent.id, true).await.expect("a person looked");
    assert_eq!(desk.state(id, sent.id).await, DeliveryState::Sent);
    assert_eq!(desk.sandbox.mailbox(ADA).messages(INBOX).len(), 1);
}

#[tokio::test]
async fn a_sent_folder_that_is_listed_and_cannot_be_opened_is_no_look() {
    let (desk, id, sent) = may_have_left(|desk| {
        desk.sandbox.update_user(SUPPORT, |user| user.keeps_sent_copy = false);
        assert!(desk.sandbox.mailbox(SUPPORT).remove_folder("Sent Items"));
        desk.sandbox.faults().always(ImapFault::PhantomFolder { name: "Sent Items".to_owned() });
    })
    .await;
    assert_eq!(lists(&desk), 1);
    is_open(&desk, id, &sent).await;
    // It is there after all, and the mail is in it.
    let copy = desk.sandbox.mailbox(ADA).messages(INBOX)[0].bytes.clone();
    desk.sandbox.mailbox(SUPPORT).append("Sent Items", &copy);
    desk.sandbox.faults().clear();
    desk.mailbox_rests(A_WHILE).await;
    desk.work().await;
    let delivery = delivery(&desk, id, &sent).await;
    assert_eq!((delivery.state, delivery.attempts), (DeliveryState::Sent, 1));
}
