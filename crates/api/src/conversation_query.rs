//! The words a client may filter and sort conversations with, Chatwoot's older names among them.

use app::conversations::{AssigneeFilter, ConversationKind, ConversationSort};
use domain::conversation::ConversationStatus;
use poem_openapi::Enum;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
pub enum StatusWord {
    Open,
    Resolved,
    Pending,
    Snoozed,
    All,
}

impl StatusWord {
    /// `None`: every status.
    pub const fn status(self) -> Option<ConversationStatus> {
        match self {
            Self::Open => Some(ConversationStatus::Open),
            Self::Resolved => Some(ConversationStatus::Resolved),
            Self::Pending => Some(ConversationStatus::Pending),
            Self::Snoozed => Some(ConversationStatus::Snoozed),
            Self::All => None,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
pub enum TypeWord {
    /// A note speaks to the caller.
    Mention,
    /// The caller takes part.
    Participating,
    /// Nobody has answered yet, or the customer waits again.
    Unattended,
}

impl From<TypeWord> for ConversationKind {
    fn from(word: TypeWord) -> Self {
        match word {
            TypeWord::Mention => Self::Mention,
            TypeWord::Participating => Self::Participating,
            TypeWord::Unattended => Self::Unattended,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
pub enum AssigneeWord {
    Me,
    Unassigned,
    Assigned,
    All,
}

impl From<AssigneeWord> for AssigneeFilter {
    fn from(word: AssigneeWord) -> Self {
        match word {
            AssigneeWord::Me => Self::Me,
            AssigneeWord::Unassigned => Self::Unassigned,
            AssigneeWord::Assigned => Self::Assigned,
            AssigneeWord::All => Self::All,
        }
    }
}

/// `latest` and `sort_on_…` are the mobile app's older names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
pub enum SortWord {
    LastActivityAtDesc,
    LastActivityAtAsc,
    CreatedAtDesc,
    CreatedAtAsc,
    PriorityDesc,
    PriorityAsc,
    PriorityDescCreatedAtAsc,
    WaitingSinceDesc,
    WaitingSinceAsc,
    Unread,
    Latest,
    SortOnCreatedAt,
    SortOnPriority,
    SortOnWaitingSince,
}

impl From<SortWord> for ConversationSort {
    fn from(word: SortWord) -> Self {
        match word {
            SortWord::LastActivityAtDesc | SortWord::Latest => Self::LastActivityDesc,
            SortWord::LastActivityAtAsc => Self::LastActivityAsc,
            SortWord::CreatedAtDesc => Self::CreatedDesc,
            SortWord::CreatedAtAsc | SortWord::SortOnCreatedAt => Self::CreatedAsc,
            SortWord::PriorityDesc | SortWord::SortOnPriority => Self::PriorityDesc,
            SortWord::PriorityAsc => Self::PriorityAsc,
            SortWord::PriorityDescCreatedAtAsc => Self::PriorityDescCreatedAsc,
            SortWord::WaitingSinceDesc => Self::WaitingSinceDesc,
            SortWord::WaitingSinceAsc | SortWord::SortOnWaitingSince => Self::WaitingSinceAsc,
            SortWord::Unread => Self::Unread,
        }
    }
}
