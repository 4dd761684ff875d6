//! What every use case is given: the store, the clock, randomness, the way out, and the settings.
//!
//! Nothing here is ambient: a test hands in its own clock, entropy and servers. The [`Wake`] port is the only way this crate speaks to
//! the machinery that runs it, and what it says is a hint: losing one costs a second, never a mail.

use domain::{AccountId, ChannelId};
use std::time::Duration;
use url::Url;

/// Where this installation runs. Production refuses what development forgives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Environment {
    Development,
    Production,
}

/// What the use cases must know of the configuration; read and validated by the server, once.
#[derive(Clone, Debug)]
pub struct Settings {
    pub environment: Environment,
    /// Where people reach us: links we make start with it.
    pub frontend_url: Url,
    /// How often a mailbox without IDLE is looked into, and the net below one with it.
    pub poll_interval: Duration,
    /// How far into the past the first import goes.
    pub import_days: u32,
    /// Mail above this is parsed from a prefix, and says so.
    pub full_parse_limit_bytes: usize,
    /// How long the callback waits for the mailbox's proof before it shows a page that follows it.
    pub callback_wait: Duration,
    /// How long a sign-in at Microsoft may take.
    pub connection_lifetime: Duration,
    /// How long a mailbox may take to be proved (a first Exchange login can take 90 seconds, and a bad moment passes).
    pub proof_lifetime: Duration,
    /// The largest body of a reply with its attachments.
    pub max_upload_bytes: usize,
}

impl Settings {
    pub fn new(environment: Environment, frontend_url: Url) -> Self {
        Self {
            environment,
            frontend_url,
            poll_interval: Duration::from_secs(60),
            import_days: 7,
            full_parse_limit_bytes: 32 * 1024 * 1024,
            callback_wait: Duration::from_secs(10),
            connection_lifetime: Duration::from_secs(15 * 60),
            proof_lifetime: Duration::from_secs(15 * 60),
            max_upload_bytes: 40 * 1024 * 1024,
        }
    }

    /// An address of ours; `path` starts with a slash. A FRONTEND_URL with a path keeps it.
    pub fn link(&self, path: &str) -> String {
        format!("{}{path}", self.frontend_url.as_str().trim_end_matches('/'))
    }
}

/// Tells whoever runs us that there is something to do now. Never relied upon.
pub trait Wake: Send + Sync + std::fmt::Debug {
    fn wake(&self, hint: Hint);
}

/// What there is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Hint {
    /// Work is owed and due.
    Owed,
    /// This mailbox should be looked after: connected, asked to try again, or removed.
    Channel(ChannelId),
    /// Something happened in this account: event streams look.
    Account(AccountId),
}
