//! What a store needs to be told.

use crate::{KeyRing, KillAt};
use domain::{Clock, Entropy};
use std::path::PathBuf;
use std::sync::Arc;

#[derive(Clone, Debug)]
pub struct StoreConfig {
    /// `sqlite://path` (relative or absolute) or `postgres://…`.
    pub url: String,
    /// Where blobs and the serving lock live beside SQLite.
    pub data_dir: PathBuf,
    pub keys: KeyRing,
    /// Connections of the PostgreSQL pool, or readers of SQLite.
    pub max_connections: u32,
    /// Stamps `created_at` and `updated_at`; leases follow the database's own clock.
    pub clock: Arc<dyn Clock>,
    pub entropy: Arc<dyn Entropy>,
    /// Where a test lets this process end. A release build never looks.
    pub kill_at: Option<KillAt>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    Sqlite,
    Postgres,
}

impl Backend {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgres",
        }
    }
}

/// How the database's schema stands to this version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SchemaState {
    /// No migration was ever run.
    Empty,
    Current,
    /// Older than this version needs.
    TooOld {
        found: u32,
        wanted: u32,
    },
    /// Newer, and within what this version can work with (expand, then contract).
    NewerCompatible {
        found: u32,
    },
    TooNew {
        found: u32,
        known: u32,
    },
}
