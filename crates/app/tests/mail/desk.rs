//! One account with one connected mailbox at the sandbox, and the steps that a worker and an agent would take.

use app::accounts::{Caller, Member};
use app::conversations::{self, ConversationFilter, ConversationView};
use app::inbound::ingest::{Ingested, ingest_batch};
use app::inbound::{MailboxError, OpenMailbox, PullError, pull};
use app::outbound::{Beginning, Draft, reply};
use app::system::{SystemClock, SystemEntropy};
use app::{App, AppParts, Environment, Hint, Settings, Wake, accounts, job, owed};
use domain::conversation::ConversationStatus;
use domain::inbox::Inbox;
use domain::message::{DeliveryState, Message};
use domain::{Clock, DisplayId, MessageId, RawEmailId, Secret, Timestamp};
use net::{Connector, ConnectorConfig, Endpoint, Slot, TlsMode};
use sandbox::{INBOX, Sandbox, SandboxConfig};
use sqlx::Connection as _;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use store::{
    AccountScope, ChannelLease, DeliveryRecord, Fence, FolderImport, FolderRole, KeyRing, NewRawEmail, OwedKind,
    OwedPriority, RawBatch, RawEmail, RawEmailFilter, RawEmailSource, Rooms, Store, StoreConfig,
};
use testkit::installation::put_mailbox;
use tokio_util::sync::CancellationToken;

pub const SUPPORT: &str = "support@contoso.example";
pub const ADA: &str = "ada@customer.example";
/// More than any desk needs.
const HOST_CONNECTIONS: NonZeroU32 = NonZeroU32::new(8).expect("more than none");

/// Nobody is woken; what was said is kept.
#[derive(Debug, Default)]
pub struct Said(Mutex<Vec<Hint>>);

impl Said {
    pub fn count(&self, hint: Hint) -> usize {
        self.0.lock().expect("nobody panicked").iter().filter(|said| **said == hint).count()
    }
}

impl Wake for Said {
    fn wake(&self, hint: Hint) {
        self.0.lock().expect("nobody panicked").push(hint);
    }
}

/// The computer's clock, and what a test has added to it.
#[derive(Debug, Default)]
pub struct MovedClock {
    ahead_micros: AtomicI64,
    each_look_micros: AtomicI64,
}

impl MovedClock {
    pub fn forward(&self, by: Duration) {
        self.ahead_micros.fetch_add(micros(by), Ordering::Relaxed);
    }

    /// As if whoever looks at the clock had stood still for so long since they looked at it last.
    pub fn forward_with_each_look(&self, by: Duration) {
        self.each_look_micros.store(micros(by), Ordering::Relaxed);
    }
}

impl Clock for MovedClock {
    fn now(&self) -> Timestamp {
        let each_look = self.each_look_micros.load(Ordering::Relaxed);
        Timestamp(SystemClock.now().0 + self.ahead_micros.fetch_add(each_look, Ordering::Relaxed) + each_look)
    }
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).expect("not for ever")
}

pub struct Desk {
    pub app: App,
    pub clock: Arc<MovedClock>,
    pub database_url: String,
    pub sandbox: Sandbox,
    pub scope: AccountScope,
    pub member: Member,
    pub inbox: Inbox,
    pub lease: ChannelLease,
    pub said: Arc<Said>,
    next_uid: AtomicU32,
    pub data: tempfile::TempDir,
}

impl Desk {
    pub async fn new() -> Self {
        Self::with(SandboxConfig::default()).await
    }

    pub async fn with(config: SandboxConfig) -> Self {
        Self::on(config, None).await
    }

    /// On this PostgreSQL database; on SQLite without one.
    pub async fn on(config: SandboxConfig, postgres: Option<&str>) -> Self {
        Self::tuned(config, postgres, |_| {}).await
    }

