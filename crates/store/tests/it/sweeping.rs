//! Blobs that nothing refers to are swept, and nothing else, whoever stores the same bytes at that moment.

use crate::world::{World, each, on_sqlite};
use std::path::PathBuf;
use std::time::Duration;
use store::*;

const DAY: Duration = Duration::from_secs(24 * 3600);
const TWO_DAYS: i64 = 2 * 24 * 3600;

async fn lease(w: &World) -> (ChannelLease, Folder) {
    w.ours.inbox("support@ours.example").await;
    let session = w.store.sync().start_session("w").await.unwrap();
    let lease = w.store.sync().lease_channels(session, 1).await.unwrap().remove(0);
    let folder = lease.scope.open_folder(lease.channel_id, FolderRole::Inbox, "INBOX").await.unwrap();
    lease.scope.set_cursor(Fence::Lease(&lease), folder.id, 7, 0, FolderImport::default()).await.unwrap();
    (lease, folder)
}

async fn store_mails(
    lease: &ChannelLease,
    folder: &Folder,
    first_uid: u32,
    mails: Vec<Vec<u8>>,
) -> Vec<StoredRawEmail> {
    let emails: Vec<NewRawEmail> = (first_uid..)
        .zip(mails)
        .map(|(uid, bytes)| NewRawEmail {
            uid,
            internal_date: None,
            message_id: None,
            bytes: bytes.into(),
            truncated: false,
        })
        .collect();
    let batch = RawBatch {
        uidvalidity: 7,
        source: RawEmailSource::Live,
        last_uid: emails.last().map(|email| email.uid),
        emails,
        missing: Vec::new(),
        import_reached_uid: None,
    };
    lease.scope.store_raw_emails(Fence::Lease(lease), folder.id, batch).await.unwrap()
}

