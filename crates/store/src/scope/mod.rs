//! Everything that touches SQL. The unscoped starters of sea-orm are allowed here and nowhere else.

pub(crate) mod account;
mod blobs;
mod channels;
pub(crate) mod connections;
mod contacts;
mod conversations;
mod deliveries;
mod grants;
mod inboxes;
mod messages;
pub(crate) mod operator;
mod raw_emails;
pub(crate) mod relay;
pub(crate) mod sign_in;
pub(crate) mod sync;
pub(crate) mod tx;
