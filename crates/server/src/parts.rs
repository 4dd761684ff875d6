//! Puts the parts together from the configuration: store, ways out, Microsoft, hints, app, worker, HTTP server.

use crate::config::Config;
use crate::connections::{self, Places};
use anyhow::{Context, Result};
use app::shared_clock::{self, SharedClock};
use app::shared_counts::SharedCounts;
use app::system::{SystemClock, SystemEntropy};
use app::{App, AppParts, live};
use domain::{Clock, Entropy};
use net::Connector;
use oauth::Microsoft;
use poem::Server;
use poem::listener::{Acceptor, Listener, TcpAcceptor, TcpListener};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use store::{KillAt, Store, StoreConfig};
use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use tracing::{info, warn};
use worker::{Hints, RedisCounts, RunningWorker, Worker, WorkerConfig};

/// How long a stop waits for requests that are being answered.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(20);

/// What every command but the simplest works with.
pub struct Parts {
    pub config: Config,
    pub app: App,
    pub hints: Hints,
    /// Names this process in leases, hints and logs.
    pub name: String,
    clock: Arc<SharedClock>,
}

impl Parts {
    pub async fn assemble(config: Config, role: &str) -> Result<Self> {
        let clock = Arc::new(SharedClock::over(Arc::new(SystemClock)));
        let store = open_store_with(&config, clock.clone()).await?;
        // Before anything is written or judged by a clock.
        shared_clock::compare(&store, &clock).await;
        let name = process_name(role);
        let hints = Hints::new(config.database.redis_url.as_ref().map(domain::Secret::expose), &name)?;
        let connector = Connector::new(config.connector()).context("EXTRA_CA_FILE")?;
        let microsoft = match config.microsoft.settings.clone() {
            Some(settings) => Some(Microsoft::new(settings, connector.clone(), clock.clone())?),
            None => None,
        };
        let shared_counts: Option<Arc<dyn SharedCounts>> = match &config.database.redis_url {
            Some(url) => Some(Arc::new(RedisCounts::new(url.expose())?)),
            None => None,
        };
        let settings = config.settings();
        let parts = AppParts {
            store,
            clock: clock.clone(),
            entropy: Arc::new(SystemEntropy::new()),
            connector,
            microsoft,
            settings,
            wake: Arc::new(hints.clone()),
            shared_counts,
        };
        let app = App::telling(parts, Arc::new(api::WebhookBodies));
        Ok(Self { config, app, hints, name, clock })
    }

    /// For as long as this process runs it goes by the database's clock where its own is another one.
    pub fn keep_time(&self, stop: &CancellationToken) {
        tokio::spawn(shared_clock::keep(self.app.store().clone(), self.clock.clone(), stop.clone()));
    }

    pub fn start_worker(&self) -> Result<RunningWorker> {
        if self.app.microsoft().is_none() {
            warn!(
                "AZURE_APP_ID and AZURE_APP_SECRET are not set: only accounts with an OAuth app of their own can connect a Microsoft mailbox"
            );
        }
        let config = WorkerConfig {
            name: self.name.clone(),
            redis_url: self.config.database.redis_url.clone(),
            hints: self.hints.clone(),
            concurrency: self.config.work.concurrency,
            bulk_concurrency: self.config.work.bulk_concurrency,
            max_mailboxes: self.config.work.max_mailboxes,
            rest_after_breakdown: worker::REST_AFTER_BREAKDOWN,
        };
        Ok(Worker::start(self.app.clone(), &config)?)
    }

    /// Takes the port, so that whoever asks from now on waits for an answer instead of being refused.
    pub async fn listen(&self) -> Result<Listening> {
        if let Some(unnamed) = self.config.unnamed_proxy() {
            warn!("{unnamed}");
        }
        let addr = self.config.web.listen_addr;
        let acceptor = TcpListener::bind(addr)
            .into_acceptor()
            .await
            .with_context(|| format!("LISTEN_ADDR: cannot listen on {addr}"))?;
        let addr = acceptor.local_addr().first().and_then(|addr| addr.as_socket_addr().copied()).unwrap_or(addr);
        let bounds = connections::bounds(self.config.limits.connections);
        let acceptor = Places::new(acceptor, bounds, self.config.limits.trusted_proxies.clone());
        Ok(Listening { acceptor, addr, app: self.app.clone(), hints: self.hints.clone() })
    }
}

/// A port that is taken and not yet served.
pub struct Listening {
    acceptor: Places<TcpAcceptor>,
    addr: SocketAddr,
    app: App,
    hints: Hints,
}

impl Listening {
    /// Serves until `stop`, then answers what was asked already.
    pub async fn serve(self, stop: CancellationToken) -> Result<()> {
        info!(address = %self.addr, "serving");
        let _hearing = AbortOnDropHandle::new(tokio::spawn(hear(self.app.clone(), self.hints.clone())));
        let streams = self.app.clone();
        Server::new_with_acceptor(self.acceptor)
            .run_with_graceful_shutdown(
                api::routes(api::ApiConfig::new(self.app)),
                async move {
                    stop.cancelled().await;
                    // They have no end of their own, and would be waited for.
                    live::close(&streams);
                },
                Some(DRAIN_TIMEOUT),
            )
            .await?;
        Ok(())
    }
}

/// What happened in other processes is told to those who follow it here, and what passes there.
async fn hear(app: App, hints: Hints) {
    let (mut accounts, mut passing) = (hints.accounts(), hints.passing());
    loop {
        tokio::select! {
            account = accounts.recv() => match account {
                Ok(account) => live::look(&app, account),
                Err(RecvError::Lagged(_)) => live::look_everywhere(&app),
                Err(RecvError::Closed) => return,
            },
            passing = passing.recv() => match passing {
                Ok(passing) => live::hear(&app, passing),
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return,
            },
        }
    }
}

/// Opens the database without looking at its schema, for a command that is done in a moment and goes by this computer's clock.
pub async fn open_store(config: &Config) -> Result<Store> {
    open_store_with(config, Arc::new(SystemClock)).await
}

async fn open_store_with(config: &Config, clock: Arc<dyn Clock>) -> Result<Store> {
    if config.database.is_sqlite {
        crate::folder::make_private(&config.database.data_dir)
            .with_context(|| format!("POSTROOM_DATA_DIR: cannot make {}", config.database.data_dir.display()))?;
    }
    Store::connect(StoreConfig {
        url: config.database.url.expose().to_owned(),
        data_dir: config.database.data_dir.clone(),
        keys: config.keys.clone(),
        max_connections: config.database.connections,
        clock,
        entropy: Arc::new(SystemEntropy::new()),
        kill_at: asked_to_end_at()?,
    })
    .await
    .context("DATABASE_URL: the database cannot be opened")
}

/// How a story tells a debug build at which kill point to die (`sending`) or to stand still (`sending:stop`).
fn asked_to_end_at() -> Result<Option<KillAt>> {
    #[expect(clippy::disallowed_methods, reason = "no variable of the product: a release build does not look at it")]
    let asked = std::env::var("POSTROOM_TEST_KILL_AT").ok().filter(|_| cfg!(debug_assertions));
    asked
        .map(|name| KillAt::parse(&name).with_context(|| format!("POSTROOM_TEST_KILL_AT: there is no {name}")))
        .transpose()
}

/// Another one at every start: a worker that comes back is not the one that died.
fn process_name(role: &str) -> String {
    let mut random = [0; 4];
    SystemEntropy::new().fill(&mut random);
    format!("{role}-{}-{:08x}", std::process::id(), u32::from_be_bytes(random))
}
