//! What a person decides about a message on its way: not at all, now, or that it left.

use crate::desk::{ADA, Desk, SUPPORT, mail};
use crate::postgres::on_each;
use app::outbound::{self, DecideError, Draft, RetryError, deliver};
use app::owed;
use domain::message::{Delivery, DeliveryState};
use domain::{DisplayId, FailureClass, MessageId};
use sandbox::{Event, INBOX, SmtpFault, SmtpPoint};
use std::time::Duration;
use store::{OwedKind, Rooms, StoreError};
use tokio_util::sync::CancellationToken;

const GRACE: &str = "grace@customer.example";

async fn written_to(desk: &Desk) -> DisplayId {
    desk.take_in(&mail(ADA, "1@x.example", "One", "", "first")).await;
    desk.conversation().await.conversation.display_id
}

fn received(desk: &Desk, address: &str) -> usize {
    desk.sandbox.mailbox(address).messages(INBOX).len()
}

async fn delivery(desk: &Desk, id: DisplayId, message: MessageId) -> Delivery {
    desk.message(id, message).await.delivery.expect("a delivery")
}

fn class(delivery: &Delivery) -> Option<FailureClass> {
    delivery.failure.as_ref().map(|f| f.class)
}

#[tokio::test]
async fn a_cancelled_message_never_leaves_says_so_and_may_be_retried() {
    on_each(async |desk| {
        let id = written_to(desk).await;
        // One that was not tried yet, and one that waits for its next try.
        for tried in [false, true] {
            let sent = desk.reply(id, "a mistake").await;
            if tried {
                desk.sandbox.faults().once(SmtpFault::server_busy());
                desk.work().await;
            }
            let cancelled = outbound::cancel(&desk.app, &desk.member, id, sent.id).await.expect("cancelled");
            let ended = cancelled.delivery.expect("a delivery");
            assert_eq!(
                (ended.state, class(&ended), ended.next_try_at),
                (DeliveryState::Failed, Some(FailureClass::Cancelled), None)
            );
            assert!(cancelled.content_attributes["external_error"].is_string());
            desk.mailbox_rests(Duration::from_secs(3600)).await;
            desk.work().await;
            assert_eq!(
                (desk.state(id, sent.id).await, received(desk, ADA)),
                (DeliveryState::Failed, usize::from(tried))
            );
            let again = outbound::cancel(&desk.app, &desk.member, id, sent.id).await;
            assert!(matches!(again, Err(DecideError::NothingToCancel)), "{again:?}");
            outbound::retry(&desk.app, &desk.member, id, sent.id, false).await.expect("queued");
            desk.work().await;
            assert_eq!(
                (desk.state(id, sent.id).await, received(desk, ADA)),
                (DeliveryState::Sent, 1 + usize::from(tried))
            );
        }
    })
    .await;
}

#[tokio::test]
async fn a_message_cancelled_while_a_worker_signs_in_for_it_is_not_spoken_of() {
    on_each(async |desk| {
        let id = written_to(desk).await;
        let sent = desk.reply(id, "a mistake").await;
        let owed = owed::due(&desk.app, Rooms::of_each(1), &[]).await.expect("due")[0].1.owed_id;
        let relay = desk.app.store().relay();
        let lease = Duration::from_secs(45);
        let claimed = relay.claim(desk.scope.account_id(), OwedKind::DeliverMessage, owed, "test", lease).await;
        let work = claimed.expect("answers").expect("is due");
        // The worker has looked, and stands before the server, which takes its time.
        desk.sandbox.faults().once(SmtpFault::StallAt(SmtpPoint::Auth));
        let cancelling = async {
            while !desk.sandbox.faults().armed().is_empty() {
                tokio::task::yield_now().await;
            }
            outbound::cancel(&desk.app, &desk.member, id, sent.id).await.expect("cancelled");
            desk.sandbox.cut_mail_connections();
        };
        let stop = CancellationToken::new();
        let (ended, ()) = tokio::join!(deliver::deliver(&desk.app, &work, "test", &stop), cancelling);
        assert!(matches!(ended, Err(StoreError::LeaseLost)), "{ended:?}");
        desk.work().await;
        assert_eq!((desk.state(id, sent.id).await, received(desk, ADA)), (DeliveryState::Failed, 0));
        assert!(!desk.sandbox.events().iter().any(|e| matches!(e, Event::SmtpAccepted { .. })));
    })
    .await;
}

