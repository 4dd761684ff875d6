//! Sessions that stand idle while their mailbox waits for memory room. The wait itself is the clock's: every look at it is a minute later.

use crate::desk::{ADA, Desk, mail};
use app::inbound::PullError;
use domain::FailureClass;
use sandbox::{Event, ImapFault};
use sqlx::{Connection as _, Row as _, SqliteConnection};
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);

/// A mailbox with two new mails, of which nothing is read yet.
async fn two_new() -> Desk {
    let desk = Desk::new().await;
    desk.pull().await.expect("opens");
    for n in 1..=2 {
        desk.arrives(&mail(ADA, &format!("{n}@x.example"), "Number", "", &format!("mail {n}")));
    }
    desk
}

/// Commands that the mail server heard.
fn heard(desk: &Desk, verb: &str) -> usize {
    let is_it = |event: &&Event| matches!(event, Event::ImapCommand { command, .. } if command == verb);
    desk.sandbox.events().iter().filter(is_it).count()
}

async fn pending(desk: &Desk) -> i64 {
    let mut database = SqliteConnection::connect(&desk.database_url).await.expect("opens");
    sqlx::query("SELECT COUNT(*) AS n FROM pending_uids").fetch_one(&mut database).await.expect("answers").get("n")
}

#[tokio::test]
async fn a_session_that_dies_while_its_mailbox_waits_for_room_is_no_mails_fault_and_no_failure() {
    let desk = two_new().await;
    desk.clock.forward_with_each_look(MINUTE);
    desk.sandbox.faults().once(ImapFault::CloseAt { verb: "NOOP".to_owned() });
    let ended = desk.pull().await;
    assert!(matches!(ended, Err(PullError::StoodIdle)), "{ended:?}");
    assert_eq!((pending(&desk).await, heard(&desk, "NOOP")), (0, 1), "nobody is to be asked for again");
    assert_eq!(desk.pull().await.expect("pulls").ingested, 2);
    // Mails that are asked for again have no new reason to wait.
    let uid = desk.arrives(&mail(ADA, "3@x.example", "Number", "", "mail 3"));
    desk.sandbox.faults().once(ImapFault::MissingInFetch { uid });
    assert_eq!(desk.pull().await.expect("pulls").pending, 1);
    desk.outside("UPDATE pending_uids SET next_at = 0").await;
    desk.sandbox.faults().once(ImapFault::CloseAt { verb: "NOOP".to_owned() });
    let ended = desk.pull().await;
    assert!(matches!(ended, Err(PullError::StoodIdle)), "{ended:?}");
    assert_eq!(desk.pull().await.expect("pulls").ingested, 1, "at once");
}

#[tokio::test]
async fn what_a_server_says_of_itself_after_the_wait_is_obeyed_and_no_mails_fault() {
    for (said, class) in [
        ("NO Server busy, try again in 30 seconds", FailureClass::ServerUnavailable),
        ("NO Request is throttled. Suggested Backoff Time: 30000 milliseconds", FailureClass::Throttled),
    ] {
        let desk = two_new().await;
        desk.clock.forward_with_each_look(MINUTE);
        desk.sandbox.faults().once(ImapFault::Answer { verb: "NOOP".to_owned(), text: said.to_owned() });
        let ended = desk.pull().await.expect_err("refused");
        let failure = ended.failure().expect("a failure");
        assert_eq!((failure.class, failure.retry_after_seconds), (class, Some(30)));
        assert_eq!(pending(&desk).await, 0, "{said}");
        assert_eq!(desk.pull().await.expect("pulls").ingested, 2);
    }
}

#[tokio::test]
async fn an_import_whose_session_dies_in_the_wait_goes_on_at_once_and_leaves_no_mail_to_others() {
    let desk = Desk::new().await;
    desk.arrives(&mail(ADA, "1@x.example", "Number", "", "of the past"));
    desk.pull().await.expect("opens");
    desk.owe_import().await;
    desk.clock.forward_with_each_look(MINUTE);
    let deaths = 5;
    desk.sandbox.faults().times(deaths, ImapFault::CloseAt { verb: "NOOP".to_owned() });
    desk.work().await;
    assert_eq!(heard(&desk, "NOOP"), deaths as usize + 1);
    assert_eq!((pending(&desk).await, desk.conversations().await.len()), (0, 1));
}

#[tokio::test]
async fn a_session_that_was_not_quiet_is_not_asked() {
    let desk = two_new().await;
    assert_eq!(desk.pull().await.expect("pulls").ingested, 2);
    assert_eq!(heard(&desk, "NOOP"), 0);
}
