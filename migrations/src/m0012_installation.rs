//! Which installation this database belongs to: a name made once, so that a process notices when the database behind its URL is suddenly
//! another one.

use crate::dialect;
use sea_orm_migration::sea_orm::DbBackend;
use sea_orm_migration::{DbErr, MigrationName, MigrationTrait, SchemaManager, async_trait::async_trait};

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "m0012_installation"
    }
}

#[async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        dialect::run(manager, &["CREATE TABLE installation (id TEXT NOT NULL PRIMARY KEY)"]).await?;
        let made = |random: &str| format!("INSERT INTO installation (id) VALUES ({random})");
        dialect::run_on(manager, DbBackend::Sqlite, &[&made("lower(hex(randomblob(16)))")]).await?;
        dialect::run_on(manager, DbBackend::Postgres, &[&made("replace(gen_random_uuid()::text, '-', '')")]).await
    }
}
