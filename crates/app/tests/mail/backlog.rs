//! Very many mails that wait in one mailbox: they are fetched a part at a time, each once, and the first are there early.

use crate::desk::{ADA, Desk, SUPPORT, mail};
use domain::channel::ImportState;
use sandbox::{INBOX, ImapFault};
use store::{RawEmailFilter, RawEmailSource};

/// More than is asked for at once, and more than one look takes.
const MANY: u32 = 600;

fn numbered(n: u32) -> String {
    mail(ADA, &format!("{n}@x.example"), "Number", "In-Reply-To: <1@x.example>\n", &format!("mail {n}"))
}

async fn stored(desk: &Desk) -> u64 {
    desk.scope.raw_emails(&RawEmailFilter::default()).await.expect("rows").1
}

#[tokio::test]
async fn a_mailbox_with_many_new_mails_is_read_a_look_at_a_time() {
    let desk = Desk::new().await;
    desk.pull().await.expect("opens");
    for n in 1..=MANY {
        desk.arrives(&numbered(n));
    }
    let mut mailbox = desk.open().await.expect("opens");
    let first = app::inbound::pull::pull(&desk.app, &desk.lease, &mut mailbox).await.expect("pulls");
    assert!(first.more && first.stored < MANY, "{first:?}");
    assert_eq!(
        (first.ingested, stored(&desk).await),
        (first.stored, u64::from(first.stored)),
        "what was read is there"
    );
    let second = app::inbound::pull::pull(&desk.app, &desk.lease, &mut mailbox).await.expect("pulls");
    assert!(!second.more);
    assert_eq!((first.stored + second.stored, stored(&desk).await), (MANY, u64::from(MANY)));
    mailbox.close().await;
}

#[tokio::test]
async fn after_a_new_uidvalidity_many_mails_are_looked_at_again_a_look_at_a_time_and_none_comes_twice() {
    let desk = Desk::new().await;
    desk.pull().await.expect("opens");
    let many = MANY + 200;
    for n in 1..=many {
        desk.arrives(&numbered(n));
    }
    while desk.pull().await.expect("pulls").more {}
    desk.sandbox.mailbox(SUPPORT).set_uidvalidity(INBOX, 4711);
    let mut mailbox = desk.open().await.expect("opens");
    let first = app::inbound::pull::pull(&desk.app, &desk.lease, &mut mailbox).await.expect("pulls");
    assert!(first.more && first.stored < many, "{first:?}");
    let second = app::inbound::pull::pull(&desk.app, &desk.lease, &mut mailbox).await.expect("pulls");
    assert!(!second.more);
    assert_eq!((first.stored + second.stored, first.ingested + second.ingested), (many, 0), "they are known");
    mailbox.close().await;
}

#[tokio::test]
async fn an_import_of_many_mails_goes_on_where_it_stopped_and_looks_through_everything_in_the_end() {
    let desk = Desk::new().await;
    for n in 1..=MANY {
        desk.arrives(&numbered(n));
    }
    desk.pull().await.expect("opens");
    desk.owe_import().await;
    desk.step().await;
    let channel = desk.scope.channel(desk.inbox.channel.id).await.expect("answers").expect("there");
    assert_eq!((channel.import.state, channel.import.total), (ImportState::Running, Some(MANY)));
    let folder = desk.scope.folders(desk.inbox.channel.id).await.expect("answers").remove(0);
    let reached = folder.import.reached_uid.expect("it says how far it came");
    assert_eq!(
        (u64::from(reached), channel.import.done),
        (stored(&desk).await, reached),
        "each mail up to there is stored"
    );
    desk.sandbox.faults().once(ImapFault::CloseAt { verb: "FETCH".to_owned() });
    for _ in 0..10 {
        desk.make_import_due().await;
        desk.work().await;
    }
    let channel = desk.scope.channel(desk.inbox.channel.id).await.expect("answers").expect("there");
    assert_eq!(
        (channel.import.state, channel.import.total, channel.import.done),
        (ImportState::Done, Some(MANY), MANY)
    );
    assert_eq!(stored(&desk).await, u64::from(MANY));
    let rows = desk.raw_emails().await;
    assert!(rows.iter().all(|row| row.source == RawEmailSource::Import));
}
