//! From the server into the store: nothing is lost and nothing doubled, whatever the server does.

use crate::desk::{ADA, Desk, SUPPORT, mail};
use app::inbound::{MailboxError, PullError};
use domain::{Actor, FailureClass};
use sandbox::{INBOX, ImapFault};
use std::time::Duration;
use store::RawEmailSource;
use tokio_util::sync::CancellationToken;

const DAY: u64 = 24 * 3600;

fn numbered(n: u32) -> String {
    mail(ADA, &format!("{n}@x.example"), &format!("Number {n}"), "", &format!("mail {n}"))
}

#[tokio::test]
async fn new_mail_begins_where_the_mailbox_was_first_opened_and_the_past_is_imported_apart() {
    let desk = Desk::new().await;
    desk.arrives(&numbered(1));
    desk.pull().await.expect("opens");
    assert!(desk.conversations().await.is_empty(), "the past is not new mail");
    desk.arrives(&numbered(2));
    assert_eq!(desk.pull().await.expect("pulls").ingested, 1);
    assert_eq!(desk.conversations().await.len(), 1);
    desk.owe_import().await;
    desk.work().await;
    assert_eq!(desk.conversations().await.len(), 2);
    let rows = desk.raw_emails().await;
    assert_eq!(rows.iter().filter(|row| row.source == RawEmailSource::Import).count(), 1);
    let channel = desk.scope.channel(desk.inbox.channel.id).await.expect("answers").expect("there");
    assert_eq!((channel.import.state, channel.import.total), (domain::channel::ImportState::Done, Some(1)));
    assert_eq!(desk.pull().await.expect("pulls").stored, 0);
}

#[tokio::test]
async fn nothing_is_marked_as_read() {
    let desk = Desk::new().await;
    desk.pull().await.expect("opens");
    desk.arrives(&numbered(1));
    desk.pull().await.expect("pulls");
    assert!(desk.sandbox.mailbox(SUPPORT).messages(INBOX).iter().all(|mail| !mail.has_flag("\\Seen")));
}

fn bye_at(verb: &str) -> ImapFault {
    ImapFault::ByeAt { verb: verb.to_owned(), text: "Server shutting down".to_owned() }
}

#[tokio::test]
async fn a_fetch_that_breaks_anywhere_loses_and_doubles_nothing() {
    for fault in [
        ImapFault::FetchNoAfter { messages: 1 },
        ImapFault::FetchBadAfter { messages: 2 },
        ImapFault::FetchEofInLiteral { after_messages: 1 },
        ImapFault::FetchEofBetween { after_messages: 2 },
        ImapFault::CloseAt { verb: "FETCH".to_owned() },
        ImapFault::CloseAt { verb: "SEARCH".to_owned() },
        bye_at("EXAMINE"),
        bye_at("SEARCH"),
        bye_at("FETCH"),
        ImapFault::Answer { verb: "SEARCH".to_owned(), text: "NO not now".to_owned() },
        ImapFault::FetchShuffled,
        ImapFault::FetchUnsolicited,
        ImapFault::MalformedInternalDate,
    ] {
        let desk = Desk::new().await;
        desk.pull().await.expect("opens");
        for n in 1..=5 {
            desk.arrives(&numbered(n));
        }
        desk.sandbox.faults().once(fault.clone());
        let mut tries = 0;
        while desk.pull().await.is_err() {
            tries += 1;
            assert!(tries < 10, "{fault:?} never ends");
        }
        assert_eq!(desk.sandbox.faults().fired(), [fault.clone().into()], "it was met");
        desk.pull().await.expect("pulls");
        desk.work().await;
        assert_eq!(desk.conversations().await.len(), 5, "{fault:?}");
        assert_eq!(desk.raw_emails().await.len(), 5, "{fault:?}");
    }
}

