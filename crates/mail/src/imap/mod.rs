//! One session with one IMAP server.

use domain::{Failure, Secret, Timestamp};
use net::{Connector, Endpoint};
use std::time::Duration;

#[derive(Clone, Debug)]
pub struct ImapLogin {
    pub endpoint: Endpoint,
    pub user: String,
    pub token: Secret,
}

/// Bounds of a session.
#[derive(Clone, Debug)]
pub struct Limits {
    /// The longest command line the server takes ([`domain::channel::Capabilities::imap_command_bytes`]).
    pub command_bytes: usize,
    /// A command that sends no byte for this long is given up.
    pub command_timeout: Duration,
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
            command_timeout: Duration::from_secs(90),
            batch_bytes: 8 * 1024 * 1024,
            whole_below_bytes: 2 * 1024 * 1024,
            max_mail_bytes: 160 * 1024 * 1024,
        }
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
    pub bytes: Vec<u8>,
    /// Longer than [`Limits::max_mail_bytes`]: this is its beginning.
    pub truncated: bool,
}

/// UIDs that are fetched by one round of commands; made by [`Session::plan`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    pub uids: Vec<u32>,
    pub claimed_bytes: u64,
    /// One long mail, fetched in parts.
    pub in_parts: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdleEnd {
    Changed,
    TimedOut,
    Stopped,
}

#[derive(Debug)]
pub struct Session {}

impl Session {
    pub async fn open(connector: &Connector, login: &ImapLogin) -> Result<Self, Failure> {
        Self::open_with(connector, login, Limits::default()).await
    }
    pub async fn open_with(connector: &Connector, login: &ImapLogin, limits: Limits) -> Result<Self, Failure> {
        let _ = (connector, login, limits);
        todo!()
    }
    /// The server offers IDLE.
    pub fn can_idle(&self) -> bool {
        todo!()
    }
    /// Opens a folder read-only, so that nothing in it can be changed.
    pub async fn examine(&mut self, folder: &str) -> Result<FolderStatus, Failure> {
        let _ = folder;
        todo!()
    }
    pub async fn list(&mut self) -> Result<Vec<ListedFolder>, Failure> {
        todo!()
    }
    /// The Sent folder: by RFC 6154 where the server says, else by its name in the languages we know.
    pub async fn sent_folder(&mut self) -> Result<Option<ListedFolder>, Failure> {
        todo!()
    }
    /// UIDs above `last`, ascending.
    pub async fn uids_after(&mut self, last: u32) -> Result<Vec<u32>, Failure> {
        let _ = last;
        todo!()
    }
    /// UIDs of mails that arrived on or after the day of `since` (UTC; servers compare days without a zone), ascending.
    pub async fn uids_since(&mut self, since: Timestamp) -> Result<Vec<u32>, Failure> {
        let _ = since;
        todo!()
    }
    /// RFC822.SIZE of each; an estimate on Exchange.
    pub async fn sizes(&mut self, uids: &[u32]) -> Result<Vec<(u32, u64)>, Failure> {
        let _ = uids;
        todo!()
    }
    /// Splits `uids` into batches that can be fetched and stored one after the other, in the order given.
    pub async fn plan(&mut self, uids: &[u32]) -> Result<Vec<Batch>, Failure> {
        let _ = uids;
        todo!()
    }
    /// UIDs that the server does not answer for are absent from the result.
    pub async fn fetch_batch(&mut self, batch: &Batch) -> Result<Vec<FetchedEmail>, Failure> {
        let _ = batch;
        todo!()
    }
    /// [`Session::plan`] and [`Session::fetch_batch`] of everything: for few mails.
    pub async fn fetch(&mut self, uids: &[u32]) -> Result<Vec<FetchedEmail>, Failure> {
        let _ = uids;
        todo!()
    }
    /// UIDs of mails with this Message-ID (without angle brackets).
    pub async fn search_message_id(&mut self, id: &str) -> Result<Vec<u32>, Failure> {
        let _ = id;
        todo!()
    }
    /// Waits until the folder changes, `max` has passed or `stop` is ready.
    pub async fn idle(&mut self, max: Duration, stop: impl Future<Output = ()> + Send) -> Result<IdleEnd, Failure> {
        let _ = (max, stop);
        todo!()
    }
    /// Whether the folder changed since the last command.
    pub async fn noop(&mut self) -> Result<bool, Failure> {
        todo!()
    }
    pub async fn append(&mut self, folder: &str, mail: &[u8]) -> Result<(), Failure> {
        let _ = (folder, mail);
        todo!()
    }
    pub async fn logout(self) {
        todo!()
    }
}
