//! When bytes were last named by whoever stored them, so that what nobody refers to any more can be swept; and what is done once a day.

use crate::dialect;
use sea_orm_migration::{DbErr, MigrationName, MigrationTrait, SchemaManager, async_trait::async_trait};

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "m0007_blob_named"
    }
}

#[async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        dialect::run(manager, STATEMENTS).await
    }
}

const STATEMENTS: &[&str] = &[
    "ALTER TABLE blobs ADD COLUMN named_at BIGINT NOT NULL DEFAULT 0",
    "UPDATE blobs SET named_at = created_at",
    "CREATE TABLE chores (
        name TEXT NOT NULL PRIMARY KEY,
        begun_at BIGINT NOT NULL
    )",
];