#[tokio::test]
async fn a_goodbye_instead_of_idle_loses_and_doubles_nothing() {
    let desk = Desk::new().await;
    let mut mailbox = desk.open().await.expect("opens");
    desk.sandbox.faults().once(bye_at("IDLE"));
    let ended = mailbox.idle(Duration::from_secs(60), std::future::pending()).await;
    let Err(MailboxError::Failure(failure)) = ended else { panic!("{ended:?}") };
    assert_eq!(failure.class.actor(), Actor::Nobody, "{failure}");
    for n in 1..=3 {
        desk.arrives(&numbered(n));
    }
    assert_eq!(desk.pull().await.expect("pulls").ingested, 3);
    assert_eq!((desk.raw_emails().await.len(), desk.conversations().await.len()), (3, 3));
}

#[tokio::test]
async fn a_connection_that_ends_without_the_end_of_tls_loses_and_doubles_nothing() {
    for fault in [
        ImapFault::FetchEofInLiteral { after_messages: 1 },
        ImapFault::FetchEofBetween { after_messages: 2 },
        ImapFault::CloseAt { verb: "SEARCH".to_owned() },
    ] {
        let desk = Desk::new().await;
        desk.pull().await.expect("opens");
        for n in 1..=5 {
            desk.arrives(&numbered(n));
        }
        desk.sandbox.faults().always(ImapFault::NoCloseNotify);
        desk.sandbox.faults().once(fault.clone());
        let failed = desk.pull().await.expect_err("the connection ends");
        let class = failed.failure().map(|failure| failure.class);
        assert_eq!(class, Some(FailureClass::ConnectionLost), "{fault:?}: nobody's to mend");
        while desk.pull().await.expect("pulls").stored > 0 {}
        desk.work().await;
        assert_eq!((desk.conversations().await.len(), desk.raw_emails().await.len()), (5, 5), "{fault:?}");
        assert!(desk.sandbox.faults().fired().contains(&ImapFault::NoCloseNotify.into()));
    }
}

#[tokio::test]
async fn an_outage_of_a_month_loses_and_doubles_nothing() {
    let days = [1, 2, 5, 7, 8, 10, 14, 15, 20, 25, 28, 30];
    // The folder may have been numbered anew meanwhile.
    for uidvalidity in [None, Some(4711)] {
        let desk = Desk::new().await;
        desk.pull().await.expect("opens");
        desk.arrives(&numbered(0));
        assert_eq!(desk.pull().await.expect("pulls").ingested, 1);
        let began = desk.app.now();
        desk.clock.forward(Duration::from_secs(30 * DAY));
        let after = |days: u64| began.plus(Duration::from_secs(days * DAY)).seconds();
        for day in days {
            let date = chrono::DateTime::from_timestamp(after(day), 0).expect("a date").to_rfc2822();
            let raw = format!(
                "From: {ADA}\r\nSubject: Day {day}\r\nMessage-ID: <{day}@x.example>\r\nDate: {date}\r\n\r\nhi\r\n"
            );
            desk.sandbox.mailbox(SUPPORT).append_with(INBOX, raw.as_bytes(), &[], Some(after(day)));
        }
        if let Some(uidvalidity) = uidvalidity {
            desk.sandbox.mailbox(SUPPORT).set_uidvalidity(INBOX, uidvalidity);
        }
        while desk.pull().await.expect("pulls").stored > 0 {}
        desk.owe_import().await;
        desk.work().await;
        let conversations = desk.conversations().await;
        assert_eq!(conversations.len(), days.len() + 1, "{uidvalidity:?}");
        for (view, day) in conversations.iter().skip(1).zip(days) {
            let messages = desk.messages(view.conversation.display_id).await;
            let dates: Vec<_> = messages.iter().map(|message| message.sent_at.seconds()).collect();
            assert_eq!(dates, [after(day)], "one message, of its own day");
        }
    }
}

#[tokio::test]
async fn a_note_that_a_mail_could_not_be_retrieved_is_not_taken_for_the_mail() {
    let desk = Desk::new().await;
    desk.pull().await.expect("opens");
    let note = include_str!("../../../../tests/mail/exchange-placeholder.eml").replace("\r\n", "\n");
    let uid = desk.arrives(&note);
    desk.arrives(&numbered(2));
    let pulled = desk.pull().await.expect("pulls");
    assert_eq!((pulled.stored, pulled.pending), (1, 1), "{pulled:?}");
    // Exchange can retrieve it after all.
    desk.sandbox.mailbox(SUPPORT).append_with_uid(INBOX, uid, numbered(1).replace('\n', "\r\n").as_bytes());
    desk.outside("UPDATE pending_uids SET next_at = 0").await;
    assert_eq!(desk.pull().await.expect("pulls").ingested, 1);
    assert_eq!((desk.conversations().await.len(), desk.raw_emails().await.len()), (2, 2));
}

