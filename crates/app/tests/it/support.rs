//! An app on a SQLite file of its own, the sandbox as its Microsoft, a prover in place of the worker, and a browser's cookie jar.
//!
//! Time is the machine's plus what a test adds, so that tokens grow old without anybody waiting.

use app::accounts::{self, Caller, Credential, Member, NewAccount, SessionKind, SignIn};
use app::channels::callback::{self, CallbackPage, CallbackQuery};
use app::channels::connect::{self, Begin, OpenLinkError};
use app::channels::{connection_status, inboxes, shared};
use app::inbound::pull;
use app::oauth_apps::manage::{self, GivenApp, GivenCredential};
use app::outbound::{self, Draft};
use app::system::{SystemClock, SystemEntropy};
use app::tending::{self, ChannelLease};
use app::{App, AppParts, Environment, Hint, Settings, Wake, conversations, job, owed};
use domain::channel::{ConnectionStatus, EmailChannel, SendTransport};
use domain::message::{Delivery, Message};
use domain::{AccountId, Clock, ConnectionId, DisplayId, Entropy, InboxId, OauthAppId, Secret, Timestamp};
use net::{Connector, ConnectorConfig, Endpoint, TlsMode};
use oauth::{Credential as AppCredential, Microsoft, MicrosoftSettings};
use sandbox::{AppRegistration, Sandbox, SandboxConfig};
use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use store::{KeyRing, OwedKind, Rooms, Store, StoreConfig};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use url::Url;

pub const PASSWORD: &str = "correct horse battery";

/// The machine's clock, moved by hand.
#[derive(Debug, Default)]
pub struct MovedClock(AtomicI64);

impl MovedClock {
    pub fn advance(&self, by: Duration) {
        self.0.fetch_add(i64::try_from(by.as_micros()).expect("not that long"), Ordering::SeqCst);
    }
}

impl Clock for MovedClock {
    fn now(&self) -> Timestamp {
        Timestamp(SystemClock.now().0 + self.0.load(Ordering::SeqCst))
    }
}

#[derive(Debug, Default)]
struct WakeProver(Notify);

impl Wake for WakeProver {
    fn wake(&self, _: Hint) {
        self.0.notify_one();
    }
}

#[derive(Debug)]
struct NobodyListens;

impl Wake for NobodyListens {
    fn wake(&self, _: Hint) {}
}

/// More than any story here needs.
pub const HOST_CONNECTIONS: NonZeroU32 = NonZeroU32::new(8).expect("more than none");

pub struct World {
    pub app: App,
    pub sandbox: Sandbox,
    pub clock: Arc<MovedClock>,
    pub account: AccountId,
    prover: JoinHandle<()>,
    database_url: String,
    _folder: tempfile::TempDir,
}

impl Drop for World {
    fn drop(&mut self) {
        self.prover.abort();
    }
}

pub async fn world() -> World {
    world_with(SandboxConfig::default()).await
}

pub async fn world_with(config: SandboxConfig) -> World {
    let folder = tempfile::tempdir().expect("a folder");
    let clock = Arc::new(MovedClock::default());
    let entropy: Arc<dyn Entropy> = Arc::new(SystemEntropy::new());
    let database_url = format!("sqlite://{}", folder.path().join("postroom.db").display());
    let store = Store::connect(StoreConfig {
        url: database_url.clone(),
        data_dir: folder.path().to_owned(),
        keys: KeyRing::parse(&Secret::new("test:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=")).expect("a key"),
        max_connections: 4,
        clock: clock.clone(),
        entropy: entropy.clone(),
        kill_at: None,
    })
    .await
    .expect("a database");
    store.migrate().await.expect("the schema");

    let frontend = Url::parse("http://127.0.0.1:3000/").expect("a URL");
    let redirect_uri = frontend.join("microsoft/callback").expect("a URL");
    let sandbox = Sandbox::start(SandboxConfig { redirect_uris: vec![redirect_uri.to_string()], ..config })
        .await
        .expect("a sandbox");
    let connector = Connector::new(ConnectorConfig {
        extra_ca_pem: Some(sandbox.ca_pem().into_bytes()),
        plain_http: true,
        host_connections: Some(HOST_CONNECTIONS),
        slot_timeout: Duration::from_millis(20),
        ..ConnectorConfig::default()
    })
    .expect("a connector");
    let microsoft = Microsoft::new(
        MicrosoftSettings {
            login_url: Url::parse(&sandbox.login_url()).expect("a URL"),
            graph_url: None,
            authority: "common".to_owned(),
            client_id: sandbox.client_id().to_owned(),
            credentials: vec![AppCredential::secret(sandbox.client_secret())],
            redirect_uri,
            production: false,
        },
        connector.clone(),
        clock.clone(),
    )
    .expect("settings that fit");
    let imap = Endpoint::new("127.0.0.1", sandbox.imap_addr().port(), TlsMode::Implicit);
    let smtp = Endpoint::new("127.0.0.1", sandbox.smtp_addr().port(), TlsMode::StartTls);
    let wake = Arc::new(WakeProver::default());
    let app = App::new(AppParts {
        store,
        clock: clock.clone(),
        entropy,
        connector,
        microsoft: Some(microsoft),
        settings: Settings {
            graph_url: Url::parse(&sandbox.graph_url()).expect("a URL"),
            ..Settings::new(Environment::Development, frontend, imap, smtp)
        },
        wake: wake.clone(),
        shared_counts: None,
    });
    let account = new_account(&app, "Contoso", "admin@contoso.example").await;
    let prover = tokio::spawn(prove_whatever_is_owed(app.clone(), wake));
    World { app, sandbox, clock, account, prover, database_url, _folder: folder }
}

