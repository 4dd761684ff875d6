//! The databases that are measured: SQLite in a file, and a PostgreSQL server of the bench's own.
//!
//! The server keeps its durable defaults, fsync and all, unlike the one that the tests share: what it costs is measured.

use crate::machine;
use anyhow::{Context, Result};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use testkit::postgres_server;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Database {
    Sqlite,
    Postgres,
}

impl Database {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sqlite => "SQLite",
            Self::Postgres => "PostgreSQL",
        }
    }
}

/// With its durable defaults.
const SETTINGS: [&str; 2] = ["fsync=on", "shared_buffers=128MB"];

pub struct PostgresServer {
    server: postgres_server::PostgresServer,
    databases: AtomicU32,
}

impl PostgresServer {
    pub async fn start() -> Result<Self> {
        let server = postgres_server::PostgresServer::start(&SETTINGS.map(str::to_owned)).await?;
        Ok(Self { server, databases: AtomicU32::new(0) })
    }

    /// Another database; its URL.
    pub async fn create(&self) -> Result<String> {
        let name = format!("bench_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.server.say(&format!("CREATE DATABASE {name}")).await?;
        Ok(format!("postgres://postgres@127.0.0.1:{}/{name}", self.server.port))
    }

    /// CPU time of all its processes so far.
    pub fn cpu(&self) -> Result<Duration> {
        machine::cpu_of_tree(self.server.process_id().context("it runs")?)
    }
}
