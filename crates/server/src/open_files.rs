//! How many files this process may have open, of which each mailbox that is watched takes one: a connection that stays.
//!
//! It raises what it may raise by itself, the soft limit, up to the hard one. That one is the system's to set, and never touched.

use crate::config::Config;
use rlimit::Resource;
use std::io;
use tracing::{info, warn};

/// For what is open beside mailboxes, jobs and the database: the API's clients, listeners, logs, Redis, pipes.
const BESIDE: u64 = 256;
/// What one job may have open at a time: a session in the mailbox, one that submits, one that asks for a token.
const OF_A_JOB: u64 = 3;

#[derive(Clone, Copy, Debug)]
pub struct OpenFiles {
    pub soft: u64,
    pub hard: u64,
}

impl OpenFiles {
    pub fn of_this_process() -> io::Result<Self> {
        let (soft, hard) = Resource::NOFILE.get()?;
        Ok(Self { soft, hard })
    }

    /// How many mailboxes a process may watch that has raised its limit.
    pub fn mailboxes(self, config: &Config) -> u64 {
        let jobs = u64::from(config.work.concurrency) + u64::from(config.work.bulk_concurrency);
        self.hard.saturating_sub(BESIDE + u64::from(config.database.connections) + jobs * OF_A_JOB)
    }

    pub fn are_enough(self, config: &Config) -> bool {
        usize::try_from(self.mailboxes(config)).unwrap_or(usize::MAX) >= config.work.max_mailboxes
    }
}

/// At the start of whatever serves or works, before anything is opened. Where it cannot be raised, it is said and gone on: few mailboxes
/// need few files.
pub fn raise(config: &Config) {
    let raised = OpenFiles::of_this_process().and_then(|found| {
        Resource::NOFILE.set(found.hard, found.hard)?;
        Ok(found)
    });
    match raised {
        Ok(found) => {
            info!(limit = found.hard, before = found.soft, "open files");
            if !found.are_enough(config) {
                warn!(
                    "{} open files are enough for about {} mailboxes, and WORKER_MAILBOXES is {}: raise the hard limit (LimitNOFILE=, ulimits)",
                    found.hard,
                    found.mailboxes(config),
                    config.work.max_mailboxes
                );
            }
        }
        Err(error) => warn!(%error, "the limit of open files cannot be raised"),
    }
}
