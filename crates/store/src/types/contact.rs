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
    /// Any of them.
    pub labels: Vec<String>,
    pub rules: Vec<ContactRule>,
    /// All of the words, in name, addresses, phone number or identifier.
    pub q: Option<String>,
    pub sort: ContactSortField,
    pub descending: bool,
    /// From 1.
    pub page: u32,
}

impl Default for ContactFilter {
    fn default() -> Self {
        Self {
            labels: Vec::new(),
            rules: Vec::new(),
            q: None,
            sort: ContactSortField::Name,
            descending: false,
            page: 1,
        }
    }
}

/// Notes, labels and definitions of attributes of one contact or account at most.
pub const MOST_NOTES: u32 = 1_000;
pub const MOST_CONTACT_LABELS: usize = 100;
pub const MOST_ATTRIBUTE_DEFINITIONS: u32 = 200;
/// Messages and conversations that move in one merge at most: it is one transaction.
pub const MOST_MERGED: u32 = 5_000;
/// Chatwoot's number of a contact's conversations.
pub const CONTACT_CONVERSATIONS: u32 = 20;

/// What is changed of a contact; `None` leaves it, `Some(None)` takes it away.
#[derive(Clone, Debug, Default)]
pub struct ContactChange {
    pub name: Option<String>,
    pub email: Option<Option<EmailAddress>>,
    pub phone_number: Option<Option<String>>,
    pub identifier: Option<Option<String>>,
    pub blocked: Option<bool>,
    /// Put over those that are there.
    pub additional_attributes: Option<serde_json::Value>,
    /// Put over those that are there.
    pub custom_attributes: Option<serde_json::Value>,
}

/// What belongs to one contact alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    Email,
    PhoneNumber,
    Identifier,
}

impl Taken {
    /// Which one a `Conflict` is about: both databases name the column, or the index that is named after it.
    pub fn of(conflict: &str) -> Self {
        match conflict {
            conflict if conflict.contains("phone_number") => Self::PhoneNumber,
            conflict if conflict.contains("identifier") => Self::Identifier,
            _ => Self::Email,
        }
    }
}

/// An inbox in which a contact is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ContactInbox {
    pub contact_id: domain::ContactId,
    pub inbox_id: domain::InboxId,
    pub source_id: String,
}

#[derive(Clone, Debug, PartialEq)]
pub struct ContactNote {
    pub id: i64,
    pub contact_id: domain::ContactId,
    pub content: String,
    pub author: domain::user::Agent,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Erased {
    pub conversations: u64,
    pub messages: u64,
    pub events: u64,
}

codes! {
    AttributeModel {
        Conversation = "conversation_attribute",
        Contact = "contact_attribute",
    }
}

codes! {
    AttributeType {
        Text = "text",
        Number = "number",
        Currency = "currency",
        Percent = "percent",
        Link = "link",
        Date = "date",
        List = "list",
        Checkbox = "checkbox",
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct AttributeDefinition {
    pub id: i64,
    pub model: AttributeModel,
    pub key: String,
    pub display_name: String,
    pub display_type: AttributeType,
    pub description: Option<String>,
    /// Of a list, what may be chosen.
    pub values: Vec<String>,
    pub regex_pattern: Option<String>,
    pub regex_cue: Option<String>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// A field of a contact that lists are narrowed by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ContactField {
    Name,
    Email,
    PhoneNumber,
    Identifier,
    Blocked,
    Labels,
    CreatedAt,
    LastActivityAt,
    /// Of `additional_attributes`.
    Additional(String),
    /// Of `custom_attributes`.
    Custom(String),
    /// A number that the account defined, however it was stored. What is no number is not there.
    CustomNumber(String),
}

codes! {
    FilterOperator {
        EqualTo = "equal_to",
        NotEqualTo = "not_equal_to",
        Contains = "contains",
        DoesNotContain = "does_not_contain",
        IsPresent = "is_present",
        IsNotPresent = "is_not_present",
        IsGreaterThan = "is_greater_than",
        IsLessThan = "is_less_than",
    }
}

/// One line of a filter, joined to the one before it.
#[derive(Clone, Debug)]
pub struct ContactRule {
    pub field: ContactField,
    pub operator: FilterOperator,
    /// As texts; moments in microseconds.
    pub values: Vec<String>,
    /// With the line before: both must hold, or one of them.
    pub or: bool,
}
