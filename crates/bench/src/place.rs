//! Where something is measured: a database of its own, mailboxes in it, and the program as it is built, reading them.
//!
//! The program is a process of its own, so that its CPU and memory are its alone. Mailboxes are put in past the sign-in, which is not what
//! is measured here.

use crate::database::{Database, PostgresServer};
use crate::machine;
use crate::rows::Connection;
use crate::server::MailServer;
use anyhow::{Context, Result, bail};
use app::system::{SystemClock, SystemEntropy};
use app::{App, AppParts, Environment, Settings, Wake};
use domain::Secret;
use domain::inbox::Inbox;
use net::{Connector, ConnectorConfig, Endpoint, TlsMode};
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};
use store::{KeyRing, Store, StoreConfig};
use tempfile::TempDir;
use testkit::client::ApiClient;
use testkit::installation::{SignedUp, put_mailbox, sign_up};
use testkit::process::{Process, Signal, free_port};
use testkit::redis::Redis;

const KEYS: &str = "k1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
/// How long anything may take to become true before the bench gives up.
const WITHIN: Duration = Duration::from_secs(300);

pub struct Place<'s> {
    pub dir: TempDir,
    pub url: String,
    pub database: Database,
    pub app: App,
    pub signed_up: SignedUp,
    pub api: ApiClient,
    pub mail: &'s MailServer,
    port: u16,
    postgres: Option<&'s PostgresServer>,
    /// Its own: Redis carries the jobs of one installation.
    redis: Option<Redis>,
}

#[derive(Debug)]
struct NobodyListens;

impl Wake for NobodyListens {
    fn wake(&self, _hint: app::Hint) {}
}

impl<'s> Place<'s> {
    /// `postgres`: a server to put the database on, with a Redis for the jobs; SQLite and jobs in memory without one.
    pub async fn new(mail: &'s MailServer, postgres: Option<&'s PostgresServer>) -> Result<Self> {
        let (dir, database, url) = somewhere(postgres).await?;
        let app = open_app(&dir, &url, mail, Arc::new(NobodyListens)).await?;
        app.store().migrate().await?;
        let signed_up = sign_up(&app).await?;
        let port = free_port()?;
        let api = ApiClient::new(format!("http://127.0.0.1:{port}"), Some(signed_up.token.expose()));
        let redis = postgres.map(|_| Redis::start()).transpose()?;
        Ok(Self { dir, url, database, app, signed_up, api, mail, port, postgres, redis })
    }

    /// Another process's worth of the use cases, within this one.
    pub async fn app_with(&self, wake: Arc<dyn Wake>) -> Result<App> {
        open_app(&self.dir, &self.url, self.mail, wake).await
    }

    /// Puts mailboxes in; answers their inboxes.
    pub async fn mailboxes(&self, addresses: impl Iterator<Item = String>) -> Result<Vec<Inbox>> {
        let mut tx = self.signed_up.scope.begin().await?;
        let mut inboxes = Vec::new();
        for address in addresses {
            inboxes.push(put_mailbox(&mut tx, &address, &address, "a token that is believed".to_owned()).await?);
        }
        tx.commit().await?;
        Ok(inboxes)
    }

    pub fn redis_url(&self) -> Option<String> {
        self.redis.as_ref().map(Redis::url)
    }

    /// A connection past everything.
    pub async fn connection(&self) -> Result<Connection> {
        Connection::open(&self.url).await
    }

