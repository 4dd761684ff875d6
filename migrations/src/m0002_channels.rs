//! Grants, connection attempts, inboxes, channels, and mail as received.

use crate::dialect;
use sea_orm_migration::sea_orm::DbBackend;
use sea_orm_migration::{DbErr, MigrationName, MigrationTrait, SchemaManager, async_trait::async_trait};

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "m0002_channels"
    }
}

#[async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        dialect::run(manager, STATEMENTS).await?;
        dialect::run_on(manager, DbBackend::Postgres, POSTGRES).await
    }
}

const STATEMENTS: &[&str] = &[
    "CREATE TABLE oauth_apps (
        {id},
        {account},
        provider TEXT NOT NULL,
        name TEXT NOT NULL,
        client_id TEXT NOT NULL,
        seal_uid TEXT NOT NULL,
        credentials {bytes} NOT NULL,
        expires_at BIGINT,
        created_at BIGINT NOT NULL,
        updated_at BIGINT NOT NULL,
        UNIQUE (account_id, id)
    )",
    "CREATE TABLE grants (
        {id},
        {account},
        provider TEXT NOT NULL,
        oauth_app_id BIGINT,
        tid TEXT NOT NULL,
        oid TEXT NOT NULL,
        sub TEXT NOT NULL,
        principal TEXT NOT NULL,
        status TEXT NOT NULL,
        scopes TEXT NOT NULL,
        seal_uid TEXT NOT NULL,
        refresh_token {bytes} NOT NULL,
        version BIGINT NOT NULL,
        lease_token TEXT,
        lease_until BIGINT NOT NULL DEFAULT 0,
        refreshed_at BIGINT NOT NULL,
        created_at BIGINT NOT NULL,
        updated_at BIGINT NOT NULL,
        UNIQUE (account_id, id),
        UNIQUE (account_id, provider, tid, oid),
        FOREIGN KEY (account_id, oauth_app_id) REFERENCES oauth_apps (account_id, id) ON DELETE RESTRICT
    )",
    "CREATE TABLE grant_access_tokens (
        {account},
        grant_id BIGINT NOT NULL,
        resource TEXT NOT NULL,
        seal_uid TEXT NOT NULL,
        token {bytes} NOT NULL,
        expires_at BIGINT NOT NULL,
        version BIGINT NOT NULL,
        PRIMARY KEY (account_id, grant_id, resource),
        FOREIGN KEY (account_id, grant_id) REFERENCES grants (account_id, id) ON DELETE CASCADE
    )",
    "CREATE TABLE inboxes (
        {id},
        {account},
        name TEXT NOT NULL,
        settings TEXT NOT NULL,
        created_at BIGINT NOT NULL,
        updated_at BIGINT NOT NULL,
        UNIQUE (account_id, id)
    )",
    "CREATE TABLE inbox_members (
        {account},
        inbox_id BIGINT NOT NULL,
        user_id BIGINT NOT NULL,
        created_at BIGINT NOT NULL,
        PRIMARY KEY (account_id, inbox_id, user_id),
        FOREIGN KEY (account_id, inbox_id) REFERENCES inboxes (account_id, id) ON DELETE CASCADE,
        FOREIGN KEY (account_id, user_id) REFERENCES account_users (account_id, user_id) ON DELETE CASCADE
    )",
    "CREATE INDEX inbox_members_user ON inbox_members (account_id, user_id)",
    "CREATE TABLE connections (
        {id},
        {account},
        purpose TEXT NOT NULL,
        provider TEXT NOT NULL,
        oauth_app_id BIGINT,
        inbox_id BIGINT,
        created_by BIGINT NOT NULL,
        email TEXT,
        status TEXT NOT NULL,
        state_hash TEXT NOT NULL UNIQUE,
        link_hash TEXT NOT NULL UNIQUE,
        confirm_hash TEXT UNIQUE,
        browser_hash TEXT,
        seal_uid TEXT NOT NULL,
        handshake {bytes} NOT NULL,
        identity TEXT,
        grant_id BIGINT,
        result_inbox_id BIGINT,
        failure TEXT,
        expires_at BIGINT NOT NULL,
        consumed_at BIGINT,
        confirmed_at BIGINT,
        created_at BIGINT NOT NULL,
        updated_at BIGINT NOT NULL,
        UNIQUE (account_id, id),
        FOREIGN KEY (account_id, inbox_id) REFERENCES inboxes (account_id, id) ON DELETE CASCADE,
        FOREIGN KEY (account_id, result_inbox_id) REFERENCES inboxes (account_id, id) ON DELETE CASCADE,
        FOREIGN KEY (account_id, grant_id) REFERENCES grants (account_id, id) ON DELETE RESTRICT,
        FOREIGN KEY (account_id, oauth_app_id) REFERENCES oauth_apps (account_id, id) ON DELETE RESTRICT,
        FOREIGN KEY (account_id, created_by) REFERENCES account_users (account_id, user_id) ON DELETE RESTRICT
    )",
    "CREATE INDEX connections_pending ON connections (expires_at) WHERE status = 'pending'",
    "CREATE INDEX connections_grant ON connections (account_id, grant_id)",
    "CREATE TABLE email_channels (
        {id},
        {account},
        inbox_id BIGINT NOT NULL,
        provider TEXT NOT NULL,
        grant_id BIGINT,
        principal TEXT NOT NULL,
        mailbox_address TEXT NOT NULL,
        mailbox_key TEXT NOT NULL,
        from_address TEXT NOT NULL,
        smtp_user TEXT NOT NULL,
        fetch_state TEXT NOT NULL,
        fetch_health TEXT NOT NULL,
        send_state TEXT NOT NULL,
        send_health TEXT NOT NULL,
        import TEXT NOT NULL,
        worker_session_id BIGINT,
        epoch BIGINT NOT NULL DEFAULT 0,
        send_lease_token TEXT,
        send_lease_worker TEXT,
        send_lease_until BIGINT NOT NULL DEFAULT 0,
        created_at BIGINT NOT NULL,
        updated_at BIGINT NOT NULL,
        UNIQUE (account_id, id),
        UNIQUE (account_id, inbox_id),
        UNIQUE (account_id, mailbox_key),
        FOREIGN KEY (account_id, inbox_id) REFERENCES inboxes (account_id, id) ON DELETE CASCADE,
        FOREIGN KEY (account_id, grant_id) REFERENCES grants (account_id, id) ON DELETE RESTRICT
    )",
    "CREATE INDEX email_channels_grant ON email_channels (account_id, grant_id)",
    "CREATE INDEX email_channels_session ON email_channels (worker_session_id)",
    "CREATE TABLE worker_sessions (
        {id},
        name TEXT NOT NULL,
        started_at BIGINT NOT NULL,
        heartbeat_at BIGINT NOT NULL
    )",
    "CREATE TABLE channel_folders (
        {id},
        {account},
        channel_id BIGINT NOT NULL,
        role TEXT NOT NULL,
        name TEXT NOT NULL,
        uidvalidity BIGINT,
        last_uid BIGINT NOT NULL DEFAULT 0,
        import_uidvalidity BIGINT,
        import_before_uid BIGINT,
        import_reached_uid BIGINT,
        created_at BIGINT NOT NULL,
        updated_at BIGINT NOT NULL,
        UNIQUE (account_id, id),
        UNIQUE (account_id, channel_id, role),
        FOREIGN KEY (account_id, channel_id) REFERENCES email_channels (account_id, id) ON DELETE CASCADE
    )",
    "CREATE TABLE pending_uids (
        {account},
        folder_id BIGINT NOT NULL,
        uidvalidity BIGINT NOT NULL,
        uid BIGINT NOT NULL,
        attempts BIGINT NOT NULL,
        next_at BIGINT NOT NULL,
        PRIMARY KEY (account_id, folder_id, uidvalidity, uid),
        FOREIGN KEY (account_id, folder_id) REFERENCES channel_folders (account_id, id) ON DELETE CASCADE
    )",
    "CREATE TABLE blobs (
        {id},
        {account},
        sha256 TEXT NOT NULL,
        size_bytes BIGINT NOT NULL,
        created_at BIGINT NOT NULL,
        UNIQUE (account_id, id),
        UNIQUE (account_id, sha256)
    )",
];

const POSTGRES: &[&str] = &[
    "CREATE TABLE blob_chunks (
        {account},
        blob_id BIGINT NOT NULL,
        seq BIGINT NOT NULL,
        bytes {bytes} NOT NULL,
        PRIMARY KEY (account_id, blob_id, seq),
        FOREIGN KEY (account_id, blob_id) REFERENCES blobs (account_id, id) ON DELETE CASCADE
    )",
    "ALTER TABLE blob_chunks ALTER COLUMN bytes SET STORAGE EXTERNAL",
];
