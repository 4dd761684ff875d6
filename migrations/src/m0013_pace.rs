//! How fast a mailbox has sent, for how long it is left alone, and who stands in its line.

use crate::dialect;
use sea_orm_migration::{DbErr, MigrationName, MigrationTrait, SchemaManager, async_trait::async_trait};

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "m0013_pace"
    }
}

#[async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        dialect::run(manager, STATEMENTS).await
    }
}

const STATEMENTS: &[&str] = &[
    // What was handed over within a second, for the minute's limit, and within ten minutes, for the day's. `span` and `slot` (its
    // beginning) are microseconds of the database's clock.
    "CREATE TABLE channel_submissions (
        {account},
        channel_id BIGINT NOT NULL,
        span BIGINT NOT NULL,
        slot BIGINT NOT NULL,
        messages BIGINT NOT NULL,
        recipients BIGINT NOT NULL,
        PRIMARY KEY (account_id, channel_id, span, slot),
        FOREIGN KEY (account_id, channel_id) REFERENCES email_channels (account_id, id) ON DELETE CASCADE
    )",
    "ALTER TABLE email_channels ADD COLUMN send_after BIGINT NOT NULL DEFAULT 0",
    "ALTER TABLE email_channels ADD COLUMN sending_limits TEXT NOT NULL DEFAULT '{}'",
    "ALTER TABLE deliveries ADD COLUMN failing_since BIGINT",
    "ALTER TABLE deliveries ADD COLUMN waits_alone BIGINT NOT NULL DEFAULT 0",
    // Those that wait for their own next try do so since about when they were written.
    "UPDATE deliveries SET failing_since = queued_at, waits_alone = 1 WHERE state IN ('queued', 'sending') AND failure IS NOT NULL",
    "CREATE INDEX deliveries_in_line ON deliveries (account_id, channel_id, id) WHERE state = 'queued'",
];
