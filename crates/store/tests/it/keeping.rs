//! Where a blob's bytes are: in rows, or on SQLite in a file when they are long or were written by an earlier version.

use crate::world::{World, each, on_sqlite};
use std::path::PathBuf;
use std::time::Duration;
use store::*;

const LONG: usize = 256 * 1024 + 1;
const DAY: Duration = Duration::from_secs(24 * 3600);
const TWO_DAYS: i64 = 2 * 24 * 3600;
const EARLIER: &[u8] = b"written by an earlier version";
const EARLIERS_ADDRESS: &str = "2dd7904d53def39b7f3d27177b68d93007a00248043289f148cdd0110775f352";

/// Files that hold blobs.
fn files(w: &World) -> usize {
    let mut count = 0;
    let mut folders = vec![w.data_dir.join("blobs")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            if entry.path().is_dir() { folders.push(entry.path()) } else { count += 1 }
        }
    }
    count
}

/// Rows that hold bytes.
async fn chunks(w: &World) -> u64 {
    w.sql("UPDATE blob_chunks SET seq = seq").await
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_of_any_length_come_back_and_only_long_ones_are_files() {
    each(async |w| {
        let scope = &w.ours.scope;
        let is_sqlite = w.store.backend() == Backend::Sqlite;
        for (length, rows) in [(0, 0), (1, 1), (LONG - 1, 1), (LONG, 2), (5_000_000, 20)] {
            let bytes: Vec<u8> = (0..length).map(|n| u8::try_from(n % 251).unwrap()).collect();
            let (files_before, chunks_before) = (files(&w), chunks(&w).await);
            let id = scope.put_blob(&bytes).await.unwrap();
            assert_eq!(scope.read_blob(id).await.unwrap().unwrap(), bytes, "{length}");
            let is_file = is_sqlite && length >= LONG;
            // Once, however often it is stored.
            assert_eq!(scope.put_blob(&bytes).await.unwrap(), id);
            assert_eq!(files(&w) - files_before, usize::from(is_file), "{length}");
            assert_eq!(chunks(&w).await - chunks_before, if is_file { 0 } else { rows }, "{length}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_that_were_rows_before_m0016_are_rows_after_it_and_go_with_their_blob() {
    on_sqlite(async |w| {
        let scope = &w.ours.scope;
        let texts = ["one", "two", "three"];
        let mut ids = Vec::new();
        for text in texts {
            ids.push(scope.put_blob(text.as_bytes()).await.unwrap());
        }
        for statement in [
            "CREATE TABLE before (account_id BIGINT NOT NULL, blob_id BIGINT NOT NULL, seq BIGINT NOT NULL, bytes BLOB NOT NULL, \
             PRIMARY KEY (account_id, blob_id, seq), \
             FOREIGN KEY (account_id, blob_id) REFERENCES blobs (account_id, id) ON DELETE CASCADE) WITHOUT ROWID",
            "INSERT INTO before SELECT account_id, blob_id, seq, bytes FROM blob_chunks",
            "DROP TABLE blob_chunks",
            "ALTER TABLE before RENAME TO blob_chunks",
            "DELETE FROM seaql_migrations WHERE version = 'm0016_blob_chunks_by_row'",
        ] {
            w.sql(statement).await;
        }
        let store = w.another_store().await;
        assert!(matches!(store.schema().await.unwrap(), SchemaState::TooOld { .. }));
        store.migrate().await.unwrap();
        for (id, text) in ids.iter().zip(texts) {
            assert_eq!(scope.read_blob(*id).await.unwrap().unwrap(), text.as_bytes());
        }
        assert_eq!(chunks(&w).await, 3);
        w.sql(&format!("DELETE FROM blobs WHERE id = {}", ids[0])).await;
        assert_eq!(chunks(&w).await, 2);
    })
    .await;
}

/// A blob of a version that wrote every blob as a file.
async fn earlier(w: &World) -> (PathBuf, domain::BlobId) {
    let id = w.ours.scope.put_blob(EARLIER).await.unwrap();
    assert_eq!(w.sql(&format!("DELETE FROM blob_chunks WHERE blob_id = {id}")).await, 1);
    (beside(w), id)
}

/// The same bytes as a file, as old as can be.
fn beside(w: &World) -> PathBuf {
    let folder = w.data_dir.join("blobs").join(w.ours.scope.account_id().to_string()).join(&EARLIERS_ADDRESS[..2]);
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join(EARLIERS_ADDRESS);
    std::fs::write(&path, EARLIER).unwrap();
    std::fs::File::options().write(true).open(&path).unwrap().set_modified(std::time::SystemTime::UNIX_EPOCH).unwrap();
    path
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_an_earlier_version_is_read_named_again_and_swept() {
    on_sqlite(async |w| {
        let (path, id) = earlier(&w).await;
        let scope = &w.ours.scope;
        assert_eq!(scope.read_blob(id).await.unwrap().unwrap(), EARLIER);
        assert_eq!(scope.put_blob(EARLIER).await.unwrap(), id);
        assert_eq!((files(&w), chunks(&w).await), (1, 0), "its bytes are there already");
        assert_eq!(w.store.purge().sweep_blobs(DAY).await.unwrap(), Swept::default(), "it was named just now");
        assert!(path.exists());
        w.clock.forward(TWO_DAYS);
        assert_eq!(w.store.purge().sweep_blobs(DAY).await.unwrap(), Swept { blobs: 1, files: 0 });
        assert!(!path.exists());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_was_lost_is_mended_by_whoever_stores_the_same_bytes() {
    on_sqlite(async |w| {
        let (path, id) = earlier(&w).await;
        let scope = &w.ours.scope;
        std::fs::remove_file(path).unwrap();
        assert!(scope.read_blob(id).await.is_err(), "the bytes are lost");
        assert_eq!(scope.put_blob(EARLIER).await.unwrap(), id);
        assert_eq!(scope.read_blob(id).await.unwrap().unwrap(), EARLIER);
        assert_eq!((files(&w), chunks(&w).await), (0, 1));
        let long = vec![7; LONG];
        let id = scope.put_blob(&long).await.unwrap();
        std::fs::remove_dir_all(w.data_dir.join("blobs")).unwrap();
        assert!(scope.read_blob(id).await.is_err(), "the bytes are lost");
        assert_eq!(scope.put_blob(&long).await.unwrap(), id);
        assert_eq!(scope.read_blob(id).await.unwrap().unwrap(), long);
        assert_eq!((files(&w), chunks(&w).await), (1, 1));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_beside_bytes_that_are_in_rows_is_swept() {
    on_sqlite(async |w| {
        let id = w.ours.scope.put_blob(EARLIER).await.unwrap();
        let path = beside(&w);
        assert_eq!(w.store.purge().sweep_blobs(DAY).await.unwrap(), Swept { blobs: 0, files: 1 });
        assert!(!path.exists());
        assert_eq!(w.ours.scope.read_blob(id).await.unwrap().unwrap(), EARLIER);
    })
    .await;
}
