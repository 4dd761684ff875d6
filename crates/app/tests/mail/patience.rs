//! Three days of trying, on a clock that is moved by hand.

use crate::desk::{ADA, Desk, mail};
use app::outbound;
use domain::message::{Delivery, DeliveryState};
use domain::{DisplayId, FailureClass, MessageId};
use sandbox::{INBOX, SmtpFault, SmtpPoint};
use std::time::Duration;

const THREE_DAYS: Duration = Duration::from_secs(3 * 24 * 3600);

async fn written_to() -> (Desk, DisplayId) {
    let desk = Desk::new().await;
    desk.take_in(&mail(ADA, "1@x.example", "One", "", "first")).await;
    let id = desk.conversation().await.conversation.display_id;
    (desk, id)
}

async fn delivery(desk: &Desk, id: DisplayId, message: MessageId) -> Delivery {
    desk.message(id, message).await.delivery.expect("a delivery")
}

#[tokio::test]
async fn a_message_is_tried_ever_more_rarely_for_three_days_and_then_a_person_is_told() {
    let (desk, id) = written_to().await;
    desk.sandbox.faults().always(SmtpFault::server_busy());
    let sent = desk.reply(id, "hello").await;
    let mut waits: Vec<Duration> = Vec::new();
    let ended = loop {
        desk.work().await;
        let tried = delivery(&desk, id, sent.id).await;
        assert_eq!(tried.attempts as usize, waits.len() + 1, "one try after each wait");
        if tried.state != DeliveryState::Queued {
            break tried;
        }
        let wait = tried.next_try_at.expect("a time").since(desk.app.now());
        waits.push(wait);
        assert!(waits.len() < 400, "it is tried for ever");
        desk.clock.forward(wait);
        // For the database, too: else the pace of so many tries would be counted as one minute's.
        desk.mailbox_rests(wait + Duration::from_secs(1)).await;
    };
    // A quarter of a minute first, twice as long each time, half an hour at most; spread over the upper half.
    for (n, wait) in waits.iter().enumerate() {
        let most = Duration::from_secs((15 * 2u64.pow(u32::try_from(n.min(10)).expect("small"))).min(1800));
        let least = (most / 2).saturating_sub(Duration::from_secs(5));
        assert!(*wait <= most && *wait >= least, "wait number {n} is {wait:?}, of at most {most:?}");
    }
    let jittered = waits[10..].iter().filter(|wait| **wait < Duration::from_secs(1790)).count();
    assert!(jittered > waits.len() / 2, "the waits are all alike");
    let tried_for: Duration = waits.iter().sum();
    assert!(tried_for + Duration::from_secs(60) >= THREE_DAYS, "given up after {tried_for:?}");
    assert!((140..300).contains(&waits.len()), "{} tries", waits.len() + 1);
    assert_eq!(ended.state, DeliveryState::Failed);
    assert_eq!(ended.failure.map(|f| f.class), Some(FailureClass::Throttled));
    let message = desk.message(id, sent.id).await;
    let told = message.content_attributes["external_error"].as_str().unwrap_or_default();
    assert!(told.starts_with("The server asked us to slow down."), "{told}");
    // Nothing more happens by itself; a person has it tried for three days more.
    desk.clock.forward(Duration::from_secs(3600));
    desk.work().await;
    assert_eq!(delivery(&desk, id, sent.id).await.state, DeliveryState::Failed);
    outbound::retry(&desk.app, &desk.member, id, sent.id, false).await.expect("queued");
    desk.work().await;
    assert_eq!(delivery(&desk, id, sent.id).await.state, DeliveryState::Queued);
    desk.sandbox.faults().clear();
    desk.make_due(sent.id).await;
    desk.work().await;
    assert_eq!(delivery(&desk, id, sent.id).await.state, DeliveryState::Sent);
    assert_eq!(desk.sandbox.mailbox(ADA).messages(INBOX).len(), 1);
}

#[tokio::test]
async fn a_server_that_is_away_for_three_days_fails_everything_that_waited_so_long_and_nothing_younger() {
    let (desk, id) = written_to().await;
    desk.sandbox.faults().always(SmtpFault::CloseAt(SmtpPoint::Connect));
    let old = [desk.reply(id, "one").await, desk.reply(id, "two").await];
    desk.work().await;
    for message in &old {
        let waiting = delivery(&desk, id, message.id).await;
        assert_eq!((waiting.state, waiting.attempts), (DeliveryState::Queued, 0), "nothing was said of it");
        assert_eq!(waiting.failure.map(|f| f.class), Some(FailureClass::ConnectionLost));
    }
    desk.clock.forward(THREE_DAYS);
    let young = desk.reply(id, "three").await;
    for _ in 0..3 {
        desk.mailbox_rests(Duration::from_secs(3600)).await;
        desk.work().await;
    }
    for message in &old {
        assert_eq!(delivery(&desk, id, message.id).await.state, DeliveryState::Failed);
    }
    assert_eq!(delivery(&desk, id, young.id).await.state, DeliveryState::Queued);
    desk.sandbox.faults().clear();
    desk.mailbox_rests(Duration::from_secs(3600)).await;
    desk.work().await;
    assert_eq!(delivery(&desk, id, young.id).await.state, DeliveryState::Sent);
    assert_eq!(desk.sandbox.mailbox(ADA).messages(INBOX).len(), 1);
}
