//! Each recipient by itself: who has a mail is not sent it again, who was put off is tried later, who was refused is named.

use crate::desk::{ADA, Desk, mail};
use app::outbound::{self, Draft};
use domain::message::delivery::RETRY_FOR_SECONDS;
use domain::message::{Delivery, DeliveryState, Message, MessageType};
use domain::{DisplayId, FailureClass};
use sandbox::{INBOX, SmtpFault};
use std::time::Duration;

const GRACE: &str = "grace@customer.example";
const LINUS: &str = "linus@elsewhere.example";

async fn written_to() -> (Desk, DisplayId) {
    let desk = Desk::new().await;
    desk.take_in(&mail(ADA, "1@x.example", "One", "", "first")).await;
    let id = desk.conversation().await.conversation.display_id;
    (desk, id)
}

fn put_off(address: &str) -> SmtpFault {
    SmtpFault::RefuseRecipient { address: address.to_owned(), reply: "450 4.2.0 Greylisted, come again".to_owned() }
}

/// To Ada, Cc Grace, Bcc Linus.
async fn reply_to_three(desk: &Desk, id: DisplayId) -> Message {
    let draft = Draft {
        content: "hello".to_owned(),
        cc: Some(vec![GRACE.to_owned()]),
        bcc: Some(vec![LINUS.to_owned()]),
        ..Draft::default()
    };
    outbound::reply(&desk.app, &desk.member, id, draft).await.expect("accepted")
}

fn received(desk: &Desk) -> [usize; 3] {
    [ADA, GRACE, LINUS].map(|address| desk.sandbox.mailbox(address).messages(INBOX).len())
}

fn delivery(message: &Message) -> &Delivery {
    message.delivery.as_ref().expect("a delivery")
}

/// Accepted, waiting, refused.
fn people(message: &Message) -> [Vec<String>; 3] {
    let d = delivery(message);
    [
        d.recipients.accepted.iter().map(|a| a.address.to_string()).collect(),
        d.expecting().iter().map(ToString::to_string).collect(),
        d.recipients.refused.iter().map(|r| r.address.clone()).collect(),
    ]
}

fn error(message: &Message) -> &str {
    message.content_attributes["external_error"].as_str().unwrap_or_default()
}

#[tokio::test]
async fn whoever_was_put_off_is_tried_again_and_nobody_gets_it_twice() {
    let (desk, id) = written_to().await;
    // The first that is named, so that nobody was taken before.
    desk.sandbox.faults().once(put_off(ADA));
    let sent = reply_to_three(&desk, id).await;
    desk.work().await;
    assert_eq!(received(&desk), [0, 1, 1]);
    let waiting = desk.message(id, sent.id).await;
    let d = delivery(&waiting);
    assert_eq!(
        (d.state, d.failure.as_ref().map(|f| f.class)),
        (DeliveryState::Queued, Some(FailureClass::SomeRecipientsWait))
    );
    assert!(d.next_try_at.is_some_and(|at| at > desk.app.now()) && d.sent_at.is_some());
    assert_eq!(people(&waiting), [vec![GRACE.to_owned(), LINUS.to_owned()], vec![ADA.to_owned()], vec![]]);
    assert!(error(&waiting).contains("Waiting: ada@customer.example."), "{}", error(&waiting));

    desk.make_due(sent.id).await;
    desk.work().await;
    assert_eq!(received(&desk), [1, 1, 1]);
    let done = desk.message(id, sent.id).await;
    assert_eq!(
        (delivery(&done).state, delivery(&done).failure.as_ref(), error(&done)),
        (DeliveryState::Sent, None, "")
    );
    assert_eq!(people(&done), [vec![GRACE.to_owned(), LINUS.to_owned(), ADA.to_owned()], vec![], vec![]]);

    // The same mail but for its id, which Exchange would take for a copy of the first.
    let read =
        |address: &str| ::mail::parse::parse(&desk.sandbox.mailbox(address).messages(INBOX)[0].bytes, usize::MAX);
    let (first, second) = (read(GRACE), read(ADA));
    assert_eq!(
        (&first.to, &first.cc, &first.subject, &first.date),
        (&second.to, &second.cc, &second.subject, &second.date)
    );
    assert_eq!((first.text.as_ref(), first.message_id.as_ref()), (second.text.as_ref(), sent.source_id.as_ref()));
    assert_ne!(first.message_id, second.message_id);
    assert_eq!(done.source_id, sent.source_id, "most people have it under its first id");
    // An answer to either is an answer to this message.
    for (n, answered) in [(2, first.message_id), (3, second.message_id)] {
        let answered = answered.expect("an id");
        let known = desk.scope.messages_by_message_id(desk.inbox.id, &answered).await.expect("answers");
        assert_eq!(known.iter().map(|k| k.message_id).collect::<Vec<_>>(), [sent.id]);
        let headers = format!("In-Reply-To: <{answered}>\n");
        desk.take_in(&mail(ADA, &format!("{n}@x.example"), "Re: One", &headers, "thanks")).await;
    }
    let incoming = desk.messages(id).await.iter().filter(|m| m.message_type == MessageType::Incoming).count();
    assert_eq!(incoming, 3);
}

