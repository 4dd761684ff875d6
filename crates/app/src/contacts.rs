//! The people outside, as agents list them.
//!
//! Contacts belong to the account, not to an inbox: every member of the account sees them.

use crate::App;
use crate::accounts::Member;
use crate::conversations::ReadError;
use domain::ContactId;
use domain::contact::Contact;
pub use store::{ContactFilter, ContactSortField};

/// One page, and how many there are in all.
pub async fn list(_app: &App, member: &Member, filter: &ContactFilter) -> Result<(Vec<Contact>, u64), ReadError> {
    Ok(member.scope.contacts(filter).await?)
}

pub async fn show(_app: &App, member: &Member, contact: ContactId) -> Result<Contact, ReadError> {
    member.scope.contact(contact).await?.ok_or(ReadError::NotFound)
}
