//! A mailbox that was put back from a backup under its old UIDVALIDITY: UIDs are given a second time, to other mails.

use crate::desk::{ADA, Desk, SUPPORT, mail};
use sandbox::{INBOX, ImapFault};

fn numbered(n: u32) -> String {
    mail(ADA, &format!("{n}@x.example"), &format!("Number {n}"), "", &format!("mail {n}"))
}

/// One mailbox with three mails that are messages.
async fn three() -> Desk {
    let desk = Desk::new().await;
    desk.pull().await.expect("opens");
    for n in 1..=3 {
        desk.arrives(&numbered(n));
    }
    assert_eq!(desk.pull().await.expect("pulls").ingested, 3);
    desk
}

async fn subjects(desk: &Desk) -> Vec<String> {
    let mut subjects = Vec::new();
    for view in desk.conversations().await {
        let messages = desk.messages(view.conversation.display_id).await;
        assert_eq!(messages.len(), 1, "each mail is there once");
        subjects.extend(messages[0].content.clone());
    }
    subjects.sort();
    subjects
}

#[tokio::test]
async fn mail_that_gets_the_uids_of_lost_mail_is_not_lost() {
    let desk = three().await;
    desk.sandbox.mailbox(SUPPORT).put_back(INBOX, 1);
    let uid = desk.arrives(&numbered(4));
    assert_eq!(uid, 2, "given before");
    desk.pull().await.expect("pulls");
    assert_eq!(subjects(&desk).await, ["mail 1", "mail 2", "mail 3", "mail 4"]);
    desk.arrives(&numbered(5));
    desk.pull().await.expect("pulls");
    // And a second time.
    desk.sandbox.mailbox(SUPPORT).put_back(INBOX, 1);
    desk.pull().await.expect("pulls");
    desk.arrives(&numbered(6));
    desk.pull().await.expect("pulls");
    assert_eq!(subjects(&desk).await, ["mail 1", "mail 2", "mail 3", "mail 4", "mail 5", "mail 6"]);
}

#[tokio::test]
async fn an_open_session_that_looks_again_notices_it_too() {
    let desk = three().await;
    let mut open = desk.open().await.expect("opens");
    desk.sandbox.mailbox(SUPPORT).put_back(INBOX, 1);
    desk.arrives(&numbered(4));
    app::inbound::mailbox::look_again(&desk.app, &desk.lease, &mut open).await.expect("looks");
    app::inbound::pull::pull(&desk.app, &desk.lease, &mut open).await.expect("pulls");
    assert_eq!(subjects(&desk).await.len(), 4);
}

#[tokio::test]
async fn a_mail_that_was_announced_and_never_delivered_is_looked_for_in_what_was_put_back() {
    let desk = three().await;
    let days_ago = desk.app.now().seconds() - 5 * 24 * 3600;
    let raw = numbered(4).replace('\n', "\r\n");
    let mailbox = desk.sandbox.mailbox(SUPPORT);
    mailbox.append_with(INBOX, raw.as_bytes(), &[], Some(days_ago));
    desk.sandbox.faults().always(ImapFault::FetchNoAfter { messages: 0 });
    desk.pull().await.expect_err("the body is refused");
    desk.sandbox.faults().clear();
    mailbox.put_back(INBOX, 1);
    mailbox.append_with(INBOX, raw.as_bytes(), &[], Some(days_ago));
    desk.pull().await.expect("pulls");
    assert_eq!(subjects(&desk).await, ["mail 1", "mail 2", "mail 3", "mail 4"]);
}

#[tokio::test]
async fn a_server_that_only_states_uidnext_wrongly_has_nothing_looked_at_again() {
    let desk = three().await;
    desk.sandbox.mailbox(SUPPORT).set_uidnext(INBOX, 2);
    assert_eq!(desk.pull().await.expect("pulls").stored, 0);
    assert_eq!(desk.raw_emails().await.len(), 3);
}
