//! A reply on its way: retries, refusals, unknown outcomes, and what people do about them.

use crate::desk::{ADA, Desk, mail};
use crate::drafts::{everything, everything_arrived};
use app::outbound::{self, Draft, IdempotencyKey, ReplyError};
use domain::message::{DeliveryState, Message};
use domain::{DisplayId, FailureClass};
use sandbox::{INBOX, SmtpFault, SmtpPoint};
use std::time::Duration;

async fn written_to() -> (Desk, DisplayId) {
    let desk = Desk::new().await;
    desk.take_in(&mail(ADA, "1@x.example", "One", "", "first")).await;
    let id = desk.conversation().await.conversation.display_id;
    (desk, id)
}

fn received(desk: &Desk, address: &str) -> usize {
    desk.sandbox.mailbox(address).messages(INBOX).len()
}

fn failure(message: &Message) -> Option<FailureClass> {
    message.delivery.as_ref().and_then(|d| d.failure.as_ref()).map(|f| f.class)
}

#[tokio::test]
async fn a_note_never_leaves() {
    let (desk, id) = written_to().await;
    let draft = Draft { content: "between us".to_owned(), private: true, ..Draft::default() };
    let note = outbound::reply(&desk.app, &desk.member, id, draft).await.expect("kept");
    desk.work().await;
    assert!(note.private && note.delivery.is_none());
    assert_eq!(received(&desk, ADA), 0);
    assert!(desk.conversation().await.conversation.first_reply_at.is_none());
}

#[tokio::test]
async fn cc_and_bcc_get_it_and_bcc_is_not_told() {
    let (desk, id) = written_to().await;
    outbound::reply(&desk.app, &desk.member, id, everything()).await.expect("accepted");
    desk.work().await;
    everything_arrived(&desk);
}

#[tokio::test]
async fn a_reply_goes_where_reply_to_says() {
    let desk = Desk::new().await;
    desk.take_in(&mail(ADA, "1@x.example", "One", "Reply-To: Desk <grace@customer.example>\n", "first")).await;
    let id = desk.conversation().await.conversation.display_id;
    desk.reply(id, "hello").await;
    desk.work().await;
    assert_eq!((received(&desk, ADA), received(&desk, "grace@customer.example")), (0, 1));
}

#[tokio::test]
async fn the_same_idempotency_key_makes_one_message_and_another_body_is_refused() {
    let (desk, id) = written_to().await;
    let draft = |content: &str| Draft {
        content: content.to_owned(),
        idempotency: Some(IdempotencyKey { token_id: desk.member.token_id, key: "k".to_owned() }),
        ..Draft::default()
    };
    let first = outbound::reply(&desk.app, &desk.member, id, draft("hello")).await.expect("accepted");
    let second = outbound::reply(&desk.app, &desk.member, id, draft("hello")).await.expect("the same");
    assert_eq!(first.id, second.id);
    let other = outbound::reply(&desk.app, &desk.member, id, draft("something else")).await;
    assert!(matches!(other, Err(ReplyError::KeyReused)), "{other:?}");
    desk.work().await;
    assert_eq!(received(&desk, ADA), 1);
}

#[tokio::test]
async fn a_busy_server_is_tried_again_later_and_says_so_meanwhile() {
    let (desk, id) = written_to().await;
    desk.sandbox.faults().once(SmtpFault::server_busy());
    let sent = desk.reply(id, "hello").await;
    desk.work().await;
    let message = desk.message(id, sent.id).await;
    let delivery = message.delivery.clone().expect("a delivery");
    assert_eq!((delivery.state, delivery.attempts), (DeliveryState::Queued, 1));
    assert!(delivery.next_try_at.is_some_and(|at| at > desk.app.now()));
    assert!(message.content_attributes["external_error"].is_string());
}

#[tokio::test]
async fn a_refused_message_fails_with_a_reason_and_a_retry_sends_the_same_mail() {
    for (reply, class) in [
        ("550 5.6.0 message refused for its content", FailureClass::MessageRefused),
        ("550 5.5.3 RESOLVER.ADR.RecipLimit; too many recipients", FailureClass::TooManyRecipients),
        ("552 5.3.4 Message size exceeds fixed maximum message size", FailureClass::MessageTooLarge),
    ] {
        let (desk, id) = written_to().await;
        desk.sandbox.faults().once(SmtpFault::Answer { at: SmtpPoint::EndOfData, reply: reply.to_owned() });
        let sent = outbound::reply(&desk.app, &desk.member, id, everything()).await.expect("accepted");
        desk.work().await;
        let failed = desk.message(id, sent.id).await;
        assert_eq!(failed.delivery.as_ref().map(|d| d.state), Some(DeliveryState::Failed), "{reply}");
        assert_eq!(failure(&failed), Some(class), "{reply}");
        let again = outbound::retry(&desk.app, &desk.member, id, sent.id, false).await.expect("queued");
        assert_eq!(
            (again.delivery.as_ref().map(|d| d.state), again.source_id),
            (Some(DeliveryState::Queued), sent.source_id)
        );
        assert!(again.content_attributes.get("external_error").is_none());
        desk.work().await;
        assert_eq!(desk.state(id, sent.id).await, DeliveryState::Sent);
        everything_arrived(&desk);
        let twice = outbound::retry(&desk.app, &desk.member, id, sent.id, false).await;
        assert!(matches!(twice, Err(outbound::RetryError::NothingToRetry)), "{twice:?}");
    }
}

