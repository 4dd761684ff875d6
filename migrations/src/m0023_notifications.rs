//! What each person is told about, one row for a conversation, and what they want to be told.

use crate::dialect;
use sea_orm_migration::{DbErr, MigrationName, MigrationTrait, SchemaManager, async_trait::async_trait};

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "m0023_notifications"
    }
}

#[async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        dialect::run(manager, STATEMENTS).await
    }
}

const STATEMENTS: &[&str] = &[
    "CREATE TABLE notifications (
        {id},
        {account},
        user_id BIGINT NOT NULL,
        conversation_id BIGINT NOT NULL,
        kind TEXT NOT NULL,
        read_at BIGINT,
        snoozed_until BIGINT,
        last_activity_at BIGINT NOT NULL,
        created_at BIGINT NOT NULL,
        UNIQUE (account_id, id),
        UNIQUE (account_id, user_id, conversation_id),
        FOREIGN KEY (account_id, user_id) REFERENCES account_users (account_id, user_id) ON DELETE CASCADE,
        FOREIGN KEY (account_id, conversation_id) REFERENCES conversations (account_id, id) ON DELETE CASCADE
    )",
    "CREATE INDEX notifications_list ON notifications (account_id, user_id, last_activity_at, id)",
    "CREATE INDEX notifications_conversation ON notifications (account_id, conversation_id)",
    "CREATE INDEX notifications_age ON notifications (last_activity_at)",
    "CREATE TABLE notification_settings (
        {account},
        user_id BIGINT NOT NULL,
        email_flags TEXT NOT NULL,
        push_flags TEXT NOT NULL,
        updated_at BIGINT NOT NULL,
        PRIMARY KEY (account_id, user_id),
        FOREIGN KEY (account_id, user_id) REFERENCES account_users (account_id, user_id) ON DELETE CASCADE
    )",
];
