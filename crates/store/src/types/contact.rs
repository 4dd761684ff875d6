//! Contacts and how they are listed.

use super::codes;
use domain::{EmailAddress, Timestamp};

/// Chatwoot's page.
pub const CONTACTS_PER_PAGE: u32 = 15;

#[derive(Clone, Debug)]
pub struct NewContact {
    pub name: String,
    pub email: Option<EmailAddress>,
    pub phone_number: Option<String>,
    pub identifier: Option<String>,
    pub additional_attributes: serde_json::Value,
    pub custom_attributes: serde_json::Value,
    pub last_activity_at: Option<Timestamp>,
}

impl NewContact {
    pub fn with_address(name: impl Into<String>, email: EmailAddress) -> Self {
        Self {
            name: name.into(),
            email: Some(email),
            phone_number: None,
            identifier: None,
            additional_attributes: serde_json::json!({}),
            custom_attributes: serde_json::json!({}),
            last_activity_at: None,
        }
    }
}

codes! {
    ContactSortField {
        Name = "name",
        Email = "email",
        PhoneNumber = "phone_number",
        LastActivityAt = "last_activity_at",
        CreatedAt = "created_at",
    }
}

#[derive(Clone, Debug)]
pub struct ContactFilter {
    /// Words in name, address, phone number or identifier.
    pub q: Option<String>,
    pub sort: ContactSortField,
    pub descending: bool,
    /// From 1.
    pub page: u32,
}

impl Default for ContactFilter {
    fn default() -> Self {
        Self { q: None, sort: ContactSortField::Name, descending: false, page: 1 }
    }
}
