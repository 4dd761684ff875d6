//! A new UIDVALIDITY, searches that lie, and an import that meets mail it cannot fetch: nothing that was announced is lost.

use crate::desk::{ADA, Desk, SUPPORT, mail};
use app::Hint;
use app::inbound::import::{Imported, import_window};
use app::inbound::{mailbox, pull};
use domain::FailureClass;
use domain::channel::ImportState;
use sandbox::{Event, INBOX, ImapFault};
use std::time::Duration;
use store::{ClaimedWork, RawEmailSource, RawEmailState, Rooms};
use tokio_util::sync::CancellationToken;

const DAY: i64 = 24 * 3600;

fn numbered(n: u32) -> String {
    mail(ADA, &format!("{n}@x.example"), &format!("Number {n}"), "", &format!("mail {n}"))
}

/// As if it had arrived so many days ago.
fn arrived_days_ago(desk: &Desk, days: i64, raw: &str) -> u32 {
    let at = desk.app.now().seconds() - days * DAY;
    desk.sandbox.mailbox(SUPPORT).append_with(INBOX, raw.replace('\n', "\r\n").as_bytes(), &[], Some(at))
}

async fn claimed_import(desk: &Desk) -> ClaimedWork {
    desk.owe_import().await;
    let relay = desk.app.store().relay();
    let due =
        relay.hand_over(Rooms::of_each(10), &[], Duration::from_secs(15)).await.expect("the store works").remove(0);
    let claimed = relay.claim(due.account_id, due.kind, due.owed_id, "test", Duration::from_secs(60)).await;
    claimed.expect("the store works").expect("due")
}

#[tokio::test]
async fn a_mail_that_was_never_delivered_for_days_is_not_lost_to_a_new_uidvalidity() {
    let desk = Desk::new().await;
    desk.pull().await.expect("opens");
    // Announced, and every attempt at its body refused: the mailbox was read well ever since, only this mail is pending.
    arrived_days_ago(&desk, 5, &numbered(1));
    desk.sandbox.faults().always(ImapFault::FetchNoAfter { messages: 0 });
    desk.pull().await.expect_err("the body is refused");
    desk.sandbox.faults().clear();
    desk.sandbox.mailbox(SUPPORT).set_uidvalidity(INBOX, 4711);
    desk.pull().await.expect("pulls");
    assert_eq!(desk.conversations().await.len(), 1);
    // And once more, in the middle of it: what the first look back made pending is looked for again.
    arrived_days_ago(&desk, 5, &numbered(2));
    desk.sandbox.faults().always(ImapFault::FetchNoAfter { messages: 0 });
    desk.pull().await.expect_err("the body is refused");
    desk.sandbox.mailbox(SUPPORT).set_uidvalidity(INBOX, 4712);
    desk.pull().await.expect_err("the body is refused");
    desk.sandbox.mailbox(SUPPORT).set_uidvalidity(INBOX, 4713);
    desk.sandbox.faults().clear();
    desk.pull().await.expect("pulls");
    assert_eq!(desk.conversations().await.len(), 2);
}

#[tokio::test]
async fn what_lay_in_the_mailbox_before_it_was_connected_makes_no_ticket_after_a_new_uidvalidity() {
    let desk = Desk::new().await;
    let old = format!("From: {ADA}\nMessage-ID: <0@x.example>\nDate: Thu, 09 Oct 2014 08:00:00 +0000\n\nlong ago\n");
    arrived_days_ago(&desk, 4_000, &old);
    desk.pull().await.expect("opens");
    desk.arrives(&numbered(1));
    desk.pull().await.expect("pulls");
    desk.sandbox.mailbox(SUPPORT).set_uidvalidity(INBOX, 4711);
    desk.pull().await.expect("pulls");
    assert_eq!(desk.conversations().await.len(), 1);
    assert!(desk.raw_emails().await.iter().all(|row| row.state != RawEmailState::Waiting));
}

#[tokio::test]
async fn a_search_that_finds_nothing_in_a_full_folder_loses_nothing_after_a_new_uidvalidity() {
    let desk = Desk::new().await;
    desk.pull().await.expect("opens");
    desk.arrives(&numbered(1));
    desk.sandbox.mailbox(SUPPORT).set_uidvalidity(INBOX, 4711);
    desk.sandbox.faults().once(ImapFault::EmptySearch);
    let doubted = desk.pull().await.expect_err("it cannot be believed");
    assert_eq!(doubted.failure().map(|failure| failure.class), Some(FailureClass::ProtocolError));
    desk.pull().await.expect("pulls");
    assert_eq!(desk.conversations().await.len(), 1);
}

#[tokio::test]
async fn a_server_without_uidnext_that_searches_badly_does_not_make_the_past_new_mail() {
    let desk = Desk::new().await;
    desk.arrives(&numbered(1));
    desk.sandbox.faults().times(2, ImapFault::NoUidNext);
    desk.sandbox.faults().once(ImapFault::EmptySearch);
    desk.pull().await.expect_err("it cannot be believed");
    desk.pull().await.expect("opens");
    assert!(desk.conversations().await.is_empty(), "the past is not new mail");
}

