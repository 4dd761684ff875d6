//! Accounts, people, tokens, keys, and the counters.

use crate::dialect;
use sea_orm_migration::{DbErr, MigrationName, MigrationTrait, SchemaManager, async_trait::async_trait};

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "m0001_people"
    }
}

#[async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        dialect::run(manager, STATEMENTS).await
    }
}

const STATEMENTS: &[&str] = &[
    "CREATE TABLE schema_info (
        oldest_compatible BIGINT NOT NULL
    )",
    "INSERT INTO schema_info (oldest_compatible) VALUES (1)",
    "CREATE TABLE accounts (
        {id},
        name TEXT NOT NULL,
        locale TEXT NOT NULL,
        status TEXT NOT NULL,
        created_at BIGINT NOT NULL,
        updated_at BIGINT NOT NULL
    )",
    "CREATE TABLE account_counters (
        account_id BIGINT NOT NULL PRIMARY KEY REFERENCES accounts (id) ON DELETE CASCADE,
        next_display_id BIGINT NOT NULL,
        event_seq BIGINT NOT NULL
    )",
    "CREATE TABLE account_keys (
        {id},
        {account},
        purpose TEXT NOT NULL,
        version BIGINT NOT NULL,
        seal_uid TEXT NOT NULL,
        sealed {bytes} NOT NULL,
        created_at BIGINT NOT NULL,
        UNIQUE (account_id, id),
        UNIQUE (account_id, purpose, version)
    )",
    "CREATE TABLE users (
        {id},
        email TEXT NOT NULL,
        email_key TEXT NOT NULL UNIQUE,
        name TEXT NOT NULL,
        display_name TEXT,
        message_signature TEXT,
        password_hash TEXT,
        created_at BIGINT NOT NULL,
        updated_at BIGINT NOT NULL
    )",
    "CREATE TABLE account_users (
        {id},
        {account},
        user_id BIGINT NOT NULL REFERENCES users (id) ON DELETE RESTRICT,
        role TEXT NOT NULL,
        availability TEXT NOT NULL,
        auto_offline BOOLEAN NOT NULL,
        active_at BIGINT,
        removed_at BIGINT,
        created_at BIGINT NOT NULL,
        updated_at BIGINT NOT NULL,
        UNIQUE (account_id, id),
        UNIQUE (account_id, user_id)
    )",
    "CREATE INDEX account_users_user ON account_users (user_id)",
    "CREATE TABLE api_tokens (
        {id},
        user_id BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
        account_id BIGINT REFERENCES accounts (id) ON DELETE CASCADE,
        kind TEXT NOT NULL,
        hash TEXT NOT NULL UNIQUE,
        client_id TEXT,
        name TEXT,
        created_at BIGINT NOT NULL,
        expires_at BIGINT,
        revoked_at BIGINT
    )",
    "CREATE INDEX api_tokens_user ON api_tokens (user_id)",
];
