//! Everything that touches SQL. The unscoped starters of sea-orm are clippy-disallowed; the few that stand in [`sql`] and [`tenant`]
//! put the account into every statement. A scope is made only by [`crate::connect`]'s narrow scopes, from a proof.

pub(crate) mod account;
pub(crate) mod attachment_links;
pub(crate) mod blobs;
mod channels;
pub(crate) mod claims;
mod connection_rows;
pub(crate) mod connections;
mod contacts;
mod conversation_rows;
mod conversations;
mod convert;
mod deliveries;
mod folders;
mod grants;
mod inboxes;
mod message_rows;
mod messages;
pub(crate) mod operator;
mod people;
pub(crate) mod purge;
mod raw_emails;
pub(crate) mod relay;
pub(crate) mod schema;
mod sending;
pub(crate) mod sign_in;
mod sql;
mod succession;
pub(crate) mod sync;
mod tenant;
pub(crate) mod tx;
mod views;