#[tokio::test]
async fn whoever_is_put_off_for_three_days_is_given_up_and_named() {
    let (desk, id) = written_to().await;
    desk.sandbox.faults().always(put_off(GRACE));
    let sent = reply_to_three(&desk, id).await;
    desk.work().await;
    assert_eq!(desk.state(id, sent.id).await, DeliveryState::Queued);
    let long_ago = desk.app.now().minus(Duration::from_secs(RETRY_FOR_SECONDS));
    desk.change_delivery(sent.id, |record| record.delivery.failing_since = Some(long_ago)).await;
    desk.make_due(sent.id).await;
    desk.work().await;
    let message = desk.message(id, sent.id).await;
    let d = delivery(&message);
    assert_eq!(
        (d.state, d.failure.as_ref().map(|f| f.class)),
        (DeliveryState::Sent, Some(FailureClass::SomeRecipientsRefused))
    );
    assert_eq!(people(&message)[2], [GRACE]);
    assert_eq!((d.recipients.refused[0].class, d.recipients.refused[0].bounced), (FailureClass::Throttled, false));
    assert!(d.recipients.refused[0].server_said.contains("Greylisted"));
    assert!(error(&message).contains("Refused: grace@customer.example."), "{}", error(&message));
    assert_eq!(received(&desk), [1, 0, 1]);
}

#[tokio::test]
async fn a_retry_of_a_sent_message_goes_to_the_refused_alone() {
    let (desk, id) = written_to().await;
    desk.sandbox.faults().once(SmtpFault::recipient_unknown(GRACE));
    let sent = reply_to_three(&desk, id).await;
    desk.work().await;
    let message = desk.message(id, sent.id).await;
    assert_eq!((delivery(&message).state, &people(&message)[2][..]), (DeliveryState::Sent, &[GRACE.to_owned()][..]));
    let again = outbound::retry(&desk.app, &desk.member, id, sent.id, false).await.expect("queued");
    assert_eq!((delivery(&again).state, &people(&again)[1][..]), (DeliveryState::Queued, &[GRACE.to_owned()][..]));
    desk.work().await;
    assert_eq!(received(&desk), [1, 1, 1]);
    let message = desk.message(id, sent.id).await;
    assert_eq!((delivery(&message).state, people(&message)[0].len()), (DeliveryState::Sent, 3));
    let nothing = outbound::retry(&desk.app, &desk.member, id, sent.id, false).await;
    assert!(matches!(nothing, Err(outbound::RetryError::NothingToRetry)), "{nothing:?}");
}

#[tokio::test]
async fn a_content_that_is_refused_at_the_second_try_leaves_the_message_sent_to_those_who_have_it() {
    let (desk, id) = written_to().await;
    desk.sandbox.faults().once(put_off(GRACE));
    let sent = reply_to_three(&desk, id).await;
    desk.work().await;
    let reply = "550 5.6.0 message refused for its content".to_owned();
    desk.sandbox.faults().once(SmtpFault::Answer { at: sandbox::SmtpPoint::EndOfData, reply });
    desk.make_due(sent.id).await;
    desk.work().await;
    let message = desk.message(id, sent.id).await;
    assert_eq!((delivery(&message).state, &people(&message)[2][..]), (DeliveryState::Sent, &[GRACE.to_owned()][..]));
    assert_eq!(delivery(&message).recipients.refused[0].class, FailureClass::MessageRefused);
}

