//! The people outside, as agents list and keep them.
//!
//! Contacts belong to the account, not to an inbox: every member of the account sees them. What was said with them does belong to an inbox.
//!
//! - [`change`]: made and changed. [`merge`]: two become one. [`erase`]: deleted, with everything they said.
//! - [`details`]: notes, labels, inboxes, conversations and files of one.
//! - [`filter`]: rules that narrow the list. [`attributes`]: the fields that an account defines for itself.

pub mod attributes;
pub mod change;
pub mod details;
pub mod erase;
pub mod filter;
pub mod merge;

use crate::App;
use crate::accounts::Member;
use crate::conversations::ReadError;
use domain::ContactId;
use domain::contact::Contact;
use store::StoreError;
pub use store::{
    AttributeDefinition, AttributeModel, AttributeType, CONTACTS_PER_PAGE, ContactFilter, ContactInbox, ContactNote,
    ContactSortField, FilterOperator,
};

/// Why something about a contact was not done.
#[derive(Debug, thiserror::Error)]
pub enum ContactError {
    #[error("no such contact")]
    NotFound,
    #[error("only administrators do this")]
    Forbidden,
    /// A value of this field cannot be taken; the words are for whoever sent it.
    #[error("{field}: {words}")]
    Invalid { field: &'static str, words: &'static str },
    /// There are as many as there may be.
    #[error("as many as there may be")]
    Full,
    /// A merge of more than one transaction should move.
    #[error("too much to be merged at once")]
    TooMuch,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl ContactError {
    pub(crate) const fn invalid(field: &'static str, words: &'static str) -> Self {
        Self::Invalid { field, words }
    }
}

impl From<ReadError> for ContactError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::NotFound => Self::NotFound,
            ReadError::Store(error) => Self::Store(error),
        }
    }
}

/// One page, and how many there are in all.
pub async fn list(_app: &App, member: &Member, filter: &ContactFilter) -> Result<(Vec<Contact>, u64), ReadError> {
    Ok(member.scope.contacts(filter).await?)
}

pub async fn show(_app: &App, member: &Member, contact: ContactId) -> Result<Contact, ReadError> {
    member.scope.contact(contact).await?.ok_or(ReadError::NotFound)
}
