//! A reply that is written to leave later, and one that is taken back before it left.

use crate::desk::{ADA, Desk, mail};
use crate::postgres::on_each;
use app::outbound::draft::MAX_DELAY;
use app::outbound::{self, Draft, ReplyError};
use domain::message::{DeliveryState, Message};
use domain::{DisplayId, FailureClass, Timestamp};
use sandbox::INBOX;
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3600);

async fn written_to(desk: &Desk) -> DisplayId {
    desk.take_in(&mail(ADA, "1@x.example", "One", "", "first")).await;
    desk.conversation().await.conversation.display_id
}

async fn reply_in(desk: &Desk, id: DisplayId, text: &str, delay: Duration) -> Message {
    let draft = Draft { content: text.to_owned(), delay, ..Draft::default() };
    outbound::reply(&desk.app, &desk.member, id, draft).await.expect("accepted")
}

fn received(desk: &Desk) -> Vec<String> {
    let messages = desk.sandbox.mailbox(ADA).messages(INBOX);
    messages.iter().map(|mail| String::from_utf8_lossy(&mail.bytes).into_owned()).collect()
}

/// Since when the customer waits, and when they were answered first.
async fn waiting(desk: &Desk) -> (Option<Timestamp>, Option<Timestamp>) {
    let conversation = desk.conversation().await.conversation;
    (conversation.waiting_since, conversation.first_reply_at)
}

#[tokio::test]
async fn a_delayed_reply_leaves_when_its_time_has_come_says_that_time_and_holds_up_no_other() {
    on_each(async |desk| {
        let id = written_to(desk).await;
        let later = reply_in(desk, id, "in an hour", HOUR).await;
        let delivery = later.delivery.expect("a delivery");
        assert_eq!((delivery.state, delivery.failure), (DeliveryState::Queued, None));
        assert!(delivery.queued_at >= later.sent_at.plus(HOUR));
        assert_eq!(delivery.next_try_at, Some(delivery.queued_at));
        desk.reply(id, "at once").await;
        desk.work().await;
        assert_eq!(received(desk).len(), 1);
        assert_eq!(desk.state(id, later.id).await, DeliveryState::Queued);
        desk.mailbox_rests(HOUR).await;
        desk.work().await;
        assert_eq!(desk.state(id, later.id).await, DeliveryState::Sent);
        let received = received(desk);
        assert!(received.len() == 2 && received[1].contains("in an hour"), "{received:?}");
        let read = mail::parse::parse(received[1].as_bytes(), usize::MAX);
        assert_eq!(read.date.map(Timestamp::seconds), Some(delivery.queued_at.seconds()));
    })
    .await;
}

#[tokio::test]
async fn a_delayed_reply_may_be_sent_at_once() {
    on_each(async |desk| {
        let id = written_to(desk).await;
        let later = reply_in(desk, id, "in an hour", HOUR).await;
        desk.work().await;
        assert_eq!(received(desk).len(), 0);
        outbound::retry(&desk.app, &desk.member, id, later.id, false).await.expect("hastened");
        desk.work().await;
        assert_eq!((desk.state(id, later.id).await, received(desk).len()), (DeliveryState::Sent, 1));
    })
    .await;
}

#[tokio::test]
async fn where_a_reply_is_taken_back_the_customer_waits_as_before_and_where_it_is_given_again_they_do_not() {
    on_each(async |desk| {
        let id = written_to(desk).await;
        let before = waiting(desk).await;
        assert!(before.0.is_some() && before.1.is_none());
        let sent = reply_in(desk, id, "a mistake", HOUR).await;
        let answered = (None, Some(sent.sent_at));
        assert_eq!(waiting(desk).await, answered);
        let cancelled = outbound::cancel(&desk.app, &desk.member, id, sent.id).await.expect("cancelled");
        let failure = cancelled.delivery.and_then(|d| d.failure).map(|f| f.class);
        assert_eq!((failure, waiting(desk).await), (Some(FailureClass::Cancelled), before));
        outbound::retry(&desk.app, &desk.member, id, sent.id, false).await.expect("queued");
        assert_eq!(waiting(desk).await, answered);
        outbound::delete_message(&desk.app, &desk.member, id, sent.id).await.expect("deleted");
        assert_eq!(waiting(desk).await, before);
        desk.mailbox_rests(HOUR).await;
        desk.work().await;
        assert!(received(desk).is_empty());
    })
    .await;
}

#[tokio::test]
async fn where_two_replies_are_taken_back_the_customer_waits_only_when_both_are() {
    on_each(async |desk| {
        let id = written_to(desk).await;
        let before = waiting(desk).await;
        let first = reply_in(desk, id, "one", HOUR).await;
        let second = reply_in(desk, id, "two", HOUR).await;
        outbound::cancel(&desk.app, &desk.member, id, first.id).await.expect("cancelled");
        assert_eq!(waiting(desk).await, (None, Some(second.sent_at)));
        outbound::cancel(&desk.app, &desk.member, id, second.id).await.expect("cancelled");
        assert_eq!(waiting(desk).await, before);
    })
    .await;
}

#[tokio::test]
async fn a_note_cannot_wait_and_no_reply_waits_for_more_than_a_year() {
    let desk = Desk::new().await;
    let id = written_to(&desk).await;
    for (private, delay) in [(true, HOUR), (false, MAX_DELAY + HOUR)] {
        let draft = Draft { content: "later".to_owned(), private, delay, ..Draft::default() };
        let refused = outbound::reply(&desk.app, &desk.member, id, draft).await;
        assert!(
            matches!(&refused, Err(ReplyError::Invalid(wrong)) if wrong[0].field == "delay_seconds"),
            "{refused:?}"
        );
    }
}