    pub async fn tuned(config: SandboxConfig, postgres: Option<&str>, tune: impl FnOnce(&mut Settings)) -> Self {
        let sandbox = Sandbox::start(config).await.expect("the sandbox starts");
        let data = tempfile::tempdir().expect("a folder");
        let moved = Arc::<MovedClock>::default();
        let clock: Arc<dyn Clock> = moved.clone();
        let database_url =
            postgres.map_or_else(|| format!("sqlite://{}", data.path().join("postroom.db").display()), str::to_owned);
        let entropy = Arc::new(SystemEntropy::new());
        let store = Store::connect(StoreConfig {
            url: database_url.clone(),
            data_dir: data.path().to_owned(),
            keys: KeyRing::parse(&Secret::new("QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=")).expect("a key"),
            max_connections: 8,
            clock: Arc::clone(&clock),
            entropy: entropy.clone(),
            kill_at: None,
        })
        .await
        .expect("the store opens");
        store.migrate().await.expect("the schema is made");
        let endpoint = |port: u16, tls| Endpoint::new("localhost", port, tls);
        let mut settings = Settings::new(
            Environment::Development,
            "http://localhost:3000".parse().expect("an address"),
            endpoint(sandbox.imap_addr().port(), TlsMode::Implicit),
            endpoint(sandbox.smtp_addr().port(), TlsMode::StartTls),
        );
        settings.reconcile_looks = vec![Duration::ZERO; 3];
        tune(&mut settings);
        let said = Arc::<Said>::default();
        let ca = sandbox.ca_pem().into_bytes();
        let connector = Connector::new(ConnectorConfig {
            extra_ca_pem: Some(ca),
            host_connections: Some(HOST_CONNECTIONS),
            slot_timeout: Duration::from_millis(20),
            plain_http: settings.webhook_private_networks,
            ..ConnectorConfig::default()
        });
        let app = App::new(AppParts {
            store: store.clone(),
            clock,
            entropy,
            connector: connector.expect("a connector"),
            microsoft: None,
            settings,
            wake: said.clone(),
            shared_counts: None,
        });
        let created = accounts::create_account(
            &app,
            accounts::NewAccount {
                name: "Contoso".to_owned(),
                admin_email: "agnes@contoso.example".to_owned(),
                admin_name: Some("Agnes Agent".to_owned()),
                admin_password: Secret::new("correct horse battery"),
            },
        )
        .await
        .expect("an account");
        let scope = store.operator().account(created.account_id).await.expect("answers").expect("there");
        let token = store::TokenHash::of(created.access_token.expose());
        let known = store.sign_in().authenticate_token(&token, app.now()).await.expect("answers").expect("known");
        let caller =
            Caller { user: known.user, token_id: known.token_id, kind: known.kind, account_id: known.account_id };
        let inbox = connect(&scope, &sandbox, SUPPORT).await;
        let member = accounts::enter(&app, &caller, created.account_id).await.expect("a member");
        let session = store.sync().start_session("test").await.expect("a session");
        let lease = store.sync().lease_channels(session, 1).await.expect("leases").remove(0);
        let next_uid = AtomicU32::new(1);
        Self { app, clock: moved, database_url, sandbox, scope, member, inbox, lease, said, next_uid, data }
    }

    /// As if the mailbox had delivered these bytes just now; no server is asked.
    /// A conversation without a message, in this desk's inbox.
    pub fn beginning(&self) -> Beginning {
        Beginning {
            inbox_id: self.inbox.id,
            contact_id: None,
            source_id: None,
            subject: None,
            status: ConversationStatus::Open,
            snoozed_until: None,
            assignee_id: None,
            team_id: None,
            additional_attributes: serde_json::Map::new(),
            custom_attributes: serde_json::Map::new(),
            message: None,
        }
    }

    pub async fn take_in(&self, raw: &str) -> Ingested {
        self.take_in_bytes(raw.replace("\r\n", "\n").replace('\n', "\r\n").as_bytes()).await
    }

    pub async fn take_in_bytes(&self, raw: &[u8]) -> Ingested {
        let ids = self.store_raw(raw).await;
        ingest_batch(&self.app, &self.scope, &ids).await.expect("the store works")
    }

    /// As [`Desk::take_in`], into the mailbox of another inbox.
    pub async fn take_in_at(&self, inbox: &Inbox, raw: &str) -> Ingested {
        let session = self.app.store().sync().start_session("another").await.expect("a session");
        let leases = self.app.store().sync().lease_channels(session, 9).await.expect("leases");
        let lease = leases.into_iter().find(|lease| lease.channel_id == inbox.channel.id).expect("a free mailbox");
        let ids = self.store_raw_at(&lease, raw.replace('\n', "\r\n").as_bytes()).await;
        self.app.store().sync().release(&lease).await.expect("released");
        ingest_batch(&self.app, &self.scope, &ids).await.expect("the store works")
    }

    pub async fn store_raw(&self, raw: &[u8]) -> Vec<RawEmailId> {
        self.store_raw_at(&self.lease, raw).await
    }

