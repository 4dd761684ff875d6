//! Who may send a message, and what is written when something fails beside it.

use crate::desk::{ADA, Desk, mail};
use crate::postgres::on_each;
use app::outbound::{self, deliver, orphans};
use app::owed;
use domain::message::DeliveryState;
use domain::{DisplayId, FailureClass, MessageId};
use sandbox::{Event, INBOX, SmtpFault, SmtpPoint};
use sqlx::{Connection as _, PgConnection, SqliteConnection};
use std::time::Duration;
use store::{ClaimedWork, OwedKind, Rooms, StoreError};
use tokio_util::sync::CancellationToken;

pub const LEASE: Duration = Duration::from_secs(45);

async fn written_to() -> (Desk, DisplayId) {
    let desk = Desk::new().await;
    let id = begun(&desk).await;
    (desk, id)
}

pub async fn begun(desk: &Desk) -> DisplayId {
    desk.take_in(&mail(ADA, "1@x.example", "One", "", "first")).await;
    desk.conversation().await.conversation.display_id
}

pub fn received(desk: &Desk) -> usize {
    desk.sandbox.mailbox(ADA).messages(INBOX).len()
}

pub async fn claim(desk: &Desk, owed: domain::OwedId, lease: Duration) -> Option<ClaimedWork> {
    let relay = desk.app.store().relay();
    let account = desk.scope.account_id();
    relay.claim(account, OwedKind::DeliverMessage, owed, "test", lease).await.expect("answers")
}

async fn nothing_is_owed(desk: &Desk, message: MessageId) {
    let id = desk.scope.delivery_of_message(message).await.expect("answers").expect("a delivery").delivery.id.0;
    let mut tx = desk.scope.begin().await.expect("a transaction");
    for kind in [OwedKind::DeliverMessage, OwedKind::ReconcileDelivery] {
        assert!(!tx.is_owed(kind, id).await.expect("answers"), "{kind:?}");
    }
    tx.rollback().await.expect("ended");
}

#[tokio::test]
async fn a_worker_that_lost_its_claim_says_nothing_to_the_server() {
    on_each(async |desk| {
        let id = begun(desk).await;
        let sent = desk.reply(id, "hello").await;
        let owed = owed::due(&desk.app, Rooms::of_each(1), &[]).await.expect("due")[0].1.owed_id;
        // The first worker was away for longer than its claim holds, and came back while it signs in.
        let late = claim(desk, owed, Duration::ZERO).await.expect("is due");
        let present = claim(desk, owed, LEASE).await.expect("the other's claim has ended");
        let ended = deliver::deliver(&desk.app, &late, "late", &CancellationToken::new()).await;
        assert!(matches!(ended, Err(StoreError::LeaseLost)), "{ended:?}");
        assert_eq!((desk.state(id, sent.id).await, received(desk)), (DeliveryState::Queued, 0));
        assert!(desk.sandbox.events().iter().any(|e| matches!(e, Event::SmtpAuthenticated { .. })), "it had signed in");
        deliver::deliver(&desk.app, &present, "present", &CancellationToken::new()).await.expect("sent");
        assert_eq!((desk.state(id, sent.id).await, received(desk)), (DeliveryState::Sent, 1));
        nothing_is_owed(desk, sent.id).await;
    })
    .await;
}

#[tokio::test]
async fn a_message_deleted_while_an_attempt_failed_is_not_sent_again() {
    let (desk, id) = written_to().await;
    desk.sandbox.faults().once(SmtpFault::StallAt(SmtpPoint::EndOfData));
    let sent = desk.reply(id, "a mistake").await;
    let deleting = async {
        while desk.state(id, sent.id).await != DeliveryState::Sending {
            tokio::task::yield_now().await;
        }
        outbound::delete_message(&desk.app, &desk.member, id, sent.id).await.expect("deleted");
        while !desk.sandbox.faults().armed().is_empty() {
            tokio::task::yield_now().await;
        }
        // The server dies before it answers; it is not in Sent.
        desk.sandbox.cut_mail_connections();
    };
    tokio::join!(desk.step(), deleting);
    assert_eq!(desk.state(id, sent.id).await, DeliveryState::OutcomeUnknown);
    // The looks find nothing; what follows would be the second sending.
    desk.work().await;
    let delivery = desk.message(id, sent.id).await.delivery.expect("a delivery");
    assert_eq!((delivery.state, delivery.attempts), (DeliveryState::Failed, 1));
    assert_eq!(delivery.failure.map(|f| f.class), Some(FailureClass::MessageDeleted));
    assert_eq!(received(&desk), 0);
    nothing_is_owed(&desk, sent.id).await;
}

