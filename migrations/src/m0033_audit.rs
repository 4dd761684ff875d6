//! What administrators did: who, what, to what, from where.

use crate::dialect;
use sea_orm_migration::{DbErr, MigrationName, MigrationTrait, SchemaManager, async_trait::async_trait};

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "m0033_audit"
    }
}

#[async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        dialect::run(manager, STATEMENTS).await
    }
}

// `user_id` is no foreign key: an entry outlives whoever it is about.
const STATEMENTS: &[&str] = &[
    "CREATE TABLE audit_events (
        {id},
        {account},
        user_id BIGINT,
        token_id BIGINT,
        action TEXT NOT NULL,
        subject TEXT NOT NULL,
        subject_id BIGINT NOT NULL,
        changes TEXT NOT NULL,
        remote_address TEXT,
        request_id TEXT,
        created_at BIGINT NOT NULL,
        UNIQUE (account_id, id)
    )",
    "CREATE INDEX audit_events_old ON audit_events (created_at)",
];