    /// Starts `postroom run` and waits until it answers and `idling` mailboxes wait for news.
    pub async fn start(&self, environment: &[(&str, &str)], idling: u64) -> Result<Program<'_>> {
        let before = self.mail.idling().await?;
        let mut command = Command::new(program()?);
        command.arg("run").current_dir(self.dir.path()).env_clear().envs([
            ("POSTROOM_ENV", "development".to_owned()),
            ("LOG_FORMAT", "json".to_owned()),
            ("LISTEN_ADDR", format!("127.0.0.1:{}", self.port)),
            ("FRONTEND_URL", format!("http://127.0.0.1:{}", self.port)),
            ("DATABASE_URL", self.url.clone()),
            ("POSTROOM_DATA_DIR", self.dir.path().display().to_string()),
            ("POSTROOM_SECRET_KEY", KEYS.to_owned()),
            ("MICROSOFT_IMAP", format!("127.0.0.1:{}", self.mail.imaps_port)),
            ("MICROSOFT_SMTP", format!("127.0.0.1:{}", self.mail.smtp_port)),
            ("EXTRA_CA_FILE", self.mail.ca.display().to_string()),
            // The import of the past is another matter than new mail, and would run beside it.
            ("IMPORT_DAYS", "0".to_owned()),
            // What is measured is the work, not the limit.
            ("RACK_ATTACK_LIMIT", "1000000".to_owned()),
        ]);
        command.envs(self.redis_url().map(|url| ("REDIS_URL", url)));
        command.envs(environment.iter().copied());
        let process = Process::start("postroom", &mut command, &self.dir.path().join("postroom.log"))?;
        let mut program = Program { process, place: self };
        program
            .eventually("the program answers and its mailboxes wait", async || {
                let ready = self.api.call("GET", "/health/ready", None).await.is_ok_and(|answer| answer.status == 200);
                Ok(ready && self.mail.idling().await? >= before + idling)
            })
            .await?;
        Ok(program)
    }

    /// CPU time of the database's server so far; nothing for SQLite, which runs in whoever uses it.
    pub fn database_cpu(&self) -> Result<Duration> {
        self.postgres.map_or(Ok(Duration::ZERO), PostgresServer::cpu)
    }

    pub fn path(&self, rest: &str) -> String {
        format!("/api/v1/accounts/{}{rest}", self.signed_up.scope.account_id().0)
    }
}

/// Where a database is going to be, and its URL.
async fn somewhere(postgres: Option<&PostgresServer>) -> Result<(TempDir, Database, String)> {
    let dir = tempfile::Builder::new().prefix("postroom-bench").tempdir()?;
    Ok(match postgres {
        Some(server) => (dir, Database::Postgres, server.create().await?),
        None => {
            let url = format!("sqlite://{}", dir.path().join("postroom.db").display());
            (dir, Database::Sqlite, url)
        }
    })
}

/// A database with the schema and nothing in it.
pub async fn blank(mail: &MailServer, postgres: Option<&PostgresServer>) -> Result<(TempDir, Connection)> {
    let (dir, _, url) = somewhere(postgres).await?;
    let app = open_app(&dir, &url, mail, Arc::new(NobodyListens)).await?;
    app.store().migrate().await?;
    app.store().close().await;
    Ok((dir, Connection::open(&url).await?))
}

/// The program, running.
pub struct Program<'p> {
    process: Process,
    place: &'p Place<'p>,
}

/// CPU time that something took: of the program, or of whoever stands for it, and of the database's server.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cpu {
    pub program: Duration,
    pub database: Duration,
}

impl Cpu {
    pub fn total(self) -> Duration {
        self.program + self.database
    }

    #[must_use]
    pub fn since(self, before: Self) -> Self {
        Self {
            program: self.program.saturating_sub(before.program),
            database: self.database.saturating_sub(before.database),
        }
    }

    #[must_use]
    pub fn each(self, count: u64) -> Self {
        let count = u32::try_from(count.max(1)).unwrap_or(u32::MAX);
        Self { program: self.program / count, database: self.database / count }
    }
}