    async fn store_raw_at(&self, lease: &ChannelLease, raw: &[u8]) -> Vec<RawEmailId> {
        let folder = self.scope.open_folder(lease.channel_id, FolderRole::Inbox, INBOX).await.expect("a folder");
        if folder.uidvalidity.is_none() {
            let fence = Fence::Lease(lease);
            self.scope.set_cursor(fence, folder.id, 7, 0, FolderImport::default()).await.expect("a cursor");
        }
        let uid = self.next_uid.fetch_add(1, Ordering::Relaxed);
        let email = NewRawEmail {
            uid,
            internal_date: Some(self.app.now()),
            message_id: None,
            bytes: raw.to_vec().into(),
            truncated: false,
        };
        let batch = RawBatch {
            uidvalidity: 7,
            source: RawEmailSource::Live,
            emails: vec![email],
            missing: Vec::new(),
            last_uid: Some(uid),
            import_reached_uid: None,
        };
        let stored = self.scope.store_raw_emails(Fence::Lease(lease), folder.id, batch).await.expect("stored");
        stored.into_iter().map(|row| row.id).collect()
    }

    /// All the connections that may be open to a host, while nobody uses one.
    pub async fn all_slots(&self, host: &Endpoint) -> Vec<Slot> {
        let one = || self.app.connector().slot(host);
        futures_util::future::join_all((0..HOST_CONNECTIONS.get()).map(|_| one())).await
    }

    pub async fn open(&self) -> Result<OpenMailbox, MailboxError> {
        pull::open(&self.app, &self.lease).await
    }

    /// One connection: open, pull, close.
    pub async fn pull(&self) -> Result<pull::Pulled, PullError> {
        let mut mailbox = self.open().await?;
        let pulled = pull::pull(&self.app, &self.lease, &mut mailbox).await?;
        mailbox.close().await;
        Ok(pulled)
    }

    /// Runs what is due until nothing is; a job that waits for its time is left.
    pub async fn work(&self) {
        for _ in 0..200 {
            let due = owed::due(&self.app, Rooms::of_each(50), &[]).await.expect("the store works");
            if due.is_empty() {
                return;
            }
            for (_, envelope) in due {
                job::run(&self.app, &envelope, "test", &CancellationToken::new()).await;
            }
        }
        panic!("the work does not end");
    }

    pub async fn conversations(&self) -> Vec<ConversationView> {
        let query = ConversationFilter { status: None, ..ConversationFilter::default() };
        let mut found = conversations::list(&self.app, &self.member, &query).await.expect("a list").items;
        found.sort_by_key(|view| view.conversation.display_id);
        found
    }

    /// The only conversation.
    pub async fn conversation(&self) -> ConversationView {
        let mut all = self.conversations().await;
        assert_eq!(all.len(), 1, "one conversation");
        all.remove(0)
    }

    pub async fn messages(&self, conversation: DisplayId) -> Vec<Message> {
        conversations::messages(&self.app, &self.member, conversation, None, None, false)
            .await
            .expect("messages")
            .messages
    }

    pub async fn message(&self, conversation: DisplayId, id: MessageId) -> Message {
        self.messages(conversation).await.into_iter().find(|m| m.id == id).expect("the message is there")
    }

    pub async fn state(&self, conversation: DisplayId, id: MessageId) -> DeliveryState {
        self.message(conversation, id).await.delivery.expect("a delivery").state
    }

    pub async fn reply(&self, conversation: DisplayId, text: &str) -> Message {
        let draft = Draft { content: text.to_owned(), ..Draft::default() };
        reply(&self.app, &self.member, conversation, draft).await.expect("accepted")
    }

    pub fn database_url(&self) -> String {
        self.database_url.clone()
    }

    /// Runs a statement against the database as somebody outside would: for what no test can wait for.
    pub async fn outside(&self, statement: &str) {
        let statement = sqlx::AssertSqlSafe(statement.to_owned());
        if self.database_url.starts_with("sqlite") {
            let mut outside = sqlx::SqliteConnection::connect(&self.database_url).await.expect("opens");
            sqlx::query(statement).execute(&mut outside).await.expect("done");
        } else {
            let mut outside = sqlx::PgConnection::connect(&self.database_url).await.expect("opens");
            sqlx::query(statement).execute(&mut outside).await.expect("done");
        }
    }

    /// A number that a query finds, asked as somebody outside would.
    pub async fn number(&self, query: &str) -> usize {
        let query = sqlx::AssertSqlSafe(query.to_owned());
        let number: i64 = if self.database_url.starts_with("sqlite") {
            let mut outside = sqlx::SqliteConnection::connect(&self.database_url).await.expect("opens");
            sqlx::query_scalar(query).fetch_one(&mut outside).await.expect("a number")
        } else {
            let mut outside = sqlx::PgConnection::connect(&self.database_url).await.expect("opens");
            sqlx::query_scalar(query).fetch_one(&mut outside).await.expect("a number")
        };
        usize::try_from(number).expect("not negative")
    }

