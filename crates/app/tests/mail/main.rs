//! Mail in and out, driven through the use cases, on a SQLite store and the sandbox's IMAP and SMTP servers.

mod desk;
mod flow;
mod ingest;
mod people;
mod pulling;
mod renumbering;
mod sending;
