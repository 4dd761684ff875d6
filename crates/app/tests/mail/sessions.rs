//! A session with the mail server serves for several messages, and nothing depends on it.

use crate::desk::{ADA, Desk, SUPPORT, mail};
use crate::postgres::on_each;
use app::{job, owed, tending};
use domain::message::{Delivery, DeliveryState};
use domain::{DisplayId, Secret, Timestamp};
use sandbox::{Event, INBOX, SandboxConfig, SmtpFault, SmtpPoint};
use std::time::Duration;
use store::Rooms;
use tokio_util::sync::CancellationToken;

async fn written_to(desk: &Desk) -> DisplayId {
    desk.take_in(&mail(ADA, "1@x.example", "One", "", "first")).await;
    desk.conversation().await.conversation.display_id
}

fn count(desk: &Desk, is_it: impl Fn(&Event) -> bool) -> usize {
    desk.sandbox.events().iter().filter(|event| is_it(event)).count()
}

fn connections(desk: &Desk) -> usize {
    count(desk, |event| matches!(event, Event::SmtpConnected))
}

fn goodbyes(desk: &Desk) -> usize {
    count(desk, |event| matches!(event, Event::SmtpQuit { user: Some(user) } if user == SUPPORT))
}

fn received(desk: &Desk) -> usize {
    desk.sandbox.mailbox(ADA).messages(INBOX).len()
}

async fn leaves(desk: &Desk, id: DisplayId, text: &str) -> Delivery {
    let sent = desk.reply(id, text).await;
    desk.work().await;
    desk.message(id, sent.id).await.delivery.expect("a delivery")
}

fn sent_at_once(delivery: &Delivery) {
    assert_eq!((delivery.state, delivery.attempts), (DeliveryState::Sent, 1));
    assert_eq!((&delivery.failure, delivery.failing_since), (&None, None), "nobody sees a failure");
}

#[tokio::test]
async fn replies_of_a_mailbox_leave_over_one_connection() {
    on_each(async |desk| {
        let id = written_to(desk).await;
        for n in 0..3 {
            sent_at_once(&leaves(desk, id, &format!("number {n}")).await);
        }
        // Also those that wait for each other.
        for n in 3..6 {
            desk.reply(id, &format!("number {n}")).await;
        }
        desk.work().await;
        assert_eq!((received(desk), connections(desk), goodbyes(desk)), (6, 1, 0));
    })
    .await;
}

#[tokio::test]
async fn a_kept_session_ends_with_a_goodbye_when_another_mailbox_needs_its_connection() {
    let for_ever = |settings: &mut app::Settings| settings.session_kept = Duration::from_secs(24 * 3600);
    let desk = Desk::tuned(SandboxConfig::default(), None, for_ever).await;
    let id = written_to(&desk).await;
    sent_at_once(&leaves(&desk, id, "one").await);
    assert_eq!((connections(&desk), goodbyes(&desk)), (1, 0));
    let all = tokio::time::timeout(Duration::from_secs(60), desk.all_slots(&desk.app.settings().smtp)).await;
    assert_eq!(goodbyes(&desk), 1);
    drop(all.expect("the kept one was given up"));
    sent_at_once(&leaves(&desk, id, "two").await);
}

#[tokio::test]
async fn a_session_is_ended_after_twenty_mails() {
    let desk = Desk::new().await;
    let id = written_to(&desk).await;
    for n in 0..21 {
        desk.reply(id, &format!("number {n}")).await;
    }
    desk.work().await;
    assert_eq!((received(&desk), connections(&desk), goodbyes(&desk)), (21, 2, 1));
}

#[tokio::test]
async fn a_kept_session_that_the_server_closed_costs_no_try_and_no_failure() {
    let desk = Desk::new().await;
    let id = written_to(&desk).await;
    sent_at_once(&leaves(&desk, id, "one").await);
    desk.sandbox.cut_mail_connections();
    sent_at_once(&leaves(&desk, id, "two").await);
    desk.sandbox.faults().once(SmtpFault::Answer {
        at: SmtpPoint::Rset,
        reply: "421 4.4.2 Timeout waiting for client input".to_owned(),
    });
    sent_at_once(&leaves(&desk, id, "three").await);
    desk.sandbox.faults().once(SmtpFault::CloseAt(SmtpPoint::Rset));
    sent_at_once(&leaves(&desk, id, "four").await);
    assert_eq!((received(&desk), connections(&desk)), (4, 4));
    assert_eq!(desk.sandbox.faults().fired().len(), 2);
    let inbox = desk.scope.inbox(desk.inbox.id).await.expect("answers").expect("there");
    assert_eq!(inbox.channel.send_health.failure, None);
}