pub async fn new_account(app: &App, name: &str, email: &str) -> AccountId {
    let new = NewAccount {
        name: name.to_owned(),
        admin_email: email.to_owned(),
        admin_name: None,
        admin_password: Secret::new(PASSWORD),
    };
    accounts::create_account(app, new).await.expect("an account").account_id
}

/// What the relay and the runner do, for the one kind of work these stories end with.
async fn prove_whatever_is_owed(app: App, wake: Arc<WakeProver>) {
    loop {
        let _ = tokio::time::timeout(Duration::from_millis(500), wake.0.notified()).await;
        let due =
            app.store().relay().hand_over(Rooms::of_each(16), &[], Duration::from_secs(60)).await.expect("the relay");
        for work in due.into_iter().filter(|work| work.kind == OwedKind::ProveConnection) {
            let lease = Duration::from_secs(300);
            let claimed = app.store().relay().claim(work.account_id, work.kind, work.owed_id, "test", lease).await;
            if let Some(claimed) = claimed.expect("the relay") {
                app::channels::verify::prove(&app, &claimed).await.expect("the database");
            }
        }
    }
}

pub async fn signed_in(app: &App, email: &str) -> Caller {
    let ask = SignIn {
        email: email.to_owned(),
        password: Secret::new(PASSWORD),
        from: std::net::IpAddr::from([192, 0, 2, 1]).into(),
        user_agent: None,
        kind: SessionKind::Browser,
    };
    let session = accounts::sign_in(app, ask).await.expect("the right password");
    let credential = Credential::Session(session.token.expose());
    accounts::authenticate(app, credential).await.expect("the database").expect("a session")
}

impl World {
    pub async fn admin(&self) -> Member {
        accounts::enter(&self.app, &self.session().await, self.account).await.expect("a member")
    }

    /// Of another process of this installation, which nobody wakes.
    pub fn parts(&self) -> AppParts {
        AppParts {
            store: self.app.store().clone(),
            clock: self.clock.clone(),
            entropy: Arc::new(SystemEntropy::new()),
            connector: self.app.connector().clone(),
            microsoft: self.app.microsoft().cloned(),
            settings: self.app.settings().clone(),
            wake: Arc::new(NobodyListens),
            shared_counts: None,
        }
    }

    pub async fn channel(&self, inbox: InboxId) -> EmailChannel {
        inboxes::show(&self.app, &self.admin().await, inbox).await.expect("the inbox").channel
    }

    /// What was told, of this kind.
    pub async fn events(&self, kind: &str) -> Vec<serde_json::Value> {
        let events = self.admin().await.scope.events_after(0, 1000).await.expect("the database");
        let of = events.iter().filter(|event| event.kind == kind);
        of.map(|event| serde_json::from_str(&event.payload).expect("JSON")).collect()
    }

    /// An app of Contoso's own with this secret, registered at Microsoft and here; and its client id.
    pub async fn own_app(&self, secret: &str) -> (OauthAppId, String) {
        let registration = AppRegistration::any().secret(secret);
        let client_id = registration.client_id.clone();
        self.sandbox.register_app(registration);
        let credential = GivenCredential { client_secret: Some(Secret::new(secret)), ..GivenCredential::default() };
        let given = GivenApp {
            name: Some("Contoso's own".to_owned()),
            client_id: Some(client_id.clone()),
            credential: Some(credential),
            ..GivenApp::default()
        };
        (manage::create(&self.app, &self.admin().await, given).await.expect("an app").id, client_id)
    }

