//! Named moments between two lines at which a test lets the process die or stand still, to show that nothing is lost or doubled there.
//!
//! Only debug builds know how; in a release build [`Store::passes`] does nothing, whatever it is told. They live here because some of the
//! moments are the store's own, and every use case has a store.

use crate::Store;
use crate::connect::Inner;
use std::sync::atomic::{AtomicBool, Ordering};

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
    /// Who of the recipients was refused is committed, and DATA was not said.
    RefusalsWritten,
    /// The id of a draft is committed, and it was not sent. Microsoft Graph.
    DraftKept,
    /// The server took the mail, and nothing is written.
    Answered,
    /// New tokens came, and the old ones are stored.
    TokenAnswered,
    /// That a grant is refused is committed, and its channels do not say so.
    GrantRefused,
    /// The state of a sign-in is used, and its code is not redeemed.
    StateConsumed,
    /// The code is redeemed, and nothing of it is stored.
    CodeRedeemed,
    /// The UIDs of a folder that was numbered anew are noted as pending, and the cursor is the old one.
    UidsNoted,
    /// A migration is written, others are to come, and nothing is committed.
    Migrating,
    /// Files that hold blobs are written, and no row names them. SQLite.
    FilesWritten,
    /// Files that nothing refers to are removed, and the rows that named them are not. SQLite.
    FilesRemoved,
}

impl KillPoint {
    pub const ALL: [Self; 18] = [
        Self::Fetched,
        Self::RawStored,
        Self::Ingesting,
        Self::ReplyCommitted,
        Self::HandedOver,
        Self::Claimed,
        Self::Sending,
        Self::RefusalsWritten,
        Self::DraftKept,
        Self::Answered,
        Self::TokenAnswered,
        Self::GrantRefused,
        Self::StateConsumed,
        Self::CodeRedeemed,
        Self::UidsNoted,
        Self::Migrating,
        Self::FilesWritten,
        Self::FilesRemoved,
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
            Self::RefusalsWritten => "refusals_written",
            Self::DraftKept => "draft_kept",
            Self::Answered => "answered",
            Self::TokenAnswered => "token_answered",
            Self::GrantRefused => "grant_refused",
            Self::StateConsumed => "state_consumed",
            Self::CodeRedeemed => "code_redeemed",
            Self::UidsNoted => "uids_noted",
            Self::Migrating => "migrating",
            Self::FilesWritten => "files_written",
            Self::FilesRemoved => "files_removed",
        }
    }
}

/// What happens there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// Nothing is dropped, flushed or said.
    Dies,
    /// Every thread stands still until somebody sends SIGCONT. The first time only: who goes on is not stopped again.
    Stops,
}

/// Which moment ends this process, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KillAt {
    point: KillPoint,
    end: End,
}

impl KillAt {
    /// `sending` or `sending:stop`.
    pub fn parse(text: &str) -> Option<Self> {
        let (name, end) = match text.split_once(':') {
            None => (text, End::Dies),
            Some((name, "stop")) => (name, End::Stops),
            Some(_) => return None,
        };
        let point = KillPoint::ALL.into_iter().find(|point| point.as_str() == name)?;
        Some(Self { point, end })
    }
}

/// Watches for the moment.
#[derive(Debug)]
pub(crate) struct Watch {
    at: Option<KillAt>,
    stopped: AtomicBool,
}

impl Watch {
    pub(crate) const fn of(at: Option<KillAt>) -> Self {
        Self { at, stopped: AtomicBool::new(false) }
    }
}

impl Inner {
    pub(crate) fn passes(&self, point: KillPoint) {
        if !cfg!(debug_assertions) {
            return;
        }
        match self.kill.at.filter(|at| at.point == point).map(|at| at.end) {
            Some(End::Dies) => std::process::abort(),
            Some(End::Stops) if !self.kill.stopped.swap(true, Ordering::SeqCst) => {
                // The signal is there before the command has ended, so this line is not left before SIGCONT.
                let _ = std::process::Command::new("kill").args(["-STOP", &std::process::id().to_string()]).status();
            }
            Some(End::Stops) | None => {}
        }
    }
}

impl Store {
    /// Marks the moment.
    pub fn passes(&self, point: KillPoint) {
        self.inner.passes(point);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_point_is_known_by_its_name_and_may_stop_or_kill() {
        for point in KillPoint::ALL {
            let name = point.as_str();
            assert_eq!(KillAt::parse(name), Some(KillAt { point, end: End::Dies }));
            assert_eq!(KillAt::parse(&format!("{name}:stop")), Some(KillAt { point, end: End::Stops }));
        }
        for wrong in ["", "nowhere", "sending:", "sending:later", ":stop"] {
            assert_eq!(KillAt::parse(wrong), None, "{wrong}");
        }
    }
}
