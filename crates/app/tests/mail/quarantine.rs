//! Mail that is not there whole, or not at all: its row says so in words for people.

use crate::desk::{ADA, Desk, SUPPORT, mail};
use crate::postgres::on_each;
use app::inbound::ingest::{MAX_ATTEMPTS, ingest_batch, ingest_raw_email};
use domain::RawEmailId;
use sandbox::{INBOX, SandboxConfig};
use serde_json::json;
use std::time::Duration;
use store::{
    ClaimedWork, Fence, FolderImport, FolderRole, NewRawEmail, OwedKind, RawBatch, RawEmailSource, RawEmailState,
};

/// A text and a file of so many bytes.
fn long_mail(bytes: usize) -> String {
    let line = "QUFB".repeat(19) + "\n";
    let head = "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n";
    let body = format!(
        "--b\nContent-Type: text/plain\n\nsee file\n--b\nContent-Type: application/pdf; name=big.pdf\nContent-Transfer-Encoding: base64\n\n{}--b--",
        line.repeat(bytes / line.len())
    );
    mail(ADA, "long@x.example", "Long", head, &body)
}

#[tokio::test]
async fn a_mail_above_the_fetch_limit_is_there_with_its_beginning_and_says_so() {
    for imported in [false, true] {
        let limit = 700 * 1024;
        let tune = |settings: &mut app::Settings| settings.fetch_limit_bytes = limit;
        let desk = Desk::tuned(SandboxConfig::default(), None, tune).await;
        if imported {
            desk.arrives(&long_mail(900 * 1024));
            desk.pull().await.expect("opens");
            desk.owe_import().await;
            desk.work().await;
        } else {
            desk.pull().await.expect("opens");
            desk.arrives(&long_mail(900 * 1024));
            desk.pull().await.expect("pulls");
        }
        assert!(desk.sandbox.mailbox(SUPPORT).messages(INBOX)[0].bytes.len() > limit);
        let raw = desk.raw_emails().await.remove(0);
        assert_eq!((raw.truncated, raw.size_bytes, raw.state), (true, limit as u64, RawEmailState::Ingested));
        let message = desk.messages(desk.conversation().await.conversation.display_id).await.remove(0);
        assert_eq!((message.content.as_deref(), message.attachments.len()), (Some("see file"), 1));
        let defects = &message.content_attributes["email"]["defects"];
        let said = |word: &str| defects.as_array().is_some_and(|all| all.contains(&json!(word)));
        assert!(said("truncated") && said("not_fetched_whole"), "{defects}");
    }
}

#[tokio::test]
async fn a_mail_of_just_the_fetch_limit_is_whole() {
    let raw = long_mail(600 * 1024);
    let limit = raw.replace('\n', "\r\n").len();
    let desk = Desk::tuned(SandboxConfig::default(), None, |settings| settings.fetch_limit_bytes = limit).await;
    desk.pull().await.expect("opens");
    desk.arrives(&raw);
    desk.pull().await.expect("pulls");
    let row = desk.raw_emails().await.remove(0);
    assert_eq!((row.truncated, row.size_bytes), (false, limit as u64));
    let message = desk.messages(desk.conversation().await.conversation.display_id).await.remove(0);
    assert_eq!(message.content_attributes["email"]["defects"], json!([]));
}

#[tokio::test]
async fn a_cut_mail_that_is_ingested_later_says_so_as_well() {
    on_each(async |desk| {
        let scope = &desk.scope;
        let folder = scope.open_folder(desk.lease.channel_id, FolderRole::Inbox, INBOX).await.expect("a folder");
        let fence = Fence::Lease(&desk.lease);
        scope.set_cursor(fence, folder.id, 7, 0, FolderImport::default()).await.expect("a cursor");
        let bytes = mail(ADA, "cut@x.example", "Cut", "", "the beg").into_bytes();
        let email = NewRawEmail { uid: 1, internal_date: None, message_id: None, bytes: bytes.into(), truncated: true };
        let batch = RawBatch {
            uidvalidity: 7,
            source: RawEmailSource::Live,
            emails: vec![email],
            missing: Vec::new(),
            last_uid: Some(1),
            import_reached_uid: None,
        };
        let stored = scope.store_raw_emails(fence, folder.id, batch).await.expect("stored");
        ingest_batch(&desk.app, scope, &[stored[0].id]).await.expect("the store works");
        let message = desk.messages(desk.conversation().await.conversation.display_id).await.remove(0);
        let defects = &message.content_attributes["email"]["defects"];
        assert_eq!(*defects, json!(["truncated", "not_fetched_whole"]));
    })
    .await;
}

async fn claim(desk: &Desk, id: RawEmailId, attempts: u32) -> ClaimedWork {
    let (account, kind) = (desk.scope.account_id(), OwedKind::IngestRawEmail);
    let relay = desk.app.store().relay();
    let claimed = relay.claim(account, kind, domain::OwedId(id.0), "test", Duration::ZERO).await.expect("works");
    let mut work = claimed.expect("waiting");
    work.attempts = attempts;
    work
}

#[tokio::test]
async fn a_mail_that_cannot_be_ingested_says_why_in_words_for_people_and_blocks_nothing() {
    let desk = Desk::new().await;
    // Too long for a row.
    let lost = desk.store_raw(long_mail(300 * 1024).as_bytes()).await[0];
    // The disk loses it.
    std::fs::remove_dir_all(desk.data.path().join("blobs")).expect("removed");
    let other = desk.store_raw(mail(ADA, "2@x.example", "Two", "", "second").as_bytes()).await[0];
    let ingested = ingest_batch(&desk.app, &desk.scope, &[lost, other]).await.expect("the store works");
    assert_eq!(ingested.messages, 1);
    ingest_raw_email(&desk.app, &claim(&desk, lost, 1).await).await.expect("put off");
    let row = desk.raw_emails().await.remove(0);
    let words =
        "bytes_lost: The mail's bytes are missing from the storage. Look for them in a backup, or in the mailbox.";
    assert_eq!((row.state, row.reason.as_deref()), (RawEmailState::Waiting, Some(words)));
    ingest_raw_email(&desk.app, &claim(&desk, lost, MAX_ATTEMPTS).await).await.expect("quarantined");
    let row = desk.raw_emails().await.remove(0);
    assert_eq!((row.state, row.reason.as_deref()), (RawEmailState::Quarantined, Some(words)));
}
