//! Whether a mail that was announced and not delivered is new, of the past, or looked at again.

use crate::dialect;
use sea_orm_migration::{DbErr, MigrationName, MigrationTrait, SchemaManager, async_trait::async_trait};

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "m0010_pending_source"
    }
}

#[async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // Of rows that are there already it is told by where new mail begins, as it was for all of them.
        dialect::run(
            manager,
            &[
                "ALTER TABLE pending_uids ADD COLUMN source TEXT NOT NULL DEFAULT 'live'",
                "UPDATE pending_uids SET source = 'resync' WHERE EXISTS (SELECT 1 FROM channel_folders f \
                 WHERE f.account_id = pending_uids.account_id AND f.id = pending_uids.folder_id AND pending_uids.uid < f.import_before_uid)",
            ],
        )
        .await
    }
}
