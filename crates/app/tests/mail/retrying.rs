//! What bounced, and what people do about it.

use crate::desk::{ADA, Desk, SUPPORT, mail};
use crate::drafts::{everything, everything_arrived};
use app::outbound::{self, Draft};
use domain::message::{DeliveryState, Message, MessageType};
use domain::{DisplayId, FailureClass, MessageId};
use sandbox::{INBOX, SmtpFault};
use store::OwedKind;

const GRACE: &str = "grace@customer.example";

/// A mailbox that is read, so that reports arrive by themselves.
async fn written_to() -> (Desk, DisplayId) {
    let desk = Desk::new().await;
    desk.pull().await.expect("opens");
    arrives(&desk, &mail(ADA, "1@x.example", "One", "", "first")).await;
    let id = desk.conversation().await.conversation.display_id;
    (desk, id)
}

async fn arrives(desk: &Desk, raw: &str) {
    desk.arrives(raw);
    desk.pull().await.expect("pulls");
}

fn received(desk: &Desk, address: &str) -> usize {
    desk.sandbox.mailbox(address).messages(INBOX).len()
}

fn bounce_later() -> SmtpFault {
    SmtpFault::BounceLater {
        status: "5.1.1".to_owned(),
        diagnostic: "550 5.1.1 User unknown".to_owned(),
        language: sandbox::NdrLanguage::English,
    }
}

/// A server's report that a mail of ours did not reach somebody.
fn report(name: &str, about: &str, whom: &str) -> String {
    format!(
        "From: MAILER-DAEMON@mx.customer.example\nTo: {SUPPORT}\nSubject: Undelivered\nMessage-ID: <{name}@mx.example>\n\
         MIME-Version: 1.0\nContent-Type: multipart/report; report-type=delivery-status; boundary=\"b\"\n\n\
         --b\nContent-Type: text/plain\n\nIt did not arrive.\n--b\nContent-Type: message/delivery-status\n\n\
         Reporting-MTA: dns; mx.example\n\nFinal-Recipient: rfc822; {whom}\nAction: failed\nStatus: 5.1.1\n\
         Diagnostic-Code: smtp; 550 5.1.1 No {whom}\n\n--b\nContent-Type: text/rfc822-headers\n\nMessage-ID: <{about}>\n\n--b--\n"
    )
}

async fn retried(desk: &Desk, id: DisplayId, message: MessageId) -> Message {
    outbound::retry(&desk.app, &desk.member, id, message, false).await.expect("queued")
}

fn id_of(desk: &Desk, address: &str) -> String {
    let bytes = &desk.sandbox.mailbox(address).messages(INBOX)[0].bytes;
    ::mail::parse::parse(bytes, usize::MAX).message_id.expect("an id")
}

#[tokio::test]
async fn a_retry_of_a_bounced_message_leaves_under_another_id_and_an_answer_to_either_finds_it() {
    let (desk, id) = written_to().await;
    desk.sandbox.faults().once(bounce_later());
    let sent = outbound::reply(&desk.app, &desk.member, id, everything()).await.expect("accepted");
    desk.work().await;
    desk.pull().await.expect("pulls");
    assert_eq!((desk.state(id, sent.id).await, received(&desk, ADA)), (DeliveryState::Bounced, 0));
    retried(&desk, id, sent.id).await;
    desk.work().await;
    // With its old id Exchange would have swallowed it.
    assert_eq!(desk.state(id, sent.id).await, DeliveryState::Sent);
    everything_arrived(&desk);
    let (old, new) = (sent.source_id.clone().expect("an id"), id_of(&desk, ADA));
    assert_ne!(old, new);
    let message = desk.message(id, sent.id).await;
    assert_eq!(message.source_id.as_ref(), Some(&new));
    assert_eq!(message.content_attributes["email"]["message_id"], new.as_str());
    assert!(message.content_attributes.get("external_error").is_none());
    for (n, answered) in [(2, &old), (3, &new)] {
        let known = desk.scope.messages_by_message_id(desk.inbox.id, answered).await.expect("answers");
        assert_eq!(known.iter().map(|k| k.message_id).collect::<Vec<_>>(), [sent.id]);
        let headers = format!("In-Reply-To: <{answered}>\n");
        arrives(&desk, &mail(ADA, &format!("{n}@x.example"), "Re: One", &headers, "thanks")).await;
    }
    let incoming = desk.messages(id).await.iter().filter(|m| m.message_type == MessageType::Incoming).count();
    assert_eq!(
        (incoming, desk.conversations().await.iter().filter(|c| c.conversation.display_id == id).count()),
        (3 + 3, 1),
        "what Ada wrote, and a report about each of the three"
    );
}

