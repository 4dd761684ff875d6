//! An Inbox is where conversations land; behind each stands one Email channel.

use crate::channel::EmailChannel;
use crate::{AccountId, InboxId, Timestamp};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq)]
pub struct Inbox {
    pub id: InboxId,
    pub account_id: AccountId,
    pub name: String,
    pub settings: InboxSettings,
    pub channel: EmailChannel,
    pub created_at: Timestamp,
}

/// What an administrator may change on an inbox; Chatwoot's names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct InboxSettings {
    pub greeting_enabled: bool,
    pub greeting_message: Option<String>,
    pub enable_auto_assignment: bool,
    pub working_hours_enabled: bool,
    pub out_of_office_message: Option<String>,
    pub timezone: String,
    pub allow_messages_after_resolved: bool,
    pub lock_to_single_conversation: bool,
    pub sender_name_type: SenderNameType,
    pub business_name: Option<String>,
}

impl Default for InboxSettings {
    fn default() -> Self {
        Self {
            greeting_enabled: false,
            greeting_message: None,
            enable_auto_assignment: false,
            working_hours_enabled: false,
            out_of_office_message: None,
            timezone: "UTC".to_owned(),
            allow_messages_after_resolved: true,
            lock_to_single_conversation: false,
            sender_name_type: SenderNameType::Friendly,
            business_name: None,
        }
    }
}

/// How the From header names us: "Ada from Contoso" or "Contoso".
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SenderNameType {
    Friendly,
    Professional,
}

impl SenderNameType {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Friendly => "friendly",
            Self::Professional => "professional",
        }
    }
}

impl Inbox {
    /// The display name in From. Characters that break an RFC 5322 display name in some mail programs are dropped.
    pub fn sender_name(&self, agent: Option<&str>) -> String {
        let business = self.settings.business_name.as_deref().filter(|n| !n.trim().is_empty()).unwrap_or(&self.name);
        let business = plain_name(business);
        match (self.settings.sender_name_type, agent.map(plain_name)) {
            (SenderNameType::Friendly, Some(agent)) if !agent.is_empty() => format!("{agent} from {business}"),
            (SenderNameType::Friendly | SenderNameType::Professional, _) => business,
        }
    }
}

fn plain_name(name: &str) -> String {
    name.chars()
        .filter(|c| !c.is_control() && !r#"\<>@"!#$%&*+=?^`{|}~:;()"#.contains(*c))
        .collect::<String>()
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
}
