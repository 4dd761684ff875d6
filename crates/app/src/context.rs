//! What every use case is given: the store, the clock, randomness, the way out, and the settings.
//!
//! Nothing here is ambient: a test hands in its own clock, entropy and servers. The [`Wake`] port is the only way this crate speaks to
//! the machinery that runs it, and what it says is a hint: losing one costs a second, never a mail.

use crate::accounts::{LoginThrottle, TokenUses};
use crate::calls::{CallLimits, TrustedProxies};
use crate::channels::ReturnUrls;
use crate::live::{Live, Passing};
use crate::memory::MailMemory;
use crate::oauth_apps::Registry;
use crate::outbound::KeptSessions;
use crate::shared_counts::SharedCounts;
use crate::webhooks::{Bodies, NoBodies};
use domain::channel::Service;
use domain::{AccountId, ChannelId, Clock, Entropy, Mailbox, Timestamp};
use oauth::Microsoft;
use std::sync::{Arc, Weak};
use std::time::Duration;
use store::{KillPoint, Store};
use tokio::sync::Notify;
use url::Url;

/// What an [`App`] is made of.
#[derive(Debug)]
pub struct AppParts {
    pub store: Store,
    pub clock: Arc<dyn Clock>,
    pub entropy: Arc<dyn Entropy>,
    pub connector: net::Connector,
    /// `None` when no app registration is configured: nothing can be connected then.
    pub microsoft: Option<Microsoft>,
    pub settings: Settings,
    pub wake: Arc<dyn Wake>,
    /// Where processes count together who tries to sign in and who calls. `None`: in memory, for one process.
    pub shared_counts: Option<Arc<dyn SharedCounts>>,
}

/// Everything a use case needs; cheap to clone.
#[derive(Clone, Debug)]
pub struct App(Arc<Inside>);

/// An [`App`] that is not kept by this.
#[derive(Debug)]
pub(crate) struct WeakApp(Weak<Inside>);

impl WeakApp {
    pub fn upgrade(&self) -> Option<App> {
        self.0.upgrade().map(App)
    }
}

#[derive(Debug)]
struct Inside {
    parts: AppParts,
    webhook_bodies: Arc<dyn Bodies>,
    login_throttle: LoginThrottle,
    token_uses: TokenUses,
    call_limits: CallLimits,
    mail_memory: MailMemory,
    kept_sessions: KeptSessions,
    registry: Registry,
    live: Live,
    /// Something that somebody in this process may be waiting for has changed: a connection, a grant's token. A hint, like [`Wake`].
    changed: Notify,
}

impl App {
    /// Tells no webhook anything: see [`Self::telling`].
    pub fn new(parts: AppParts) -> Self {
        Self::telling(parts, Arc::new(NoBodies))
    }

    /// `webhook_bodies`: what webhooks are told.
    pub fn telling(parts: AppParts, webhook_bodies: Arc<dyn Bodies>) -> Self {
        let login_throttle = LoginThrottle::new(parts.shared_counts.clone());
        let call_limits = CallLimits::new(parts.settings.calls_per_minute, &parts.clock, parts.shared_counts.as_ref());
        let mail_memory = MailMemory::new(parts.settings.mail_memory_bytes, parts.settings.full_parse_limit_bytes);
        let kept_sessions = KeptSessions::default();
        let live = Live::new(parts.settings.live_streams);
        let registry = Registry::default();
        let changed = Notify::new();
        let token_uses = TokenUses::default();
        Self(Arc::new(Inside {
            parts,
            webhook_bodies,
            login_throttle,
            token_uses,
            call_limits,
            mail_memory,
            kept_sessions,
            registry,
            live,
            changed,
        }))
    }

    pub fn store(&self) -> &Store {
        &self.0.parts.store
    }

    pub fn connector(&self) -> &net::Connector {
        &self.0.parts.connector
    }

    pub fn microsoft(&self) -> Option<&Microsoft> {
        self.0.parts.microsoft.as_ref()
    }

    pub fn settings(&self) -> &Settings {
        &self.0.parts.settings
    }

    pub fn clock(&self) -> &Arc<dyn Clock> {
        &self.0.parts.clock
    }

    pub fn now(&self) -> Timestamp {
        self.0.parts.clock.now()
    }

    pub fn entropy(&self) -> &dyn Entropy {
        self.0.parts.entropy.as_ref()
    }

