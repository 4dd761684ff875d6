//! A World: Postroom running as real processes beside a local Microsoft, and an administrator who holds a token.
//!
//! Stories drive it through the public API, a browser and the mail protocols, as anybody outside would. When a story ends, the
//! world checks what must hold after every story ([`crate::check`]); a world that is dropped without that check fails the test.

use crate::chaos::Proxies;
use crate::check;
use crate::client::ApiClient;
use crate::given_out;
use crate::leaks;
use crate::postgres::PostgresDatabase;
use crate::postgres_server::PostgresServer;
use crate::process::{Process, Signal, free_port, run};
use crate::real_mail::RealMail;
use crate::redis::Redis;
pub use crate::setup::{Database, Queue, Setup};
use crate::small_disk::SmallDisk;
use anyhow::{Context, Result, bail};
use sandbox::Sandbox;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long anything may take to become true before a story fails. Not a measure of speed: machines are slow at times.
pub const WITHIN: Duration = Duration::from_secs(120);
pub const ADMIN_EMAIL: &str = "admin@contoso.example";
pub const ADMIN_PASSWORD: &str = "correct horse battery 1";
/// Whose access tokens the real mail servers believe.
const TOKEN_ISSUER: &str = "https://tokens.contoso.example/";
/// In base64, as POSTROOM_SECRET_KEY has it.
const SEALING_KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
pub const SUPPORT: &str = "support@contoso.example";

pub struct World {
    /// Where the setup asks for it: what the data folder lies on. Before the folder, so that it goes first.
    pub disk: Option<SmallDisk>,
    pub sandbox: Sandbox,
    /// The administrator's client.
    pub api: ApiClient,
    pub account_id: i64,
    pub user_id: i64,
    pub base: String,
    pub dir: TempDir,
    pub redis: Option<Redis>,
    /// The real mail servers, where the setup asks for them.
    pub mail: Option<RealMail>,
    /// Where the setup asks for them.
    pub proxies: Option<Proxies>,
    environment: Vec<(String, String)>,
    pub(crate) processes: Vec<(&'static str, Process)>,
    /// How many processes were started so far; each has a log of its own.
    started: usize,
    postgres: Option<PostgresDatabase>,
    /// Where the setup asks for a PostgreSQL server of its own.
    pub postgres_server: Option<PostgresServer>,
    database_url: String,
    /// See [`World::is_sent_again`].
    pub(crate) sent_again: Vec<String>,
    apart: bool,
    checked: bool,
}

/// The program under test, built by scripts/test before the tests.
pub fn binary() -> Result<PathBuf> {
    let test = std::env::current_exe()?;
    let folder = test.parent().and_then(Path::parent).context("test binaries lie in target/debug/deps")?;
    let binary = folder.join("postroom");
    anyhow::ensure!(binary.exists(), "{} is missing: run ./scripts/test", binary.display());
    Ok(binary)
}

impl World {
    /// Builds a world, tells the story, and checks what must hold afterwards.
    pub async fn run<F>(setup: Setup, story: F) -> Result<()>
    where
        F: AsyncFnOnce(&mut World) -> Result<()>,
    {
        let mut world = World::start(setup).await?;
        let told = story(&mut world).await;
        if let Err(error) = told {
            world.checked = true;
            return Err(error.context(format!("the processes said:\n{}", world.logs())));
        }
        world.finish().await
    }

