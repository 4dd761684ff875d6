//! Sending through Microsoft Graph, where authenticated SMTP is switched off.
//!
//! A mail becomes a draft, its large files are added, and the draft is sent: so there is an id before anything leaves, and whoever lost the
//! answer asks what became of the draft. One draft leaves once at most, however often it is sent. Every request asks for immutable ids: the
//! others change when the draft becomes a sent mail (Microsoft Learn, "Get immutable identifiers for Outlook resources"). Never decides to try
//! again; that is the caller's question.

mod answers;
mod client;
mod mime;
mod send;

pub use client::{Client, GraphLogin};
use domain::EmailAddress;
pub use mime::Addressed;

/// The id of a message, good for as long as it stays in its mailbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DraftId(pub String);

/// What became of a draft.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It was not sent, or is not yet.
    Draft,
    Sent {
        /// The Message-ID it has in Sent, without brackets.
        message_id: Option<String>,
    },
    /// Nobody knows of it any more: somebody deleted it, or moved it out of the mailbox.
    Gone,
}

/// A mail to be sent: its bytes as composed, and what Graph does not read from them.
#[derive(Clone, Copy, Debug)]
pub struct Outgoing<'a> {
    pub bytes: &'a [u8],
    pub from: &'a EmailAddress,
    pub to: &'a Addressed,
}
