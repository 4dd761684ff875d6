//! When a mail that was announced and not delivered arrived at the earliest, so that a new UIDVALIDITY cannot lose it.

use crate::dialect;
use sea_orm_migration::{DbErr, MigrationName, MigrationTrait, SchemaManager, async_trait::async_trait};

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "m0005_pending_arrivals"
    }
}

#[async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // Of rows that are there already it is not known, and zero is before all of them.
        dialect::run(manager, &["ALTER TABLE pending_uids ADD COLUMN arrived_at BIGINT NOT NULL DEFAULT 0"]).await
    }
}
