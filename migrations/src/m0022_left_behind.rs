//! What did not leave and what did not become a message, so that both can be listed, and mails that somebody has looked at and let be.

use crate::dialect;
use sea_orm_migration::{DbErr, MigrationName, MigrationTrait, SchemaManager, async_trait::async_trait};

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "m0022_left_behind"
    }
}

#[async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        dialect::run(manager, STATEMENTS).await
    }
}

const STATEMENTS: &[&str] = &[
    "CREATE INDEX deliveries_not_left ON deliveries (account_id, id) WHERE state IN ('queued', 'outcome_unknown', 'failed', 'bounced')",
    "ALTER TABLE raw_emails ADD COLUMN dismissed_at BIGINT",
    "CREATE INDEX raw_emails_left_out ON raw_emails (account_id, id) WHERE state IN ('quarantined', 'dropped') AND dismissed_at IS NULL",
];