#[tokio::test]
async fn when_nobody_is_taken_the_refused_are_named_and_the_others_wait() {
    let (desk, id) = written_to().await;
    for fault in [SmtpFault::recipient_unknown(ADA), put_off(GRACE), put_off(LINUS)] {
        desk.sandbox.faults().once(fault);
    }
    let sent = reply_to_three(&desk, id).await;
    desk.work().await;
    let message = desk.message(id, sent.id).await;
    assert_eq!(delivery(&message).state, DeliveryState::Queued);
    assert_eq!(people(&message), [vec![], vec![GRACE.to_owned(), LINUS.to_owned()], vec![ADA.to_owned()]]);
    desk.make_due(sent.id).await;
    desk.work().await;
    assert_eq!((received(&desk), desk.state(id, sent.id).await), ([0, 1, 1], DeliveryState::Sent));
    assert_eq!(desk.message(id, sent.id).await.source_id, sent.source_id, "nobody had it under another id");
}

#[tokio::test]
async fn when_everybody_is_refused_for_good_the_message_fails_and_a_retry_goes_to_all() {
    let (desk, id) = written_to().await;
    for whom in [ADA, GRACE, LINUS] {
        desk.sandbox.faults().once(SmtpFault::recipient_unknown(whom));
    }
    let sent = reply_to_three(&desk, id).await;
    desk.work().await;
    let message = desk.message(id, sent.id).await;
    assert_eq!(delivery(&message).state, DeliveryState::Failed);
    assert_eq!(people(&message), [vec![], vec![], [ADA, GRACE, LINUS].map(str::to_owned).to_vec()]);
    assert!(
        error(&message).contains("Refused: ada@customer.example, grace@customer.example, linus@elsewhere.example.")
    );
    outbound::retry(&desk.app, &desk.member, id, sent.id, false).await.expect("queued");
    desk.work().await;
    assert_eq!((received(&desk), desk.state(id, sent.id).await), ([1, 1, 1], DeliveryState::Sent));
}

#[tokio::test]
async fn whoever_was_refused_before_the_answer_was_lost_is_not_thought_to_have_it() {
    let (desk, id) = written_to().await;
    for fault in [SmtpFault::recipient_unknown(GRACE), put_off(LINUS), SmtpFault::DropAfterDot { accepted: true }] {
        desk.sandbox.faults().once(fault);
    }
    let sent = reply_to_three(&desk, id).await;
    // It is found in Sent.
    desk.work().await;
    assert_eq!(received(&desk), [1, 0, 0]);
    let message = desk.message(id, sent.id).await;
    assert_eq!(delivery(&message).state, DeliveryState::Queued);
    assert_eq!(people(&message), [vec![ADA.to_owned()], vec![LINUS.to_owned()], vec![GRACE.to_owned()]]);
    desk.make_due(sent.id).await;
    desk.work().await;
    assert_eq!((received(&desk), desk.state(id, sent.id).await), ([1, 0, 1], DeliveryState::Sent));
}

#[tokio::test]
async fn a_second_sending_after_an_unknown_outcome_is_for_the_same_people() {
    let (desk, id) = written_to().await;
    // Taken, but in no Sent folder: it is sent again, and refused as a copy of what only two were sent.
    desk.sandbox.update_user(crate::desk::SUPPORT, |user| user.keeps_sent_copy = false);
    for fault in [put_off(LINUS), SmtpFault::DropAfterDot { accepted: true }] {
        desk.sandbox.faults().once(fault);
    }
    let sent = reply_to_three(&desk, id).await;
    desk.work().await;
    assert_eq!(received(&desk), [1, 1, 0]);
    let message = desk.message(id, sent.id).await;
    assert_eq!(people(&message), [vec![ADA.to_owned(), GRACE.to_owned()], vec![LINUS.to_owned()], vec![]]);
    desk.make_due(sent.id).await;
    desk.work().await;
    assert_eq!((received(&desk), desk.state(id, sent.id).await), ([1, 1, 1], DeliveryState::Sent));
}

#[tokio::test]
async fn deleting_a_message_that_some_have_ends_the_waiting_and_leaves_it_sent() {
    let (desk, id) = written_to().await;
    desk.sandbox.faults().once(put_off(GRACE));
    let sent = reply_to_three(&desk, id).await;
    desk.work().await;
    outbound::delete_message(&desk.app, &desk.member, id, sent.id).await.expect("deleted");
    desk.work().await;
    let message = desk.message(id, sent.id).await;
    assert_eq!((delivery(&message).state, people(&message)[1].len()), (DeliveryState::Sent, 0));
    assert_eq!((received(&desk), &people(&message)[2][..]), ([1, 0, 1], &[GRACE.to_owned()][..]));
}