#[tokio::test]
async fn an_accepted_message_is_sent_even_when_the_mailboxs_health_cannot_be_written() {
    let (desk, id) = written_to().await;
    let mut outside = SqliteConnection::connect(&desk.database_url()).await.expect("opens");
    let trigger = "CREATE TRIGGER no_health BEFORE UPDATE OF send_health ON email_channels \
                   BEGIN SELECT RAISE(ABORT, 'the disk is full'); END";
    sqlx::query(trigger).execute(&mut outside).await.expect("made");
    let sent = desk.reply(id, "hello").await;
    desk.step().await;
    assert_eq!((desk.state(id, sent.id).await, received(&desk)), (DeliveryState::Sent, 1));
    nothing_is_owed(&desk, sent.id).await;
    // The trigger was met.
    let channel = desk.scope.channel(desk.inbox.channel.id).await.expect("answers").expect("there");
    assert_eq!(channel.send_health.last_ok_at, None);
    // A refusal that is about the mailbox is written all the same.
    desk.sandbox.faults().once(SmtpFault::bad_outbound_sender());
    let refused = desk.reply(id, "again").await;
    desk.step().await;
    let waiting = desk.message(id, refused.id).await.delivery.expect("a delivery");
    assert_eq!(
        (waiting.state, waiting.failure.map(|f| f.class)),
        (DeliveryState::Queued, Some(FailureClass::SenderBlocked))
    );
}

#[tokio::test]
async fn a_delivery_that_nobody_owes_is_found_and_one_that_is_owed_is_left_alone() {
    on_each(async |desk| {
        let id = begun(desk).await;
        let queued = desk.reply(id, "queued").await;
        let sending = desk.reply(id, "sending").await;
        let owed = desk.reply(id, "owed").await;
        desk.change_delivery(sending.id, |record| record.delivery.state = DeliveryState::Sending).await;
        for message in [queued.id, sending.id] {
            let record = desk.scope.delivery_of_message(message).await.expect("answers").expect("a delivery");
            let mut tx = desk.scope.begin().await.expect("a transaction");
            tx.cancel_owed(OwedKind::DeliverMessage, record.delivery.id.0).await.expect("lost");
            tx.commit().await.expect("committed");
        }
        assert_eq!(orphans::owe_again(&desk.app).await.expect("looks"), 2);
        assert_eq!(orphans::owe_again(&desk.app).await.expect("looks"), 0, "they are owed now");
        desk.work().await;
        for message in [queued.id, sending.id, owed.id] {
            assert_eq!(desk.state(id, message).await, DeliveryState::Sent);
            nothing_is_owed(desk, message).await;
        }
        assert_eq!(received(desk), 3);
        assert_eq!(orphans::owe_again(&desk.app).await.expect("looks"), 0);
    })
    .await;
}

#[tokio::test]
async fn what_the_server_said_is_held_on_to_while_the_database_fails_for_a_moment() {
    on_each(async |desk| {
        let id = begun(desk).await;
        if !desk.database_url().starts_with("postgres") {
            // On SQLite nobody else's transaction can make ours fail.
            return;
        }
        let mut outside = PgConnection::connect(&desk.database_url()).await.expect("opens");
        // As when another transaction wins: twice, for a sequence counts on whatever is rolled back.
        for statement in [
            "CREATE SEQUENCE times",
            "CREATE FUNCTION lose() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
             IF NEW.state = 'sent' AND nextval('times') <= 2 THEN RAISE EXCEPTION 'lost' USING ERRCODE = '40001'; END IF; \
             RETURN NEW; END $$",
            "CREATE TRIGGER losing BEFORE UPDATE ON deliveries FOR EACH ROW EXECUTE FUNCTION lose()",
        ] {
            sqlx::query(statement).execute(&mut outside).await.expect("made");
        }
        let sent = desk.reply(id, "hello").await;
        desk.step().await;
        assert_eq!((desk.state(id, sent.id).await, received(desk)), (DeliveryState::Sent, 1));
        let tried: i64 = sqlx::query_scalar("SELECT last_value FROM times").fetch_one(&mut outside).await.expect("counted");
        assert_eq!(tried, 3, "it was lost twice");
        nothing_is_owed(desk, sent.id).await;
    })
    .await;
}