impl Program<'_> {
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    pub fn cpu(&self) -> Result<Cpu> {
        Ok(Cpu { program: machine::cpu_of(self.id())?, database: self.place.database_cpu()? })
    }

    /// Waits until `holds` says so.
    pub async fn eventually(&mut self, what: &str, holds: impl AsyncFn() -> Result<bool>) -> Result<()> {
        let start = Instant::now();
        while !holds().await? {
            if start.elapsed() > WITHIN {
                bail!("not within {WITHIN:?}: {what}\n{}", self.process.log());
            }
            if !self.process.is_running() {
                bail!("the program ended while waiting for: {what}\n{}", self.process.log());
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }

    /// Waits until so many mails are messages and nothing is owed.
    pub async fn has_ingested(&mut self, mails: u64) -> Result<()> {
        self.has_passed(mails).await?;
        let query = "SELECT COUNT(*) FROM raw_emails WHERE state = 'ingested'";
        let ingested = self.place.connection().await?.number(query).await?;
        anyhow::ensure!(u64::try_from(ingested)? == mails, "{ingested} mails are messages and not {mails}");
        Ok(())
    }

    /// Waits until the cursors have passed so many mails and nothing waits. The cursors are asked first, because counting costs the
    /// database time, which is measured.
    pub async fn has_passed(&mut self, mails: u64) -> Result<()> {
        self.cursors_passed(mails).await?;
        let connection = tokio::sync::Mutex::new(self.place.connection().await?);
        let waiting = "SELECT (SELECT COUNT(*) FROM raw_emails WHERE state = 'waiting') + (SELECT COUNT(*) FROM owed_work WHERE state = 'waiting')";
        self.eventually("nothing waits", async || Ok(connection.lock().await.number(waiting).await? == 0)).await
    }

    /// Waits until the cursors have passed so many mails.
    pub async fn cursors_passed(&mut self, mails: u64) -> Result<()> {
        let connection = tokio::sync::Mutex::new(self.place.connection().await?);
        let mails = i64::try_from(mails)?;
        let passed = "SELECT CAST(COALESCE(SUM(last_uid), 0) AS BIGINT) FROM channel_folders WHERE role = 'inbox'";
        let what = "the cursors have passed every mail";
        self.eventually(what, async || Ok(connection.lock().await.number(passed).await? >= mails)).await
    }

    pub fn stop(mut self) -> Result<()> {
        self.process.signal(Signal::Term);
        let status = self.process.wait_for_end(Duration::from_secs(60))?;
        anyhow::ensure!(status.success(), "the program ended with {status}:\n{}", self.process.log());
        Ok(())
    }
}

/// `postroom` as it was built beside the bench, or beside the test that runs it.
fn program() -> Result<PathBuf> {
    let this = std::env::current_exe()?;
    let beside = this.ancestors().skip(1).take(2).map(|folder| folder.join("postroom"));
    beside
        .into_iter()
        .find(|path| path.exists())
        .context("postroom is not built: run `just bench`, or cargo build -p server")
}

async fn open_app(dir: &TempDir, url: &str, mail: &MailServer, wake: Arc<dyn Wake>) -> Result<App> {
    let (clock, entropy) = (Arc::new(SystemClock), Arc::new(SystemEntropy::new()));
    let store = Store::connect(StoreConfig {
        url: url.to_owned(),
        data_dir: dir.path().to_owned(),
        keys: KeyRing::parse(&Secret::new(KEYS)).context("a key")?,
        max_connections: 5,
        clock: clock.clone(),
        entropy: entropy.clone(),
        kill_at: None,
    })
    .await?;
    let settings = Settings::new(
        Environment::Development,
        "http://localhost:3000".parse()?,
        Endpoint::new("127.0.0.1", mail.imaps_port, TlsMode::Implicit),
        Endpoint::new("127.0.0.1", mail.smtp_port, TlsMode::StartTls),
    );
    Ok(App::new(AppParts {
        store,
        clock,
        entropy,
        connector: connector(mail)?,
        microsoft: None,
        settings,
        wake,
        shared_counts: None,
    }))
}

/// The way out, which trusts the bench's mail server.
pub fn connector(mail: &MailServer) -> Result<Connector> {
    let extra_ca_pem = Some(std::fs::read(&mail.ca)?);
    Ok(Connector::new(ConnectorConfig { extra_ca_pem, ..ConnectorConfig::default() })?)
}