#[tokio::test]
async fn a_mail_that_search_lists_and_fetch_leaves_out_comes_later() {
    let desk = Desk::new().await;
    desk.pull().await.expect("opens");
    let uid = desk.arrives(&numbered(1));
    desk.arrives(&numbered(2));
    desk.sandbox.faults().once(ImapFault::MissingInFetch { uid });
    let pulled = desk.pull().await.expect("pulls");
    let again = desk.pull().await.expect("pulls");
    assert_eq!((pulled.stored + again.stored, desk.conversations().await.len()), (2, 2), "{pulled:?} {again:?}");
}

#[tokio::test]
async fn a_mail_that_was_deleted_before_it_was_fetched_is_not_waited_for() {
    let desk = Desk::new().await;
    desk.pull().await.expect("opens");
    let uid = desk.arrives(&numbered(1));
    desk.arrives(&numbered(2));
    desk.sandbox.mailbox(SUPPORT).expunge(INBOX, uid);
    let pulled = desk.pull().await.expect("pulls");
    assert_eq!((pulled.stored, pulled.pending), (1, 0));
}

#[tokio::test]
async fn a_new_uidvalidity_makes_no_new_tickets_of_old_mail_and_loses_no_new_one() {
    let desk = Desk::new().await;
    desk.pull().await.expect("opens");
    for n in 1..=3 {
        desk.arrives(&numbered(n));
    }
    desk.pull().await.expect("pulls");
    assert_eq!(desk.conversations().await.len(), 3);
    desk.arrives(&numbered(4));
    desk.sandbox.mailbox(SUPPORT).set_uidvalidity(INBOX, 4711);
    desk.pull().await.expect("pulls");
    desk.arrives(&numbered(5));
    desk.pull().await.expect("pulls");
    assert_eq!(desk.conversations().await.len(), 5);
    for view in desk.conversations().await {
        assert_eq!(desk.messages(view.conversation.display_id).await.len(), 1);
    }
}

#[tokio::test]
async fn whoever_lost_the_lease_writes_nothing() {
    let desk = Desk::new().await;
    let mut mailbox = desk.open().await.expect("opens");
    desk.arrives(&numbered(1));
    desk.app.store().sync().release(&desk.lease).await.expect("released");
    let session = desk.app.store().sync().start_session("another").await.expect("a session");
    let taken = desk.app.store().sync().lease_channels(session, 1).await.expect("leases");
    assert_eq!(taken.len(), 1);
    let ended = app::inbound::pull::pull(&desk.app, &desk.lease, &mut mailbox).await;
    assert!(matches!(ended, Err(PullError::Mailbox(MailboxError::LeaseLost))), "{ended:?}");
    assert!(desk.raw_emails().await.is_empty());
}

#[tokio::test]
async fn stored_mail_that_nobody_ingested_is_the_queues() {
    let desk = Desk::new().await;
    let ids = desk.store_raw(numbered(1).replace('\n', "\r\n").as_bytes()).await;
    // As after a crash between storing and ingesting; the queue leaves such a row alone for a minute, so it is claimed by name.
    let envelope =
        app::job::JobEnvelope::new(store::OwedKind::IngestRawEmail, desk.scope.account_id(), domain::OwedId(ids[0].0));
    app::job::run(&desk.app, &envelope, "test", &CancellationToken::new()).await;
    let ingested = app::inbound::ingest::ingest_batch(&desk.app, &desk.scope, &ids).await.expect("the store works");
    assert_eq!(
        ingested.messages + u32::try_from(desk.conversations().await.len()).expect("few"),
        1 + ingested.messages
    );
    assert_eq!(desk.messages(desk.conversation().await.conversation.display_id).await.len(), 1);
}
