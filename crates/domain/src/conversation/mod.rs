//! A Conversation is a thread with one contact in one inbox.

pub mod mentions;
pub mod threading;

use crate::{AccountId, ContactId, ConversationId, DisplayId, InboxId, TeamId, Timestamp, UserId};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq)]
pub struct Conversation {
    pub id: ConversationId,
    pub account_id: AccountId,
    pub display_id: DisplayId,
    /// Random, and stable for ever; what signed Message-IDs carry.
    pub uuid: String,
    pub inbox_id: InboxId,
    pub contact_id: ContactId,
    pub status: ConversationStatus,
    pub priority: Option<Priority>,
    pub assignee_id: Option<UserId>,
    pub team_id: Option<TeamId>,
    pub subject: Option<String>,
    pub muted: bool,
    pub additional_attributes: serde_json::Value,
    pub custom_attributes: serde_json::Value,
    pub snoozed_until: Option<Timestamp>,
    /// Since when the customer has been waiting for a human answer.
    pub waiting_since: Option<Timestamp>,
    pub first_reply_at: Option<Timestamp>,
    pub last_activity_at: Timestamp,
    pub agent_last_seen_at: Option<Timestamp>,
    pub assignee_last_seen_at: Option<Timestamp>,
    pub contact_last_seen_at: Option<Timestamp>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConversationStatus {
    Open,
    Resolved,
    Pending,
    Snoozed,
}

impl ConversationStatus {
    const ALL: [Self; 4] = [Self::Open, Self::Resolved, Self::Pending, Self::Snoozed];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Resolved => "resolved",
            Self::Pending => "pending",
            Self::Snoozed => "snoozed",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.as_str() == text)
    }

    /// What `toggle_status` without a status means: open becomes resolved, everything else becomes open.
    #[must_use]
    pub const fn toggled(self) -> Self {
        match self {
            Self::Open => Self::Resolved,
            Self::Resolved | Self::Pending | Self::Snoozed => Self::Open,
        }
    }

    /// The status after a person outside wrote: resolved and snoozed conversations reopen.
    #[must_use]
    pub const fn after_incoming(self) -> Self {
        match self {
            Self::Resolved | Self::Snoozed => Self::Open,
            Self::Open | Self::Pending => self,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    Low,
    Medium,
    High,
    Urgent,
}

impl Priority {
    const ALL: [Self; 4] = [Self::Low, Self::Medium, Self::High, Self::Urgent];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Urgent => "urgent",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|p| p.as_str() == text)
    }
}
