//! Whether a mail server has taken a mail under the mailbox's From address: some say only then whether it may stand there.

use crate::dialect;
use sea_orm_migration::{DbErr, MigrationName, MigrationTrait, SchemaManager, async_trait::async_trait};

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "m0038_from_accepted"
    }
}

#[async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        dialect::run(manager, STATEMENTS).await
    }
}

/// What left before was taken under the From that the mailbox has, as far as anybody knows: only a new sign-in could change it.
const STATEMENTS: &[&str] = &[
    "ALTER TABLE email_channels ADD COLUMN from_accepted_at BIGINT",
    "UPDATE email_channels SET from_accepted_at = (SELECT MAX(d.sent_at) FROM deliveries d \
     WHERE d.account_id = email_channels.account_id AND d.channel_id = email_channels.id)",
];
