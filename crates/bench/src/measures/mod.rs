//! What is measured, one file each.
//!
//! - [`intake`]: a mail taken in, beside what its parts cost alone (P1).
//! - [`growth`]: the same with ever more mail stored (P2).
//! - [`latency`]: delivered → visible (P4).
//! - [`replies`]: an answer from the API to the mail server.
//! - [`push`]: owed work committed → its job has run.
//! - [`blobs`]: bytes as SQLite's rows and as files beside it.
//! - [`reading`]: the list with its counts, and what else a page reads, with a million messages (P5).
//! - [`memory`]: resident size and idle CPU with ever more mailboxes, with one long mail, and with a
//!   mailbox that nobody read for a year.

pub mod blobs;
pub mod growth;
pub mod intake;
pub mod latency;
pub mod memory;
pub mod push;
pub mod reading;
pub mod replies;

use crate::database::{Database, PostgresServer};
use crate::report::Section;
use crate::server::MailServer;
use anyhow::Result;
use std::path::Path;

/// How much of everything.
#[derive(Clone, Debug)]
pub struct Sizes {
    pub seed: u64,
    /// Mails that are taken in for P1, after a tenth of them to warm up.
    pub intake: u64,
    /// Mails that are taken in before the second sample is measured.
    pub growth: u64,
    /// How often all of them are copied before the third.
    pub copies: i64,
    pub growth_sample: u64,
    pub latency: u64,
    pub replies: u64,
    pub pushes: u64,
    /// Bytes of each length that are written as rows, and again as files.
    pub blob_bytes: usize,
    /// Mails that are taken in before they are copied, and how often they are; then how often each request is asked, and for how long.
    pub read_mails: u64,
    pub read_copies: i64,
    pub reads: u64,
    pub read_seconds: u64,
    pub mailboxes: Vec<u64>,
    pub idle_seconds: u64,
    pub huge_bytes: usize,
    /// Mails that wait in one mailbox, and how many of them are read while the memory is watched.
    pub backlog: u64,
    pub backlog_read: u64,
}

impl Sizes {
    pub fn full(seed: u64) -> Self {
        Self {
            seed,
            intake: 3_000,
            growth: 10_000,
            copies: 9,
            growth_sample: 1_000,
            latency: 250,
            replies: 600,
            pushes: 500,
            blob_bytes: 64 * 1024 * 1024,
            read_mails: 5_000,
            read_copies: 199,
            reads: 500,
            read_seconds: 10,
            mailboxes: vec![0, 1, 100, 1_000],
            idle_seconds: 15,
            huge_bytes: 150 * 1024 * 1024,
            backlog: 100_000,
            backlog_read: 100_000,
        }
    }

    /// Enough to see that it works.
    pub fn tiny(seed: u64) -> Self {
        Self {
            seed,
            intake: 20,
            growth: 30,
            copies: 2,
            growth_sample: 10,
            latency: 3,
            replies: 6,
            pushes: 3,
            blob_bytes: 64 * 1024,
            read_mails: 40,
            read_copies: 2,
            reads: 2,
            read_seconds: 1,
            mailboxes: vec![0, 2],
            idle_seconds: 1,
            huge_bytes: 3 * 1024 * 1024,
            backlog: 250,
            backlog_read: 120,
        }
    }
}

/// The servers that a run has to itself.
pub struct Servers {
    pub mail: MailServer,
    /// `None`: SQLite alone is measured.
    pub postgres: Option<PostgresServer>,
}

impl Servers {
    /// `program`: the bench, which is the mail server too.
    pub async fn start(program: &Path, databases: &[Database], seed: u64) -> Result<Self> {
        Ok(Self {
            mail: MailServer::start(program, seed).await?,
            postgres: if databases.contains(&Database::Postgres) { Some(PostgresServer::start().await?) } else { None },
        })
    }

    /// What each measure is done on: SQLite with jobs in memory, and PostgreSQL with Redis.
    fn pairings(&self, databases: &[Database]) -> Vec<(Database, Option<&PostgresServer>)> {
        let of = |database| match database {
            Database::Sqlite => (database, None),
            Database::Postgres => (database, self.postgres.as_ref()),
        };
        databases.iter().map(|database| of(*database)).collect()
    }
}

/// The names that one can ask for, in the order they run.
pub const NAMES: [&str; 8] = ["intake", "growth", "latency", "replies", "push", "blobs", "reading", "memory"];

/// Runs one of [`NAMES`].
pub async fn run(name: &str, servers: &Servers, databases: &[Database], sizes: &Sizes) -> Result<Vec<Section>> {
    Ok(match name {
        "intake" => intake::run(servers, databases, sizes).await?,
        "growth" => growth::run(servers, databases, sizes).await?,
        "latency" => latency::run(servers, databases, sizes).await?,
        "replies" => replies::run(servers, databases, sizes).await?,
        "push" => push::run(servers, databases, sizes).await?,
        "blobs" => blobs::run(servers, databases, sizes).await?,
        "reading" => reading::run(servers, databases, sizes).await?,
        "memory" => memory::run(servers, databases, sizes).await?,
        other => anyhow::bail!("there is no {other}: {}", NAMES.join(", ")),
    })
}
