//! Deliveries, owed work, events, and idempotency keys.

use crate::dialect;
use sea_orm_migration::{DbErr, MigrationName, MigrationTrait, SchemaManager, async_trait::async_trait};

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "m0004_work"
    }
}

#[async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        dialect::run(manager, STATEMENTS).await
    }
}

const STATEMENTS: &[&str] = &[
    "CREATE TABLE deliveries (
        {id},
        {account},
        message_id BIGINT NOT NULL,
        conversation_id BIGINT NOT NULL,
        inbox_id BIGINT NOT NULL,
        channel_id BIGINT,
        state TEXT NOT NULL,
        attempts BIGINT NOT NULL DEFAULT 0,
        envelope TEXT NOT NULL,
        message_id_header TEXT NOT NULL,
        rewritten_message_id TEXT,
        composed_blob_id BIGINT,
        failure TEXT,
        refused_recipients TEXT NOT NULL,
        looks BIGINT NOT NULL DEFAULT 0,
        queued_at BIGINT NOT NULL,
        sending_until BIGINT,
        sent_at BIGINT,
        next_try_at BIGINT,
        updated_at BIGINT NOT NULL,
        UNIQUE (account_id, id),
        UNIQUE (account_id, message_id),
        FOREIGN KEY (account_id, message_id) REFERENCES messages (account_id, id) ON DELETE CASCADE,
        FOREIGN KEY (account_id, conversation_id) REFERENCES conversations (account_id, id) ON DELETE CASCADE,
        FOREIGN KEY (account_id, inbox_id) REFERENCES inboxes (account_id, id) ON DELETE CASCADE,
        FOREIGN KEY (account_id, channel_id) REFERENCES email_channels (account_id, id) ON DELETE CASCADE,
        FOREIGN KEY (account_id, composed_blob_id) REFERENCES blobs (account_id, id) ON DELETE RESTRICT
    )",
    "CREATE INDEX deliveries_sending ON deliveries (sending_until) WHERE state = 'sending'",
    "CREATE INDEX deliveries_pace ON deliveries (account_id, channel_id, sent_at)",
    "CREATE INDEX deliveries_conversation ON deliveries (account_id, conversation_id)",
    "CREATE INDEX deliveries_inbox ON deliveries (account_id, inbox_id)",
    "CREATE INDEX deliveries_blob ON deliveries (account_id, composed_blob_id)",
    "CREATE TABLE owed_work (
        {id},
        {account},
        kind TEXT NOT NULL,
        subject_id BIGINT NOT NULL,
        payload TEXT NOT NULL,
        priority BIGINT NOT NULL,
        state TEXT NOT NULL,
        attempts BIGINT NOT NULL DEFAULT 0,
        due_at BIGINT NOT NULL,
        handed_until BIGINT NOT NULL DEFAULT 0,
        ready_at BIGINT NOT NULL,
        lease_token TEXT,
        lease_worker TEXT,
        lease_until BIGINT NOT NULL DEFAULT 0,
        last_error TEXT,
        created_at BIGINT NOT NULL,
        updated_at BIGINT NOT NULL,
        UNIQUE (account_id, id)
    )",
    "CREATE INDEX owed_work_ready ON owed_work (account_id, priority, ready_at, id) WHERE state = 'waiting'",
    "CREATE INDEX owed_work_subject ON owed_work (account_id, kind, subject_id)",
    "CREATE TABLE events (
        {account},
        seq BIGINT NOT NULL,
        kind TEXT NOT NULL,
        inbox_id BIGINT,
        conversation_id BIGINT,
        payload TEXT NOT NULL,
        created_at BIGINT NOT NULL,
        PRIMARY KEY (account_id, seq)
    )",
    "CREATE TABLE idempotency_keys (
        {account},
        token_id BIGINT NOT NULL REFERENCES api_tokens (id) ON DELETE CASCADE,
        key TEXT NOT NULL,
        request_hash TEXT NOT NULL,
        message_id BIGINT,
        created_at BIGINT NOT NULL,
        PRIMARY KEY (account_id, token_id, key)
    )",
    "CREATE INDEX idempotency_keys_age ON idempotency_keys (created_at)",
];
