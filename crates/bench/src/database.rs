//! The databases that are measured: SQLite in a file, and a PostgreSQL server of the bench's own.
//!
//! The server keeps its durable defaults, fsync and all, unlike the one that the tests share: what it costs is measured.

use crate::machine;
use anyhow::{Context, Result};
use sqlx::{Connection as _, Executor as _, PgConnection};
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tempfile::TempDir;
use testkit::process::{Process, free_port, run};

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

pub struct PostgresServer {
    process: Process,
    port: u16,
    databases: AtomicU32,
    _dir: TempDir,
}

impl PostgresServer {
    pub async fn start() -> Result<Self> {
        // Unix sockets have short names: not below a long TMPDIR.
        let dir = tempfile::Builder::new().prefix("pb").tempdir_in("/tmp")?;
        run(Command::new("chmod").arg("755").arg(dir.path()))?;
        let (data, sockets) = (dir.path().join("data"), dir.path().join("run"));
        std::fs::create_dir(&sockets)?;
        std::fs::create_dir(&data)?;
        if is_root()? {
            run(Command::new("chown").args(["-R", "postgres"]).arg(&data).arg(&sockets))?;
        }
        let tools = tools()?;
        run(as_postgres(&tools.join("initdb"))?
            .args(["-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "-D"])
            .arg(&data))?;
        let port = free_port()?;
        let mut command = as_postgres(&tools.join("postgres"))?;
        command.arg("-D").arg(&data).args(["-h", "127.0.0.1", "-p", &port.to_string(), "-k"]).arg(&sockets);
        command.args(["-c", "shared_buffers=128MB"]);
        let mut process = Process::start("postgres", &mut command, &dir.path().join("log"))?;
        let ready = |port: u16| {
            let arguments = ["-q", "-h", "127.0.0.1", "-p", &port.to_string()];
            Command::new(tools.join("pg_isready")).args(arguments).status().is_ok_and(|status| status.success())
        };
        process.wait_until(|| ready(port))?;
        Ok(Self { process, port, databases: AtomicU32::new(0), _dir: dir })
    }

    /// Another database; its URL.
    pub async fn create(&self) -> Result<String> {
        let name = format!("bench_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        let server = format!("postgres://postgres@127.0.0.1:{}", self.port);
        let mut admin = PgConnection::connect(&format!("{server}/postgres")).await?;
        admin.execute(sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"))).await?;
        admin.close().await?;
        Ok(format!("{server}/{name}"))
    }

    /// CPU time of all its processes so far.
    pub fn cpu(&self) -> Result<Duration> {
        machine::cpu_of_tree(self.process.id())
    }
}

fn is_root() -> Result<bool> {
    Ok(run(Command::new("id").arg("-u"))?.trim() == "0")
}

/// PostgreSQL does not run as root.
fn as_postgres(program: &std::path::Path) -> Result<Command> {
    if !is_root()? {
        return Ok(Command::new(program));
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]).arg(program);
    Ok(command)
}

/// Debian keeps them out of the path.
fn tools() -> Result<PathBuf> {
    let debian = PathBuf::from("/usr/lib/postgresql");
    let versions = std::fs::read_dir(&debian).into_iter().flatten().flatten();
    let found = versions.map(|version| version.path().join("bin")).filter(|bin| bin.join("initdb").exists()).max();
    found.or_else(|| on_path("initdb")).context("PostgreSQL is not installed: run ./scripts/install")
}

fn on_path(program: &str) -> Option<PathBuf> {
    let found = run(Command::new("sh").args(["-c", &format!("command -v {program}")])).ok()?;
    Some(PathBuf::from(found.trim()).canonicalize().ok()?.parent()?.to_owned())
}
