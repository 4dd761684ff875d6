//! From the server into the store: nothing is lost and nothing doubled, whatever the server does.

use crate::desk::{ADA, Desk, SUPPORT, mail};
use app::inbound::PullError;
use sandbox::{INBOX, ImapFault};
use store::RawEmailSource;
use tokio_util::sync::CancellationToken;

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

#[tokio::test]
async fn a_fetch_that_breaks_anywhere_loses_and_doubles_nothing() {
    for fault in [
        ImapFault::FetchNoAfter { messages: 1 },
        ImapFault::FetchBadAfter { messages: 2 },
        ImapFault::FetchEofInLiteral { after_messages: 1 },
        ImapFault::FetchEofBetween { after_messages: 2 },
        ImapFault::CloseAt { verb: "FETCH".to_owned() },
        ImapFault::CloseAt { verb: "SEARCH".to_owned() },
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
        desk.pull().await.expect("pulls");
        desk.work().await;
        assert_eq!(desk.conversations().await.len(), 5, "{fault:?}");
        assert_eq!(desk.raw_emails().await.len(), 5, "{fault:?}");
    }
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
    assert!(matches!(ended, Err(PullError::LeaseLost)), "{ended:?}");
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
