//! A Contact is a person outside, known by one or more e-mail addresses.

use crate::{AccountId, ContactId, Timestamp};

#[derive(Clone, Debug, PartialEq)]
pub struct Contact {
    pub id: ContactId,
    pub account_id: AccountId,
    pub name: String,
    /// The primary address, as written. Further ones live in `contact_addresses`, so that a merge survives the next mail.
    pub email: Option<String>,
    pub phone_number: Option<String>,
    pub identifier: Option<String>,
    /// A blocked contact's mail is kept but stays quiet: its conversations are created resolved.
    pub blocked: bool,
    pub additional_attributes: serde_json::Value,
    pub custom_attributes: serde_json::Value,
    pub last_activity_at: Option<Timestamp>,
    pub created_at: Timestamp,
}