    /// A number from 0.0 to 1.0 for spreading waits.
    pub fn jitter(&self) -> f64 {
        let mut bytes = [0; 4];
        self.entropy().fill(&mut bytes);
        f64::from(u32::from_le_bytes(bytes)) / f64::from(u32::MAX)
    }

    pub fn wake(&self, hint: Hint) {
        // Those who follow the account here need nobody to carry it.
        if let Hint::Account(account) = hint {
            self.live().look(account);
        }
        self.0.parts.wake.wake(hint);
    }

    /// To the other processes.
    pub(crate) fn tell(&self, passing: &Passing) {
        self.0.parts.wake.tell(passing);
    }

    pub(crate) fn live(&self) -> &Live {
        &self.0.live
    }

    pub(crate) fn weak(&self) -> WeakApp {
        WeakApp(Arc::downgrade(&self.0))
    }

    /// Room for mail, shared by all mailboxes of this process.
    pub(crate) fn mail_memory(&self) -> &MailMemory {
        &self.0.mail_memory
    }

    pub(crate) fn kept_sessions(&self) -> &KeptSessions {
        &self.0.kept_sessions
    }

    pub(crate) fn registry(&self) -> &Registry {
        &self.0.registry
    }

    pub(crate) fn login_throttle(&self) -> &LoginThrottle {
        &self.0.login_throttle
    }

    pub(crate) fn token_uses(&self) -> &TokenUses {
        &self.0.token_uses
    }

    /// How often this installation may be called, and by whom.
    pub fn call_limits(&self) -> &CallLimits {
        &self.0.call_limits
    }

    pub(crate) fn webhook_bodies(&self) -> &dyn Bodies {
        self.0.webhook_bodies.as_ref()
    }

    /// Marks a moment at which a test may let this process end.
    pub(crate) fn passes(&self, point: KillPoint) {
        self.store().passes(point);
    }

    /// Tells those who wait in this process that a connection or a token has changed.
    pub(crate) fn changed(&self) {
        self.0.changed.notify_waiters();
    }

    /// Until [`Self::changed`] is called in this process, or for `most`: other processes' changes are seen by looking again.
    pub(crate) async fn until_changed(&self, most: Duration) {
        let _ = tokio::time::timeout(most, self.0.changed.notified()).await;
    }
}

/// Where this installation runs. Production refuses what development forgives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Environment {
    Development,
    Production,
}

/// The server that takes the installation's own mails, and in whose name they go.
#[derive(Clone, Debug)]
pub struct SystemMailer {
    pub relay: mail::smtp::Relay,
    pub from: Mailbox,
}

/// One of the installation's app's credentials, as the operator knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedCredential {
    /// The variable that it came from.
    pub name: String,
    pub hint: String,
    pub expires_at: Option<Timestamp>,
}

/// What the use cases must know of the configuration; read and validated by the server, once.
#[derive(Clone, Debug)]
pub struct Settings {
    pub environment: Environment,
    /// Where people reach us: links we make start with it.
    pub frontend_url: Url,
    pub imap: net::Endpoint,
    pub smtp: net::Endpoint,
    /// Where people sign in with Microsoft, whichever app they do it through.
    pub microsoft_login_url: Url,
    /// What the installation's app proves itself with, in the order of its settings.
    pub app_credentials: Vec<NamedCredential>,
    /// OAuth apps of one account at most.
    pub account_oauth_apps_limit: u32,
    /// Where mail of personal accounts is submitted.
    pub smtp_personal: net::Endpoint,
    /// Where people may be sent at the end of a connect link.
    pub return_urls: ReturnUrls,
    /// Where Microsoft Graph is asked, for mailboxes that send through it.
    pub graph_url: Url,
    /// `None`: nothing is mailed, and invitations are links that an administrator hands over.
    pub mailer: Option<SystemMailer>,
    /// How often a mailbox without IDLE is looked into, and the net below one with it.
    pub poll_interval: Duration,
    /// How far into the past the first import goes.
    pub import_days: u32,
    /// Of mail above this only the beginning is fetched and kept, and it says so.
    pub fetch_limit_bytes: usize,
    /// What mail may take of this process's memory while it is fetched, stored and read, all mailboxes together.
    pub mail_memory_bytes: u64,
    /// Mail above this is parsed from a prefix, and says so.
    pub full_parse_limit_bytes: usize,
    /// How long the callback waits for the mailbox's proof before it shows a page that follows it.
    pub callback_wait: Duration,
    /// How long a sign-in at Microsoft may take.
    pub connection_lifetime: Duration,
    /// How long a mailbox may take to be proved (a first Exchange login can take 90 seconds, and a bad moment passes).
    pub proof_lifetime: Duration,
    /// The largest body of a reply with its attachments.
    pub max_upload_bytes: usize,
    /// What one person may call the API in a minute; strangers much less.
    pub calls_per_minute: u32,
    /// Whose word is believed on who asks.
    pub trusted_proxies: TrustedProxies,
    /// Inboxes of one account at most.
    pub account_inboxes_limit: u32,
    /// People of one account at most.
    pub account_agents_limit: u32,
    /// Streams of events that this process has open at most.
    pub live_streams: u32,
    /// How long events are kept, and so for how long a stream may be away and miss nothing.
    pub events_kept: Duration,
    /// How long a webhook may take to answer.
    pub webhook_timeout: Duration,
    /// Whether webhooks may lead into networks that are not public.
    pub webhook_private_networks: bool,
    /// How long a session for sending is kept, idle, for the mailbox's next message. Servers hang up on those that are idle for long.
    pub session_kept: Duration,
    /// How long to wait before each look into Sent for a message whose outcome is unknown; after the last it is decided.
    pub reconcile_looks: Vec<Duration>,
}