#[tokio::test]
async fn what_is_being_sent_cannot_be_cancelled_and_what_may_have_left_is_decided_first() {
    let desk = Desk::new().await;
    let id = written_to(&desk).await;
    desk.sandbox.faults().once(SmtpFault::StallAt(SmtpPoint::EndOfData));
    let sent = desk.reply(id, "hello").await;
    let cancelling = async {
        while desk.state(id, sent.id).await != DeliveryState::Sending {
            tokio::task::yield_now().await;
        }
        let refused = outbound::cancel(&desk.app, &desk.member, id, sent.id).await;
        assert!(matches!(refused, Err(DecideError::BeingSent)), "{refused:?}");
        while !desk.sandbox.faults().armed().is_empty() {
            tokio::task::yield_now().await;
        }
        desk.sandbox.cut_mail_connections();
    };
    tokio::join!(desk.step(), cancelling);
    assert_eq!(desk.state(id, sent.id).await, DeliveryState::OutcomeUnknown);
    let refused = outbound::cancel(&desk.app, &desk.member, id, sent.id).await;
    assert!(matches!(refused, Err(DecideError::MayHaveLeft)), "{refused:?}");
}

#[tokio::test]
async fn cancelling_what_some_have_ends_the_waiting_for_the_others() {
    let desk = Desk::new().await;
    let id = written_to(&desk).await;
    let put_off = "450 4.2.0 Greylisted".to_owned();
    desk.sandbox.faults().once(SmtpFault::RefuseRecipient { address: GRACE.to_owned(), reply: put_off });
    let draft = Draft { content: "hello".to_owned(), cc: Some(vec![GRACE.to_owned()]), ..Draft::default() };
    let sent = outbound::reply(&desk.app, &desk.member, id, draft).await.expect("accepted");
    desk.work().await;
    outbound::cancel(&desk.app, &desk.member, id, sent.id).await.expect("cancelled");
    desk.mailbox_rests(Duration::from_secs(3600)).await;
    desk.work().await;
    let ended = delivery(&desk, id, sent.id).await;
    assert_eq!((ended.state, ended.recipients.refused.len()), (DeliveryState::Sent, 1));
    assert_eq!((received(&desk, ADA), received(&desk, GRACE)), (1, 0));
}

#[tokio::test]
async fn a_retry_of_what_waits_tries_it_now() {
    let desk = Desk::new().await;
    let id = written_to(&desk).await;
    desk.sandbox.faults().once(SmtpFault::server_busy());
    let sent = desk.reply(id, "hello").await;
    desk.work().await;
    assert_eq!(received(&desk, ADA), 0);
    outbound::retry(&desk.app, &desk.member, id, sent.id, false).await.expect("tried now");
    desk.work().await;
    assert_eq!((desk.state(id, sent.id).await, received(&desk, ADA)), (DeliveryState::Sent, 1));
    // A mailbox whose server could not be reached is tried now, too, and whoever stands first leaves first.
    desk.sandbox.cut_mail_connections();
    desk.sandbox.faults().once(SmtpFault::CloseAt(SmtpPoint::Connect));
    let (first, second) = (desk.reply(id, "one").await, desk.reply(id, "two").await);
    desk.work().await;
    assert_eq!(received(&desk, ADA), 1);
    outbound::retry(&desk.app, &desk.member, id, second.id, false).await.expect("tried now");
    desk.work().await;
    assert_eq!(received(&desk, ADA), 3);
    assert!(delivery(&desk, id, first.id).await.sent_at <= delivery(&desk, id, second.id).await.sent_at);
}

