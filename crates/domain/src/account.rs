//! An Account is a tenant: everything a tenant owns carries its id.

use crate::{AccountId, Timestamp};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    pub id: AccountId,
    pub name: String,
    pub locale: String,
    pub status: AccountStatus,
    pub created_at: Timestamp,
}

/// A suspended account neither fetches nor sends; its data stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccountStatus {
    Active,
    Suspended,
}

impl AccountStatus {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Suspended => "suspended",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [Self::Active, Self::Suspended].into_iter().find(|s| s.as_str() == text)
    }
}

/// What a user may do in one account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Sees the conversations of the inboxes they are a member of.
    Agent,
    /// Sees everything in the account and manages its inboxes and people.
    Administrator,
}

impl Role {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Administrator => "administrator",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [Self::Agent, Self::Administrator].into_iter().find(|r| r.as_str() == text)
    }

    pub const fn may_manage_inboxes(self) -> bool {
        matches!(self, Self::Administrator)
    }

    pub const fn may_manage_people(self) -> bool {
        matches!(self, Self::Administrator)
    }
}

/// How available an agent says they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Availability {
    Online,
    Offline,
    Busy,
}

impl Availability {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Online => "online",
            Self::Offline => "offline",
            Self::Busy => "busy",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        [Self::Online, Self::Offline, Self::Busy].into_iter().find(|a| a.as_str() == text)
    }
}