#[tokio::test]
async fn one_refused_recipient_does_not_stop_the_others() {
    let (desk, id) = written_to().await;
    desk.sandbox.faults().once(SmtpFault::recipient_unknown("grace@customer.example"));
    let draft =
        Draft { content: "hello".to_owned(), cc: Some(vec!["grace@customer.example".to_owned()]), ..Draft::default() };
    let sent = outbound::reply(&desk.app, &desk.member, id, draft).await.expect("accepted");
    desk.work().await;
    let message = desk.message(id, sent.id).await;
    let delivery = message.delivery.clone().expect("a delivery");
    assert_eq!(delivery.state, DeliveryState::Sent);
    assert_eq!(failure(&message), Some(FailureClass::SomeRecipientsRefused));
    assert_eq!(delivery.recipients.refused[0].address, "grace@customer.example");
    assert_eq!(received(&desk, ADA), 1);
}

#[tokio::test]
async fn switched_off_sending_keeps_the_message_and_says_who_must_act() {
    let (desk, id) = written_to().await;
    desk.sandbox.faults().once(SmtpFault::smtp_auth_disabled_for_tenant());
    let sent = desk.reply(id, "hello").await;
    desk.work().await;
    let message = desk.message(id, sent.id).await;
    assert_eq!(message.delivery.as_ref().map(|d| d.state), Some(DeliveryState::Queued));
    assert_eq!(failure(&message), Some(FailureClass::SmtpAuthDisabled));
    let channel = desk.scope.channel(desk.inbox.channel.id).await.expect("answers").expect("there");
    assert_eq!(channel.send_health.state, domain::channel::HealthState::Blocked);
    assert_ne!(channel.fetch_health.state, domain::channel::HealthState::Blocked);
}

#[tokio::test]
async fn a_message_whose_outcome_is_unknown_is_found_in_sent_and_not_sent_twice() {
    // A server that is killed ends the connection without ending TLS.
    for ends_tls in [true, false] {
        let (desk, id) = written_to().await;
        if !ends_tls {
            desk.sandbox.faults().always(SmtpFault::NoCloseNotify);
        }
        desk.sandbox.faults().once(SmtpFault::DropAfterDot { accepted: true });
        let sent = desk.reply(id, "hello").await;
        desk.step().await;
        let unknown = desk.message(id, sent.id).await;
        assert_eq!(unknown.delivery.as_ref().map(|d| d.state), Some(DeliveryState::OutcomeUnknown));
        assert_eq!(failure(&unknown), Some(FailureClass::OutcomeUnknown));
        desk.work().await;
        let delivery = desk.message(id, sent.id).await.delivery.expect("a delivery");
        assert_eq!((delivery.state, delivery.attempts), (DeliveryState::Sent, 1), "ends TLS: {ends_tls}");
        assert_eq!(received(&desk, ADA), 1);
        // Exchange would hide a second sending: it swallows what it has.
        assert!(desk.sandbox.handed_in_again().is_empty());
        let untold = desk.sandbox.faults().fired().contains(&SmtpFault::NoCloseNotify.into());
        assert_eq!(untold, !ends_tls);
    }
}

#[tokio::test]
async fn a_message_that_is_not_in_sent_after_the_looks_is_sent_again_with_the_same_id() {
    let (desk, id) = written_to().await;
    desk.sandbox.faults().once(SmtpFault::DropAfterDot { accepted: false });
    let sent = desk.reply(id, "hello").await;
    desk.work().await;
    assert_eq!(desk.state(id, sent.id).await, DeliveryState::Sent);
    let mails = desk.sandbox.mailbox(ADA).messages(INBOX);
    assert_eq!(mails.len(), 1);
    assert_eq!(::mail::parse::parse(&mails[0].bytes, usize::MAX).message_id, sent.source_id);
}