#[tokio::test]
async fn a_wait_that_the_server_stated_is_cut_short_only_when_a_person_says_so() {
    let desk = Desk::new().await;
    let id = written_to(&desk).await;
    let reply = "451 4.7.0 Too many messages, please try again in 5 minutes".to_owned();
    desk.sandbox.faults().once(SmtpFault::Answer { at: SmtpPoint::MailFrom, reply });
    let (first, second) = (desk.reply(id, "one").await, desk.reply(id, "two").await);
    desk.work().await;
    for message in [&first, &second] {
        let refused = outbound::retry(&desk.app, &desk.member, id, message.id, false).await;
        assert!(matches!(refused, Err(RetryError::AskedToWait { until }) if until > desk.app.now()), "{refused:?}");
    }
    desk.work().await;
    assert_eq!(received(&desk, ADA), 0);
    outbound::retry(&desk.app, &desk.member, id, first.id, true).await.expect("tried now");
    desk.work().await;
    assert_eq!(received(&desk, ADA), 2, "the second follows the first");
}

#[tokio::test]
async fn a_person_who_looked_says_whether_a_message_left() {
    let desk =
        Desk::tuned(sandbox::SandboxConfig::default(), None, |settings| settings.reconcile_looks = Vec::new()).await;
    let id = written_to(&desk).await;
    desk.sandbox.update_user(SUPPORT, |user| user.keeps_sent_copy = false);
    for was_sent in [true, false] {
        // The second sending, which follows by itself, ends in the same way; then a person is asked.
        desk.sandbox.faults().times(2, SmtpFault::DropAfterDot { accepted: was_sent });
        let sent = desk.reply(id, "hello").await;
        for _ in 0..4 {
            desk.step().await;
        }
        desk.sandbox.faults().clear();
        if desk.state(id, sent.id).await != DeliveryState::OutcomeUnknown {
            assert!(was_sent, "Exchange refused the second copy, so it is known");
            continue;
        }
        let not_yet = outbound::cancel(&desk.app, &desk.member, id, sent.id).await;
        assert!(matches!(not_yet, Err(DecideError::MayHaveLeft)), "{not_yet:?}");
        let before = received(&desk, ADA);
        outbound::resolve(&desk.app, &desk.member, id, sent.id, was_sent).await.expect("resolved");
        desk.work().await;
        let ended = delivery(&desk, id, sent.id).await;
        let (state, failure) =
            if was_sent { (DeliveryState::Sent, None) } else { (DeliveryState::Failed, Some(FailureClass::NotSent)) };
        assert_eq!((ended.state, class(&ended), ended.sent_at.is_some()), (state, failure, was_sent));
        assert_eq!(received(&desk, ADA), before, "saying so sends nothing");
        let again = outbound::resolve(&desk.app, &desk.member, id, sent.id, true).await;
        assert!(matches!(again, Err(DecideError::NothingToResolve)), "{again:?}");
    }
    // Which was not sent may be sent after all.
    let failed = desk
        .messages(id)
        .await
        .into_iter()
        .find(|m| m.delivery.as_ref().is_some_and(|d| d.state == DeliveryState::Failed));
    let before = received(&desk, ADA);
    outbound::retry(&desk.app, &desk.member, id, failed.expect("one").id, false).await.expect("queued");
    desk.work().await;
    assert_eq!(received(&desk, ADA), before + 1);
}

#[tokio::test]
async fn a_message_said_to_have_been_sent_is_not_looked_for_and_goes_on_to_those_who_wait() {
    let desk = Desk::tuned(sandbox::SandboxConfig::default(), None, |settings| {
        settings.reconcile_looks = vec![Duration::from_secs(3600)];
    })
    .await;
    let id = written_to(&desk).await;
    let put_off = "450 4.2.0 Greylisted".to_owned();
    desk.sandbox.faults().once(SmtpFault::RefuseRecipient { address: GRACE.to_owned(), reply: put_off });
    desk.sandbox.faults().once(SmtpFault::DropAfterDot { accepted: true });
    let draft = Draft { content: "hello".to_owned(), cc: Some(vec![GRACE.to_owned()]), ..Draft::default() };
    let sent = outbound::reply(&desk.app, &desk.member, id, draft).await.expect("accepted");
    desk.work().await;
    assert_eq!(desk.state(id, sent.id).await, DeliveryState::OutcomeUnknown);
    outbound::resolve(&desk.app, &desk.member, id, sent.id, true).await.expect("resolved");
    desk.work().await;
    assert_eq!(desk.state(id, sent.id).await, DeliveryState::Sent);
    assert_eq!((received(&desk, ADA), received(&desk, GRACE)), (1, 1));
}
