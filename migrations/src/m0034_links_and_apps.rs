//! A connect link names the app that people sign in through, and what the mailbox sends through.

use crate::dialect;
use sea_orm_migration::{DbErr, MigrationName, MigrationTrait, SchemaManager, async_trait::async_trait};

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "m0034_links_and_apps"
    }
}

#[async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        dialect::run(manager, STATEMENTS).await
    }
}

const STATEMENTS: &[&str] = &[
    // FALSE: which app it is shows when the link is used. TRUE without an id: the installation's.
    "ALTER TABLE connect_links ADD COLUMN oauth_app_named BOOLEAN NOT NULL DEFAULT FALSE",
    // SQLite adds no composite foreign key to a table that exists; the app is looked up in its own account before it is written here.
    "ALTER TABLE connect_links ADD COLUMN oauth_app_id BIGINT REFERENCES oauth_apps (id) ON DELETE SET NULL",
    "ALTER TABLE connect_links ADD COLUMN send_transport TEXT",
    "CREATE INDEX connect_links_oauth_app ON connect_links (oauth_app_id)",
];