    pub async fn session(&self) -> Caller {
        signed_in(&self.app, "admin@contoso.example").await
    }

    /// Nothing that is owed is done from now on, as when no worker runs.
    pub fn stop_proving(&self) {
        self.prover.abort();
    }

    /// As a worker that begins. `None`: no mailbox is to be read.
    pub async fn lease(&self) -> Option<ChannelLease> {
        let session = tending::begin_session(&self.app, "test").await.expect("the database");
        tending::lease_mailboxes(&self.app, session, 1).await.expect("the database").pop()
    }

    /// A mail arrives in this mailbox, the only one that is to be read, and is read: the conversation that it begins.
    pub async fn first_conversation(&self, mailbox: &str) -> DisplayId {
        let lease = self.lease().await.expect("a lease");
        let mut opened = pull::open(&self.app, &lease).await.expect("opens");
        self.sandbox.deliver(mailbox, &testkit::builders::numbered(1));
        pull::pull(&self.app, &lease, &mut opened).await.expect("pulls");
        opened.close().await;
        let query = conversations::ConversationFilter { status: None, ..conversations::ConversationFilter::default() };
        let list = conversations::list(&self.app, &self.admin().await, &query).await.expect("a list");
        list.items[0].conversation.display_id
    }

    pub async fn reply(&self, conversation: DisplayId) -> Message {
        let draft = Draft { content: "hello".to_owned(), ..Draft::default() };
        outbound::reply(&self.app, &self.admin().await, conversation, draft).await.expect("accepted")
    }

    /// Whatever is due by now, one try each. What is due is for the database's clock to say, which nobody moves.
    pub async fn works(&self) {
        self.works_until(&CancellationToken::new()).await;
    }

    pub async fn works_until(&self, stop: &CancellationToken) {
        for (_, envelope) in owed::due(&self.app, Rooms::of_each(50), &[]).await.expect("the store works") {
            job::run(&self.app, &envelope, "test", stop).await;
        }
    }

    /// The waits between two tries are over.
    pub async fn all_is_due(&self) {
        testkit::check::waits_are_over(&self.database_url).await.expect("the database");
    }

    pub async fn delivery(&self, of: &Message) -> Delivery {
        let scope = self.admin().await.scope;
        scope.delivery_of_message(of.id).await.expect("answers").expect("a delivery").delivery
    }

    /// Time passes here and at Microsoft.
    pub fn advance(&self, by: Duration) {
        self.clock.advance(by);
        self.sandbox.advance(by);
    }

    /// A link, and the browser that opened it first.
    pub async fn begin(&self, inbox_id: Option<InboxId>) -> Attempt<'_> {
        self.begin_with(Begin { inbox_id, ..Begin::default() }).await
    }

    pub async fn begin_with(&self, ask: Begin) -> Attempt<'_> {
        let begun = connect::begin(&self.app, &self.admin().await, ask).await.expect("a link");
        let link = begun.url.rsplit('/').next().expect("a token").to_owned();
        Attempt { world: self, link, id: begun.connection_id, browser: Browser::default() }
    }

    /// As [`Self::connect`], for a mailbox that sends through Graph.
    pub async fn connect_by_graph(&self, user: &str, inbox_id: Option<InboxId>) -> CallbackPage {
        let ask = Begin { inbox_id, send_transport: Some(SendTransport::Graph), ..Begin::default() };
        let attempt = self.begin_with(ask).await;
        let url = attempt.sign_in(user).await;
        attempt.come_back(&url, Some(&self.session().await)).await
    }

    /// All of it, in a browser with the administrator's session.
    pub async fn connect(&self, user: &str, inbox_id: Option<InboxId>) -> CallbackPage {
        self.connect_with(user, Begin { inbox_id, ..Begin::default() }).await
    }

    pub async fn connect_with(&self, user: &str, ask: Begin) -> CallbackPage {
        let attempt = self.begin_with(ask).await;
        let url = attempt.sign_in(user).await;
        attempt.come_back(&url, Some(&self.session().await)).await
    }
}

/// A jar of cookies.
#[derive(Debug, Default)]
pub struct Browser(Mutex<HashMap<String, String>>);

impl Browser {
    pub fn cookie(&self, name: &str) -> Option<String> {
        self.0.lock().expect("a jar").get(name).cloned()
    }
}

