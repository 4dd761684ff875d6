//! Mail without Message-ID in a mailbox that was moved: numbered anew, and dated anew too.

use crate::desk::{ADA, Desk, SUPPORT};
use sandbox::INBOX;

const HOUR: i64 = 3600;

fn without_id(more_headers: &str) -> Vec<u8> {
    format!("From: {ADA}\r\nTo: {SUPPORT}\r\nSubject: Printer\r\n{more_headers}\r\nout of paper\r\n").into_bytes()
}

/// How many messages there are after a mailbox with this mail was moved to a server that says it arrived just now.
async fn messages_after_a_move(raw: &[u8]) -> usize {
    let desk = Desk::new().await;
    let mailbox = desk.sandbox.mailbox(SUPPORT);
    desk.pull().await.expect("opens");
    let uid = mailbox.append_with(INBOX, raw, &[], Some(desk.app.now().seconds() - HOUR));
    assert_eq!(desk.pull().await.expect("pulls").ingested, 1);
    mailbox.expunge(INBOX, uid);
    mailbox.append_with(INBOX, raw, &[], Some(desk.app.now().seconds()));
    mailbox.set_uidvalidity(INBOX, 4711);
    assert_eq!(desk.pull().await.expect("pulls").stored, 1, "it is looked at again");
    let mut messages = 0;
    for view in desk.conversations().await {
        messages += desk.messages(view.conversation.display_id).await.len();
    }
    messages
}

#[tokio::test]
async fn a_mail_without_message_id_that_is_numbered_and_dated_anew_is_one_message() {
    assert_eq!(messages_after_a_move(&without_id("Date: Thu, 09 Oct 2025 08:00:00 +0000\r\n")).await, 1);
}

#[tokio::test]
async fn two_mails_that_say_the_same_with_neither_id_nor_date_are_two_messages() {
    // Nothing but the arrival tells them apart, so a move with new dates doubles such a mail: better than losing one of two.
    assert_eq!(messages_after_a_move(&without_id("")).await, 2);
    let desk = Desk::new().await;
    let mailbox = desk.sandbox.mailbox(SUPPORT);
    desk.pull().await.expect("opens");
    for hours in [2, 1] {
        mailbox.append_with(INBOX, &without_id(""), &[], Some(desk.app.now().seconds() - hours * HOUR));
    }
    assert_eq!(desk.pull().await.expect("pulls").ingested, 2);
    // The same arrivals under new UIDs are the same mails.
    mailbox.set_uidvalidity(INBOX, 4711);
    assert_eq!(desk.pull().await.expect("pulls").ingested, 0);
}
