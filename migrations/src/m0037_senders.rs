//! Several mailboxes of which one person sends take turns.

use crate::dialect;
use sea_orm_migration::{DbErr, MigrationName, MigrationTrait, SchemaManager, async_trait::async_trait};

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "m0037_senders"
    }
}

#[async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        dialect::run(manager, STATEMENTS).await
    }
}

const STATEMENTS: &[&str] = &[
    // When it was this mailbox's turn among those of the same sender: who had it longest ago is next.
    "ALTER TABLE email_channels ADD COLUMN send_turn_at BIGINT NOT NULL DEFAULT 0",
    // A limit of its own keeps it from sending until then, and it lets the others pass.
    "ALTER TABLE email_channels ADD COLUMN send_aside_until BIGINT NOT NULL DEFAULT 0",
];
