//! What a world is made of: which database, queue and mail servers, and one process or several.

use sandbox::SandboxConfig;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Database {
    Sqlite,
    Postgres,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Queue {
    Memory,
    Redis,
}

/// What a world is made of.
#[derive(Clone)]
pub struct Setup {
    pub database: Database,
    pub queue: Queue,
    /// API and worker as processes of their own; otherwise one process does both.
    pub apart: bool,
    pub sandbox: SandboxConfig,
    /// Dovecot and Postfix stand where the sandbox's mail servers would; the sandbox still signs people in.
    pub real_mail: bool,
    /// PostgreSQL, Redis, IMAP and SMTP are reached through chaos proxies.
    pub proxied: bool,
    /// The settings of a PostgreSQL server of the world's own, which can be restarted and broken.
    pub own_postgres: Option<Vec<String>>,
    /// The data folder is a disk of so many megabytes.
    pub small_disk: Option<u32>,
    /// Added to the environment of the processes, winning over the world's own.
    pub environment: Vec<(String, String)>,
}

/// `postgres,redis` in it tells every story that does not ask for a pairing on PostgreSQL and Redis with API and worker apart;
/// without it they run in one process on SQLite. scripts/test runs them both ways.
const PAIRING: &str = "POSTROOM_TEST_STORIES_ON";

impl Default for Setup {
    #[expect(clippy::disallowed_methods, reason = "how scripts/test tells the stories what to run on")]
    fn default() -> Self {
        match std::env::var(PAIRING).as_deref() {
            Err(_) | Ok("sqlite,memory") => Self::on(Database::Sqlite, Queue::Memory),
            Ok("postgres,redis") => Self::on(Database::Postgres, Queue::Redis),
            Ok(other) => panic!("{PAIRING} is {other}: sqlite,memory or postgres,redis"),
        }
    }
}

impl Setup {
    /// API and worker are apart where everything they share is.
    pub fn on(database: Database, queue: Queue) -> Self {
        Self {
            database,
            queue,
            apart: database == Database::Postgres && queue == Queue::Redis,
            sandbox: SandboxConfig::default(),
            real_mail: false,
            proxied: false,
            own_postgres: None,
            small_disk: None,
            environment: Vec::new(),
        }
    }

    /// Every part a real one: Dovecot, Postfix, PostgreSQL and Redis, API and worker apart.
    pub fn real() -> Self {
        Self { real_mail: true, ..Self::on(Database::Postgres, Queue::Redis) }
    }

    /// On a PostgreSQL server of its own with these settings.
    #[must_use]
    pub fn with_own_postgres(mut self, settings: &[&str]) -> Self {
        self.own_postgres = Some(settings.iter().map(|&setting| setting.to_owned()).collect());
        self
    }

    /// The data folder is a disk of so many megabytes.
    #[must_use]
    pub fn with_small_disk(mut self, megabytes: u32) -> Self {
        self.small_disk = Some(megabytes);
        self
    }

    /// With a chaos proxy before each server.
    #[must_use]
    pub fn through_proxies(mut self) -> Self {
        self.proxied = true;
        self
    }

    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }
}
