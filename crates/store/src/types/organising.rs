//! Labels, teams, canned responses, saved views and drafts: what is written of them.

use domain::organising::FilterType;
use domain::{Timestamp, UserId};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug)]
pub struct NewLabel {
    pub title: String,
    pub description: Option<String>,
    pub color: String,
    pub show_on_sidebar: bool,
}

/// `None` leaves it.
#[derive(Clone, Debug, Default)]
pub struct LabelChange {
    pub title: Option<String>,
    pub description: Option<Option<String>>,
    pub color: Option<String>,
    pub show_on_sidebar: Option<bool>,
}

#[derive(Clone, Debug)]
pub struct NewTeam {
    pub name: String,
    pub description: Option<String>,
    pub allow_auto_assign: bool,
    pub icon: String,
    pub icon_color: String,
}

/// `None` leaves it.
#[derive(Clone, Debug, Default)]
pub struct TeamChange {
    pub name: Option<String>,
    pub description: Option<Option<String>>,
    pub allow_auto_assign: Option<bool>,
    pub icon: Option<String>,
    pub icon_color: Option<String>,
}

/// What happens to the members of a list of people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum People {
    /// These as well.
    Add,
    /// Exactly these.
    Replace,
    /// These not.
    Remove,
}

/// `None` leaves it.
#[derive(Clone, Debug, Default)]
pub struct CannedResponseChange {
    pub short_code: Option<String>,
    pub content: Option<String>,
}

#[derive(Clone, Debug)]
pub struct NewCustomFilter {
    pub user_id: UserId,
    pub name: String,
    pub filter_type: FilterType,
    pub query: serde_json::Value,
}

/// `None` leaves it.
#[derive(Clone, Debug, Default)]
pub struct CustomFilterChange {
    pub name: Option<String>,
    pub query: Option<serde_json::Value>,
}

/// What somebody has begun to write in a conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SavedDraft {
    pub message: String,
    pub private: bool,
    pub recipients: DraftRecipients,
    pub updated_at: Timestamp,
}

/// As they were typed: nobody has said yet that they are addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DraftRecipients {
    #[serde(default)]
    pub to: Vec<String>,
    #[serde(default)]
    pub cc: Vec<String>,
    #[serde(default)]
    pub bcc: Vec<String>,
}
