//! The database: rows, transactions, leases, sealed secrets and blobs, on SQLite and PostgreSQL with one code.
//!
//! Domain structs go out; entities and connections never do. Everything a tenant owns is reached through an [`AccountScope`], and a
//! scope comes only from a proof: a member who signed in, a state or link that was consumed, claimed work, a held lease, the operator.
//! System-wide work has one narrow scope per purpose: [`SignIn`], [`Operator`], [`Connections`], [`AttachmentLinks`], [`Relay`],
//! [`Sync`], [`SearchIndex`], [`Purge`], [`Keys`], [`AppAlarms`].
//!
//! No network call is made inside a transaction. Leases are judged by the database's clock.

mod blob;
mod condition;
mod config;
mod connect;
mod entity;
mod error;
mod hash;
mod kill_point;
mod scope;
mod secret;
mod sqlite;
#[cfg(debug_assertions)]
mod statements;
mod together;
mod types;

pub use config::{Backend, SchemaState, StoreConfig};
pub use connect::{ServingLock, Store};
pub use error::StoreError;
pub use hash::TokenHash;
pub use kill_point::{KillAt, KillPoint};
pub use scope::account::AccountScope;
pub use scope::app_alarms::AppAlarms;
pub use scope::attachment_links::{AttachmentLinks, LinkSigner};
pub use scope::blobs::StagedBlob;
pub use scope::connections::Connections;
pub use scope::keys::{KeyUse, Keys, Rotated, SealedUnder};
pub use scope::live::Live;
pub use scope::operator::Operator;
pub use scope::purge::{Purge, Swept};
pub use scope::relay::Relay;
pub use scope::search_index::SearchIndex;
pub use scope::sign_in::SignIn;
pub use scope::snoozed::DueSnooze;
pub use scope::sync::Sync;
pub use scope::tx::{Committed, LockedContact, Trace, Tx};
pub use secret::{KeyRing, KeyRingError};
#[cfg(debug_assertions)]
pub use statements::Statements;
pub use types::*;

pub type Result<T, E = StoreError> = std::result::Result<T, E>;
