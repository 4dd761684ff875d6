//! Through what a mailbox sends, the draft that a sending through Microsoft Graph has made, and when each access token was stored.

use crate::dialect;
use sea_orm_migration::{DbErr, MigrationName, MigrationTrait, SchemaManager, async_trait::async_trait};

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "m0031_send_transport"
    }
}

#[async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        dialect::run(manager, STATEMENTS).await
    }
}

const STATEMENTS: &[&str] = &[
    "ALTER TABLE email_channels ADD COLUMN send_transport TEXT NOT NULL DEFAULT 'smtp'",
    // What was asked for with the attempt; NULL: as the inbox has it.
    "ALTER TABLE connections ADD COLUMN send_transport TEXT",
    // NULL: the sending is by SMTP. Empty: through Graph, and no draft is known.
    "ALTER TABLE deliveries ADD COLUMN graph_draft TEXT",
    // One grant has tokens for several resources, and each is as old as it is.
    "ALTER TABLE grant_access_tokens ADD COLUMN stored_at BIGINT NOT NULL DEFAULT 0",
];
