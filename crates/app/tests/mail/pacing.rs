//! One mailbox, many messages: its pace, its line, and what it does when the server asks it to slow down.

use crate::desk::{ADA, Desk, mail};
use crate::postgres::on_each;
use app::outbound::{self, Draft};
use domain::channel::SendingLimits;
use domain::message::{Delivery, DeliveryState, Message};
use domain::{DisplayId, FailureClass, MessageId};
use sandbox::{INBOX, SmtpFault, SmtpPoint};
use std::time::Duration;
use store::{OwedKind, OwedPriority};

const MINUTE: Duration = Duration::from_secs(61);

async fn written_to(desk: &Desk) -> DisplayId {
    desk.take_in(&mail(ADA, "1@x.example", "One", "", "first")).await;
    desk.conversation().await.conversation.display_id
}

async fn agree(desk: &Desk, messages_per_minute: Option<u32>, recipients_per_day: Option<u32>) {
    let mut tx = desk.scope.begin().await.expect("a transaction");
    let agreed = SendingLimits { messages_per_minute, recipients_per_day };
    tx.set_sending_limits(desk.inbox.channel.id, agreed).await.expect("written");
    tx.commit().await.expect("committed");
}

async fn replies(desk: &Desk, id: DisplayId, count: usize) -> Vec<Message> {
    let mut sent = Vec::new();
    for n in 0..count {
        sent.push(desk.reply(id, &format!("number {n}.")).await);
    }
    sent
}

/// Which numbers Ada has, in the order they came.
fn received(desk: &Desk) -> Vec<usize> {
    let mails = desk.sandbox.mailbox(ADA).messages(INBOX);
    let number = |mail: &sandbox::StoredMail| {
        let text = String::from_utf8_lossy(&mail.bytes).into_owned();
        let (_, rest) = text.split_once("number ").expect("a number");
        rest.split_once('.').expect("a dot").0.parse().expect("a number")
    };
    mails.iter().map(number).collect()
}

async fn delivery(desk: &Desk, id: DisplayId, message: MessageId) -> Delivery {
    desk.message(id, message).await.delivery.expect("a delivery")
}

fn class(delivery: &Delivery) -> Option<FailureClass> {
    delivery.failure.as_ref().map(|f| f.class)
}

#[tokio::test]
async fn a_reply_over_the_minutes_limit_waits_says_so_and_leaves_in_its_turn() {
    on_each(async |desk| {
        let id = written_to(desk).await;
        agree(desk, Some(3), None).await;
        let sent = replies(desk, id, 7).await;
        desk.work().await;
        assert_eq!(received(desk), [0, 1, 2]);
        for (n, message) in sent[3..].iter().enumerate() {
            let waiting = delivery(desk, id, message.id).await;
            assert_eq!(
                (waiting.state, waiting.attempts, class(&waiting)),
                (DeliveryState::Queued, 0, Some(FailureClass::SendingPaced))
            );
            let detail = waiting.failure.as_ref().and_then(|f| f.detail.clone());
            assert_eq!(detail.as_deref(), Some("the limit is 3 messages a minute"));
            let wait = waiting.next_try_at.expect("a time").since(desk.app.now());
            // A minute after the first ones, and then every twenty seconds.
            let turn = Duration::from_secs(62 + 20 * n as u64);
            assert!(wait <= turn && wait + Duration::from_secs(20) > turn, "number {n} waits {wait:?}");
            assert!(desk.message(id, message.id).await.content_attributes.get("external_error").is_none());
        }
        desk.mailbox_rests(MINUTE).await;
        desk.work().await;
        assert_eq!(received(desk), [0, 1, 2, 3, 4, 5]);
        desk.mailbox_rests(MINUTE).await;
        desk.work().await;
        assert_eq!(received(desk), [0, 1, 2, 3, 4, 5, 6]);
        let done = delivery(desk, id, sent[6].id).await;
        assert_eq!((done.state, done.attempts, class(&done)), (DeliveryState::Sent, 1, None));
    })
    .await;
}

