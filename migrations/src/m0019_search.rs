//! The words of messages and contacts, for search, and how far each account's index is (docs/decisions/0009-search-index.md).
//!
//! A word stands in the index with its account before it, so that a look-up meets no other account's words. The rows beside the words say
//! where and when a message was written, and go with it.

use crate::dialect;
use sea_orm_migration::sea_orm::DbBackend;
use sea_orm_migration::{DbErr, MigrationName, MigrationTrait, SchemaManager, async_trait::async_trait};

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "m0019_search"
    }
}

#[async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        dialect::run(manager, BOTH).await?;
        dialect::run_on(manager, DbBackend::Sqlite, SQLITE).await?;
        dialect::run_on(manager, DbBackend::Postgres, POSTGRES).await
    }
}

const BOTH: &[&str] = &[
    // `event_seq`: what happened up to here is in the index. Of what was there before, messages and contacts with smaller ids than these
    // are still to come, the newest first; 0: none.
    "CREATE TABLE search_progress (
        account_id BIGINT NOT NULL PRIMARY KEY REFERENCES accounts (id) ON DELETE CASCADE,
        event_seq BIGINT NOT NULL,
        messages_below BIGINT NOT NULL,
        contacts_below BIGINT NOT NULL
    )",
];

const SQLITE: &[&str] = &[
    "CREATE TABLE message_words (
        message_id INTEGER PRIMARY KEY,
        account_id BIGINT NOT NULL,
        conversation_id BIGINT NOT NULL,
        inbox_id BIGINT NOT NULL,
        sent_at BIGINT NOT NULL,
        FOREIGN KEY (account_id, message_id) REFERENCES messages (account_id, id) ON DELETE CASCADE
    )",
    // The text is not kept a second time, and the words arrive as they shall stand there: `ascii` parts them at spaces alone.
    "CREATE VIRTUAL TABLE message_tokens USING fts5 (words, content = '', contentless_delete = 1, detail = none, tokenize = 'ascii')",
    "CREATE TRIGGER message_words_gone AFTER DELETE ON message_words
        BEGIN DELETE FROM message_tokens WHERE rowid = old.message_id; END",
    "CREATE TABLE contact_words (
        contact_id INTEGER PRIMARY KEY,
        account_id BIGINT NOT NULL,
        FOREIGN KEY (account_id, contact_id) REFERENCES contacts (account_id, id) ON DELETE CASCADE
    )",
    "CREATE VIRTUAL TABLE contact_tokens USING fts5 (words, content = '', contentless_delete = 1, detail = none, tokenize = 'ascii')",
    "CREATE TRIGGER contact_words_gone AFTER DELETE ON contact_words
        BEGIN DELETE FROM contact_tokens WHERE rowid = old.contact_id; END",
];

const POSTGRES: &[&str] = &[
    "CREATE TABLE message_words (
        message_id BIGINT NOT NULL,
        account_id BIGINT NOT NULL,
        conversation_id BIGINT NOT NULL,
        inbox_id BIGINT NOT NULL,
        sent_at BIGINT NOT NULL,
        words TSVECTOR NOT NULL,
        PRIMARY KEY (account_id, message_id),
        FOREIGN KEY (account_id, message_id) REFERENCES messages (account_id, id) ON DELETE CASCADE
    )",
    "CREATE INDEX message_words_words ON message_words USING GIN (words)",
    "CREATE TABLE contact_words (
        contact_id BIGINT NOT NULL,
        account_id BIGINT NOT NULL,
        words TSVECTOR NOT NULL,
        PRIMARY KEY (account_id, contact_id),
        FOREIGN KEY (account_id, contact_id) REFERENCES contacts (account_id, id) ON DELETE CASCADE
    )",
    "CREATE INDEX contact_words_words ON contact_words USING GIN (words)",
];
