//! How a mailbox has been doing, change by change, and what people were told of it.

use crate::dialect;
use sea_orm_migration::{DbErr, MigrationName, MigrationTrait, SchemaManager, async_trait::async_trait};

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "m0032_health_notices"
    }
}

#[async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        dialect::run(manager, STATEMENTS).await
    }
}

const STATEMENTS: &[&str] = &[
    "CREATE TABLE channel_health_changes (
        {id},
        {account},
        channel_id BIGINT NOT NULL,
        part TEXT NOT NULL,
        state TEXT NOT NULL,
        code TEXT,
        failure TEXT,
        at BIGINT NOT NULL,
        UNIQUE (account_id, id),
        FOREIGN KEY (account_id, channel_id) REFERENCES email_channels (account_id, id) ON DELETE CASCADE
    )",
    "CREATE INDEX channel_health_changes_listed ON channel_health_changes (account_id, channel_id, id)",
    "CREATE INDEX channel_health_changes_age ON channel_health_changes (at)",
    // `told_with` and `ended_with`: the notice in whose name the mail goes that tells of this one too. It may be gone by then, so they are no
    // foreign keys.
    "CREATE TABLE health_notices (
        {id},
        {account},
        channel_id BIGINT NOT NULL,
        actor TEXT NOT NULL,
        about_fetch BOOLEAN NOT NULL,
        about_send BOOLEAN NOT NULL,
        is_current BOOLEAN NOT NULL,
        code TEXT NOT NULL,
        failure TEXT NOT NULL,
        since BIGINT NOT NULL,
        told_with BIGINT,
        ended_with BIGINT,
        ended_at BIGINT,
        created_at BIGINT NOT NULL,
        updated_at BIGINT NOT NULL,
        UNIQUE (account_id, id),
        FOREIGN KEY (account_id, channel_id) REFERENCES email_channels (account_id, id) ON DELETE CASCADE
    )",
    "CREATE UNIQUE INDEX health_notices_open ON health_notices (account_id, channel_id, actor) WHERE ended_at IS NULL",
    "CREATE INDEX health_notices_channel ON health_notices (account_id, channel_id)",
    "CREATE INDEX health_notices_told_with ON health_notices (account_id, told_with)",
    "CREATE INDEX health_notices_ended_with ON health_notices (account_id, ended_with)",
    "CREATE INDEX health_notices_ended ON health_notices (ended_at) WHERE ended_at IS NOT NULL",
    "CREATE INDEX email_channels_not_fetched ON email_channels (account_id) WHERE fetch_state IN ('failing', 'needs_reauth', 'blocked')",
    "CREATE INDEX email_channels_not_sending ON email_channels (account_id) WHERE send_state IN ('failing', 'needs_reauth', 'blocked')",
    // Somebody looks at the mailbox step by step until then.
    "ALTER TABLE email_channels ADD COLUMN diagnosing_until BIGINT NOT NULL DEFAULT 0",
    // A mail that says that mailboxes do not work, or work again: the notice in whose name it goes.
    "ALTER TABLE system_mails ADD COLUMN health_notice_id BIGINT",
    "CREATE INDEX system_mails_health_notice ON system_mails (account_id, health_notice_id) WHERE health_notice_id IS NOT NULL",
];
