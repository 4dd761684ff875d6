//! A stop while a message is being handed to the mail server.

use crate::desk::{ADA, Desk, mail};
use crate::postgres::on_each;
use app::job::{self, JobEnd, JobEnvelope};
use app::owed;
use domain::message::{Delivery, DeliveryState};
use domain::{DisplayId, MessageId};
use sandbox::{INBOX, SmtpFault, SmtpPoint};
use std::time::Duration;
use store::Rooms;
use tokio_util::sync::CancellationToken;

async fn written_to(desk: &Desk) -> DisplayId {
    desk.take_in(&mail(ADA, "1@x.example", "One", "", "first")).await;
    desk.conversation().await.conversation.display_id
}

async fn due(desk: &Desk) -> JobEnvelope {
    owed::due(&desk.app, Rooms::of_each(1), &[]).await.expect("answers").remove(0).1
}

async fn delivery(desk: &Desk, id: DisplayId, message: MessageId) -> Delivery {
    desk.message(id, message).await.delivery.expect("a delivery")
}

/// Runs the job, and asks for a stop when the server has fallen silent.
async fn stopped_in_silence(desk: &Desk) -> JobEnd {
    let (envelope, stop) = (due(desk).await, CancellationToken::new());
    let running = job::run(&desk.app, &envelope, "test", &stop);
    let stopping = async {
        while desk.sandbox.faults().fired().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        stop.cancel();
    };
    tokio::join!(running, stopping).0
}

#[tokio::test]
async fn a_stop_before_a_mails_end_was_said_leaves_it_queued_and_untried() {
    on_each(async |desk| {
        let id = written_to(desk).await;
        let sent = desk.reply(id, "hello").await;
        for point in [SmtpPoint::MailFrom, SmtpPoint::Data] {
            desk.sandbox.faults().clear();
            desk.sandbox.faults().once(SmtpFault::StallAt(point));
            assert_eq!(stopped_in_silence(desk).await, JobEnd::Ran, "{point:?}");
            let stopped = delivery(desk, id, sent.id).await;
            assert_eq!((stopped.state, stopped.attempts), (DeliveryState::Queued, 0), "{point:?}");
            assert_eq!((stopped.failure, stopped.next_try_at, stopped.waits_alone), (None, None, false), "{point:?}");
        }
        // Whoever comes next sends it at once, as if nothing had been.
        desk.work().await;
        let there = delivery(desk, id, sent.id).await;
        assert_eq!((there.state, there.attempts), (DeliveryState::Sent, 1));
        assert_eq!(desk.sandbox.mailbox(ADA).messages(INBOX).len(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_stop_after_a_mails_end_was_said_waits_for_the_answer_and_then_does_not_know() {
    let desk = Desk::new().await;
    let id = written_to(&desk).await;
    let sent = desk.reply(id, "hello").await;
    desk.sandbox.faults().once(SmtpFault::StallAfterDot { accepted: true });
    assert_eq!(stopped_in_silence(&desk).await, JobEnd::PutBack, "it was waited for as long as a stop may");
    assert_eq!(desk.state(id, sent.id).await, DeliveryState::Sending);
    desk.sandbox.cut_mail_connections();
    desk.mailbox_rests(Duration::from_secs(60)).await;
    desk.outside("UPDATE email_channels SET send_lease_until = 0").await;
    desk.work().await;
    assert_eq!(desk.state(id, sent.id).await, DeliveryState::Sent, "it was found in Sent");
    assert_eq!(desk.sandbox.mailbox(ADA).messages(INBOX).len(), 1);
}