#[tokio::test]
async fn a_second_sending_that_exchange_refuses_or_swallows_leaves_one_copy_at_the_customer() {
    for swallows in [false, true] {
        let (desk, id) = written_to().await;
        // It was taken, and no copy is in Sent to show it.
        desk.sandbox.update_user(crate::desk::SUPPORT, |user| user.keeps_sent_copy = false);
        desk.sandbox.faults().once(SmtpFault::DropAfterDot { accepted: true });
        if swallows {
            desk.sandbox.faults().always(SmtpFault::SwallowDuplicates);
        }
        let sent = desk.reply(id, "hello").await;
        desk.work().await;
        let delivery = desk.message(id, sent.id).await.delivery.expect("a delivery");
        assert_eq!((delivery.state, delivery.attempts), (DeliveryState::Sent, 2), "swallows: {swallows}");
        assert_eq!(received(&desk, ADA), 1);
        let swallowed = desk.sandbox.faults().fired().contains(&SmtpFault::SwallowDuplicates.into());
        assert_eq!(swallowed, swallows, "a second sending was made");
    }
}

#[tokio::test]
async fn a_deleted_message_that_has_not_left_stays() {
    let (desk, id) = written_to().await;
    let sent = desk.reply(id, "a mistake").await;
    let deleted = outbound::delete_message(&desk.app, &desk.member, id, sent.id).await.expect("deleted");
    assert!(deleted.deleted && deleted.content.as_deref() != Some("a mistake"));
    assert_eq!(deleted.content_attributes["deleted"], true);
    desk.work().await;
    assert_eq!(received(&desk, ADA), 0);
}

#[tokio::test]
async fn a_reply_to_nobody_is_refused_before_anything_is_written() {
    let desk = Desk::new().await;
    desk.take_in("Subject: no sender\nMessage-ID: <1@x.example>\n\nhello\n").await;
    let id = desk.conversation().await.conversation.display_id;
    let draft = Draft { content: "who are you?".to_owned(), ..Draft::default() };
    let refused = outbound::reply(&desk.app, &desk.member, id, draft).await;
    assert!(matches!(&refused, Err(ReplyError::Invalid(wrong)) if wrong[0].field == "to_emails"), "{refused:?}");
    assert_eq!(desk.messages(id).await.len(), 1);
}

#[tokio::test]
async fn a_worker_that_died_while_sending_leaves_a_message_that_is_looked_for_before_it_is_sent_again() {
    let (desk, id) = written_to().await;
    let sent = desk.reply(id, "hello").await;
    let record = desk.change_delivery(sent.id, |record| record.delivery.state = DeliveryState::Sending).await;
    assert_eq!(desk.state(id, sent.id).await, DeliveryState::Sending);
    desk.work().await;
    assert_eq!(desk.state(id, sent.id).await, DeliveryState::Sent);
    assert_eq!(received(&desk, ADA), 1);
    let looks = desk.scope.delivery(record.delivery.id).await.expect("answers").expect("there").looks;
    assert_eq!(looks, 3, "it was looked for as often as agreed");
}

#[tokio::test]
async fn two_replies_leave_one_after_the_other_and_both_arrive() {
    let (desk, id) = written_to().await;
    for n in 0..5 {
        desk.reply(id, &format!("number {n}")).await;
    }
    desk.work().await;
    assert_eq!(received(&desk, ADA), 5);
}

#[tokio::test]
async fn who_waits_for_a_busy_mailbox_leaves_as_soon_as_it_is_free_and_in_order() {
    let (desk, id) = written_to().await;
    let lease =
        desk.scope.claim_send_lease(desk.inbox.channel.id, "somebody else", Duration::from_secs(600), None).await;
    let lease = lease.expect("answers").expect("is free");
    for n in 0..4 {
        desk.reply(id, &format!("number {n}")).await;
    }
    // All four ask, and wait according to their places; none is due now.
    desk.work().await;
    assert_eq!(received(&desk, ADA), 0);
    desk.scope.release_send_lease(&lease, None).await.expect("released");
    assert!(desk.scope.call_next_delivery(desk.inbox.channel.id).await.expect("answers"), "nobody waits");
    // Nobody's wait ends by itself here: each is called by the one before.
    desk.work().await;
    let subjects: Vec<String> = desk
        .sandbox
        .mailbox(ADA)
        .messages(INBOX)
        .iter()
        .map(|m| String::from_utf8_lossy(&m.bytes).into_owned())
        .collect();
    assert_eq!(subjects.len(), 4);
    for (n, mail) in subjects.iter().enumerate() {
        assert!(mail.contains(&format!("number {n}")), "number {n} is not in its place");
    }
    assert!(!desk.scope.call_next_delivery(desk.inbox.channel.id).await.expect("answers"));
}
