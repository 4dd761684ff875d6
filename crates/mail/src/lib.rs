//! Mail as bytes, and the servers it travels through: the only crate that knows MIME, IMAP and SMTP.
//!
//! - [`parse`]: bytes → [`parse::InboundEmail`]; never fails, never panics.
//! - [`quote`]: where the new words end and the quoted history begins.
//! - [`sanitize`]: HTML from strangers → HTML that can be shown.
//! - [`compose`]: a reply → the bytes that leave.
//! - [`message_token`]: the signed token in our Message-IDs.
//! - [`imap`] and [`smtp`]: one session with one server; every answer is checked.
//!
//! What a server's words mean stands in `imap/answers.rs` and `smtp/answers.rs`, as [`domain::FailureClass`]; each quirk has its entry in
//! docs/COMPATIBILITY.md. This crate never touches the database, reads no clock and opens no socket by itself (`net` does).

pub mod compose;
pub mod imap;
pub mod message_token;
pub mod parse;
pub mod quote;
pub mod sanitize;
pub mod smtp;