/// Every file in the folder of blobs.
fn files(w: &World) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![w.data_dir.join("blobs")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            if entry.path().is_dir() { folders.push(entry.path()) } else { found.push(entry.path()) }
        }
    }
    found.sort();
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn what_nothing_refers_to_goes_after_its_time_and_the_rest_stays() {
    each(async |w| {
        let (lease, folder) = lease(&w).await;
        let (ours, theirs) = (&w.ours.scope, &w.theirs.scope);
        let mails = store_mails(&lease, &folder, 1, vec![b"a mail".to_vec()]).await;
        let gone = [ours.put_blob(&vec![7; 600_000]).await.unwrap(), theirs.put_blob(b"theirs").await.unwrap()];
        // The same bytes as a mail's, in another account: nobody refers to those.
        let same = theirs.put_blob(b"a mail").await.unwrap();
        let again = ours.put_blob(b"named again").await.unwrap();
        w.clock.forward(TWO_DAYS);
        assert_eq!(ours.put_blob(b"named again").await.unwrap(), again);
        let young = ours.put_blob(&vec![8; 600_000]).await.unwrap();
        let swept = w.store.purge().sweep_blobs(DAY).await.unwrap();
        assert_eq!(swept.blobs, 3);
        assert!(ours.read_blob(gone[0]).await.unwrap().is_none());
        assert!(theirs.read_blob(gone[1]).await.unwrap().is_none() && theirs.read_blob(same).await.unwrap().is_none());
        assert_eq!(ours.read_blob(young).await.unwrap().unwrap(), vec![8; 600_000]);
        assert_eq!(ours.read_blob(again).await.unwrap().unwrap(), b"named again");
        let mail = ours.raw_email(mails[0].id).await.unwrap().unwrap();
        assert_eq!(ours.read_blob(mail.blob_id).await.unwrap().unwrap(), b"a mail");
        if w.store.backend() == Backend::Sqlite {
            assert_eq!(files(&w).len(), 1, "files go with the rows that name them");
            assert_eq!(w.sql("UPDATE blob_chunks SET seq = seq").await, 2, "and so do the bytes in rows");
        }
        assert_eq!(w.store.purge().sweep_blobs(DAY).await.unwrap(), Swept::default());
        // What was swept can be stored again.
        let back = ours.put_blob(&vec![7; 600_000]).await.unwrap();
        assert_eq!(ours.read_blob(back).await.unwrap().unwrap(), vec![7; 600_000]);
        // An inbox that is deleted lets go of its mail.
        let mut tx = ours.begin().await.unwrap();
        tx.delete_inbox(mail.inbox_id).await.unwrap();
        tx.commit().await.unwrap();
        w.clock.forward(TWO_DAYS);
        w.store.purge().sweep_blobs(DAY).await.unwrap();
        assert!(ours.read_blob(mail.blob_id).await.unwrap().is_none());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_no_row_names_go_and_what_is_not_ours_stays() {
    on_sqlite(async |w| {
        let kept = w.ours.scope.put_blob(&vec![1; 300_000]).await.unwrap();
        let shelf = files(&w)[0].parent().unwrap().to_owned();
        let prefix = shelf.file_name().unwrap().to_string_lossy().into_owned();
        let name = |c: char| format!("{prefix}{}", c.to_string().repeat(62));
        let write = |name: String, days_ago: u32| {
            let file = std::fs::File::create(shelf.join(&name)).unwrap();
            let now = file.metadata().unwrap().modified().unwrap();
            file.set_modified(now - DAY * days_ago).unwrap();
        };
        write(name('a'), 2);
        write(name('b'), 0);
        write(format!(".{}.77.1", name('c')), 2);
        write(format!(".{}.77.2", name('d')), 0);
        write("readme.txt".to_owned(), 2);
        // Not where a blob of that name lies.
        write("e".repeat(64), 2);
        assert_eq!(w.store.purge().sweep_blobs(DAY).await.unwrap(), Swept { blobs: 0, files: 2 });
        let left: Vec<String> =
            files(&w).iter().map(|file| file.file_name().unwrap().to_string_lossy().into_owned()).collect();
        assert_eq!(left.len(), 5, "{left:?}");
        assert!(!left.contains(&name('a')) && !left.iter().any(|file| file.ends_with(".77.1")), "{left:?}");
        assert_eq!(w.ours.scope.read_blob(kept).await.unwrap().unwrap(), vec![1; 300_000]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn bytes_that_are_stored_again_while_they_are_swept_are_there() {
    each(async |w| {
        let (lease, folder) = lease(&w).await;
        let scope = &w.ours.scope;
        for round in 0u32..12 {
            // Half of them are too long for SQLite's rows.
            let length = |n: usize| if n.is_multiple_of(2) { 1 } else { 25_000 };
            let mails: Vec<Vec<u8>> =
                (0..30).map(|n| format!("mail {n} of {round}").repeat(length(n)).into_bytes()).collect();
            for bytes in &mails {
                scope.put_blob(bytes).await.unwrap();
            }
            w.clock.forward(TWO_DAYS);
            let purge = w.store.purge();
            let sweeping = tokio::spawn(async move { purge.sweep_blobs(DAY).await });
            let first_uid = round * 30 + 1;
            // Every other round begins a little later, in the middle of the sweep.
            for _ in 0..(round % 6) * 40 {
                tokio::task::yield_now().await;
            }
            let stored = store_mails(&lease, &folder, first_uid, mails.clone()).await;
            sweeping.await.unwrap().unwrap();
            assert_eq!(stored.len(), mails.len());
            for (row, bytes) in stored.iter().zip(&mails) {
                let raw = scope.raw_email(row.id).await.unwrap().unwrap();
                assert_eq!(scope.read_blob(raw.blob_id).await.unwrap().as_ref(), Some(bytes), "round {round}");
            }
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chore_is_one_callers_at_a_time() {
    each(async |w| {
        let another = w.another_store().await;
        assert!(w.store.purge().begin_chore("sweep", DAY).await.unwrap());
        assert!(!another.purge().begin_chore("sweep", DAY).await.unwrap());
        assert!(another.purge().begin_chore("another", DAY).await.unwrap());
        assert!(another.purge().begin_chore("sweep", Duration::ZERO).await.unwrap());
        another.close().await;
    })
    .await;
}
