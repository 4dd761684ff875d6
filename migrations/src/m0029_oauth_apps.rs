//! Accounts' own OAuth apps with their credentials, what does not work about an app, and of which ends people were told.

use crate::dialect;
use sea_orm_migration::{DbErr, MigrationName, MigrationTrait, SchemaManager, async_trait::async_trait};

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "m0029_oauth_apps"
    }
}

#[async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        dialect::run(manager, STATEMENTS).await
    }
}

const STATEMENTS: &[&str] = &[
    // The table's own seal_uid and credentials were never used: credentials have rows of their own.
    "ALTER TABLE oauth_apps ADD COLUMN authority TEXT NOT NULL DEFAULT 'common'",
    "ALTER TABLE oauth_apps ADD COLUMN is_default BOOLEAN NOT NULL DEFAULT FALSE",
    "ALTER TABLE oauth_apps ADD COLUMN version BIGINT NOT NULL DEFAULT 1",
    "ALTER TABLE oauth_apps ADD COLUMN failing_since BIGINT",
    "ALTER TABLE oauth_apps ADD COLUMN failing_class TEXT",
    "ALTER TABLE oauth_apps ADD COLUMN failure TEXT",
    "CREATE UNIQUE INDEX oauth_apps_default ON oauth_apps (account_id) WHERE is_default",
    "CREATE INDEX grants_oauth_app ON grants (account_id, oauth_app_id)",
    "CREATE INDEX connections_oauth_app ON connections (account_id, oauth_app_id)",
    "CREATE TABLE oauth_app_credentials (
        {id},
        {account},
        oauth_app_id BIGINT NOT NULL,
        kind TEXT NOT NULL,
        hint TEXT NOT NULL,
        seal_uid TEXT NOT NULL,
        sealed {bytes} NOT NULL,
        expires_at BIGINT,
        warned_days BIGINT,
        refused_at BIGINT,
        failure TEXT,
        created_at BIGINT NOT NULL,
        UNIQUE (account_id, id),
        FOREIGN KEY (account_id, oauth_app_id) REFERENCES oauth_apps (account_id, id) ON DELETE CASCADE
    )",
    "CREATE INDEX oauth_app_credentials_app ON oauth_app_credentials (account_id, oauth_app_id)",
    "CREATE INDEX oauth_app_credentials_end ON oauth_app_credentials (expires_at) WHERE expires_at IS NOT NULL",
    // A mail that says that an app does not work, or that a credential of it is about to end.
    "ALTER TABLE system_mails ADD COLUMN oauth_app_id BIGINT REFERENCES oauth_apps (id) ON DELETE CASCADE",
    "ALTER TABLE system_mails ADD COLUMN oauth_app_credential_id BIGINT REFERENCES oauth_app_credentials (id) ON DELETE CASCADE",
    "CREATE INDEX system_mails_oauth_app ON system_mails (oauth_app_id)",
    "CREATE INDEX system_mails_oauth_app_credential ON system_mails (oauth_app_credential_id)",
    // The app of the installation belongs to no account; it is known by its client id.
    "CREATE TABLE installation_app_alarms (
        client_id TEXT NOT NULL PRIMARY KEY,
        failing_since BIGINT NOT NULL,
        failing_class TEXT NOT NULL,
        failure TEXT NOT NULL
    )",
    "CREATE TABLE installation_app_warnings (
        client_id TEXT NOT NULL,
        credential TEXT NOT NULL,
        expires_at BIGINT NOT NULL,
        days BIGINT NOT NULL,
        warned_at BIGINT NOT NULL,
        PRIMARY KEY (client_id, credential, expires_at, days)
    )",
];
