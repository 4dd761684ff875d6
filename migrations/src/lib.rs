//! The schema's history, SQLite and PostgreSQL from one text.
//!
//! Each migration is a list of statements in the SQL that both databases share, with a few marks for what they spell differently
//! (see [`dialect`]). They run in one transaction under an advisory lock (PostgreSQL) or BEGIN IMMEDIATE (SQLite), which the caller
//! opens. Expand first, contract in a later release: a contracting migration raises `oldest_compatible` in `schema_info`, so that an
//! older binary can tell whether it may still work. SQLite can neither add foreign keys nor change columns: such a migration makes
//! the new table, copies, drops the old one and renames, inside the same transaction. Entities are never imported here.

mod dialect;
mod m0001_people;
mod m0002_channels;
mod m0003_conversations;
mod m0004_work;
mod m0005_pending_arrivals;
mod m0006_raw_email_cut;
mod m0007_blob_named;
mod m0008_breakdowns;
mod m0009_recipients;
mod m0010_pending_source;
mod m0011_kept_alive;
mod m0012_installation;
mod m0013_pace;
mod m0014_kept_sessions;
mod m0015_small_blobs;
mod m0016_blob_chunks_by_row;
mod m0017_events_for_one;
mod m0018_desk;
mod m0019_search;
mod m0020_contacts;
mod m0021_tokens_and_settings;
mod m0022_left_behind;
mod m0023_notifications;
mod m0026_invitations;
mod m0027_waited_since;
mod m0028_webhooks;
mod m0029_oauth_apps;
mod m0030_connect_links;
mod m0031_send_transport;
mod m0032_health_notices;
mod m0033_audit;
mod m0034_links_and_apps;
mod m0035_refused_grants;
mod m0036_held_tokens;
mod m0037_senders;
mod m0038_from_accepted;
mod m0039_accepted_sign_ins;

use sea_orm_migration::sea_orm::DatabaseTransaction;
use sea_orm_migration::{DbErr, MigrationTrait, MigratorTrait};

pub struct Migrator;

#[sea_orm_migration::async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m0001_people::Migration),
            Box::new(m0002_channels::Migration),
            Box::new(m0003_conversations::Migration),
            Box::new(m0004_work::Migration),
            Box::new(m0005_pending_arrivals::Migration),
            Box::new(m0006_raw_email_cut::Migration),
            Box::new(m0007_blob_named::Migration),
            Box::new(m0008_breakdowns::Migration),
            Box::new(m0009_recipients::Migration),
            Box::new(m0010_pending_source::Migration),
            Box::new(m0011_kept_alive::Migration),
            Box::new(m0012_installation::Migration),
            Box::new(m0013_pace::Migration),
            Box::new(m0014_kept_sessions::Migration),
            Box::new(m0015_small_blobs::Migration),
            Box::new(m0016_blob_chunks_by_row::Migration),
            Box::new(m0017_events_for_one::Migration),
            Box::new(m0018_desk::Migration),
            Box::new(m0019_search::Migration),
            Box::new(m0020_contacts::Migration),
            Box::new(m0021_tokens_and_settings::Migration),
            Box::new(m0022_left_behind::Migration),
            Box::new(m0023_notifications::Migration),
            Box::new(m0026_invitations::Migration),
            Box::new(m0027_waited_since::Migration),
            Box::new(m0028_webhooks::Migration),
            Box::new(m0029_oauth_apps::Migration),
            Box::new(m0030_connect_links::Migration),
            Box::new(m0031_send_transport::Migration),
            Box::new(m0032_health_notices::Migration),
            Box::new(m0033_audit::Migration),
            Box::new(m0034_links_and_apps::Migration),
            Box::new(m0035_refused_grants::Migration),
            Box::new(m0036_held_tokens::Migration),
            Box::new(m0037_senders::Migration),
            Box::new(m0038_from_accepted::Migration),
            Box::new(m0039_accepted_sign_ins::Migration),
        ]
    }
}

/// How many migrations are still to be run.
pub async fn pending(transaction: &DatabaseTransaction) -> Result<usize, DbErr> {
    Ok(Migrator::get_pending_migrations(transaction).await?.len())
}

/// Runs the next one. Whoever opened the transaction commits it, after the last.
pub async fn up_one(transaction: &DatabaseTransaction) -> Result<(), DbErr> {
    Migrator::up(transaction, Some(1)).await
}

/// How many migrations this version knows.
pub fn known() -> u32 {
    u32::try_from(Migrator::migrations().len()).unwrap_or(u32::MAX)
}
