//! The sandbox over its sockets: every client here is written for these tests, none is the product's.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the message")]

mod apps;
mod customer_page;
mod graph;
mod graph_faults;
mod id_tokens;
mod imap;
mod imap_faults;
mod sign_in;
mod smtp;
mod support;
mod tokens;