    /// So much time has passed for everything that the mailbox's line waits for.
    pub async fn mailbox_rests(&self, passed: Duration) {
        let micros = passed.as_micros();
        self.outside(&format!("UPDATE channel_submissions SET slot = slot - {micros}")).await;
        self.outside(&format!(
            "UPDATE email_channels SET send_after = send_after - {micros}, send_aside_until = send_aside_until - {micros}"
        ))
        .await;
        self.outside(&format!("UPDATE owed_work SET due_at = due_at - {micros}, ready_at = ready_at - {micros}")).await;
    }

    /// The delivery's row as the database might hold it after something that no test can wait for.
    pub async fn change_delivery(
        &self,
        message: MessageId,
        change: impl FnOnce(&mut DeliveryRecord),
    ) -> DeliveryRecord {
        let known = self.scope.delivery_of_message(message).await.expect("answers").expect("a delivery");
        let mut tx = self.scope.begin().await.expect("a transaction");
        let mut record = tx.lock_delivery(known.delivery.id).await.expect("answers").expect("a delivery");
        change(&mut record);
        tx.update_delivery(&record).await.expect("written");
        tx.commit().await.expect("committed");
        record
    }

    /// A message that waits for its next try is due now.
    pub async fn make_due(&self, message: MessageId) {
        let known = self.scope.delivery_of_message(message).await.expect("answers").expect("a delivery");
        let mut tx = self.scope.begin().await.expect("a transaction");
        let (kind, id) = (OwedKind::DeliverMessage, known.delivery.id.0);
        assert_eq!(tx.cancel_owed(kind, id).await.expect("cancelled"), 1, "one try was owed");
        tx.owe(kind, id, serde_json::json!({}), OwedPriority::Human, None).await.expect("owed");
        // So is the mailbox, if it is left alone for a while.
        tx.resume_sending(self.inbox.channel.id).await.expect("answers");
        tx.commit().await.expect("committed");
    }

    /// As [`Desk::make_due`], unless it has not been tried yet.
    pub async fn make_due_if_waiting(&self, message: MessageId) {
        let known = self.scope.delivery_of_message(message).await.expect("answers").expect("a delivery");
        if known.delivery.next_try_at.is_some() {
            self.make_due(message).await;
        }
    }

    /// Runs what is due once.
    pub async fn step(&self) {
        for (_, envelope) in owed::due(&self.app, Rooms::of_each(50), &[]).await.expect("the store works") {
            job::run(&self.app, &envelope, "test", &CancellationToken::new()).await;
        }
    }

    pub async fn raw_emails(&self) -> Vec<RawEmail> {
        let filter = RawEmailFilter { inbox_id: None, state: None, page: 1 };
        let (mut rows, _) = self.scope.raw_emails(&filter).await.expect("rows");
        rows.sort_by_key(|row| row.id);
        rows
    }

    pub async fn owe_import(&self) {
        let mut tx = self.scope.begin().await.expect("a transaction");
        let channel = self.inbox.channel.id.0;
        tx.owe(OwedKind::ImportWindow, channel, serde_json::json!({}), OwedPriority::Bulk, None).await.expect("owed");
        tx.commit().await.expect("committed");
    }

    /// An import that waits for its next try is due now.
    pub async fn make_import_due(&self) {
        let mut tx = self.scope.begin().await.expect("a transaction");
        let (kind, channel) = (OwedKind::ImportWindow, self.inbox.channel.id.0);
        if tx.cancel_owed(kind, channel).await.expect("cancelled") > 0 {
            tx.owe(kind, channel, serde_json::json!({}), OwedPriority::Bulk, None).await.expect("owed");
        }
        tx.commit().await.expect("committed");
    }

    /// Delivers into the sandbox's mailbox.
    pub fn arrives(&self, raw: &str) -> u32 {
        self.sandbox.deliver(SUPPORT, raw.replace('\n', "\r\n").as_bytes())
    }
}

/// An inbox whose mailbox is a user's of the sandbox, with an access token and no way to another.
pub async fn connect(scope: &AccountScope, sandbox: &Sandbox, address: &str) -> Inbox {
    let token = sandbox.mint_access_token(address).expect("a user of the sandbox");
    let mut tx = scope.begin().await.expect("a transaction");
    let inbox = put_mailbox(&mut tx, "Support", address, token).await.expect("an inbox");
    tx.commit().await.expect("committed");
    inbox
}

/// A plain mail from a customer, written a moment ago.
pub fn mail(from: &str, id: &str, subject: &str, more_headers: &str, body: &str) -> String {
    let date = chrono::DateTime::from_timestamp(SystemClock.now().seconds(), 0).expect("a date").to_rfc2822();
    format!(
        "From: {from}\nTo: {SUPPORT}\nSubject: {subject}\nMessage-ID: <{id}>\nDate: {date}\n{more_headers}\n{body}\n"
    )
}
