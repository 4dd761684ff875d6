//! The right to send through a mailbox: who has it, who waits for it, and how fast it went so far.

use domain::{ChannelId, DeliveryId, OwedId};
use std::time::Duration;

/// The right to submit mail as a sender, until the lease ends. One for all mailboxes whose mail the provider counts together.
#[derive(Clone, Debug)]
pub struct SendLease {
    /// The first of the sender's channels, which stands for all of them.
    pub line: ChannelId,
    /// The sender sends for other mailboxes too.
    pub is_shared: bool,
    /// No other process keeps a session open for the sender's next mail.
    pub may_keep_session: bool,
    pub(crate) token: String,
}

/// Who asks for the right to send, and what the mailbox may do.
#[derive(Clone, Copy, Debug)]
pub struct Turn {
    pub owed: OwedId,
    pub delivery: DeliveryId,
    /// To how many it would be sent now.
    pub recipients: u32,
    /// Through this mailbox.
    pub messages_per_minute: u32,
    pub recipients_per_day: u32,
    /// Through all mailboxes of the same sender.
    pub sender_messages_per_minute: u32,
    pub sender_recipients_per_day: u32,
}

/// Why nobody, or not this one, may send through a mailbox now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NoTurn {
    /// Somebody sends at this moment.
    pub busy: bool,
    /// The mailbox is left alone for that long.
    pub paused: Option<Duration>,
    /// What was handed over through this mailbox.
    pub own: Spending,
    /// What was handed over through all mailboxes of the same sender.
    pub sender: Spending,
    /// How many leave before this one, as it looks now; some hundreds at most are counted.
    pub ahead: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spending {
    /// Within the last minute, the oldest first.
    pub minute: Vec<Spent>,
    /// Within the last 24 hours, the oldest first.
    pub day: Vec<Spent>,
}

/// What was handed over together, and when it ceases to count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spent {
    pub messages: u64,
    pub recipients: u64,
    pub counts_for: Duration,
}

/// A sending that was counted.
#[derive(Clone, Debug)]
pub struct Submission {
    pub(crate) channel_id: ChannelId,
    pub(crate) recipients: u32,
    /// (span, slot)
    pub(crate) slots: Vec<(i64, i64)>,
}