impl Settings {
    pub fn new(environment: Environment, frontend_url: Url, imap: net::Endpoint, smtp: net::Endpoint) -> Self {
        Self {
            environment,
            frontend_url,
            imap,
            smtp_personal: smtp.clone(),
            smtp,
            microsoft_login_url: Url::parse("https://login.microsoftonline.com").expect("a URL"),
            app_credentials: Vec::new(),
            account_oauth_apps_limit: 20,
            return_urls: ReturnUrls::default(),
            graph_url: Url::parse("https://graph.microsoft.com").expect("a URL"),
            mailer: None,
            poll_interval: Duration::from_secs(60),
            import_days: 7,
            // Above what Exchange takes from anywhere (150 MB).
            fetch_limit_bytes: 160 * 1024 * 1024,
            mail_memory_bytes: 256 * 1024 * 1024,
            full_parse_limit_bytes: 32 * 1024 * 1024,
            callback_wait: Duration::from_secs(10),
            connection_lifetime: Duration::from_secs(15 * 60),
            proof_lifetime: Duration::from_secs(15 * 60),
            max_upload_bytes: 40 * 1024 * 1024,
            calls_per_minute: 3000,
            trusted_proxies: TrustedProxies::default(),
            account_inboxes_limit: 1000,
            account_agents_limit: 1000,
            live_streams: 3072,
            events_kept: Duration::from_secs(72 * 60 * 60),
            webhook_timeout: Duration::from_secs(5),
            webhook_private_networks: false,
            session_kept: Duration::from_secs(15),
            reconcile_looks: [10, 60, 300].map(Duration::from_secs).to_vec(),
        }
    }

    /// Where mail of this service's mailboxes is submitted.
    pub fn smtp_of(&self, service: Service) -> &net::Endpoint {
        match service {
            Service::Microsoft365 => &self.smtp,
            Service::OutlookCom => &self.smtp_personal,
        }
    }

    /// Where it is said what this failure is and what to do about it.
    pub fn help(&self, class: domain::FailureClass) -> String {
        self.link(&format!("/help/{}", class.code()))
    }

    /// An address of ours; `path` starts with a slash. A FRONTEND_URL with a path keeps it.
    pub fn link(&self, path: &str) -> String {
        format!("{}{path}", self.frontend_url.as_str().trim_end_matches('/'))
    }
}

/// Tells whoever runs us that there is something to do now. Never relied upon.
pub trait Wake: Send + Sync + std::fmt::Debug {
    fn wake(&self, hint: Hint);

    /// Something that passes, for those who follow an account in other processes.
    fn tell(&self, _passing: &Passing) {}
}

/// What there is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Hint {
    /// Work is owed and due.
    Owed,
    /// This mailbox should be looked after: connected, asked to try again, or removed.
    Channel(ChannelId),
    /// Something happened in this account: event streams look.
    Account(AccountId),
}
