//! Mail in and out, driven through the use cases, on a SQLite store (PostgreSQL where that matters) and the sandbox's IMAP and SMTP servers.

mod asked_to_wait;
mod backlog;
mod cancelling;
mod claims;
mod deleted_and_blocked;
mod desk;
mod flow;
mod idempotency;
mod ingest;
mod ingest_together;
mod lengths;
mod mailbox_refusals;
mod pacing;
mod patience;
mod people;
mod postgres;
mod pulling;
mod put_back;
mod quarantine;
mod recipients;
mod renumbering;
mod retrying;
mod reused_ids;
mod same_mail;
mod sending;
mod statements;
