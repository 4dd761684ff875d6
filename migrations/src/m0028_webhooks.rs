//! Webhooks: whom an account tells what happens in it, each telling, and how far its events were looked at for that.

use crate::dialect;
use sea_orm_migration::{DbErr, MigrationName, MigrationTrait, SchemaManager, async_trait::async_trait};

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "m0028_webhooks"
    }
}

#[async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        dialect::run(manager, STATEMENTS).await
    }
}

const STATEMENTS: &[&str] = &[
    "CREATE TABLE webhooks (
        {id},
        {account},
        inbox_id BIGINT,
        name TEXT,
        url TEXT NOT NULL,
        subscriptions TEXT NOT NULL,
        seal_uid TEXT NOT NULL,
        secret {bytes} NOT NULL,
        previous_seal_uid TEXT,
        previous_secret {bytes},
        previous_until BIGINT,
        disabled_at BIGINT,
        disabled_reason TEXT,
        failing_since BIGINT,
        failures_in_a_row BIGINT NOT NULL,
        paused_until BIGINT NOT NULL,
        held BOOLEAN NOT NULL DEFAULT FALSE,
        deleted_at BIGINT,
        delivered_at BIGINT,
        created_at BIGINT NOT NULL,
        updated_at BIGINT NOT NULL,
        UNIQUE (account_id, id),
        FOREIGN KEY (account_id, inbox_id) REFERENCES inboxes (account_id, id) ON DELETE CASCADE
    )",
    "CREATE UNIQUE INDEX webhooks_url ON webhooks (account_id, url) WHERE deleted_at IS NULL",
    "CREATE INDEX webhooks_held ON webhooks (id) WHERE held",
    "CREATE INDEX webhooks_deleted ON webhooks (id) WHERE deleted_at IS NOT NULL",
    "CREATE INDEX webhooks_inbox ON webhooks (account_id, inbox_id)",
    // A mail that says that a webhook was disabled.
    "ALTER TABLE system_mails ADD COLUMN webhook_id BIGINT REFERENCES webhooks (id) ON DELETE CASCADE",
    "CREATE INDEX system_mails_webhook ON system_mails (webhook_id)",
    "CREATE TABLE webhook_deliveries (
        {id},
        {account},
        webhook_id BIGINT NOT NULL,
        event_seq BIGINT NOT NULL,
        event TEXT NOT NULL,
        uuid TEXT NOT NULL,
        state TEXT NOT NULL,
        attempts BIGINT NOT NULL,
        next_try_at BIGINT,
        answer_status BIGINT,
        answer TEXT,
        failure TEXT,
        took_micros BIGINT,
        delivered_at BIGINT,
        queued_at BIGINT NOT NULL,
        created_at BIGINT NOT NULL,
        updated_at BIGINT NOT NULL,
        UNIQUE (account_id, id),
        UNIQUE (account_id, webhook_id, event_seq),
        FOREIGN KEY (account_id, webhook_id) REFERENCES webhooks (account_id, id) ON DELETE CASCADE
    )",
    "CREATE INDEX webhook_deliveries_listed ON webhook_deliveries (account_id, webhook_id, id)",
    "CREATE INDEX webhook_deliveries_of_state ON webhook_deliveries (account_id, webhook_id, state, id)",
    "CREATE INDEX webhook_deliveries_age ON webhook_deliveries (updated_at)",
    "CREATE TABLE webhook_cursors (
        account_id BIGINT NOT NULL PRIMARY KEY REFERENCES accounts (id) ON DELETE CASCADE,
        event_seq BIGINT NOT NULL
    )",
];