#[tokio::test]
async fn a_kept_session_that_dies_at_mail_from_is_a_failure_that_passes() {
    let desk = Desk::new().await;
    let id = written_to(&desk).await;
    sent_at_once(&leaves(&desk, id, "one").await);
    desk.sandbox.faults().once(SmtpFault::CloseAt(SmtpPoint::MailFrom));
    let sent = desk.reply(id, "two").await;
    desk.work().await;
    let waiting = desk.message(id, sent.id).await.delivery.expect("a delivery");
    assert_eq!((waiting.state, waiting.attempts), (DeliveryState::Queued, 1));
    desk.make_due(sent.id).await;
    desk.work().await;
    assert_eq!(desk.state(id, sent.id).await, DeliveryState::Sent);
    assert_eq!((received(&desk), connections(&desk)), (2, 2));
}

#[tokio::test]
async fn nothing_leaves_over_a_session_that_was_opened_with_another_token() {
    let desk = Desk::new().await;
    let id = written_to(&desk).await;
    sent_at_once(&leaves(&desk, id, "one").await);
    let grant = desk.inbox.channel.grant_id.expect("a grant");
    let token = Secret::new(desk.sandbox.mint_access_token(SUPPORT).expect("a user"));
    let mut tx = desk.scope.begin().await.expect("a transaction");
    tx.store_access_token(grant, "outlook", &token, Timestamp::from_seconds(4_000_000_000)).await.expect("kept");
    tx.commit().await.expect("committed");
    sent_at_once(&leaves(&desk, id, "two").await);
    assert_eq!((connections(&desk), goodbyes(&desk)), (2, 1), "the old session was ended first");
}

#[tokio::test]
async fn while_another_process_keeps_a_session_none_is_kept_here() {
    on_each(async |desk| {
        let id = written_to(desk).await;
        desk.outside(
            "UPDATE email_channels SET send_kept_worker = 'another', send_kept_until = send_kept_until + 9000000000000000",
        )
        .await;
        for text in ["one", "two"] {
            sent_at_once(&leaves(desk, id, text).await);
        }
        assert_eq!((connections(desk), goodbyes(desk)), (2, 2));
    })
    .await;
}

#[tokio::test]
async fn an_idle_session_is_ended_with_a_goodbye() {
    let desk =
        Desk::tuned(SandboxConfig::default(), None, |settings| settings.session_kept = Duration::from_millis(50));
    let desk = desk.await;
    let id = written_to(&desk).await;
    sent_at_once(&leaves(&desk, id, "one").await);
    let ended = async {
        while goodbyes(&desk) == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), ended).await.expect("it is ended");
    sent_at_once(&leaves(&desk, id, "two").await);
    assert_eq!(connections(&desk), 2);
}

#[tokio::test]
async fn a_stop_ends_kept_sessions_with_a_goodbye_and_keeps_no_more() {
    let desk = Desk::new().await;
    let id = written_to(&desk).await;
    sent_at_once(&leaves(&desk, id, "one").await);
    assert_eq!(goodbyes(&desk), 0);
    tending::end_sending(&desk.app, "test").await.expect("ended");
    assert_eq!(goodbyes(&desk), 1);
    desk.reply(id, "two").await;
    let due = owed::due(&desk.app, Rooms::of_each(1), &[]).await.expect("answers");
    let stop = CancellationToken::new();
    stop.cancel();
    assert_eq!(job::run(&desk.app, &due[0].1, "test", &stop).await, job::JobEnd::Ran);
    assert_eq!(
        (received(&desk), goodbyes(&desk)),
        (2, 2),
        "what a stop meets comes to its end, and no session is kept"
    );
}
