//! Mails that are no messages, with the reason. Our addition.

use poem_openapi::{Enum, Object};

/// What became of a mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
pub enum RawEmailState {
    /// It is tried, or tried again.
    Waiting,
    Ingested,
    /// The same mail is a message already.
    Duplicate,
    /// Left out on purpose.
    Dropped,
    /// It could not be understood.
    Quarantined,
}

/// What may be listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
pub enum LeftOutState {
    Quarantined,
    Dropped,
    Waiting,
}

#[derive(Clone, Debug, Object)]
pub struct QuarantinedEmail {
    pub id: i64,
    pub inbox_id: i64,
    pub state: RawEmailState,
    /// A stable word for why it is no message, such as `unreadable` or `conversation_deleted`.
    #[oai(nullable)]
    pub code: Option<String>,
    /// The same in words for people.
    #[oai(nullable)]
    pub reason: Option<String>,
    /// The message that it has become, or is the same mail as.
    #[oai(nullable)]
    pub message_id: Option<i64>,
    /// When it was taken from the mailbox.
    pub received_at: i64,
    /// When it came into the mailbox.
    #[oai(nullable)]
    pub internal_date: Option<i64>,
    pub size_bytes: i64,
    /// The mail is longer: this is its beginning.
    pub truncated: bool,
    pub attempts: i64,
    #[oai(nullable)]
    pub message_id_header: Option<String>,
    #[oai(nullable)]
    pub dismissed_at: Option<i64>,
}

#[derive(Clone, Debug, Object)]
pub struct QuarantineMeta {
    pub count: i64,
    pub current_page: i64,
}

#[derive(Clone, Debug, Object)]
pub struct QuarantineList {
    pub meta: QuarantineMeta,
    pub payload: Vec<QuarantinedEmail>,
}

/// What the mail says about itself: a stranger's word, as plain text.
#[derive(Clone, Debug, Object)]
pub struct QuarantinedContent {
    pub from: Vec<String>,
    pub to: Vec<String>,
    #[oai(nullable)]
    pub subject: Option<String>,
    #[oai(nullable)]
    pub date: Option<i64>,
    /// The beginning of its text.
    #[oai(nullable)]
    pub excerpt: Option<String>,
}

#[derive(Clone, Debug, Object)]
pub struct QuarantinedEmailShown {
    pub email: QuarantinedEmail,
    /// Null where nothing of it can be read.
    #[oai(nullable)]
    pub content: Option<QuarantinedContent>,
}
