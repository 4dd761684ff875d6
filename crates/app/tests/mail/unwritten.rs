//! The database fails in the moment in which it is to be written what the server said.

use crate::desk::{ADA, Desk, mail};
use crate::postgres::{conflicts, on_postgres};
use app::outbound::{self, Draft};
use domain::message::{Delivery, DeliveryState};
use domain::{DisplayId, FailureClass, MessageId};
use sandbox::{INBOX, SmtpFault, SmtpPoint};
use sqlx::{Connection as _, PgConnection};

const GRACE: &str = "grace@customer.example";

/// The first `count` times that a delivery comes from `sending` into a row for which `condition` holds.
async fn fails(desk: &Desk, count: u32, condition: &str) {
    conflicts(desk, count, "UPDATE ON deliveries", &format!("OLD.state = 'sending' AND {condition}")).await;
}

async fn to_two(desk: &Desk) -> (DisplayId, MessageId) {
    desk.take_in(&mail(ADA, "1@x.example", "One", "", "first")).await;
    let id = desk.conversation().await.conversation.display_id;
    let draft = Draft { content: "hello".to_owned(), cc: Some(vec![GRACE.to_owned()]), ..Draft::default() };
    (id, outbound::reply(&desk.app, &desk.member, id, draft).await.expect("accepted").id)
}

async fn delivery(desk: &Desk, (id, message): (DisplayId, MessageId)) -> Delivery {
    desk.message(id, message).await.delivery.expect("a delivery")
}

/// Mails that left, as the mailbox's pace counts them.
async fn counted(desk: &Desk) -> i64 {
    let mut outside = PgConnection::connect(&desk.database_url()).await.expect("opens");
    let sum = "SELECT SUM(messages)::bigint FROM channel_submissions WHERE span = (SELECT MIN(span) FROM channel_submissions)";
    sqlx::query_scalar(sum).fetch_one(&mut outside).await.expect("counted")
}

fn received(desk: &Desk, address: &str) -> usize {
    desk.sandbox.mailbox(address).messages(INBOX).len()
}

#[tokio::test]
async fn a_moment_in_which_refused_recipients_cannot_be_written_holds_the_mail_up_and_no_more() {
    on_postgres(async |desk| {
        let sent = to_two(desk).await;
        desk.sandbox.faults().once(SmtpFault::recipient_unknown(GRACE));
        fails(desk, 2, "NEW.state = 'sending'").await;
        desk.work().await;
        let delivery = delivery(desk, sent).await;
        assert_eq!((delivery.state, delivery.attempts), (DeliveryState::Sent, 1));
        assert_eq!(delivery.recipients.refused[0].address, GRACE);
        assert_eq!(received(desk, ADA), 1);
    })
    .await;
}

#[tokio::test]
async fn a_mail_whose_refused_recipients_cannot_be_written_is_not_handed_over_and_waits() {
    on_postgres(async |desk| {
        let sent = to_two(desk).await;
        desk.sandbox.faults().once(SmtpFault::recipient_unknown(GRACE));
        fails(desk, 1000, "NEW.state = 'sending'").await;
        desk.work().await;
        let waiting = delivery(desk, sent).await;
        assert_eq!((waiting.state, waiting.attempts), (DeliveryState::Queued, 1));
        assert_eq!(waiting.failure.map(|failure| failure.class), Some(FailureClass::Internal));
        assert_eq!(waiting.recipients.refused[0].address, GRACE, "what the server said is not forgotten");
        assert_eq!(received(desk, ADA), 0);
        assert_eq!(counted(desk).await, 0, "nothing left, so that the mailbox's pace knows of nothing");
        desk.outside("DROP TRIGGER conflicts ON deliveries").await;
        desk.make_due(sent.1).await;
        desk.work().await;
        assert_eq!(delivery(desk, sent).await.state, DeliveryState::Sent);
        assert_eq!((received(desk, ADA), received(desk, GRACE)), (1, 0));
        assert_eq!(counted(desk).await, 1);
    })
    .await;
}

#[tokio::test]
async fn a_moment_in_which_a_refusal_cannot_be_written_makes_no_doubt_of_it() {
    on_postgres(async |desk| {
        let sent = to_two(desk).await;
        desk.sandbox.faults().once(SmtpFault::Answer {
            at: SmtpPoint::EndOfData,
            reply: "550 5.6.0 message refused for its content".to_owned(),
        });
        fails(desk, 2, "TRUE").await;
        desk.work().await;
        let delivery = delivery(desk, sent).await;
        assert_eq!((delivery.state, delivery.attempts), (DeliveryState::Failed, 1));
        assert_eq!(delivery.failure.map(|failure| failure.class), Some(FailureClass::MessageRefused));
    })
    .await;
}