#[tokio::test]
async fn every_sending_that_the_server_heard_of_counts_and_no_other_does() {
    on_each(async |desk| {
        let id = written_to(desk).await;
        agree(desk, Some(3), None).await;
        let first = desk.reply(id, "number 0.").await;
        for fault in [
            SmtpFault::Answer { at: SmtpPoint::Auth, reply: "454 4.7.0 Temporary authentication failure".to_owned() },
            SmtpFault::insufficient_resources(),
            // These two are refused with the recipient named.
            SmtpFault::server_busy(),
            SmtpFault::RefuseRecipient { address: ADA.to_owned(), reply: "450 4.2.0 Greylisted".to_owned() },
        ] {
            desk.sandbox.faults().once(fault);
            desk.make_due_if_waiting(first.id).await;
            desk.work().await;
            assert_eq!(desk.state(id, first.id).await, DeliveryState::Queued);
        }
        let others = [desk.reply(id, "number 1.").await, desk.reply(id, "number 2.").await];
        desk.work().await;
        assert_eq!(received(desk), [1], "two of three places were used by what was put off");
        assert_eq!(class(&delivery(desk, id, others[1].id).await), Some(FailureClass::SendingPaced));
        desk.mailbox_rests(MINUTE).await;
        desk.work().await;
        assert_eq!(received(desk), [1, 0, 2]);
    })
    .await;
}

#[tokio::test]
async fn a_days_recipients_are_counted_and_the_next_message_waits_for_the_day_to_pass() {
    on_each(async |desk| {
        let id = written_to(desk).await;
        agree(desk, None, Some(4)).await;
        let three = Draft {
            content: "number 0.".to_owned(),
            cc: Some(vec!["grace@customer.example".to_owned()]),
            bcc: Some(vec!["linus@elsewhere.example".to_owned()]),
            ..Draft::default()
        };
        outbound::reply(&desk.app, &desk.member, id, three).await.expect("accepted");
        let last = replies(desk, id, 3).await;
        desk.work().await;
        assert_eq!(received(desk), [0, 0], "three recipients, and one");
        let waiting = delivery(desk, id, last[2].id).await;
        assert_eq!(
            (waiting.state, class(&waiting)),
            (DeliveryState::Queued, Some(FailureClass::DailyRecipientsReached))
        );
        let wait = waiting.next_try_at.expect("a time").since(desk.app.now());
        assert!(wait > Duration::from_secs(23 * 3600) && wait < Duration::from_secs(25 * 3600), "{wait:?}");
        // An administrator raises what the provider has raised.
        agree(desk, None, Some(5)).await;
        desk.scope.call_next_delivery(desk.inbox.channel.id).await.expect("answers");
        desk.work().await;
        assert_eq!(received(desk), [0, 0, 1]);
        desk.mailbox_rests(Duration::from_secs(24 * 3600 + 660)).await;
        desk.work().await;
        assert_eq!(received(desk), [0, 0, 1, 2]);
    })
    .await;
}

#[tokio::test]
async fn a_persons_reply_is_sent_before_automatic_mail_that_waits_longer() {
    on_each(async |desk| {
        let id = written_to(desk).await;
        agree(desk, Some(1), None).await;
        let sent = replies(desk, id, 4).await;
        for automatic in &sent[1..3] {
            let record = desk.scope.delivery_of_message(automatic.id).await.expect("answers").expect("a delivery");
            let mut tx = desk.scope.begin().await.expect("a transaction");
            let (kind, subject) = (OwedKind::DeliverMessage, record.delivery.id.0);
            tx.cancel_owed(kind, subject).await.expect("cancelled");
            tx.owe(kind, subject, serde_json::json!({}), OwedPriority::Normal, None).await.expect("owed");
            tx.commit().await.expect("committed");
        }
        for _ in 0..4 {
            desk.work().await;
            desk.mailbox_rests(MINUTE).await;
        }
        assert_eq!(received(desk), [0, 3, 1, 2]);
    })
    .await;
}

