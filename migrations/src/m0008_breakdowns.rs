//! Work that never says how it ended, and texts in the queue that are no job: both are seen instead of going round for ever.

use crate::dialect;
use sea_orm_migration::{DbErr, MigrationName, MigrationTrait, SchemaManager, async_trait::async_trait};

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "m0008_breakdowns"
    }
}

#[async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        dialect::run(manager, STATEMENTS).await
    }
}

const STATEMENTS: &[&str] = &[
    "ALTER TABLE owed_work ADD COLUMN breakdowns BIGINT NOT NULL DEFAULT 0",
    "ALTER TABLE raw_emails ADD COLUMN breakdowns BIGINT NOT NULL DEFAULT 0",
    // Belongs to no account: that is what could not be read.
    "CREATE TABLE unreadable_jobs (
        {id},
        text TEXT NOT NULL,
        reason TEXT NOT NULL,
        worker TEXT NOT NULL,
        seen_at BIGINT NOT NULL
    )",
];