    pub async fn start(setup: Setup) -> Result<Self> {
        let dir = tempfile::Builder::new().prefix("postroom-world").tempdir()?;
        let port = free_port()?;
        let base = format!("http://127.0.0.1:{port}");
        given_out::watch(&base);
        let mut config = setup.sandbox.clone();
        if setup.real_mail {
            config.jwt_access_tokens = Some(TOKEN_ISSUER.to_owned());
        }
        config.redirect_uris = vec![format!("{base}/microsoft/callback")];
        let sandbox = Sandbox::start(config).await.map_err(|error| anyhow::anyhow!("{error}"))?;
        let mail = if setup.real_mail { Some(RealMail::start(TOKEN_ISSUER, &sandbox.signing_keys())?) } else { None };
        let ca = dir.path().join("ca.pem");
        std::fs::write(&ca, mail.as_ref().map_or(sandbox.ca_pem(), |mail| mail.ca_pem.clone()))?;
        let (imap, smtp) = match &mail {
            Some(mail) => (mail.dovecot.imaps_port, mail.postfix.submission_port),
            None => (sandbox.imap_addr().port(), sandbox.smtp_addr().port()),
        };
        let postgres_server = match &setup.own_postgres {
            Some(settings) => Some(PostgresServer::start(settings).await?),
            None => None,
        };
        let postgres = match setup.database {
            Database::Postgres if postgres_server.is_none() => Some(PostgresDatabase::create().await?),
            Database::Sqlite | Database::Postgres => None,
        };
        let disk = setup.small_disk.map(|size| SmallDisk::mount(&dir.path().join("data"), size)).transpose()?;
        let redis = match setup.queue {
            Queue::Memory => None,
            Queue::Redis => Some(Redis::start()?),
        };
        let database_url = match (&postgres, &postgres_server) {
            (Some(database), _) => database.url.clone(),
            (None, Some(server)) => server.url(),
            (None, None) => format!("sqlite://{}", dir.path().join("data/postroom.db").display()),
        };
        let mut environment: Vec<(String, String)> = [
            ("POSTROOM_ENV", "development".to_owned()),
            ("LISTEN_ADDR", format!("127.0.0.1:{port}")),
            ("FRONTEND_URL", base.clone()),
            ("DATABASE_URL", database_url.clone()),
            ("POSTROOM_DATA_DIR", dir.path().join("data").display().to_string()),
            ("POSTROOM_SECRET_KEY", format!("k1:{SEALING_KEY}")),
            ("AZURE_APP_ID", sandbox.client_id().to_owned()),
            ("AZURE_APP_SECRET", sandbox.client_secret().to_owned()),
            ("MICROSOFT_LOGIN_URL", sandbox.login_url()),
            ("MICROSOFT_GRAPH_URL", sandbox.graph_url()),
            ("MICROSOFT_IMAP", format!("127.0.0.1:{imap}")),
            ("MICROSOFT_SMTP", format!("127.0.0.1:{smtp}")),
            ("MICROSOFT_PERSONAL_SMTP", format!("127.0.0.1:{smtp}")),
            ("EXTRA_CA_FILE", ca.display().to_string()),
            ("RUST_LOG", "info".to_owned()),
            // Stories call as often as they like; those about the limit set their own.
            ("RACK_ATTACK_LIMIT", "1000000".to_owned()),
        ]
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect();
        if let Some(redis) = &redis {
            environment.push(("REDIS_URL".to_owned(), redis.url()));
        }
        environment.extend(setup.environment.clone());
        let proxies = if setup.proxied { Some(Proxies::start(&mut environment).await?) } else { None };
        let mut world = Self {
            sandbox,
            api: ApiClient::new(&base, None),
            account_id: 0,
            user_id: 0,
            base,
            dir,
            redis,
            mail,
            proxies,
            environment,
            processes: Vec::new(),
            started: 0,
            postgres,
            postgres_server,
            disk,
            database_url,
            sent_again: Vec::new(),
            apart: setup.apart,
            // Nothing is promised by a world that did not come to be.
            checked: true,
        };
        world.postroom(&["migrate"])?;
        let made = world.create_account("Contoso", ADMIN_EMAIL)?;
        world.account_id = made["account_id"].as_i64().context("account_id")?;
        world.user_id = made["user_id"].as_i64().context("user_id")?;
        world.api = ApiClient::new(&world.base, made["access_token"].as_str());
        world.start_processes().await?;
        world.checked = false;
        Ok(world)
    }

    fn command(&self, arguments: &[&str]) -> Result<Command> {
        let mut command = Command::new(binary()?);
        command.args(arguments).current_dir(self.dir.path()).env_clear();
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        Ok(command)
    }

    /// Runs a command of the program to its end; answers what it printed.
    pub fn postroom(&self, arguments: &[&str]) -> Result<String> {
        run(&mut self.command(arguments)?)
    }

    pub fn create_account(&self, name: &str, email: &str) -> Result<Value> {
        let arguments =
            ["account", "create", "--name", name, "--admin-email", email, "--admin-password", ADMIN_PASSWORD, "--json"];
        let printed = self.postroom(&arguments)?;
        let made =
            serde_json::from_str(printed.trim()).with_context(|| format!("account create printed: {printed}"))?;
        given_out::note_json(&self.base, &made);
        Ok(made)
    }

    /// Starts what is not running and waits until the API is ready.
    pub async fn start_processes(&mut self) -> Result<()> {
        let wanted: &[&'static str] = if self.apart { &["serve", "work"] } else { &["run"] };
        for name in wanted {
            if !self.processes.iter().any(|(running, _)| running == name) {
                self.start_process(name)?;
            }
        }
        self.eventually("the API is ready", async |w| {
            Ok(w.api.call("GET", "/health/ready", None).await.is_ok_and(|a| a.status == 200))
        })
        .await
    }

    pub fn start_process(&mut self, name: &'static str) -> Result<()> {
        self.start_process_with(name, &[])
    }

    /// With variables that only this process has.
    pub fn start_process_with(&mut self, name: &'static str, environment: &[(&str, &str)]) -> Result<()> {
        self.started += 1;
        let log = self.dir.path().join(format!("{name}-{}.log", self.started));
        let mut command = self.command(&[name])?;
        command.envs(environment.iter().copied());
        let process = Process::start(name, &mut command, &log)?;
        self.processes.push((name, process));
        Ok(())
    }

    /// Waits until a process has ended by itself.
    pub fn ended(&mut self, name: &str) -> Result<std::process::ExitStatus> {
        let at = self.processes.iter().position(|(running, _)| *running == name).context("it was started")?;
        let (_, mut process) = self.processes.remove(at);
        process.wait_for_end(WITHIN)
    }

    /// The process that answers the API.
    pub fn api_name(&self) -> &'static str {
        if self.apart { "serve" } else { "run" }
    }

