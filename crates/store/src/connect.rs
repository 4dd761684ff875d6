//! The store: opening its database (SQLite's own way is in [`crate::sqlite`]; PostgreSQL is one pool), and what is asked of it as a whole.

use crate::blob::BlobFolder;
use crate::condition::{Condition, was_full_lately};
use crate::kill_point::Watch;
use crate::scope::account::SigningKeys;
use crate::scope::app_alarms::AppAlarms;
use crate::scope::claims::{ClaimAsk, FinishAsk};
use crate::scope::keys::Keys;
use crate::scope::schema;
use crate::sqlite::{connect_sqlite, sqlite_path};
#[cfg(debug_assertions)]
use crate::statements::Statements;
use crate::together::Together;
use crate::{
    AccountScope, AttachmentLinks, Backend, ClaimedWork, Connections, KeyRing, Live, Operator, Purge, Relay, Result,
    SchemaState, SearchIndex, SignIn, StoreConfig, StoreError, Sync,
};
use domain::{AccountId, Clock, Entropy, Timestamp};
use sea_orm::{
    DatabaseConnection, DatabaseTransaction, SqliteTransactionMode, SqlxPostgresConnector, TransactionOptions,
    TransactionTrait,
};
use sqlx::ConnectOptions as _;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize};
use std::time::Duration;

/// How long a statement waits for its turn before it is "unavailable", and how long it is tried to connect while the server refuses it. Somebody
/// waits for the answer.
const POSTGRES_PATIENCE: Duration = Duration::from_secs(8);

/// A database with our schema. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Store {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) backend: Backend,
    /// SQLite: the one connection that writes. PostgreSQL: the pool.
    pub(crate) write: DatabaseConnection,
    /// SQLite: connections that cannot write. PostgreSQL: the pool.
    pub(crate) read: DatabaseConnection,
    pub(crate) keys: KeyRing,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    /// SQLite only; PostgreSQL keeps blobs in rows.
    pub(crate) blobs: Option<BlobFolder>,
    /// Where the relay's next round begins, so that no account is always first.
    pub(crate) next_round: AtomicUsize,
    pub(crate) kill: Watch,
    pub(crate) condition: Arc<Condition>,
    /// Accounts that had work due at the relay's last look.
    pub(crate) busy_accounts: AtomicU32,
    /// Claims and ends of claims that are asked for at the same time go to the database together.
    pub(crate) claims: Arc<Together<ClaimAsk, Option<ClaimedWork>>>,
    pub(crate) finishes: Arc<Together<FinishAsk, bool>>,
    pub(crate) signing_keys: SigningKeys,
    /// Statements that were run, in builds for development: what a use case asks of the database is told by it, and tests hold it down.
    #[cfg(debug_assertions)]
    statements: Arc<Statements>,
    lock_file: Option<PathBuf>,
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Inner({})", self.backend.as_str())
    }
}

impl Inner {
    /// BEGIN IMMEDIATE on SQLite: a deferred transaction that turns to writing fails under concurrency whatever the busy timeout.
    pub(crate) async fn begin(&self) -> Result<DatabaseTransaction> {
        let options = match self.backend {
            Backend::Sqlite => TransactionOptions {
                sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate),
                ..TransactionOptions::default()
            },
            Backend::Postgres => TransactionOptions::default(),
        };
        Ok(self.write.begin_with_options(options).await?)
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// A random name of 128 bits: seal uids and lease tokens.
    pub(crate) fn random_name(&self) -> String {
        let mut bytes = [0; 16];
        self.entropy.fill(&mut bytes);
        format!("{:032x}", u128::from_be_bytes(bytes))
    }

    pub(crate) fn scope(self: &Arc<Self>, account: AccountId) -> AccountScope {
        AccountScope { inner: Arc::clone(self), id: account, acting: None }
    }
}

/// Held by the one process that serves from a SQLite file; dropped, it lets the next one in. PostgreSQL needs none.
#[derive(Debug)]
pub struct ServingLock {
    /// `None` where several may serve.
    file: Option<std::fs::File>,
}

impl ServingLock {
    /// Nobody else serves from this database as long as this is held.
    pub(crate) const fn is_alone(&self) -> bool {
        self.file.is_some()
    }
}

impl Store {
    /// Opens the database. The schema is neither made nor checked here.
    pub async fn connect(config: StoreConfig) -> Result<Self> {
        let condition = Arc::<Condition>::default();
        let (backend, write, read, blobs, lock_file) = if config.url.starts_with("postgres") {
            let pool = connect_postgres(&config, &condition).await?;
            (Backend::Postgres, pool.clone(), pool, None, None)
        } else {
            let path = sqlite_path(&config.url)?;
            let (write, read) = connect_sqlite(&path, config.max_connections).await?;
            let mut lock = path.into_os_string();
            lock.push(".serving");
            (Backend::Sqlite, write, read, Some(BlobFolder::new(&config.data_dir)), Some(PathBuf::from(lock)))
        };
        #[cfg(debug_assertions)]
        let (statements, write, read) = Statements::of(backend, write, read);
        Ok(Self {
            inner: Arc::new(Inner {
                backend,
                write,
                read,
                keys: config.keys,
                clock: config.clock,
                entropy: config.entropy,
                blobs,
                next_round: AtomicUsize::new(0),
                kill: Watch::of(config.kill_at),
                condition,
                busy_accounts: AtomicU32::new(0),
                claims: Arc::default(),
                finishes: Arc::default(),
                signing_keys: SigningKeys::default(),
                #[cfg(debug_assertions)]
                statements,
                lock_file,
            }),
        })
    }

