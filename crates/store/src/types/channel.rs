//! Leases on channels, watched folders and their cursors.

use super::codes;
use crate::{AccountScope, RawEmailSource};
use domain::channel::{Provider, Service};
use domain::{ChannelId, EmailAddress, FolderId, GrantId, InboxId, WorkerSessionId};

/// Proof that a worker session fetches this channel, as long as the epoch holds.
#[derive(Clone, Debug)]
pub struct ChannelLease {
    pub scope: AccountScope,
    pub channel_id: ChannelId,
    pub inbox_id: InboxId,
    pub epoch: i64,
    pub session: WorkerSessionId,
}

/// The names under which a channel that exists is signed in again: the person's may have changed meanwhile.
#[derive(Clone, Debug)]
pub struct SignedInAgain {
    pub grant_id: GrantId,
    pub service: Service,
    pub principal: String,
    pub mailbox_address: EmailAddress,
    pub from_address: EmailAddress,
    pub smtp_user: String,
}

/// A mailbox among those that are read with the same permission.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadBefore {
    pub grant: GrantId,
    pub provider: Provider,
    /// How many of them are read that were connected before it.
    pub earlier: u64,
}

/// A channel that a worker session holds and may fetch, as its row says.
#[derive(Clone, Debug)]
pub struct HeldChannel {
    pub lease: ChannelLease,
    /// A person asked to try again, and nobody has tried since.
    pub asked_again: bool,
}

codes! {
    FolderRole {
        Inbox = "inbox",
        Sent = "sent",
    }
}

/// A watched folder and how far it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folder {
    pub id: FolderId,
    pub channel_id: ChannelId,
    pub name: String,
    pub role: FolderRole,
    /// `None` until the folder was opened once.
    pub uidvalidity: Option<u32>,
    /// Every UID up to here is stored, or waits in `pending_uids`.
    pub last_uid: u32,
    pub import: FolderImport,
}

/// The import of the past goes downwards from where new mail begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FolderImport {
    /// The UIDVALIDITY it counts in; another one means: begin again.
    pub uidvalidity: Option<u32>,
    /// UIDs from here on are new mail; set when the folder is first opened.
    pub before_uid: Option<u32>,
    /// UIDs from here to `before_uid` are imported.
    pub reached_uid: Option<u32>,
}

/// A UID that was announced and not delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PendingUid {
    pub uid: u32,
    pub attempts: u32,
    /// Who met it: what it becomes depends on whether it is new.
    pub source: RawEmailSource,
}
