//! Mail as received: the bytes, and what became of them. The row is its own owed work.

use super::codes;
use crate::{ChannelLease, ClaimedWork};
use bytes::Bytes;
use domain::{AccountId, BlobId, ChannelId, FolderId, InboxId, MessageId, RawEmailId, Timestamp};

codes! {
    RawEmailState {
        /// Stored, not yet a message.
        Waiting = "waiting",
        Ingested = "ingested",
        /// The same mail is a message already.
        Duplicate = "duplicate",
        /// Deliberately not a message; the reason says why.
        Dropped = "dropped",
        /// Could not be understood; waits for a person or a better version of us.
        Quarantined = "quarantined",
    }
}

codes! {
    RawEmailSource {
        Live = "live",
        Import = "import",
        /// Looked at again after the folder was given a new UIDVALIDITY.
        Resync = "resync",
    }
}

#[derive(Clone, Debug)]
pub struct NewRawEmail {
    pub uid: u32,
    pub internal_date: Option<Timestamp>,
    pub message_id: Option<String>,
    /// Clones share them: nothing copies a mail.
    pub bytes: Bytes,
    /// The mail is longer: this is its beginning.
    pub truncated: bool,
}

/// One FETCH's worth of mail and where the cursor stands after it.
#[derive(Clone, Debug)]
pub struct RawBatch {
    pub uidvalidity: u32,
    pub source: RawEmailSource,
    pub emails: Vec<NewRawEmail>,
    /// Announced and not delivered: kept in `pending_uids`.
    pub missing: Vec<MissingUid>,
    /// The new `last_uid`; never moves backwards. `None` leaves the cursor (import, pending UIDs).
    pub last_uid: Option<u32>,
    /// The new lower end of the import; `None` leaves it.
    pub import_reached_uid: Option<u32>,
}

/// A mail that was announced and not delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MissingUid {
    pub uid: u32,
    /// Its INTERNALDATE; where the server did not tell it, a moment before which it cannot have arrived.
    pub arrived_at: Timestamp,
    /// How often it was asked for already.
    pub attempts: u32,
}

/// Who may write a cursor or raw mail: checked in the same transaction.
#[derive(Clone, Copy, Debug)]
pub enum Fence<'a> {
    Lease(&'a ChannelLease),
    Work(&'a ClaimedWork),
}

/// A mail that was stored, in the order of the batch. Mails that were stored before are not listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredRawEmail {
    pub id: RawEmailId,
    pub uid: u32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawEmail {
    pub id: RawEmailId,
    pub account_id: AccountId,
    pub inbox_id: InboxId,
    pub channel_id: ChannelId,
    pub folder_id: FolderId,
    pub uidvalidity: u32,
    pub uid: u32,
    pub blob_id: BlobId,
    /// Of what is stored.
    pub size_bytes: u64,
    /// The mail is longer than what was fetched of it.
    pub truncated: bool,
    pub internal_date: Option<Timestamp>,
    pub message_id_header: Option<String>,
    pub fingerprint: Option<String>,
    pub source: RawEmailSource,
    pub state: RawEmailState,
    pub attempts: u32,
    pub reason: Option<String>,
    /// The message it became, or is a duplicate of.
    pub message_id: Option<MessageId>,
    pub received_at: Timestamp,
    /// When somebody who looked at it let it be.
    pub dismissed_at: Option<Timestamp>,
}

/// What became of a raw mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RawOutcome {
    Ingested(MessageId),
    Duplicate {
        of: Option<MessageId>,
        reason: String,
    },
    Dropped {
        reason: String,
    },
    Quarantined {
        reason: String,
    },
    /// Back to waiting, as a person asked.
    Waiting,
}

impl RawOutcome {
    /// State, message and reason of the row.
    pub(crate) fn columns(&self) -> (RawEmailState, Option<MessageId>, Option<String>) {
        match self {
            Self::Ingested(message) => (RawEmailState::Ingested, Some(*message), None),
            Self::Duplicate { of, reason } => (RawEmailState::Duplicate, *of, Some(reason.clone())),
            Self::Dropped { reason } => (RawEmailState::Dropped, None, Some(reason.clone())),
            Self::Quarantined { reason } => (RawEmailState::Quarantined, None, Some(reason.clone())),
            Self::Waiting => (RawEmailState::Waiting, None, None),
        }
    }
}

#[derive(Clone, Debug, Default)]
pub struct RawEmailFilter {
    pub inbox_id: Option<InboxId>,
    pub state: Option<RawEmailState>,
    /// From 1.
    pub page: u32,
}

/// A mail taken out of a batch so that it may be ingested; locked until the transaction ends.
pub type LockedRawEmail = RawEmail;
