//! SQLite: one connection that writes, and a pool of readers that cannot. Decides nothing about rows.

use crate::{Result, StoreError};
use sea_orm::{DatabaseConnection, SqlxSqliteConnector};
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions as _, Connection as _, SqliteConnection};
use std::future::ready;
use std::path::PathBuf;
use std::time::Duration;

/// How long a statement waits for its turn before it is "unavailable".
const PATIENCE: Duration = Duration::from_secs(30);
/// Pages that the writer keeps in memory, as SQLite counts it: minus KiB. With the 2 MB that it has by itself a batch of mails is written in
/// the middle of its transaction and read back.
const WRITER_CACHE: &str = "-32768";
/// Pages of 4 kB that the WAL holds before they are copied into the file: 16 MB. What several batches change, pages of the indexes above all, is
/// copied once.
const WAL_PAGES: &str = "4000";

pub(crate) fn sqlite_path(url: &str) -> Result<PathBuf> {
    url.strip_prefix("sqlite://")
        .or_else(|| url.strip_prefix("sqlite:"))
        .map(|path| path.split('?').next().unwrap_or_default())
        .filter(|path| !path.is_empty() && *path != ":memory:")
        .map(PathBuf::from)
        .ok_or_else(|| {
            StoreError::Config("the database's URL must be sqlite://path/to/file or postgres://…".to_owned())
        })
}

pub(crate) async fn connect_sqlite(
    path: &std::path::Path,
    readers: u32,
) -> Result<(DatabaseConnection, DatabaseConnection)> {
    if let Some(folder) = path.parent().filter(|f| !f.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder)
            .map_err(|e| StoreError::Unavailable(format!("the folder {}: {e}", folder.display())))?;
    }
    let options = SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        // NORMAL would be as safe against our own death, and not against a power cut: what was answered with 200 could be gone.
        .synchronous(SqliteSynchronous::Full)
        .foreign_keys(true)
        .busy_timeout(Duration::from_secs(15))
        .statement_cache_capacity(256)
        // A statement of many rows keeps what it would undo in memory, not in a file.
        .pragma("temp_store", "MEMORY")
        .disable_statement_logging();
    let unavailable = |e: sqlx::Error| StoreError::Unavailable(format!("SQLite at {}: {e}", path.display()));
    // WAL is switched on once, before the pools race for it.
    options.connect().await.map_err(unavailable)?.close().await.map_err(unavailable)?;
    let write = SqlitePoolOptions::new()
        .max_connections(1)
        .acquire_timeout(PATIENCE)
        .idle_timeout(None)
        .max_lifetime(None)
        // It is in this process: asking whether it is there costs two switches of threads, and it always is.
        .test_before_acquire(false)
        .after_release(|connection, _| Box::pin(has_ended_its_transaction(connection)))
        .connect_with(options.clone().pragma("cache_size", WRITER_CACHE).pragma("wal_autocheckpoint", WAL_PAGES))
        .await
        .map_err(unavailable)?;
    let read = SqlitePoolOptions::new()
        .max_connections(readers.max(1))
        .acquire_timeout(PATIENCE)
        .test_before_acquire(false)
        .after_release(|connection, _| Box::pin(ready(Ok(has_begun_nothing(connection)))))
        .connect_with(options.pragma("query_only", "ON"))
        .await
        .map_err(unavailable)?;
    Ok((SqlxSqliteConnector::from_sqlx_sqlite_pool(write), SqlxSqliteConnector::from_sqlx_sqlite_pool(read)))
}

/// A transaction that SQLite itself has rolled back, because its COMMIT found no room, is still counted as open by sqlx, and whatever is begun
/// after it would be a savepoint: written as it seems, and not committed. Such a connection is not used again.
async fn has_ended_its_transaction(connection: &mut SqliteConnection) -> sqlx::Result<bool> {
    // A rollback may be on its way to the connection's thread; this comes after it.
    connection.ping().await?;
    let open = connection.is_in_transaction();
    if open {
        tracing::warn!("a transaction could not be ended; its connection is closed");
    }
    Ok(!open)
}

