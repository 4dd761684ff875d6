//! A PostgreSQL server of the test's own: it can be restarted, filled up, copied into a standby and promoted without harm to other tests.
//!
//! Commits are on the way to disk when they are answered, unlike on the server that all tests share, so that an immediate shutdown loses none.

use crate::process::{Process, Signal, free_port, run};
use anyhow::{Context, Result};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;

/// Who owns the database of a world: no superuser, so that limits and rights apply.
const OWNER: &str = "postroom";
const STOPS_WITHIN: Duration = Duration::from_secs(30);

pub struct PostgresServer {
    dir: TempDir,
    pub port: u16,
    settings: Vec<String>,
    process: Option<Process>,
    starts: u32,
}

/// How a server is shut down (pg_ctl's words).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shutdown {
    /// Sessions are ended, everything is written.
    Fast,
    /// As if it had crashed: the next start recovers.
    Immediate,
}

impl PostgresServer {
    /// `settings` such as `max_connections=20`. With an empty database `postroom` that [`OWNER`] owns.
    pub async fn start(settings: &[String]) -> Result<Self> {
        let mut server = Self::prepare(settings)?;
        let data = server.data();
        let mut make = as_postgres("initdb")?;
        run(make.arg("-D").arg(&data).args(["-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "-N"]))?;
        server.start_again().await?;
        server.say(&format!("CREATE ROLE {OWNER} LOGIN")).await?;
        server.say(&format!("CREATE DATABASE {OWNER} OWNER {OWNER}")).await?;
        Ok(server)
    }

    fn prepare(settings: &[String]) -> Result<Self> {
        let dir = tempfile::Builder::new().prefix("postroom-pg").tempdir()?;
        std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755))?;
        let home = dir.path().join("server");
        std::fs::create_dir(&home)?;
        give_to_postgres(&home)?;
        Ok(Self { dir, port: free_port()?, settings: settings.to_vec(), process: None, starts: 0 })
    }

    fn home(&self) -> PathBuf {
        self.dir.path().join("server")
    }

    fn data(&self) -> PathBuf {
        self.home().join("data")
    }

    /// As the owner of the database `postroom`.
    pub fn url(&self) -> String {
        format!("postgres://{OWNER}@127.0.0.1:{}/{OWNER}", self.port)
    }

    /// As superuser.
    pub fn admin_url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }

    pub async fn say(&self, statement: &str) -> Result<()> {
        let mut admin = PgConnection::connect(&self.admin_url()).await?;
        admin.execute(AssertSqlSafe(statement.to_owned())).await.with_context(|| statement.to_owned())?;
        admin.close().await?;
        Ok(())
    }

    /// Its first process; `None` while it is stopped.
    pub fn process_id(&self) -> Option<u32> {
        self.process.as_ref().map(Process::id)
    }

    pub fn log(&self) -> String {
        self.process.as_ref().map(Process::log).unwrap_or_default()
    }

    pub fn stop(&mut self, shutdown: Shutdown) -> Result<()> {
        let Some(mut process) = self.process.take() else { return Ok(()) };
        process.signal(match shutdown {
            Shutdown::Fast => Signal::Interrupt,
            Shutdown::Immediate => Signal::Quit,
        });
        process.wait_for_end(STOPS_WITHIN)?;
        Ok(())
    }

    /// On the same port, with what it held.
    pub async fn start_again(&mut self) -> Result<()> {
        self.starts += 1;
        let mut command = as_postgres("postgres")?;
        command.arg("-D").arg(self.data()).arg("-k").arg(self.home());
        command.args(["-h", "127.0.0.1", "-p", &self.port.to_string()]);
        // A killed process loses nothing that the kernel has, so nothing needs to reach the disk itself.
        for setting in ["fsync=off", "shared_buffers=32MB", "log_min_messages=warning"] {
            command.args(["-c", setting]);
        }
        for setting in &self.settings {
            command.args(["-c", setting]);
        }
        let log = self.dir.path().join(format!("server-{}.log", self.starts));
        let mut process = Process::start("postgres", &mut command, &log)?;
        let url = self.admin_url();
        let ready = tokio::time::timeout(Duration::from_secs(60), async {
            while PgConnection::connect(&url).await.is_err() && process.is_running() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
        let in_time = ready.await;
        anyhow::ensure!(in_time.is_ok() && process.is_running(), "PostgreSQL did not start:\n{}", process.log());
        self.process = Some(process);
        Ok(())
    }

    /// A copy that follows this server and takes no writes, on a port of its own.
    pub async fn hot_standby(&self) -> Result<Self> {
        let mut standby = Self::prepare(&self.settings)?;
        let mut copy = as_postgres("pg_basebackup")?;
        copy.args(["-h", "127.0.0.1", "-p", &self.port.to_string(), "-U", "postgres", "-R", "-X", "stream"]);
        run(copy.args(["--checkpoint=fast", "-D"]).arg(standby.data()))?;
        standby.start_again().await?;
        Ok(standby)
    }

    /// A standby becomes a server of its own.
    pub async fn promote(&self) -> Result<()> {
        self.say("SELECT pg_promote()").await
    }

    /// Sessions of the owner that do what `condition` says (of pg_stat_activity).
    pub async fn sessions(&self, condition: &str) -> Result<i64> {
        let mut admin = PgConnection::connect(&self.admin_url()).await?;
        let text = format!("SELECT COUNT(*) FROM pg_stat_activity WHERE usename = '{OWNER}' AND {condition}");
        Ok(sqlx::query_scalar(AssertSqlSafe(text)).fetch_one(&mut admin).await?)
    }
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        // SIGTERM, which a process is ended with, would wait for its sessions.
        let _ = self.stop(Shutdown::Immediate);
    }
}

/// A program of PostgreSQL, which does not run as root.
fn as_postgres(program: &str) -> Result<Command> {
    let places =
        std::fs::read_dir("/usr/lib/postgresql").context("PostgreSQL is not installed: run ./scripts/install")?;
    let mut found: Vec<PathBuf> = places.flatten().map(|v| v.path().join("bin").join(program)).collect();
    found.retain(|path| path.exists());
    found.sort();
    let path = found.pop().with_context(|| format!("there is no {program}: run ./scripts/install"))?;
    if !is_root()? {
        return Ok(Command::new(path));
    }
    let mut command = Command::new("setpriv");
    command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups"]).arg(path);
    Ok(command)
}

/// So that the server can keep its files there.
pub fn give_to_postgres(path: &Path) -> Result<()> {
    if is_root()? {
        run(Command::new("chown").arg("postgres").arg(path))?;
    }
    Ok(())
}

fn is_root() -> Result<bool> {
    Ok(run(Command::new("id").arg("-u"))?.trim() == "0")
}