#[tokio::test]
async fn a_mailbox_with_too_many_connections_is_asked_once_after_every_wait_and_fails_nothing() {
    on_each(async |desk| {
        let id = written_to(desk).await;
        desk.sandbox.faults().always(SmtpFault::concurrent_connections());
        let sent = replies(desk, id, 5).await;
        let mut waits = Vec::new();
        for round in 1..=6 {
            desk.work().await;
            assert_eq!(desk.sandbox.faults().fired().len(), round, "one attempt a wait, whoever waits");
            let waiting = delivery(desk, id, sent[0].id).await;
            waits.push(waiting.next_try_at.expect("a time").since(desk.app.now()));
            for message in &sent {
                let waiting = delivery(desk, id, message.id).await;
                assert_eq!(
                    (waiting.state, class(&waiting)),
                    (DeliveryState::Queued, Some(FailureClass::TooManyConnections))
                );
            }
            // Days of it change nothing.
            desk.clock.forward(Duration::from_secs(24 * 3600));
            desk.mailbox_rests(Duration::from_secs(3600)).await;
        }
        assert!(waits.windows(2).any(|w| w[1] > w[0] * 3 / 2), "it is asked ever more rarely: {waits:?}");
        desk.sandbox.faults().clear();
        desk.work().await;
        assert_eq!(received(desk), [0, 1, 2, 3, 4], "each once, in order");
    })
    .await;
}

#[tokio::test]
async fn a_reply_for_which_no_connection_to_the_server_is_free_waits_for_one_as_long_as_it_takes_and_its_mailbox_is_well()
 {
    on_each(async |desk| {
        let id = written_to(desk).await;
        let taken = desk.all_slots(&desk.app.settings().smtp).await;
        let sent = desk.reply(id, "number 0.").await;
        for _ in 0..5 {
            desk.work().await;
            let waiting = delivery(desk, id, sent.id).await;
            assert_eq!(
                (waiting.state, class(&waiting), waiting.attempts),
                (DeliveryState::Queued, Some(FailureClass::HostBusy), 0)
            );
            let inbox = desk.scope.inbox(desk.inbox.id).await.expect("answers").expect("there");
            assert!(inbox.channel.send_health.failure.is_none(), "{:?}", inbox.channel.send_health);
            desk.clock.forward(Duration::from_secs(24 * 3600));
            desk.mailbox_rests(Duration::from_secs(3600)).await;
        }
        drop(taken);
        desk.work().await;
        assert_eq!(received(desk), [0]);
    })
    .await;
}

#[tokio::test]
async fn a_wait_that_the_server_states_is_waited_for_by_the_whole_mailbox() {
    for (at, reply) in [
        (SmtpPoint::MailFrom, "432 4.3.2 Concurrent connections limit exceeded; retry after 300 seconds"),
        (SmtpPoint::EndOfData, "451 4.7.0 Too many messages, please try again in 5 minutes"),
    ] {
        let desk = Desk::new().await;
        let id = written_to(&desk).await;
        desk.sandbox.faults().once(SmtpFault::Answer { at, reply: reply.to_owned() });
        let first = desk.reply(id, "number 0.").await;
        desk.work().await;
        let second = desk.reply(id, "number 1.").await;
        desk.work().await;
        for message in [&first, &second] {
            let waiting = delivery(&desk, id, message.id).await;
            assert_eq!(waiting.state, DeliveryState::Queued);
            let wait = waiting.next_try_at.expect("a time").since(desk.app.now());
            assert!((290..305).contains(&wait.as_secs()), "{reply}: {wait:?}");
        }
        desk.mailbox_rests(Duration::from_secs(200)).await;
        desk.work().await;
        assert_eq!(received(&desk), [] as [usize; 0], "it came before its time");
        desk.mailbox_rests(Duration::from_secs(120)).await;
        desk.work().await;
        assert_eq!(received(&desk), [0, 1]);
    }
}

#[tokio::test]
async fn a_message_that_a_filter_puts_off_for_ever_keeps_no_other_from_leaving() {
    for reply in ["451 4.7.1 Suspicious content, please try again in 5 minutes", "452 4.2.2 Mailbox full"] {
        let desk = Desk::new().await;
        let id = written_to(&desk).await;
        desk.sandbox
            .faults()
            .always(SmtpFault::RefuseMail { containing: "number 0.".to_owned(), reply: reply.to_owned() });
        let first = desk.reply(id, "number 0.").await;
        desk.work().await;
        desk.reply(id, "number 1.").await;
        desk.reply(id, "number 2.").await;
        for _ in 0..4 {
            desk.mailbox_rests(Duration::from_secs(3600)).await;
            desk.work().await;
        }
        assert_eq!(received(&desk), [1, 2], "{reply}");
        let put_off = delivery(&desk, id, first.id).await;
        assert_eq!(put_off.state, DeliveryState::Queued);
        assert!(put_off.failing_since.is_some(), "it must end one day: {put_off:?}");
    }
}