    /// Brings the schema up to date; safe to call from several processes at once.
    pub async fn migrate(&self) -> Result<()> {
        schema::migrate(&self.inner).await
    }

    pub async fn schema(&self) -> Result<SchemaState> {
        schema::state(&self.inner).await
    }

    /// `Err` unless this version can work with the database's schema.
    pub async fn check_schema(&self) -> Result<()> {
        match self.schema().await? {
            SchemaState::Current | SchemaState::NewerCompatible { .. } => Ok(()),
            SchemaState::Empty => Err(StoreError::SchemaTooOld { found: 0, wanted: schema::known() }),
            SchemaState::TooOld { found, wanted } => Err(StoreError::SchemaTooOld { found, wanted }),
            SchemaState::TooNew { found, known } => Err(StoreError::SchemaTooNew { found, known }),
        }
    }

    /// Remembers which installation's database this is, and answers its name. From here on no other database is worked with
    /// ([`crate::condition`]). The schema must have been checked.
    pub async fn recognise(&self) -> Result<String> {
        let id = schema::installation(&self.inner).await?;
        self.inner.condition.remember(&id);
        Ok(id)
    }

    /// What stands behind the URL at the moment is not the database that was recognised.
    pub fn is_elsewhere(&self) -> bool {
        self.inner.condition.is_elsewhere()
    }

    /// `Err` unless it takes writes, and has room for them.
    pub async fn check_writing(&self) -> Result<()> {
        if let Some(blobs) = &self.inner.blobs {
            blobs.try_room().await?;
        }
        schema::try_writing(&self.inner).await?;
        // Where one row fits into its old place, there may be no room for a new one.
        if was_full_lately() { Err(StoreError::Full("a moment ago".to_owned())) } else { Ok(()) }
    }

    /// Asks both handles for an answer.
    pub async fn ping(&self) -> Result<()> {
        self.inner.read.ping().await?;
        Ok(())
    }

    /// What was run since the store was opened, without the beginnings and ends of transactions.
    #[cfg(debug_assertions)]
    pub fn statements(&self) -> &Statements {
        &self.inner.statements
    }

    pub fn backend(&self) -> Backend {
        self.inner.backend
    }

    /// Refuses a second serving process on the same SQLite file (`StoreError::AlreadyServing`). Commands need no lock.
    pub fn lock_for_serving(&self) -> Result<ServingLock> {
        let Some(path) = &self.inner.lock_file else { return Ok(ServingLock { file: None }) };
        let file = std::fs::File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(path)
            .map_err(|e| StoreError::Unavailable(format!("the lock file {}: {e}", path.display())))?;
        // The kernel lets go when the process ends, however it ends.
        match file.try_lock() {
            Ok(()) => Ok(ServingLock { file: Some(file) }),
            Err(std::fs::TryLockError::WouldBlock) => Err(StoreError::AlreadyServing),
            Err(std::fs::TryLockError::Error(e)) => {
                Err(StoreError::Unavailable(format!("the lock file {}: {e}", path.display())))
            }
        }
    }

    /// Waits for what is running and closes every connection.
    pub async fn close(&self) {
        let _ = self.inner.write.close_by_ref().await;
        let _ = self.inner.read.close_by_ref().await;
    }

    pub fn sign_in(&self) -> SignIn {
        SignIn { inner: Arc::clone(&self.inner) }
    }

    pub fn operator(&self) -> Operator {
        Operator { inner: Arc::clone(&self.inner) }
    }

    pub fn app_alarms(&self) -> AppAlarms {
        AppAlarms { inner: Arc::clone(&self.inner) }
    }

    pub fn connections(&self) -> Connections {
        Connections { inner: Arc::clone(&self.inner) }
    }

    pub fn attachment_links(&self) -> AttachmentLinks {
        AttachmentLinks { inner: Arc::clone(&self.inner) }
    }

    pub fn relay(&self) -> Relay {
        Relay { inner: Arc::clone(&self.inner) }
    }

    pub fn purge(&self) -> Purge {
        Purge { inner: Arc::clone(&self.inner) }
    }

    pub fn keys(&self) -> Keys {
        Keys { inner: Arc::clone(&self.inner) }
    }

    pub fn live(&self) -> Live {
        Live { inner: Arc::clone(&self.inner) }
    }

    pub fn search_index(&self) -> SearchIndex {
        SearchIndex { inner: Arc::clone(&self.inner) }
    }

    pub fn sync(&self) -> Sync {
        Sync { inner: Arc::clone(&self.inner) }
    }
}

async fn connect_postgres(config: &StoreConfig, condition: &Arc<Condition>) -> Result<DatabaseConnection> {
    let options = PgConnectOptions::from_str(&config.url)
        .map_err(|_| StoreError::Config("the database's URL is not a valid postgres:// URL".to_owned()))?
        .application_name("postroom")
        .statement_cache_capacity(256)
        .disable_statement_logging();
    let (beginning, using) = (Arc::clone(condition), Arc::clone(condition));
    let pool = PgPoolOptions::new()
        .max_connections(config.max_connections.max(2))
        .acquire_timeout(POSTGRES_PATIENCE)
        .after_connect(move |connection, _| {
            let condition = Arc::clone(&beginning);
            Box::pin(async move { condition.begin(connection).await })
        })
        .before_acquire(move |_, about| {
            let usable = using.may_use(about.age);
            Box::pin(async move { Ok(usable) })
        })
        .connect_with(options)
        .await
        .map_err(|e| StoreError::Unavailable(format!("PostgreSQL: {e}")))?;
    Ok(SqlxPostgresConnector::from_sqlx_postgres_pool(pool))
}
