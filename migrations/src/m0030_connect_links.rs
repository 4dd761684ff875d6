//! Connect links, and what attempts to connect must know besides: the shared mailbox, an administrator's approval, a handover. And which
//! service has a mailbox.

use crate::dialect;
use sea_orm_migration::{DbErr, MigrationName, MigrationTrait, SchemaManager, async_trait::async_trait};

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "m0030_connect_links"
    }
}

#[async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        dialect::run(manager, STATEMENTS).await
    }
}

const STATEMENTS: &[&str] = &[
    "CREATE TABLE connect_links (
        {id},
        {account},
        token_hash TEXT NOT NULL UNIQUE,
        created_by BIGINT NOT NULL,
        expected_email TEXT,
        mailbox TEXT,
        inbox_id BIGINT,
        return_url TEXT,
        status TEXT NOT NULL,
        connection_id BIGINT,
        result_inbox_id BIGINT,
        failure TEXT,
        expires_at BIGINT NOT NULL,
        opened_at BIGINT,
        created_at BIGINT NOT NULL,
        updated_at BIGINT NOT NULL,
        UNIQUE (account_id, id),
        FOREIGN KEY (account_id, created_by) REFERENCES account_users (account_id, user_id) ON DELETE RESTRICT,
        FOREIGN KEY (account_id, inbox_id) REFERENCES inboxes (account_id, id) ON DELETE CASCADE,
        FOREIGN KEY (account_id, result_inbox_id) REFERENCES inboxes (account_id, id) ON DELETE CASCADE
    )",
    "CREATE INDEX connect_links_listed ON connect_links (account_id, id)",
    "CREATE INDEX connect_links_inbox ON connect_links (account_id, inbox_id)",
    "CREATE INDEX connect_links_result ON connect_links (account_id, result_inbox_id)",
    "CREATE INDEX connect_links_age ON connect_links (expires_at)",
    // SQLite adds no composite foreign key to a table that exists; the link is looked up in its own account before it is written here.
    "ALTER TABLE connections ADD COLUMN connect_link_id BIGINT REFERENCES connect_links (id) ON DELETE CASCADE",
    "ALTER TABLE connections ADD COLUMN mailbox TEXT",
    "ALTER TABLE connections ADD COLUMN agreed BOOLEAN NOT NULL DEFAULT FALSE",
    "ALTER TABLE connections ADD COLUMN opened_at BIGINT",
    "ALTER TABLE connections ADD COLUMN consent_state TEXT",
    "ALTER TABLE connections ADD COLUMN consent_until BIGINT",
    "ALTER TABLE connections ADD COLUMN consent_seen_at BIGINT",
    "ALTER TABLE connections ADD COLUMN handover_by BIGINT",
    "CREATE INDEX connections_link ON connections (connect_link_id)",
    "CREATE UNIQUE INDEX connections_consent ON connections (consent_state)",
    "ALTER TABLE email_channels ADD COLUMN service TEXT NOT NULL DEFAULT 'microsoft_365'",
    // The tenant of all personal accounts (Microsoft's reference of id token claims: tid).
    "UPDATE email_channels SET service = 'outlook_com' WHERE EXISTS (SELECT 1 FROM grants g WHERE g.account_id = email_channels.account_id \
     AND g.id = email_channels.grant_id AND g.tid = '9188040d-6c67-4c5b-b112-36a304b66dad')",
];
