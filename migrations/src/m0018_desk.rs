//! What agents sort and share their work with: teams, canned responses, participants, mentions, drafts, saved views; and what lists and the
//! schedule look for among conversations.

use crate::dialect;
use sea_orm_migration::sea_orm::DbBackend;
use sea_orm_migration::{DbErr, MigrationName, MigrationTrait, SchemaManager, async_trait::async_trait};

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "m0018_desk"
    }
}

#[async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        dialect::run(manager, STATEMENTS).await?;
        dialect::run_on(manager, DbBackend::Sqlite, ON_SQLITE).await?;
        dialect::run_on(manager, DbBackend::Postgres, ON_POSTGRES).await
    }
}

const STATEMENTS: &[&str] = &[
    "CREATE TABLE teams (
        {id},
        {account},
        name TEXT NOT NULL,
        description TEXT,
        allow_auto_assign BOOLEAN NOT NULL,
        icon TEXT NOT NULL,
        icon_color TEXT NOT NULL,
        created_at BIGINT NOT NULL,
        updated_at BIGINT NOT NULL,
        UNIQUE (account_id, id),
        UNIQUE (account_id, name)
    )",
    "CREATE TABLE team_members (
        {account},
        team_id BIGINT NOT NULL,
        user_id BIGINT NOT NULL,
        created_at BIGINT NOT NULL,
        PRIMARY KEY (account_id, team_id, user_id),
        FOREIGN KEY (account_id, team_id) REFERENCES teams (account_id, id) ON DELETE CASCADE,
        FOREIGN KEY (account_id, user_id) REFERENCES account_users (account_id, user_id) ON DELETE CASCADE
    )",
    "CREATE INDEX team_members_user ON team_members (account_id, user_id)",
    "ALTER TABLE conversations ADD COLUMN team_id BIGINT",
    "CREATE INDEX conversations_team ON conversations (account_id, team_id, status, last_activity_at, id)",
    // The few that sleep, of all accounts together: the schedule asks for those whose time is up.
    "CREATE INDEX conversations_snoozed ON conversations (snoozed_until, id) WHERE status = 'snoozed' AND snoozed_until IS NOT NULL",
    // The few that are unread: the badges beside inboxes, teams and labels.
    // In the order in which they are counted, with all that is looked at: no row is read.
    "CREATE INDEX conversations_unread ON conversations (account_id, status, inbox_id, team_id, assignee_id, unread_count) WHERE unread_count > 0",
    // The list is walked, newest first. By any other order it is sorted, within the index: it has what lists are sorted and chosen by.
    "DROP INDEX conversations_list",
    "CREATE INDEX conversations_list ON conversations (account_id, status, last_activity_at DESC, id DESC, \
        inbox_id, assignee_id, team_id, priority, created_at, waiting_since, unread_count)",
    "CREATE TABLE canned_responses (
        {id},
        {account},
        short_code TEXT NOT NULL,
        content TEXT NOT NULL,
        created_at BIGINT NOT NULL,
        updated_at BIGINT NOT NULL,
        UNIQUE (account_id, id),
        UNIQUE (account_id, short_code)
    )",
    "CREATE TABLE conversation_participants (
        {account},
        conversation_id BIGINT NOT NULL,
        user_id BIGINT NOT NULL,
        created_at BIGINT NOT NULL,
        PRIMARY KEY (account_id, conversation_id, user_id),
        FOREIGN KEY (account_id, conversation_id) REFERENCES conversations (account_id, id) ON DELETE CASCADE,
        FOREIGN KEY (account_id, user_id) REFERENCES account_users (account_id, user_id) ON DELETE CASCADE
    )",
    "CREATE INDEX conversation_participants_user ON conversation_participants (account_id, user_id, conversation_id)",
    "CREATE TABLE mentions (
        {account},
        conversation_id BIGINT NOT NULL,
        user_id BIGINT NOT NULL,
        mentioned_at BIGINT NOT NULL,
        PRIMARY KEY (account_id, conversation_id, user_id),
        FOREIGN KEY (account_id, conversation_id) REFERENCES conversations (account_id, id) ON DELETE CASCADE,
        FOREIGN KEY (account_id, user_id) REFERENCES account_users (account_id, user_id) ON DELETE CASCADE
    )",
    "CREATE INDEX mentions_user ON mentions (account_id, user_id, conversation_id)",
    // One for each person and conversation. `recipients` is JSON: to, cc and bcc as they were typed.
    "CREATE TABLE drafts (
        {account},
        conversation_id BIGINT NOT NULL,
        user_id BIGINT NOT NULL,
        message TEXT NOT NULL,
        private BOOLEAN NOT NULL,
        recipients TEXT NOT NULL,
        updated_at BIGINT NOT NULL,
        PRIMARY KEY (account_id, conversation_id, user_id),
        FOREIGN KEY (account_id, conversation_id) REFERENCES conversations (account_id, id) ON DELETE CASCADE,
        FOREIGN KEY (account_id, user_id) REFERENCES account_users (account_id, user_id) ON DELETE CASCADE
    )",
    "CREATE INDEX drafts_user ON drafts (account_id, user_id)",
    // A view that somebody saved for themself. `query` is JSON, as their client reads it.
    "CREATE TABLE custom_filters (
        {id},
        {account},
        user_id BIGINT NOT NULL,
        name TEXT NOT NULL,
        filter_type TEXT NOT NULL,
        query TEXT NOT NULL,
        created_at BIGINT NOT NULL,
        updated_at BIGINT NOT NULL,
        UNIQUE (account_id, id),
        FOREIGN KEY (account_id, user_id) REFERENCES account_users (account_id, user_id) ON DELETE CASCADE
    )",
    "CREATE INDEX custom_filters_user ON custom_filters (account_id, user_id, filter_type, id)",
];

/// SQLite adds no foreign key to a table that is there, and conversations are too many, and too much refers to them, to make their table
/// anew. What the key would hold is held by triggers.
const ON_SQLITE: &[&str] = &[
    "CREATE TRIGGER conversations_team_is_ours BEFORE UPDATE OF team_id ON conversations
        WHEN NEW.team_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM teams t WHERE t.account_id = NEW.account_id AND t.id = NEW.team_id)
        BEGIN SELECT RAISE(ABORT, 'FOREIGN KEY constraint failed'); END",
    "CREATE TRIGGER conversations_first_team_is_ours BEFORE INSERT ON conversations
        WHEN NEW.team_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM teams t WHERE t.account_id = NEW.account_id AND t.id = NEW.team_id)
        BEGIN SELECT RAISE(ABORT, 'FOREIGN KEY constraint failed'); END",
];

const ON_POSTGRES: &[&str] = &[
    // Looked at when the statement ends, so that an account goes with its conversations and teams in one.
    "ALTER TABLE conversations ADD CONSTRAINT conversations_team_id_fkey
        FOREIGN KEY (account_id, team_id) REFERENCES teams (account_id, id)",
];
