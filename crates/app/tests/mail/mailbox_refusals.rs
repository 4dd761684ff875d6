//! Refusals that would meet every message of a mailbox, said while one of them is handed over: the mailbox's sending has that state, and
//! what waits goes out when somebody has mended it.

use crate::desk::{ADA, Desk, mail};
use app::channels::Part;
use app::channels::health::try_again;
use domain::channel::{Health, HealthState};
use domain::message::DeliveryState;
use domain::{DisplayId, FailureClass};
use sandbox::{INBOX, SmtpFault, SmtpPoint};

async fn written_to() -> (Desk, DisplayId) {
    let desk = Desk::new().await;
    desk.take_in(&mail(ADA, "1@x.example", "One", "", "first")).await;
    let id = desk.conversation().await.conversation.display_id;
    (desk, id)
}

async fn send_health(desk: &Desk) -> Health {
    desk.scope.channel(desk.inbox.channel.id).await.expect("answers").expect("there").send_health
}

fn says(at: SmtpPoint, reply: &str) -> SmtpFault {
    SmtpFault::Answer { at, reply: reply.to_owned() }
}

#[tokio::test]
async fn a_mailbox_that_may_not_send_is_blocked_and_its_messages_wait_for_whoever_mends_it() {
    for (fault, class) in [
        (SmtpFault::not_allowed_to_send_as(), FailureClass::SenderNotAllowed),
        (
            says(SmtpPoint::EndOfData, "554 5.2.252 SendAsDenied; a@x not allowed to send as b@x"),
            FailureClass::SenderNotAllowed,
        ),
        (
            says(SmtpPoint::EndOfData, "550 5.1.8 Access denied, bad outbound sender AS(42003)"),
            FailureClass::SenderBlocked,
        ),
    ] {
        let (desk, id) = written_to().await;
        desk.sandbox.faults().once(fault);
        let first = desk.reply(id, "one").await;
        desk.work().await;
        let health = send_health(&desk).await;
        assert_eq!((health.state, health.failure.map(|f| f.class)), (HealthState::Blocked, Some(class)));
        let second = desk.reply(id, "two").await;
        desk.work().await;
        for message in [first.id, second.id] {
            let delivery = desk.message(id, message).await.delivery.expect("a delivery");
            assert_eq!((delivery.state, delivery.failure.map(|f| f.class)), (DeliveryState::Queued, Some(class)));
            assert_eq!(delivery.next_try_at, None, "it waits for a person");
        }
        assert_eq!(desk.sandbox.mailbox(ADA).messages(INBOX).len(), 0);
        try_again(&desk.app, &desk.member, desk.inbox.id, Part::Send).await.expect("it is tried");
        for message in [first.id, second.id] {
            desk.make_due(message).await;
        }
        desk.work().await;
        assert_eq!(desk.sandbox.mailbox(ADA).messages(INBOX).len(), 2);
        assert_eq!(send_health(&desk).await.state, HealthState::Connected);
    }
}

#[tokio::test]
async fn a_mailbox_that_is_refused_for_the_moment_is_failing_and_says_why() {
    for (at, reply, class, refusals) in [
        (SmtpPoint::MailFrom, "530 5.7.57 Client not authenticated to send mail.", FailureClass::SendingRefused, 1),
        (
            SmtpPoint::EndOfData,
            "554 5.2.0 STOREDRV.Submission.Exception:SubmissionQuotaExceededException",
            FailureClass::SendingQuotaExceeded,
            0,
        ),
        (
            SmtpPoint::EndOfData,
            "554 5.2.2 mailbox full; STOREDRV.Submission.Exception:QuotaExceededException",
            FailureClass::MailboxFull,
            0,
        ),
    ] {
        let (desk, id) = written_to().await;
        desk.sandbox.faults().once(says(at, reply));
        let sent = desk.reply(id, "hello").await;
        desk.work().await;
        assert_eq!(desk.state(id, sent.id).await, DeliveryState::Queued);
        let health = send_health(&desk).await;
        assert_eq!((health.state, health.failure.map(|f| f.class)), (HealthState::Failing, Some(class)));
        // Five refused sign-ins over an hour ask a person; this is one of them.
        assert_eq!(health.refusals, refusals, "{reply}");
        assert!(health.next_try_at.is_some_and(|at| at > desk.app.now()));
        desk.make_due(sent.id).await;
        desk.work().await;
        assert_eq!(send_health(&desk).await.state, HealthState::Connected);
    }
}

#[tokio::test]
async fn what_one_message_meets_says_nothing_about_the_mailbox() {
    for reply in ["550 5.6.0 message refused for its content", "451 4.7.500 Server busy. Please try again later"] {
        let (desk, id) = written_to().await;
        desk.sandbox.faults().once(says(SmtpPoint::EndOfData, reply));
        desk.reply(id, "hello").await;
        desk.work().await;
        assert_eq!(send_health(&desk).await.failure, None, "{reply}");
    }
}
