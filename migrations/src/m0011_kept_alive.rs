//! When it was last tried to keep an idle grant alive: the ones that are always refused hold up no others.

use crate::dialect;
use sea_orm_migration::{DbErr, MigrationName, MigrationTrait, SchemaManager, async_trait::async_trait};

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "m0011_kept_alive"
    }
}

#[async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        dialect::run(manager, &["ALTER TABLE grants ADD COLUMN kept_alive_at BIGINT NOT NULL DEFAULT 0"]).await
    }
}
