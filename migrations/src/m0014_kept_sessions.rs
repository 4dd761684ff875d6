//! Which process keeps a session open for a mailbox's next mail, and until when.

use crate::dialect;
use sea_orm_migration::{DbErr, MigrationName, MigrationTrait, SchemaManager, async_trait::async_trait};

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "m0014_kept_sessions"
    }
}

#[async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        dialect::run(manager, STATEMENTS).await
    }
}

const STATEMENTS: &[&str] = &[
    "ALTER TABLE email_channels ADD COLUMN send_kept_worker TEXT",
    "ALTER TABLE email_channels ADD COLUMN send_kept_until BIGINT NOT NULL DEFAULT 0",
];
