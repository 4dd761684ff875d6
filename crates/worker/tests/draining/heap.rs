//! Owed work by the thousand, and a database that remembers what became of it.

use anyhow::{Context, Result};
use app::App;
use domain::AccountId;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};
use store::NewAccount;
use testkit::installation::{Installation, ProcessParts};
use testkit::redis::Redis;
use testkit::setup::Database;
use tokio_util::task::AbortOnDropHandle;
use worker::queue::{Lane, jobs_key};
use worker::{Hints, REST_AFTER_BREAKDOWN, RunningWorker, Worker, WorkerConfig};

pub const HUMAN: i64 = 0;
pub const BULK: i64 = 3;
/// Nothing is timed; this is for a heap that jams.
const WITHIN: Duration = Duration::from_secs(900);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pairing {
    PostgresAndRedis,
    SqliteAndMemory,
}

pub struct Heap {
    installation: Installation,
    redis: Option<Redis>,
    tenants: Vec<AccountId>,
    app: App,
    hints: Hints,
    worker: Option<RunningWorker>,
    most_waiting: Arc<AtomicI64>,
    watching: Option<AbortOnDropHandle<()>>,
}

/// What the database writes down when a row of owed work goes: which, whose, and how often it was begun.
const REMEMBER: &[&str] = &[
    "CREATE TABLE done (n {serial}, account_id BIGINT NOT NULL, owed_id BIGINT NOT NULL, priority BIGINT NOT NULL, attempts BIGINT NOT NULL)",
    "{function}",
    "CREATE TRIGGER remember AFTER DELETE ON owed_work FOR EACH ROW {body}",
];
const INSERT: &str = "INSERT INTO done (account_id, owed_id, priority, attempts) VALUES (OLD.account_id, OLD.id, OLD.priority, OLD.attempts);";

impl Heap {
    pub async fn new(pairing: Pairing, tenants: usize) -> Result<Self> {
        let (database, redis) = match pairing {
            Pairing::PostgresAndRedis => (Database::Postgres, Some(Redis::start()?)),
            Pairing::SqliteAndMemory => (Database::Sqlite, None),
        };
        let installation = Installation::new(database).await?;
        let (serial, function, body) = match database {
            Database::Postgres => (
                "BIGSERIAL PRIMARY KEY",
                format!(
                    "CREATE FUNCTION remember() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {INSERT} RETURN OLD; END $$"
                ),
                "EXECUTE FUNCTION remember()".to_owned(),
            ),
            Database::Sqlite => {
                ("INTEGER PRIMARY KEY AUTOINCREMENT", "SELECT 1".to_owned(), format!("BEGIN {INSERT} END"))
            }
        };
        for statement in REMEMBER {
            let statement = statement.replace("{serial}", serial).replace("{function}", &function);
            installation.sql(&statement.replace("{body}", &body)).await?;
        }
        let mut accounts = Vec::new();
        for n in 0..tenants {
            let new = NewAccount { name: format!("tenant {n}"), locale: "en".to_owned(), admin: None };
            accounts.push(installation.store.operator().create_account(&new).await?.account.id);
        }
        let redis_url = redis.as_ref().map(Redis::url);
        let hints = Hints::new(redis_url.as_deref(), "heap")?;
        let app = installation.app(ProcessParts::new(Arc::new(hints.clone()))).await?;
        Ok(Self {
            installation,
            redis,
            tenants: accounts,
            app,
            hints,
            worker: None,
            most_waiting: Arc::default(),
            watching: None,
        })
    }

    pub fn start(&mut self) -> Result<()> {
        let config = WorkerConfig {
            name: "heap".to_owned(),
            redis_url: self.redis.as_ref().map(|redis| domain::Secret::new(redis.url())),
            hints: self.hints.clone(),
            concurrency: 8,
            bulk_concurrency: 32,
            max_mailboxes: 0,
            rest_after_breakdown: REST_AFTER_BREAKDOWN,
        };
        self.worker = Some(Worker::start(self.app.clone(), &config)?);
        if let Some(redis) = &self.redis {
            let watching = watch(redis::Client::open(redis.url())?, self.most_waiting.clone());
            self.watching = Some(AbortOnDropHandle::new(tokio::spawn(watching)));
        }
        Ok(())
    }

    pub async fn stop(mut self) -> Result<()> {
        let worker = self.worker.take().context("it runs")?;
        assert!(worker.stop().await, "everything came to its end");
        Ok(())
    }

    /// Deliveries of messages that are gone: claimed, looked up, and done.
    pub async fn owe(&self, tenant: usize, count: i64, priority: i64) -> Result<()> {
        let statement = format!(
            "INSERT INTO owed_work (account_id, kind, subject_id, payload, priority, state, due_at, ready_at, created_at, updated_at) \
             WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count}) \
             SELECT {}, 'deliver_message', 1000000000 + i, '{{}}', {priority}, 'waiting', 0, 0, 0, 0 FROM n",
            self.tenants[tenant].0
        );
        assert_eq!(self.installation.sql(&statement).await?, u64::try_from(count)?);
        Ok(())
    }

