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
    /// Added to the environment of the processes, winning over the world's own.
    pub environment: Vec<(String, String)>,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            database: Database::Sqlite,
            queue: Queue::Memory,
            apart: false,
            sandbox: SandboxConfig::default(),
            real_mail: false,
            environment: Vec::new(),
        }
    }
}

impl Setup {
    pub fn on(database: Database, queue: Queue) -> Self {
        let apart = database == Database::Postgres && queue == Queue::Redis;
        Self { database, queue, apart, ..Self::default() }
    }

    /// Every part a real one: Dovecot, Postfix, PostgreSQL and Redis, API and worker apart.
    pub fn real() -> Self {
        Self { real_mail: true, ..Self::on(Database::Postgres, Queue::Redis) }
    }

    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }
}
