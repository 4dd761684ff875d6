//! What agents keep of a contact: notes, labels, attributes of their own; and that one is being erased.

use crate::dialect;
use sea_orm_migration::sea_orm::DbBackend;
use sea_orm_migration::{DbErr, MigrationName, MigrationTrait, SchemaManager, async_trait::async_trait};

pub(crate) struct Migration;

impl MigrationName for Migration {
    fn name(&self) -> &str {
        "m0020_contacts"
    }
}

#[async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        dialect::run(manager, STATEMENTS).await?;
        dialect::run_on(manager, DbBackend::Postgres, ON_POSTGRES).await
    }
}

const ON_POSTGRES: &[&str] = &[
    // The latest first, those who never wrote last: SQLite reads an index so from its end, PostgreSQL has them first there.
    "CREATE INDEX contacts_latest ON contacts (account_id, last_activity_at DESC NULLS LAST, id DESC)",
];

const STATEMENTS: &[&str] = &[
    // Nobody sees the contact any more; the row stays until everything that is theirs is gone.
    "ALTER TABLE contacts ADD COLUMN erased_at BIGINT",
    // The few that are being erased: the schedule looks whether somebody is at it.
    "CREATE INDEX contacts_erased ON contacts (account_id, id) WHERE erased_at IS NOT NULL",
    "CREATE UNIQUE INDEX contacts_phone_number ON contacts (account_id, phone_number) WHERE phone_number IS NOT NULL",
    "CREATE INDEX contacts_created ON contacts (account_id, created_at, id)",
    // Who is known under a name. Its first columns are what the old one had.
    "CREATE INDEX contact_inboxes_source ON contact_inboxes (account_id, inbox_id, source_id)",
    "DROP INDEX contact_inboxes_inbox",
    // What a contact said, in whose conversation ever: for merging and erasing, and for the foreign key when the row goes.
    "CREATE INDEX messages_sender ON messages (account_id, sender_contact_id) WHERE sender_contact_id IS NOT NULL",
    "CREATE TABLE contact_notes (
        {id},
        {account},
        contact_id BIGINT NOT NULL,
        user_id BIGINT NOT NULL,
        content TEXT NOT NULL,
        created_at BIGINT NOT NULL,
        updated_at BIGINT NOT NULL,
        UNIQUE (account_id, id),
        FOREIGN KEY (account_id, contact_id) REFERENCES contacts (account_id, id) ON DELETE CASCADE,
        FOREIGN KEY (account_id, user_id) REFERENCES account_users (account_id, user_id) ON DELETE RESTRICT
    )",
    "CREATE INDEX contact_notes_contact ON contact_notes (account_id, contact_id, id)",
    "CREATE TABLE contact_labels (
        {account},
        contact_id BIGINT NOT NULL,
        title TEXT NOT NULL,
        PRIMARY KEY (account_id, contact_id, title),
        FOREIGN KEY (account_id, contact_id) REFERENCES contacts (account_id, id) ON DELETE CASCADE
    )",
    // Whose words are a contact's since they were merged, under what number they stand in events: for erasing.
    "CREATE TABLE merged_contacts (
        {account},
        contact_id BIGINT NOT NULL,
        merged_id BIGINT NOT NULL,
        PRIMARY KEY (account_id, contact_id, merged_id),
        FOREIGN KEY (account_id, contact_id) REFERENCES contacts (account_id, id) ON DELETE CASCADE
    )",
    "CREATE INDEX contact_labels_title ON contact_labels (account_id, title, contact_id)",
    "CREATE TABLE custom_attribute_definitions (
        {id},
        {account},
        attribute_model TEXT NOT NULL,
        attribute_key TEXT NOT NULL,
        attribute_display_name TEXT NOT NULL,
        attribute_display_type TEXT NOT NULL,
        attribute_description TEXT,
        attribute_values TEXT NOT NULL,
        regex_pattern TEXT,
        regex_cue TEXT,
        created_at BIGINT NOT NULL,
        updated_at BIGINT NOT NULL,
        UNIQUE (account_id, id),
        UNIQUE (account_id, attribute_model, attribute_key)
    )",
];