pub struct Attempt<'a> {
    pub world: &'a World,
    pub link: String,
    pub id: ConnectionId,
    pub browser: Browser,
}

impl Attempt<'_> {
    /// Where the browser is sent; keeps the cookie.
    pub async fn open_in(&self, browser: &Browser) -> Result<Url, OpenLinkError> {
        let opened = connect::open_link(&self.world.app, &self.link, &|name| browser.cookie(name)).await?;
        browser.0.lock().expect("a jar").insert(opened.cookie.name, opened.cookie.value);
        Ok(opened.redirect)
    }

    /// Where Microsoft sends the browser after the sign-in.
    pub async fn sign_in(&self, user: &str) -> Url {
        let authorize = self.open_in(&self.browser).await.expect("a link that opens");
        let back = self.world.sandbox.sign_in(authorize.as_str(), user).await.expect("a sign-in");
        Url::parse(&back).expect("a URL")
    }

    pub async fn come_back(&self, url: &Url, caller: Option<&Caller>) -> CallbackPage {
        self.come_back_in(&self.browser, url, caller).await
    }

    pub async fn come_back_in(&self, browser: &Browser, url: &Url, caller: Option<&Caller>) -> CallbackPage {
        let cookies = |name: &str| browser.cookie(name);
        callback::handle(&self.world.app, query(url), &cookies, caller).await.expect("the database")
    }

    /// What an attempt that somebody agreed to, or resumed, goes on with: the browser keeps the cookies.
    pub fn goes_on(&mut self, go: &str, cookies: &[app::channels::BrowserCookie]) {
        go.rsplit('/').next().expect("a token").clone_into(&mut self.link);
        for cookie in cookies {
            self.browser.0.lock().expect("a jar").insert(cookie.name.clone(), cookie.value.clone());
        }
    }

    pub async fn follow(&self, state: &str) -> CallbackPage {
        let cookies = |name: &str| self.browser.cookie(name);
        callback::follow(&self.world.app, state, &cookies).await.expect("the database")
    }

    pub async fn tell_address(&self, token: &Secret, typed: &str) -> CallbackPage {
        let cookies = |name: &str| self.browser.cookie(name);
        callback::tell_address(&self.world.app, token.expose(), typed, &cookies).await.expect("the database")
    }

    pub async fn confirm(&self, token: &Secret) -> CallbackPage {
        let cookies = |name: &str| self.browser.cookie(name);
        callback::confirm(&self.world.app, token.expose(), &cookies).await.expect("the database")
    }
}

pub fn query(url: &Url) -> CallbackQuery {
    let of = |wanted: &str| url.query_pairs().find(|(name, _)| name == wanted).map(|(_, value)| value.into_owned());
    CallbackQuery {
        code: of("code").map(Secret::new),
        state: of("state"),
        error: of("error"),
        error_subcode: of("error_subcode"),
        error_description: of("error_description"),
        admin_consent: of("admin_consent"),
    }
}

pub fn connected(page: &CallbackPage) -> InboxId {
    match page {
        CallbackPage::Connected { inbox, .. } => inbox.id,
        other => panic!("not connected: {other:?}"),
    }
}

/// Why an administrator of the account is asked.
pub fn awaits_yes(page: &CallbackPage) -> domain::FailureClass {
    match page {
        CallbackPage::AwaitingAdministrator { failure, .. } => failure.class,
        other => panic!("nobody is asked: {other:?}"),
    }
}

pub fn failed(page: &CallbackPage) -> domain::FailureClass {
    match page {
        CallbackPage::Failed { failure, .. } => failure.class,
        other => panic!("did not fail: {other:?}"),
    }
}

/// The inbox of a mailbox that the person of this one opens.
pub async fn shared_of(world: &World, own: InboxId, address: &str) -> InboxId {
    let principal = world.channel(own).await.principal;
    world.sandbox.add_user(sandbox::TenantUser::work(sandbox::CONTOSO, address, address));
    world.sandbox.update_user(&principal, |user| user.full_access.push(address.to_owned()));
    let begun = shared::connect(&world.app, &world.admin().await, own, address).await.expect("begun");
    let ended = async {
        loop {
            let seen = connection_status(&world.app, &world.admin().await, begun).await.expect("the attempt");
            match seen.status {
                ConnectionStatus::Proving => tokio::time::sleep(Duration::from_millis(50)).await,
                _ => return seen.connection.result_inbox_id,
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(60), ended).await.expect("an end").expect("an inbox")
}
