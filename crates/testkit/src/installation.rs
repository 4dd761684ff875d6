//! An installation without its program: a database of the test's own, a sandbox, and as many [`App`]s on them as there would be processes.
//!
//! For tests of what runs the use cases, which want a clock, randomness or settings of their own, or to kill a worker without killing
//! themselves. Stories drive the program as it is built ([`crate::world`]).

use crate::postgres::PostgresDatabase;
use crate::setup::Database;
use anyhow::{Context, Result, bail};
use app::accounts::{self, Caller, Member};
use app::system::{SystemClock, SystemEntropy};
use app::{App, AppParts, Environment, Settings, Wake};
use domain::channel::{Health, Provider};
use domain::inbox::{Inbox, InboxSettings};
use domain::{ChannelId, Clock, EmailAddress, Entropy, Secret, Timestamp};
use net::{Connector, ConnectorConfig, Endpoint, TlsMode};
use sandbox::{CONTOSO, Event, Sandbox, SandboxConfig, TenantUser};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, SqliteConnection};
use std::sync::Arc;
use std::time::{Duration, Instant};
use store::{
    AccountScope, KeyRing, NewChannel, NewGrant, NewInbox, RawEmail, RawEmailFilter, RawEmailState, Store, StoreConfig,
    TokenHash, Tx,
};
use tempfile::TempDir;

/// How long anything may take to become true before a test fails.
const WITHIN: Duration = Duration::from_secs(60);

pub struct Installation {
    pub sandbox: Sandbox,
    pub store: Store,
    pub scope: AccountScope,
    /// The administrator.
    pub member: Member,
    url: String,
    dir: TempDir,
    _postgres: Option<PostgresDatabase>,
}

/// What one process has of its own.
pub struct ProcessParts {
    pub wake: Arc<dyn Wake>,
    pub clock: Arc<dyn Clock>,
    pub entropy: Arc<dyn Entropy>,
    pub poll_interval: Duration,
}

impl ProcessParts {
    /// The machine's clock and randomness, and no poll within a test's time.
    pub fn new(wake: Arc<dyn Wake>) -> Self {
        Self {
            wake,
            clock: Arc::new(SystemClock),
            entropy: Arc::new(SystemEntropy::new()),
            poll_interval: Duration::from_secs(3600),
        }
    }
}

#[derive(Debug)]
struct NobodyListens;

impl Wake for NobodyListens {
    fn wake(&self, _hint: app::Hint) {}
}

impl Installation {
    pub async fn new(database: Database) -> Result<Self> {
        let dir = tempfile::Builder::new().prefix("postroom-installation").tempdir()?;
        let sandbox = Sandbox::start(SandboxConfig::default()).await.map_err(|error| anyhow::anyhow!("{error}"))?;
        let postgres = match database {
            Database::Sqlite => None,
            Database::Postgres => Some(PostgresDatabase::create().await?),
        };
        let url = match &postgres {
            Some(database) => database.url.clone(),
            None => format!("sqlite://{}", dir.path().join("postroom.db").display()),
        };
        let parts = ProcessParts::new(Arc::new(NobodyListens));
        let app = open(&url, &dir, &sandbox, parts).await?;
        app.store().migrate().await?;
        let SignedUp { scope, member, .. } = sign_up(&app).await?;
        Ok(Self { sandbox, store: app.store().clone(), scope, member, url, dir, _postgres: postgres })
    }

    /// Another process on the same database and mail servers, with connections of its own.
    pub async fn app(&self, parts: ProcessParts) -> Result<App> {
        open(&self.url, &self.dir, &self.sandbox, parts).await
    }

    /// Connects a mailbox of the sandbox, with an access token that does not run out. Nobody is told.
    pub async fn connect(&self, address: &str) -> Result<Inbox> {
        if self.sandbox.user(address).is_none() {
            self.sandbox.add_user(TenantUser::work(CONTOSO, address, address));
        }
        let token = self.sandbox.mint_access_token(address).context("a user of the sandbox")?;
        let mut tx = self.scope.begin().await?;
        let inbox = put_mailbox(&mut tx, address, address, token).await?;
        tx.commit().await?;
        Ok(inbox)
    }

    /// How fetching from a mailbox is doing.
    pub async fn fetching(&self, channel: ChannelId) -> Result<Health> {
        Ok(self.scope.channel(channel).await?.context("the channel")?.fetch_health)
    }

    /// Every mail that was stored, oldest first.
    pub async fn raw_emails(&self) -> Result<Vec<RawEmail>> {
        let (mut rows, _) = self.scope.raw_emails(&RawEmailFilter { inbox_id: None, state: None, page: 1 }).await?;
        rows.sort_by_key(|row| row.id);
        Ok(rows)
    }

    /// Waits until so many mails are messages, and every stored mail is one.
    pub async fn messages_are(&self, count: usize) -> Result<()> {
        eventually(&format!("{count} mails are messages"), async || Ok(self.messages().await?.len() >= count)).await?;
        let (rows, messages) = (self.raw_emails().await?, self.messages().await?);
        anyhow::ensure!(rows.len() == count && messages.len() == count, "{rows:?}");
        Ok(())
    }

    async fn messages(&self) -> Result<Vec<RawEmail>> {
        let rows = self.raw_emails().await?;
        Ok(rows.into_iter().filter(|row| row.state == RawEmailState::Ingested && row.message_id.is_some()).collect())
    }