#[tokio::test]
async fn a_late_report_about_the_first_sending_says_nothing_of_the_second() {
    let (desk, id) = written_to().await;
    let sent = desk.reply(id, "hello").await;
    desk.work().await;
    let old = sent.source_id.clone().expect("an id");
    arrives(&desk, &report("r1", &old, ADA)).await;
    assert_eq!(desk.state(id, sent.id).await, DeliveryState::Bounced);
    retried(&desk, id, sent.id).await;
    desk.work().await;
    assert_eq!(desk.state(id, sent.id).await, DeliveryState::Sent);
    arrives(&desk, &report("r2", &old, ADA)).await;
    assert_eq!(desk.state(id, sent.id).await, DeliveryState::Sent);
    let new = desk.message(id, sent.id).await.source_id.expect("an id");
    arrives(&desk, &report("r3", &new, ADA)).await;
    assert_eq!(desk.state(id, sent.id).await, DeliveryState::Bounced);
}

#[tokio::test]
async fn a_retry_goes_only_to_those_whose_mail_came_back() {
    let (desk, id) = written_to().await;
    let draft = Draft { content: "hello".to_owned(), cc: Some(vec![GRACE.to_owned()]), ..Draft::default() };
    let sent = outbound::reply(&desk.app, &desk.member, id, draft).await.expect("accepted");
    desk.work().await;
    let old = sent.source_id.clone().expect("an id");
    arrives(&desk, &report("r1", &old, GRACE)).await;
    let bounced = desk.message(id, sent.id).await;
    let delivery = bounced.delivery.as_ref().expect("a delivery");
    assert_eq!((delivery.state, delivery.recipients.accepted.len()), (DeliveryState::Bounced, 1));
    let refused = &delivery.recipients.refused[0];
    assert_eq!(
        (refused.address.as_str(), refused.class, refused.bounced),
        (GRACE, FailureClass::RecipientRefused, true)
    );
    assert!(refused.server_said.contains("No grace@"), "{}", refused.server_said);
    retried(&desk, id, sent.id).await;
    desk.work().await;
    assert_eq!((received(&desk, ADA), received(&desk, GRACE)), (1, 2));
    let message = desk.message(id, sent.id).await;
    assert_eq!(message.source_id, Some(old), "Ada has it under that id");
    assert_eq!(message.delivery.map(|d| (d.state, d.recipients.accepted.len())), Some((DeliveryState::Sent, 2)));
}

#[tokio::test]
async fn every_report_about_a_message_is_noted() {
    let (desk, id) = written_to().await;
    let draft = Draft { content: "hello".to_owned(), cc: Some(vec![GRACE.to_owned()]), ..Draft::default() };
    desk.sandbox.faults().once(bounce_later());
    let sent = outbound::reply(&desk.app, &desk.member, id, draft).await.expect("accepted");
    desk.work().await;
    desk.pull().await.expect("pulls");
    let delivery = desk.message(id, sent.id).await.delivery.expect("a delivery");
    let mut refused: Vec<_> = delivery.recipients.refused.iter().map(|r| r.address.as_str()).collect();
    refused.sort_unstable();
    assert_eq!((delivery.state, refused), (DeliveryState::Bounced, vec![ADA, GRACE]));
}

#[tokio::test]
async fn a_report_settles_a_message_whose_outcome_was_unknown_and_it_is_not_sent_again() {
    let (desk, id) = written_to().await;
    desk.sandbox.faults().once(SmtpFault::DropAfterDot { accepted: false });
    let sent = desk.reply(id, "hello").await;
    desk.step().await;
    assert_eq!(desk.state(id, sent.id).await, DeliveryState::OutcomeUnknown);
    let old = sent.source_id.clone().expect("an id");
    arrives(&desk, &report("r1", &old, ADA)).await;
    assert_eq!(desk.state(id, sent.id).await, DeliveryState::Bounced);
    desk.work().await;
    assert_eq!((desk.state(id, sent.id).await, received(&desk, ADA)), (DeliveryState::Bounced, 0));
    // The report proves that the server took that id.
    retried(&desk, id, sent.id).await;
    desk.work().await;
    assert_eq!((desk.state(id, sent.id).await, received(&desk, ADA)), (DeliveryState::Sent, 1));
    assert_ne!(id_of(&desk, ADA), old);
}

#[tokio::test]
async fn a_retry_of_a_message_whose_outcome_is_unknown_keeps_its_id_so_that_the_provider_swallows_a_copy() {
    let (desk, id) = written_to().await;
    desk.sandbox.update_user(SUPPORT, |user| user.keeps_sent_copy = false);
    desk.sandbox.faults().once(SmtpFault::DropAfterDot { accepted: true });
    let sent = desk.reply(id, "hello").await;
    desk.step().await;
    assert_eq!(desk.state(id, sent.id).await, DeliveryState::OutcomeUnknown);
    let again = retried(&desk, id, sent.id).await;
    let owed = desk.scope.delivery_of_message(sent.id).await.expect("answers").expect("a delivery").delivery.id.0;
    let mut tx = desk.scope.begin().await.expect("a transaction");
    assert!(!tx.is_owed(OwedKind::ReconcileDelivery, owed).await.expect("answers"), "nobody looks any more");
    tx.rollback().await.expect("ended");
    assert_eq!(again.source_id, sent.source_id);
    desk.work().await;
    assert_eq!((desk.state(id, sent.id).await, received(&desk, ADA)), (DeliveryState::Sent, 1));
    assert_eq!(desk.message(id, sent.id).await.source_id, sent.source_id);
}
