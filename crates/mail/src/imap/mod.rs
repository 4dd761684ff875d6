//! One session with one IMAP server.
//!
//! Every command is checked to its end: a tagged NO or BAD, a BYE, a connection closed in the middle and a line that is not understood are
//! all a [`Failure`], never a short success. Every command is under a timeout and a limit of bytes. Folders are opened with EXAMINE and
//! read with PEEK, so nothing in the mailbox changes. After a failure other than a refused command the session is used up
//! ([`Session::is_usable`]): open another one.

pub mod answers;
mod commands;
mod connect;
mod fetch;
mod folders;
mod gauge;
mod idle;
mod session;
mod tap;
mod walk;

use bytes::Bytes;
pub use connect::reach;
use domain::{Secret, Timestamp};
use net::Endpoint;
pub use session::Session;
use std::collections::HashMap;
use std::time::Duration;
pub use walk::UidWalk;

#[derive(Clone, Debug)]
pub struct ImapLogin {
    pub endpoint: Endpoint,
    pub user: String,
    pub token: Secret,
}

/// Bounds of a session. They end one that is stuck and are patient; whoever holds memory for what comes, while others wait for it, asks for more
/// ([`Session::received`]).
#[derive(Clone, Debug)]
pub struct Limits {
    /// The longest command line the server takes ([`domain::channel::Capabilities::imap_command_bytes`]).
    pub command_bytes: usize,
    /// A command during which the server says nothing for this long is given up.
    pub silence: Duration,
    /// A command that is not answered after this long is given up, whatever the server says meanwhile; what it brings is allowed for on top
    /// ([`Limits::slowest_bytes_per_second`]).
    pub command_timeout: Duration,
    /// For so many bytes of its answer a command gets one more second. A mail of 150 MB over a line this slow comes to its end, after two
    /// hours and a half; over a slower one it has [`Limits::command_timeout`] for the difference (and usually comes in parts, each a command
    /// of its own). The bytes of an answer are limited, so every command ends: one that fetches a whole mail within four hours.
    pub slowest_bytes_per_second: u64,
    /// What one [`Batch`] may bring, by the sizes the server claims.
    pub batch_bytes: u64,
    /// A mail longer than this is fetched alone and in parts.
    pub whole_below_bytes: u64,
    /// A mail is read up to here and no further.
    pub max_mail_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            command_bytes: 10_240,
            // Exchange may take more than a minute over the first command of a mailbox that is being moved.
            silence: Duration::from_secs(90),
            command_timeout: Duration::from_secs(30 * 60),
            // 128 kbit/s; a batch of usual mails, or a part of a long one, comes in time over a much slower line.
            slowest_bytes_per_second: 16 * 1024,
            batch_bytes: 8 * 1024 * 1024,
            whole_below_bytes: 2 * 1024 * 1024,
            max_mail_bytes: 160 * 1024 * 1024,
        }
    }
}

/// What any mail may be longer than announced, and what whoever makes room for it has to allow for each.
pub const EACH_MAIL_BYTES: u64 = 16 * 1024;
/// What a mail is taken for whose length the server does not tell.
pub const UNTOLD_BYTES: u64 = 32 * 1024;

impl Batch {
    /// Mails whose length the server does not tell.
    pub fn untold(uids: Vec<u32>) -> Self {
        let claimed_bytes = UNTOLD_BYTES * uids.len() as u64;
        Self { uids, claimed_bytes, ..Self::default() }
    }

    /// How many bytes of mail it may bring: twice what is announced, since Exchange estimates, and [`EACH_MAIL_BYTES`] for each.
    pub fn most_bytes(&self, limits: &Limits) -> u64 {
        let longest = limits.max_mail_bytes as u64;
        if self.at_any_length {
            return longest.saturating_mul(self.uids.len() as u64);
        }
        let tolerated = self.claimed_bytes.saturating_mul(2).saturating_add(EACH_MAIL_BYTES * self.uids.len() as u64);
        if self.in_parts { tolerated.min(longest) } else { tolerated }
    }
}

impl Limits {
    /// How long so many bytes may take.
    fn time_for(&self, bytes: u64) -> Duration {
        Duration::from_millis(bytes.saturating_mul(1000) / self.slowest_bytes_per_second.max(1))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FolderStatus {
    pub uidvalidity: u32,
    pub uidnext: Option<u32>,
    pub exists: u32,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedFolder {
    /// As the server writes it: what EXAMINE and APPEND take.
    pub name: String,
    /// As a person reads it (modified UTF-7 decoded).
    pub display_name: String,
    pub delimiter: Option<String>,
    pub selectable: bool,
    /// RFC 6154, such as `\Sent`, where the server says so.
    pub special_use: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchedEmail {
    pub uid: u32,
    pub internal_date: Option<Timestamp>,
    /// The bytes as they were received: clones share them.
    pub bytes: Bytes,
    /// Longer than [`Limits::max_mail_bytes`]: this is its beginning.
    pub truncated: bool,
}

/// The header of a mail, up to and with its empty line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchedHeader {
    pub uid: u32,
    pub bytes: Vec<u8>,
}

/// UIDs that are fetched by one round of commands; made by [`Session::plan`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    pub uids: Vec<u32>,
    pub claimed_bytes: u64,
    /// One long mail, fetched in parts.
    pub in_parts: bool,
    /// However long the mail turns out to be, up to [`Limits::max_mail_bytes`], it is taken. Otherwise one that is longer than announced by more
    /// than Exchange's estimates are off is a failure ([`Session::overran`]), so that nobody needs more memory than they had foreseen.
    pub at_any_length: bool,
    /// INTERNALDATE of those whose the server told.
    pub arrived_at: HashMap<u32, Timestamp>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdleEnd {
    Changed,
    TimedOut,
    Stopped,
}
