//! Each recipient of a delivery by itself; and the lease of a delivery that is being sent is its owed row's alone.

use crate::dialect;
use sea_orm_migration::{DbErr, MigrationName, MigrationTrait, SchemaManager, async_trait::async_trait};

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "m0009_recipients"
    }
}

#[async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        dialect::run(manager, STATEMENTS).await
    }
}

const STATEMENTS: &[&str] = &[
    "ALTER TABLE deliveries ADD COLUMN recipients TEXT NOT NULL DEFAULT '{}'",
    "UPDATE deliveries SET recipients = '{\"refused\":' || refused_recipients || '}'",
    "ALTER TABLE deliveries DROP COLUMN refused_recipients",
    "DROP INDEX deliveries_sending",
    "ALTER TABLE deliveries DROP COLUMN sending_until",
    // Few of all deliveries ever: what is on its way, or waits for somebody's decision.
    "CREATE INDEX deliveries_under_way ON deliveries (account_id, id) WHERE state IN ('queued', 'sending', 'outcome_unknown')",
    "UPDATE schema_info SET oldest_compatible = 9",
];