    /// The process that does the worker's part.
    pub fn worker_name(&self) -> &'static str {
        if self.apart { "work" } else { "run" }
    }

    /// kill -9: no goodbye. Fails when no such process runs: a story that kills nothing shows nothing.
    pub fn kill(&mut self, name: &str) -> Result<()> {
        anyhow::ensure!(self.processes.iter().any(|(running, _)| *running == name), "no {name} is running");
        self.kill_if_running(name)
    }

    pub fn kill_if_running(&mut self, name: &str) -> Result<()> {
        for (_, process) in self.processes.iter_mut().filter(|(running, _)| *running == name) {
            process.signal(Signal::Kill);
            process.wait_for_end(Duration::from_secs(10))?;
        }
        self.processes.retain(|(running, _)| *running != name);
        Ok(())
    }

    /// Sends a signal to the `nth` running process of this name, in the order they were started.
    pub fn signal(&self, name: &str, nth: usize, signal: Signal) -> Result<()> {
        let mut named = self.processes.iter().filter(|(running, _)| *running == name);
        let (_, process) = named.nth(nth).context("it is running")?;
        process.signal(signal);
        Ok(())
    }

    /// The last running process of this name.
    pub fn process_id(&self, name: &str) -> Result<u32> {
        let mut named = self.processes.iter().filter(|(running, _)| *running == name);
        named.next_back().map(|(_, process)| process.id()).with_context(|| format!("no {name} is running"))
    }

    /// The most memory that the worker's process ever had.
    pub fn worker_peak_memory(&self) -> Result<u64> {
        let name = self.worker_name();
        let (_, process) = self.processes.iter().find(|(running, _)| *running == name).context("it is running")?;
        process.peak_memory()
    }

    /// SIGTERM, and how the process ended; the first of its name.
    pub fn stop(&mut self, name: &str, within: Duration) -> Result<std::process::ExitStatus> {
        let at = self.processes.iter().position(|(running, _)| *running == name).context("it is running")?;
        let (_, mut process) = self.processes.remove(at);
        process.signal(Signal::Term);
        process.wait_for_end(within)
    }

    pub fn logs(&self) -> String {
        let processes: String = self
            .processes
            .iter()
            .map(|(name, process)| format!("--- {name}\n{}\n", last_lines(&process.log(), 60)))
            .collect();
        processes + &self.mail.as_ref().map(RealMail::logs).unwrap_or_default()
    }

    /// Waits until `holds` says so; fails with what was awaited.
    pub async fn eventually(&mut self, what: &str, holds: impl AsyncFn(&World) -> Result<bool>) -> Result<()> {
        let start = Instant::now();
        while !holds(self).await? {
            if start.elapsed() > WITHIN {
                bail!("not within {WITHIN:?}: {what}");
            }
            if let Some((name, process)) =
                self.processes.iter_mut().find_map(|(n, p)| (!p.is_running()).then_some((n, p)))
            {
                bail!("{name} ended while waiting for: {what}\n{}", process.log());
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        Ok(())
    }

    /// From the next process on that is started.
    pub fn set(&mut self, name: &str, value: &str) {
        self.environment.push((name.to_owned(), value.to_owned()));
    }

    pub fn path(&self, rest: &str) -> String {
        format!("/api/v1/accounts/{}{rest}", self.account_id)
    }

    pub fn database_url(&self) -> &str {
        &self.database_url
    }

    /// The database has moved: what is asked of it from outside is asked there.
    pub fn now_on(&mut self, database_url: &str) {
        database_url.clone_into(&mut self.database_url);
    }

    /// Checks what must hold after every story, and ends the world.
    pub async fn finish(mut self) -> Result<()> {
        self.checked = true;
        let invariants = match check::invariants(&self.database_url).await {
            Ok(()) => self.check_mailboxes().await.and_then(|()| self.check_logs()),
            broken => broken,
        };
        let logs = if invariants.is_err() { self.logs() } else { String::new() };
        invariants.context(logs)?;
        self.processes.clear();
        if let Some(postgres) = self.postgres.take() {
            postgres.remove().await?;
        }
        Ok(())
    }
}

impl World {
    /// Whatever the story did, and however much of it failed.
    fn check_logs(&self) -> Result<()> {
        let words = [
            ("the application's secret", self.sandbox.client_secret()),
            ("the sealing key", SEALING_KEY),
            ("the administrator's password", ADMIN_PASSWORD),
            ("the administrator's token", self.api.token().unwrap_or_default()),
        ];
        let mut issued = self.sandbox.issued_secrets();
        issued.extend(self.sandbox.app_secrets());
        issued.extend(given_out::taken(&self.base));
        leaks::check(self.dir.path(), &issued, &words)
    }
}

impl Drop for World {
    fn drop(&mut self) {
        assert!(
            self.checked || std::thread::panicking(),
            "a world must end with World::finish, which checks the invariants"
        );
    }
}

fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}
