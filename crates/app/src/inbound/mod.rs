//! A mail ENTERS and BECOMES a message in a conversation.
//!
//! - [`mailbox`]: opens the mailbox: token, session, folder, cursor.
//! - [`pull`]: announced UIDs → stored raw mail and a moved cursor, in one transaction.
//! - `fetching`: a batch, within the memory that all mailboxes share.
//! - [`import`]: the past, apart from new mail, resumable.
//! - [`ingest`]: stored raw mail → contact → conversation → message, in one transaction.
//! - [`filing`]: a batch of mail, inside the transaction; `filed`: what it has become so far.
//! - [`bounce`]: a report marks the delivery it is about.
//! - [`reading`]: what a mail says, in the words of our rows. Pure.
//! - [`reasons`]: why a mail is not a message, in words for people.
//! - [`quarantine`]: mails that are no messages, for whoever looks why.
//! - [`give_up`]: work that always breaks down.
//! - [`placing`]: which conversation it belongs to, and whether it is the same mail as one we have.

mod bounce;
mod fetching;
mod filed;
pub mod filing;
pub(crate) mod give_up;
pub mod import;
pub mod ingest;
pub mod mailbox;
mod placing;
pub mod pull;
pub mod quarantine;
pub mod reading;
pub mod reasons;

use domain::{Failure, FailureClass};
pub use mailbox::OpenMailbox;
use store::StoreError;

/// Why a mailbox could not be opened, or asked something.
#[derive(Debug, thiserror::Error)]
pub enum MailboxError {
    /// The server, the network or the sign-in: [`Failure::class`] says what to do and for whom.
    #[error("{0}")]
    Failure(Failure),
    /// Another worker holds the mailbox now; whoever reads this stops.
    #[error("the mailbox's lease is lost")]
    LeaseLost,
    /// The database: nothing about the mailbox.
    #[error(transparent)]
    Store(StoreError),
}

impl MailboxError {
    /// What to show and to reason about; `None` when it says nothing about the mailbox.
    pub fn failure(&self) -> Option<&Failure> {
        match self {
            Self::Failure(failure) => Some(failure),
            Self::LeaseLost | Self::Store(_) => None,
        }
    }

    /// What went wrong at the mailbox; `Err`: what went wrong here.
    pub(crate) fn into_failure(self) -> Result<Failure, StoreError> {
        match self {
            Self::Failure(failure) => Ok(failure),
            Self::LeaseLost => Err(StoreError::LeaseLost),
            Self::Store(error) => Err(error),
        }
    }
}

/// Why its mail could not be fetched on.
#[derive(Debug, thiserror::Error)]
pub enum PullError {
    #[error(transparent)]
    Mailbox(MailboxError),
    /// The server does not send what it was asked for while memory is held for it. Nothing is wrong with the mailbox: whoever reads this signs in
    /// anew, and the mailbox waits where it holds up nobody.
    #[error("the mail server sends too slowly to hold memory that other mailboxes wait for")]
    TooSlow,
    /// The session ended while it stood idle, because its mailbox waited for memory that others had. Nothing is wrong with the mailbox or its
    /// mails: whoever reads this signs in anew.
    #[error("the session ended while its mailbox waited for memory")]
    StoodIdle,
}

impl PullError {
    /// As [`MailboxError::failure`].
    pub fn failure(&self) -> Option<&Failure> {
        match self {
            Self::Mailbox(error) => error.failure(),
            Self::TooSlow | Self::StoodIdle => None,
        }
    }
}

impl<E: Into<MailboxError>> From<E> for PullError {
    fn from(error: E) -> Self {
        Self::Mailbox(error.into())
    }
}

impl From<Failure> for MailboxError {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

impl From<FailureClass> for MailboxError {
    fn from(class: FailureClass) -> Self {
        Self::Failure(class.into())
    }
}

impl From<StoreError> for MailboxError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::LeaseLost => Self::LeaseLost,
            other => Self::Store(other),
        }
    }
}