    /// How often somebody said this to the IMAP server.
    pub fn said(&self, user: &str, command: &str) -> usize {
        let said = |event: &Event| matches!(event, Event::ImapCommand { user: by, command: said } if by == user && said == command);
        self.sandbox.events().iter().filter(|event| said(event)).count()
    }

    /// Waits until somebody has said this to the IMAP server so often.
    pub async fn says(&self, user: &str, command: &str, times: usize) -> Result<()> {
        let what = format!("{user} says {command} {times} times");
        eventually(&what, async || Ok(self.said(user, command) >= times)).await
    }

    /// A statement past everything: what a test does to a database that no process would. How many rows it changed.
    pub async fn sql(&self, statement: &str) -> Result<u64> {
        let statement = AssertSqlSafe(statement.to_owned());
        Ok(if self.url.starts_with("sqlite") {
            sqlx::query(statement).execute(&mut SqliteConnection::connect(&self.url).await?).await?.rows_affected()
        } else {
            sqlx::query(statement).execute(&mut PgConnection::connect(&self.url).await?).await?.rows_affected()
        })
    }

    /// A number that a query finds.
    pub async fn number(&self, query: &str) -> Result<i64> {
        let query = AssertSqlSafe(query.to_owned());
        Ok(if self.url.starts_with("sqlite") {
            sqlx::query_scalar(query).fetch_one(&mut SqliteConnection::connect(&self.url).await?).await?
        } else {
            sqlx::query_scalar(query).fetch_one(&mut PgConnection::connect(&self.url).await?).await?
        })
    }
}

/// An account with its administrator, and the administrator's API token.
pub struct SignedUp {
    pub scope: AccountScope,
    pub member: Member,
    pub token: Secret,
}

/// Makes the first account of a database.
pub async fn sign_up(app: &App) -> Result<SignedUp> {
    let new = accounts::NewAccount {
        name: "Contoso".to_owned(),
        admin_email: "admin@contoso.example".to_owned(),
        admin_name: None,
        admin_password: Secret::new("correct horse battery"),
    };
    let created = accounts::create_account(app, new).await?;
    let scope = app.store().operator().account(created.account_id).await?.context("the account")?;
    let hash = TokenHash::of(created.access_token.expose());
    let known = app.store().sign_in().authenticate_token(&hash, app.now()).await?.context("the token")?;
    let caller = Caller { user: known.user, token_id: known.token_id, kind: known.kind, account_id: known.account_id };
    let member = accounts::enter(app, &caller, created.account_id).await?;
    Ok(SignedUp { scope, member, token: created.access_token })
}

/// An inbox whose mailbox is opened with an access token that does not run out, past every sign-in.
pub async fn put_mailbox(tx: &mut Tx, name: &str, address: &str, access_token: String) -> Result<Inbox> {
    let mailbox = EmailAddress::parse(address).context("an address")?;
    let grant = tx
        .upsert_grant(&NewGrant {
            provider: Provider::Microsoft,
            oauth_app_id: None,
            tid: CONTOSO.to_owned(),
            oid: address.to_owned(),
            sub: address.to_owned(),
            principal: address.to_owned(),
            refresh_token: Secret::new("none"),
            scopes: Vec::new(),
        })
        .await?;
    let never = Timestamp::from_seconds(4_000_000_000);
    tx.store_access_token(grant.id, "outlook", &Secret::new(access_token), never).await?;
    Ok(tx
        .create_inbox(&NewInbox {
            name: name.to_owned(),
            settings: InboxSettings::default(),
            channel: NewChannel {
                provider: Provider::Microsoft,
                service: domain::channel::Service::Microsoft365,
                grant_id: Some(grant.id),
                principal: address.to_owned(),
                mailbox_address: mailbox.clone(),
                from_address: mailbox,
                smtp_user: address.to_owned(),
                fetch_health: Health::default(),
                send_health: Health::default(),
            },
        })
        .await?)
}

async fn open(url: &str, dir: &TempDir, sandbox: &Sandbox, parts: ProcessParts) -> Result<App> {
    let store = Store::connect(StoreConfig {
        url: url.to_owned(),
        data_dir: dir.path().to_owned(),
        keys: KeyRing::parse(&Secret::new("k1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=")).context("a key")?,
        max_connections: 5,
        clock: parts.clock.clone(),
        entropy: parts.entropy.clone(),
        kill_at: None,
    })
    .await?;
    let endpoint = |port: u16, tls| Endpoint::new("localhost", port, tls);
    let mut settings = Settings::new(
        Environment::Development,
        "http://localhost:3000".parse()?,
        endpoint(sandbox.imap_addr().port(), TlsMode::Implicit),
        endpoint(sandbox.smtp_addr().port(), TlsMode::StartTls),
    );
    settings.poll_interval = parts.poll_interval;
    let extra_ca_pem = Some(sandbox.ca_pem().into_bytes());
    Ok(App::new(AppParts {
        store,
        clock: parts.clock,
        entropy: parts.entropy,
        connector: Connector::new(ConnectorConfig { extra_ca_pem, ..ConnectorConfig::default() })?,
        microsoft: None,
        settings,
        wake: parts.wake,
        shared_counts: None,
    }))
}

/// Waits until `holds` says so; fails with what was awaited.
pub async fn eventually(what: &str, holds: impl AsyncFn() -> Result<bool>) -> Result<()> {
    let start = Instant::now();
    while !holds().await? {
        if start.elapsed() > WITHIN {
            bail!("not within {WITHIN:?}: {what}");
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Ok(())
}
