//! A User is a person who signs in. Users are global; their role and availability belong to an account.

use crate::account::{Availability, Role};
use crate::{AccountId, Timestamp, UserId};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    pub id: UserId,
    pub email: String,
    pub name: String,
    /// What customers and colleagues see, when it differs from `name`.
    pub display_name: Option<String>,
    pub message_signature: Option<String>,
    pub created_at: Timestamp,
}

impl User {
    pub fn available_name(&self) -> &str {
        self.display_name.as_deref().filter(|n| !n.is_empty()).unwrap_or(&self.name)
    }
}

/// A user's place in one account; Chatwoot calls them agents whatever their role.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agent {
    pub account_id: AccountId,
    pub user: User,
    pub role: Role,
    pub availability: Availability,
    pub auto_offline: bool,
    /// Has a password, and so can sign in.
    pub confirmed: bool,
}

/// One account a user belongs to, as their profile lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Membership {
    pub account: crate::account::Account,
    pub role: Role,
    pub availability: Availability,
    pub auto_offline: bool,
    pub active_at: Option<Timestamp>,
}
