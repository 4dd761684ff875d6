//! When and from where a token was last used, and what a person's page remembers for them.

use crate::dialect;
use sea_orm_migration::{DbErr, MigrationName, MigrationTrait, SchemaManager, async_trait::async_trait};

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "m0021_tokens_and_settings"
    }
}

#[async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        dialect::run(manager, STATEMENTS).await
    }
}

const STATEMENTS: &[&str] = &[
    "ALTER TABLE users ADD COLUMN ui_settings TEXT NOT NULL DEFAULT '{}'",
    "ALTER TABLE api_tokens ADD COLUMN last_used_at BIGINT",
    "ALTER TABLE api_tokens ADD COLUMN user_agent TEXT",
    "ALTER TABLE api_tokens ADD COLUMN signed_in_from TEXT",
];
