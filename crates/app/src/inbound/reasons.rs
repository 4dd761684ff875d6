//! Why a mail is not a message, or not yet: what its row says to whoever looks for it.
//!
//! A stable code and words that a person understands. What a database or a library said is for the log: it may name tables, paths or
//! contents of mail.

use store::StoreError;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    // Not a message, and rightly so.
    SameMail,
    OwnCopy,
    BeforeImport,
    ConversationDeleted,
    // Not yet a message, or in the quarantine.
    Unreadable,
    BytesLost,
    NotStorable,
    StoreAway,
}

impl Reason {
    pub const fn code(self) -> &'static str {
        match self {
            Self::SameMail => "same_mail",
            Self::OwnCopy => "own_copy",
            Self::BeforeImport => "before_import",
            Self::ConversationDeleted => "conversation_deleted",
            Self::Unreadable => "unreadable",
            Self::BytesLost => "bytes_lost",
            Self::NotStorable => "not_storable",
            Self::StoreAway => "store_away",
        }
    }

    pub const fn words(self) -> &'static str {
        match self {
            Self::SameMail => "The same mail is a message already: its Message-ID and its fingerprint agree.",
            Self::OwnCopy => "It is a copy of a message that left from here.",
            Self::ConversationDeleted => "Its conversation was deleted, and stays deleted.",
            Self::BeforeImport => "It is older than anything that was imported from this mailbox.",
            Self::Unreadable => {
                "The mail could not be read. It is kept as it came and can be tried again after an update."
            }
            Self::BytesLost => {
                "The mail's bytes are missing from the storage. Look for them in a backup, or in the mailbox."
            }
            Self::NotStorable => {
                "The mail was read but could not be stored as a message. The operator finds the cause in the log."
            }
            Self::StoreAway => "The database was not available. It is tried again.",
        }
    }
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.code(), self.words())
    }
}

impl From<&StoreError> for Reason {
    fn from(error: &StoreError) -> Self {
        if error.is_transient() { Self::StoreAway } else { Self::NotStorable }
    }
}

/// Why a stored mail could not be made ready to become a message.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotReady {
    /// What reads mail broke down over it.
    #[error("the mail could not be read")]
    Unreadable,
    #[error("the mail's bytes are lost: {0}")]
    BytesLost(StoreError),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl NotReady {
    /// The mail is not to blame: it is tried again without counting against it.
    pub const fn is_transient(&self) -> bool {
        match self {
            Self::Unreadable => false,
            Self::BytesLost(error) | Self::Store(error) => error.is_transient(),
        }
    }

    pub fn reason(&self) -> Reason {
        match self {
            Self::Unreadable => Reason::Unreadable,
            Self::BytesLost(error) if error.is_transient() => Reason::StoreAway,
            Self::BytesLost(_) => Reason::BytesLost,
            Self::Store(error) => Reason::from(error),
        }
    }
}
