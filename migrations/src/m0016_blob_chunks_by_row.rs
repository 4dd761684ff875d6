//! SQLite's chunks of blobs lie in the order in which they came, and their key in an index beside them: in a table whose key is the table,
//! each comparison on the way to a row reads the whole row that it compares with, and these are long (docs/PERFORMANCE.md).

use crate::dialect;
use sea_orm_migration::sea_orm::DbBackend;
use sea_orm_migration::{DbErr, MigrationName, MigrationTrait, SchemaManager, async_trait::async_trait};

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "m0016_blob_chunks_by_row"
    }
}

#[async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        dialect::run_on(manager, DbBackend::Sqlite, STATEMENTS).await
    }
}

const STATEMENTS: &[&str] = &[
    "CREATE TABLE blob_chunks_by_row (
        {account},
        blob_id BIGINT NOT NULL,
        seq BIGINT NOT NULL,
        bytes {bytes} NOT NULL,
        PRIMARY KEY (account_id, blob_id, seq),
        FOREIGN KEY (account_id, blob_id) REFERENCES blobs (account_id, id) ON DELETE CASCADE
    )",
    "INSERT INTO blob_chunks_by_row (account_id, blob_id, seq, bytes)
        SELECT account_id, blob_id, seq, bytes FROM blob_chunks ORDER BY account_id, blob_id, seq",
    "DROP TABLE blob_chunks",
    "ALTER TABLE blob_chunks_by_row RENAME TO blob_chunks",
];
