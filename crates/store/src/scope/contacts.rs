//! Contacts.
use crate::*;
use domain::contact::Contact;
use domain::*;
impl AccountScope {
    /// One page, and how many there are in all.
    pub async fn contacts(&self, _filter: &ContactFilter) -> Result<(Vec<Contact>, u64)> {
        todo!()
    }
    pub async fn contact(&self, _contact: ContactId) -> Result<Option<Contact>> {
        todo!()
    }
}
