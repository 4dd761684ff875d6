//! Owed work: rows written with their cause, handed to the queue by the relay, done when they say so.

use super::codes;
use crate::AccountScope;
use domain::{AccountId, OwedId};

codes! {
    OwedKind {
        DeliverMessage = "deliver_message",
        /// The row is the raw mail itself: its owed id is the raw mail's id.
        IngestRawEmail = "ingest_raw_email",
        ProveConnection = "prove_connection",
        ImportWindow = "import_window",
        ReconcileDelivery = "reconcile_delivery",
        DeliverWebhook = "deliver_webhook",
        SendSystemMail = "send_system_mail",
        EraseContact = "erase_contact",
        /// Of a delivery, into the Sent folder of a mailbox whose provider keeps none there.
        FileSentCopy = "file_sent_copy",
    }
}

/// What is handed over first within a round. The numbers are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum OwedPriority {
    /// A person waits for it in front of a screen: replies, sign-ins.
    Human = 0,
    /// New mail.
    Mail = 1,
    Normal = 2,
    /// Imports and other bulk.
    Bulk = 3,
}

impl OwedPriority {
    pub const ALL: [Self; 4] = [Self::Human, Self::Mail, Self::Normal, Self::Bulk];
}

/// Which line work waits in on its way. Each has its own room in the queue and its own places in a worker, so that no work of one lane,
/// however much or slow, holds up another's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Lane {
    /// A person waits for it in front of a screen.
    People,
    /// New mail that was left over, and what has no lane of its own.
    Mail,
    /// Imports and other bulk.
    Bulk,
}

impl Lane {
    /// The most urgent first.
    pub const ALL: [Self; 3] = [Self::People, Self::Mail, Self::Bulk];

    pub const fn of(priority: OwedPriority) -> Self {
        match priority {
            OwedPriority::Human => Self::People,
            OwedPriority::Mail | OwedPriority::Normal => Self::Mail,
            OwedPriority::Bulk => Self::Bulk,
        }
    }
}

/// A number for each lane: how many more jobs may wait, how many run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rooms {
    pub people: u32,
    pub mail: u32,
    pub bulk: u32,
}

impl Rooms {
    pub const fn of_each(number: u32) -> Self {
        Self { people: number, mail: number, bulk: number }
    }

    pub const fn of(&self, lane: Lane) -> u32 {
        match lane {
            Lane::People => self.people,
            Lane::Mail => self.mail,
            Lane::Bulk => self.bulk,
        }
    }

    pub const fn of_mut(&mut self, lane: Lane) -> &mut u32 {
        match lane {
            Lane::People => &mut self.people,
            Lane::Mail => &mut self.mail,
            Lane::Bulk => &mut self.bulk,
        }
    }
}

/// A row that is due and was handed to the caller for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DueWork {
    pub lane: Lane,
    pub account_id: AccountId,
    pub kind: OwedKind,
    pub owed_id: OwedId,
}

/// Work that is this worker's until the lease ends. The proof that opens the account.
#[derive(Clone, Debug)]
pub struct ClaimedWork {
    pub scope: AccountScope,
    pub kind: OwedKind,
    pub owed_id: OwedId,
    pub subject_id: i64,
    /// Counting this one.
    pub attempts: u32,
    /// How many claims before this one, one after the other, ended without a word.
    pub breakdowns: u32,
    /// JSON, as it stands in the row: whoever does the work knows what it should be.
    pub payload: String,
    pub(crate) token: String,
}

/// Owed rows as an operator sees them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwedCounts {
    pub waiting: u64,
    pub leased: u64,
    pub failed: u64,
    pub raw_waiting: u64,
    /// Texts in the queue that were no job.
    pub unreadable: u64,
}

/// A text that stood in the queue and is no job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnreadableJob {
    pub text: String,
    pub reason: String,
    /// Who took it.
    pub worker: String,
    pub seen_at: domain::Timestamp,
}

/// One row of owed work, for invariants and diagnosis.
#[derive(Clone, Debug, PartialEq)]
pub struct OwedRow {
    pub account_id: AccountId,
    pub owed_id: OwedId,
    /// As it stands there: perhaps a newer version's.
    pub kind: String,
    pub subject_id: i64,
    pub state: String,
    pub attempts: u32,
    pub due_at: domain::Timestamp,
    pub last_error: Option<String>,
}