/// A transaction on a reader would keep its snapshot, and the WAL from being copied into the file, for as long as the connection is used. Nobody
/// begins one ([`crate::connect::Inner::begin`] is the writer's), and the snapshot of a single statement ends with it, also where nobody reads it
/// to its end. Should one be left here all the same, its connection is closed. What sqlx counts is enough for that, and costs nothing; a rollback
/// that is still on its way costs the connection.
fn has_begun_nothing(connection: &SqliteConnection) -> bool {
    let open = connection.is_in_transaction();
    if open {
        tracing::warn!("a connection for reading came back in a transaction; it is closed");
    }
    !open
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::{FutureExt as _, StreamExt as _};
    use sqlx::sqlite::SqlitePool;
    use sqlx::{Executor as _, Row as _};

    /// With one reader, and some rows.
    async fn open() -> (tempfile::TempDir, DatabaseConnection, DatabaseConnection) {
        let folder = tempfile::tempdir().expect("a folder");
        let (write, read) = connect_sqlite(&folder.path().join("x.db"), 1).await.expect("opens");
        pool(&write).execute("CREATE TABLE t (n INTEGER)").await.expect("made");
        grow(&write).await;
        (folder, write, read)
    }

    fn pool(of: &DatabaseConnection) -> &SqlitePool {
        of.get_sqlite_connection_pool()
    }

    async fn grow(write: &DatabaseConnection) {
        let rows = "WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 20000) INSERT INTO t SELECT n FROM c";
        pool(write).execute(rows).await.expect("written");
    }

    /// Whether every page of the WAL could be copied into the file and the WAL be begun anew: not while anybody reads an older state.
    async fn nobody_holds_a_snapshot(write: &DatabaseConnection) -> bool {
        grow(write).await;
        let mut connection = pool(write).acquire().await.expect("the writer");
        // Nobody is waited for: a snapshot that is held is held for ever.
        connection.execute("PRAGMA busy_timeout = 200").await.expect("set");
        let told = connection.fetch_one("PRAGMA wal_checkpoint(TRUNCATE)").await.expect("answers");
        told.get::<i64, _>(0) == 0
    }

    #[tokio::test]
    async fn a_transaction_that_is_left_open_on_a_reader_holds_its_snapshot_no_longer_than_the_connection_is_out() {
        let (_folder, write, read) = open().await;
        let mut connection = pool(&read).acquire().await.expect("a reader");
        let mut open = connection.begin().await.expect("begun");
        open.fetch_one("SELECT COUNT(*) FROM t").await.expect("answers");
        // As if its rollback never came.
        std::mem::forget(open);
        assert!(!nobody_holds_a_snapshot(&write).await, "this would be seen");
        drop(connection);
        let rows = pool(&read).fetch_one("SELECT COUNT(*) FROM t").await.expect("there is another connection");
        assert_eq!(rows.get::<i64, _>(0), 40_000, "of the present");
        assert!(nobody_holds_a_snapshot(&write).await);
    }

    #[tokio::test]
    async fn a_statement_that_nobody_reads_to_its_end_holds_no_snapshot() {
        let (_folder, write, read) = open().await;
        for asked in 0..20 {
            let mut rows = pool(&read).fetch("SELECT a.n FROM t a, t b");
            for _ in 0..asked {
                rows.next().await.expect("a row").expect("answers");
            }
            // Not even begun, begun, and in the middle.
            assert!(rows.next().now_or_never().is_none_or(|row| row.is_some()));
        }
        assert!(nobody_holds_a_snapshot(&write).await);
        let rows = pool(&read).fetch_one("SELECT COUNT(*) FROM t").await.expect("answers");
        assert_eq!(rows.get::<i64, _>(0), 40_000);
    }
}
