//! SQLite gets the table that PostgreSQL has from the beginning: blobs that are not long lie in rows there too (docs/decisions/0007).

use crate::dialect;
use sea_orm_migration::sea_orm::DbBackend;
use sea_orm_migration::{DbErr, MigrationName, MigrationTrait, SchemaManager, async_trait::async_trait};

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "m0015_small_blobs"
    }
}

#[async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        dialect::run_on(manager, DbBackend::Sqlite, STATEMENTS).await
    }
}

const STATEMENTS: &[&str] = &[
    // The key is the table: an index of its own would be written beside it for nothing.
    "CREATE TABLE blob_chunks (
        {account},
        blob_id BIGINT NOT NULL,
        seq BIGINT NOT NULL,
        bytes {bytes} NOT NULL,
        PRIMARY KEY (account_id, blob_id, seq),
        FOREIGN KEY (account_id, blob_id) REFERENCES blobs (account_id, id) ON DELETE CASCADE
    ) WITHOUT ROWID",
];