#[tokio::test]
async fn a_mail_that_ends_every_session_does_not_stop_the_import() {
    let desk = Desk::new().await;
    desk.arrives(&numbered(1));
    desk.pull().await.expect("opens");
    let mut work = claimed_import(&desk).await;
    work.attempts = 3;
    desk.sandbox.faults().always(ImapFault::FetchEofInLiteral { after_messages: 0 });
    import_window(&desk.app, &work).await.expect_err("the mail ends the session");
    assert_eq!(import_window(&desk.app, &work).await.expect("leaves it to the mailbox's actor"), Imported::Done);
    desk.sandbox.faults().clear();
    desk.pull().await.expect("pulls");
    assert_eq!(desk.conversations().await.len(), 1);
    assert_eq!(desk.raw_emails().await[0].source, RawEmailSource::Import);
}

fn sign_ins(desk: &Desk) -> usize {
    let is_sign_in =
        |event: &Event| matches!(event, Event::ImapCommand { command, .. } if command.starts_with("AUTHENTICATE"));
    desk.sandbox.events().iter().filter(|event| is_sign_in(event)).count()
}

/// Runs what falls due until an import has run so often.
async fn until_import_ran(desk: &Desk, times: u32) {
    let mut ran = 0;
    while ran < times {
        let most = Duration::from_secs(60);
        tokio::time::sleep(desk.app.store().relay().next_due_in(most).await.expect("the store works")).await;
        for (_, envelope) in app::owed::due(&desk.app, Rooms::of_each(10), &[]).await.expect("the store works") {
            assert_eq!(
                app::job::run(&desk.app, &envelope, "test", &CancellationToken::new()).await,
                app::job::JobEnd::Ran
            );
            ran += 1;
        }
    }
}

#[tokio::test]
async fn an_import_that_finds_new_uids_signs_in_once_and_has_the_mailbox_opened_anew() {
    let desk = Desk::new().await;
    desk.arrives(&numbered(1));
    let mut open = desk.open().await.expect("opens");
    let before = sign_ins(&desk);
    desk.sandbox.mailbox(SUPPORT).set_uidvalidity(INBOX, 4711);
    desk.owe_import().await;
    until_import_ran(&desk, 3).await;
    assert_eq!(sign_ins(&desk) - before, 1, "it knows that it must wait");
    assert_eq!(desk.said.count(Hint::Channel(desk.inbox.channel.id)), 1);
    // The actor hears it in the middle of its session, and goes on in the same one.
    mailbox::look_again(&desk.app, &desk.lease, &mut open).await.expect("looks again");
    pull::pull(&desk.app, &desk.lease, &mut open).await.expect("pulls");
    assert_eq!(sign_ins(&desk) - before, 1);
    until_import_ran(&desk, 1).await;
    assert_eq!(sign_ins(&desk) - before, 2);
    let channel = desk.scope.channel(desk.inbox.channel.id).await.expect("answers").expect("there");
    assert_eq!(channel.import.state, ImportState::Done);
    assert_eq!(desk.conversations().await.len(), 1);
}

#[tokio::test]
async fn an_import_of_a_mailbox_that_nobody_has_opened_yet_does_not_sign_in() {
    let desk = Desk::new().await;
    desk.arrives(&numbered(1));
    desk.owe_import().await;
    until_import_ran(&desk, 2).await;
    assert_eq!((sign_ins(&desk), desk.said.count(Hint::Channel(desk.inbox.channel.id))), (0, 0));
    desk.pull().await.expect("opens");
    until_import_ran(&desk, 1).await;
    assert_eq!(desk.conversations().await.len(), 1);
}

#[tokio::test]
async fn a_mail_of_the_past_that_comes_late_disturbs_nobody() {
    let desk = Desk::new().await;
    let past = mail(ADA, "1@x.example", "Re: One", "In-Reply-To: <2@x.example>\n", "of the past");
    let uid = desk.arrives(&past);
    desk.pull().await.expect("opens");
    desk.arrives(&mail(ADA, "2@x.example", "One", "", "new"));
    desk.pull().await.expect("pulls");
    let id = desk.conversation().await.conversation.display_id;
    let resolved = Some(domain::conversation::ConversationStatus::Resolved);
    app::conversations::toggle_status(&desk.app, &desk.member, id, resolved, None).await.expect("resolved");
    // The import is not given it; the mailbox's actor asks again.
    desk.sandbox.faults().once(ImapFault::MissingInFetch { uid });
    desk.owe_import().await;
    desk.work().await;
    assert_eq!(desk.messages(id).await.iter().filter(|m| m.content.as_deref() == Some("of the past")).count(), 0);
    desk.pull().await.expect("pulls");
    assert_eq!(desk.messages(id).await.iter().filter(|m| m.content.as_deref() == Some("of the past")).count(), 1);
    assert_eq!(Some(desk.conversation().await.conversation.status), resolved);
}
