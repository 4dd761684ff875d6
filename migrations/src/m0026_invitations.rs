//! Links with which people set their password, the installation's own mails, whose address is proved, and more of an account's settings.

use crate::dialect;
use sea_orm_migration::{DbErr, MigrationName, MigrationTrait, SchemaManager, async_trait::async_trait};

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "m0026_invitations"
    }
}

#[async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        dialect::run(manager, STATEMENTS).await
    }
}

const STATEMENTS: &[&str] = &[
    "ALTER TABLE accounts ADD COLUMN domain TEXT",
    "ALTER TABLE accounts ADD COLUMN support_email TEXT",
    "ALTER TABLE users ADD COLUMN email_proved_at BIGINT",
    // Since then the address is one that they chose themselves.
    "ALTER TABLE users ADD COLUMN email_changed_at BIGINT",
    // Whoever is here already was believed so far.
    "UPDATE users SET email_proved_at = created_at WHERE password_hash IS NOT NULL",
    "ALTER TABLE account_users ADD COLUMN awaits_proof BOOLEAN NOT NULL DEFAULT FALSE",
    "CREATE TABLE password_links (
        {id},
        {account},
        user_id BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
        purpose TEXT NOT NULL,
        hash TEXT NOT NULL UNIQUE,
        address_key TEXT NOT NULL,
        mailed BOOLEAN NOT NULL,
        created_at BIGINT NOT NULL,
        expires_at BIGINT NOT NULL,
        used_at BIGINT
    )",
    "CREATE INDEX password_links_user ON password_links (user_id)",
    "CREATE INDEX password_links_account ON password_links (account_id)",
    "CREATE INDEX password_links_end ON password_links (expires_at)",
    // Without an account and a person: somebody asked for a new password under an address that is nobody's.
    "CREATE TABLE system_mails (
        {id},
        account_id BIGINT REFERENCES accounts (id) ON DELETE CASCADE,
        user_id BIGINT REFERENCES users (id) ON DELETE CASCADE,
        kind TEXT NOT NULL,
        by_user_id BIGINT REFERENCES users (id) ON DELETE CASCADE,
        notification_id BIGINT,
        notification_kind TEXT,
        state TEXT NOT NULL,
        failure TEXT,
        created_at BIGINT NOT NULL,
        ended_at BIGINT,
        FOREIGN KEY (account_id, notification_id) REFERENCES notifications (account_id, id) ON DELETE CASCADE
    )",
    "CREATE INDEX system_mails_notification ON system_mails (account_id, notification_id)",
    "CREATE INDEX system_mails_account ON system_mails (account_id)",
    "CREATE INDEX system_mails_user ON system_mails (user_id)",
    "CREATE INDEX system_mails_by ON system_mails (by_user_id)",
    "CREATE INDEX system_mails_age ON system_mails (created_at)",
    "CREATE INDEX api_tokens_ended ON api_tokens (revoked_at) WHERE revoked_at IS NOT NULL",
    "CREATE INDEX api_tokens_expiring ON api_tokens (expires_at) WHERE expires_at IS NOT NULL",
];
