//! Named moments between two lines at which a test lets the process die, to show that nothing is lost or doubled there.
//!
//! Only debug builds know how; in a release build [`App::passes`] does nothing, whatever it is told.

use crate::App;

/// A moment at which what has happened and what is written down differ, or where nobody has been told yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KillPoint {
    /// Mail was fetched, and nothing is stored.
    Fetched,
    /// Raw mail and cursor are committed, and nothing is ingested.
    RawStored,
    /// Everything of a batch is written, and not committed.
    Ingesting,
    /// A reply is committed, and neither the queue nor the caller knows.
    ReplyCommitted,
    /// A worker took a job from the queue, and has not claimed its row.
    HandedOver,
    /// The row is claimed, and nothing is done.
    Claimed,
    /// `sending` is committed, and MAIL FROM was not said.
    Sending,
    /// The server took the mail, and nothing is written.
    Answered,
    /// New tokens came, and the old ones are stored.
    TokenAnswered,
    /// The code is redeemed, and nothing of it is stored.
    CodeRedeemed,
}

impl KillPoint {
    pub const ALL: [Self; 10] = [
        Self::Fetched,
        Self::RawStored,
        Self::Ingesting,
        Self::ReplyCommitted,
        Self::HandedOver,
        Self::Claimed,
        Self::Sending,
        Self::Answered,
        Self::TokenAnswered,
        Self::CodeRedeemed,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fetched => "fetched",
            Self::RawStored => "raw_stored",
            Self::Ingesting => "ingesting",
            Self::ReplyCommitted => "reply_committed",
            Self::HandedOver => "handed_over",
            Self::Claimed => "claimed",
            Self::Sending => "sending",
            Self::Answered => "answered",
            Self::TokenAnswered => "token_answered",
            Self::CodeRedeemed => "code_redeemed",
        }
    }

    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|point| point.as_str() == name)
    }
}

impl App {
    /// Marks the moment.
    pub(crate) fn passes(&self, point: KillPoint) {
        if cfg!(debug_assertions) && self.settings().kill_at == Some(point) {
            // Nothing is dropped, flushed or said.
            std::process::abort();
        }
    }
}
