//! How a mailbox has been doing, and what people were told of it.

use super::codes;
use domain::channel::HealthState;
use domain::channel::notice::Standing;
use domain::{Actor, ChannelId, Failure, HealthNoticeId, InboxId, Timestamp};

codes! {
    /// Which half of a mailbox.
    HealthPart {
        Fetch = "fetch",
        Send = "send",
    }
}

/// A change of state or of its cause.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthChange {
    pub id: i64,
    pub part: HealthPart,
    pub state: HealthState,
    pub failure: Option<Failure>,
    pub at: Timestamp,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthNotice {
    pub standing: Standing,
    pub channel_id: ChannelId,
    pub inbox_id: InboxId,
    pub inbox_name: String,
    /// When it began to fail.
    pub since: Timestamp,
    /// The notice in whose name the mail goes that tells of it.
    pub told_with: Option<HealthNoticeId>,
    pub created_at: Timestamp,
}

#[derive(Clone, Debug)]
pub struct NewHealthNotice {
    pub channel_id: ChannelId,
    pub actor: Actor,
    pub parts: domain::channel::notice::Parts,
    pub failure: Failure,
    pub since: Timestamp,
}

/// What a mail says of mailboxes, as they stand when it is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailedHealth {
    /// Of the first of them.
    pub failure: Failure,
    pub parts: domain::channel::notice::Parts,
    pub since: Timestamp,
    pub inboxes: Vec<MailedInbox>,
    /// Beyond those that are named.
    pub more: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailedInbox {
    pub id: InboxId,
    pub name: String,
    pub address: String,
}
