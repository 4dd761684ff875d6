//! The real worker on real mailboxes: actors, leases and hints, over sockets to the sandbox's IMAP server, on SQLite and PostgreSQL.

mod backing_off;
mod breaking_down;
mod hearing;
mod machine;
mod reading;
mod refused;
mod taking_over;