    /// Rows that cannot be read, and rows that broke down whenever they were tried. How many.
    pub async fn poison(&self, tenant: usize) -> Result<i64> {
        for (payload, breakdowns, token) in [("not json", 0, "NULL"), ("{}", 5, "'the one that broke down'")] {
            let statement = format!(
                "INSERT INTO owed_work (account_id, kind, subject_id, payload, priority, state, due_at, ready_at, created_at, updated_at, \
                 breakdowns, lease_token) WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10) \
                 SELECT {}, 'deliver_message', 2000000000 + i, '{payload}', {BULK}, 'waiting', 0, 0, 0, 0, {breakdowns}, {token} FROM n",
                self.tenants[tenant].0
            );
            self.installation.sql(&statement).await?;
        }
        if let Some(redis) = &self.redis {
            for text in ["nonsense", "{\"half\":"] {
                redis.tell(&["RPUSH", jobs_key(Lane::Bulk), text])?;
            }
        }
        Ok(20)
    }

    pub async fn poison_is_visible(&self, count: i64) -> Result<()> {
        self.eventually("what is poison has failed", async || {
            let failed = "SELECT COUNT(*) FROM owed_work WHERE state = 'failed' AND last_error IS NOT NULL";
            Ok(self.installation.number(failed).await? == count)
        })
        .await?;
        assert_eq!(
            self.installation.number("SELECT COUNT(*) FROM owed_work").await?,
            count,
            "and nothing else is left"
        );
        if self.redis.is_some() {
            assert_eq!(self.installation.number("SELECT COUNT(*) FROM unreadable_jobs").await?, 2);
        }
        Ok(())
    }

    /// Where in the order of what was done we are.
    pub async fn mark(&self) -> Result<i64> {
        self.installation.number("SELECT COALESCE(MAX(n), 0) FROM done").await
    }

    pub async fn done_is(&self, count: i64) -> Result<()> {
        let done = async || Ok(self.installation.number("SELECT COUNT(*) FROM done").await? >= count);
        self.eventually(&format!("{count} rows are done"), done).await
    }

    pub async fn last_of(&self, tenant: usize, count: i64) -> Result<i64> {
        self.last(&format!("account_id = {}", self.tenants[tenant].0), count).await
    }

    pub async fn last_of_priority(&self, priority: i64, count: i64) -> Result<i64> {
        self.last(&format!("priority = {priority}"), count).await
    }

    /// Waits until so many are done, and says where in the order the last of them is.
    async fn last(&self, of: &str, count: i64) -> Result<i64> {
        let done = format!("SELECT COUNT(*) FROM done WHERE {of}");
        self.eventually(of, async || Ok(self.installation.number(&done).await? >= count)).await?;
        self.installation.number(&format!("SELECT MAX(n) FROM done WHERE {of}")).await
    }

    pub async fn done_between(&self, from: i64, to: i64, tenant: usize) -> Result<i64> {
        let account = self.tenants[tenant].0;
        let query = format!("SELECT COUNT(*) FROM done WHERE n > {from} AND n <= {to} AND account_id = {account}");
        self.installation.number(&query).await
    }

    pub async fn left(&self, tenant: usize) -> Result<i64> {
        let account = self.tenants[tenant].0;
        self.installation.number(&format!("SELECT COUNT(*) FROM owed_work WHERE account_id = {account}")).await
    }

    pub async fn done_of_each(&self) -> Result<BTreeMap<usize, i64>> {
        let mut each = BTreeMap::new();
        for (tenant, account) in self.tenants.iter().enumerate() {
            let query = format!("SELECT COUNT(DISTINCT owed_id) FROM done WHERE account_id = {}", account.0);
            each.insert(tenant, self.installation.number(&query).await?);
        }
        Ok(each)
    }

    pub async fn claimed_more_than_once(&self) -> Result<i64> {
        self.installation.number("SELECT COUNT(*) FROM done WHERE attempts <> 1").await
    }

    pub fn flush(&self) -> Result<()> {
        self.redis.as_ref().map_or(Ok(()), Redis::flush)
    }

    /// The most that was ever seen waiting in one lane of Redis; `None` where the queue is memory, which nobody can look into.
    pub fn most_waiting(&self) -> Option<i64> {
        self.redis.as_ref().map(|_| self.most_waiting.load(Ordering::SeqCst))
    }

    async fn eventually(&self, what: &str, holds: impl AsyncFn() -> Result<bool>) -> Result<()> {
        let start = Instant::now();
        while !holds().await? {
            anyhow::ensure!(start.elapsed() < WITHIN, "it jams: not within {WITHIN:?}: {what}");
            // Each look is a connection and a count of its own.
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        Ok(())
    }
}

async fn watch(client: redis::Client, most: Arc<AtomicI64>) {
    let Ok(mut connection) = client.get_multiplexed_async_connection().await else { return };
    loop {
        for lane in Lane::ALL {
            if let Ok(waiting) = redis::cmd("LLEN").arg(jobs_key(lane)).query_async::<i64>(&mut connection).await {
                most.fetch_max(waiting, Ordering::SeqCst);
            }
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
