//! A database of the test's own with two accounts in it, on each backend in turn.

use domain::account::Role;
use domain::channel::{Health, Provider};
use domain::conversation::{Conversation, ConversationStatus};
use domain::inbox::{Inbox, InboxSettings};
use domain::message::{ContentType, MessageType};
use domain::user::User;
use domain::{Clock, ContactId, ConversationId, EmailAddress, Entropy, Secret, Timestamp};
use sqlx::Connection as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use store::*;

#[derive(Debug)]
pub struct TestClock(AtomicI64);

impl TestClock {
    pub fn forward(&self, seconds: i64) {
        self.0.fetch_add(seconds * 1_000_000, Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.fetch_add(1, Ordering::SeqCst))
    }
}

/// Never the same twice.
#[derive(Debug, Default)]
pub struct TestEntropy(AtomicU64);

impl Entropy for TestEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        for part in bytes.chunks_mut(8) {
            let mut n = self.0.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::SeqCst);
            n = (n ^ (n >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            n ^= n >> 27;
            part.copy_from_slice(&n.to_be_bytes()[..part.len()]);
        }
    }
}

pub struct World {
    pub store: Store,
    pub url: String,
    pub clock: Arc<TestClock>,
    pub entropy: Arc<TestEntropy>,
    pub data_dir: PathBuf,
    pub ours: Tenant,
    pub theirs: Tenant,
    _folder: tempfile::TempDir,
}

pub struct Tenant {
    pub scope: AccountScope,
    pub admin: User,
}

pub const START: Timestamp = Timestamp::from_seconds(1_795_000_000);

pub async fn on_sqlite(story: impl AsyncFn(World)) {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}/test.db", folder.path().display());
    story(World::make(url, folder).await).await;
}

/// Runs the story on SQLite, and on PostgreSQL where there is one.
pub async fn each(story: impl AsyncFn(World)) {
    on_sqlite(&story).await;
    if let Some(server) = postgres_server() {
        let folder = tempfile::tempdir().unwrap();
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let name = format!("store_{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::SeqCst));
        let mut admin = sqlx::PgConnection::connect(&server).await.unwrap();
        sqlx::query(sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&mut admin).await.unwrap();
        let mut url = url::Url::parse(&server).unwrap();
        url.set_path(&name);
        let world = World::make(url.to_string(), folder).await;
        let store = world.store.clone();
        story(world).await;
        store.close().await;
        sqlx::query(sqlx::AssertSqlSafe(format!("DROP DATABASE {name} WITH (FORCE)")))
            .execute(&mut admin)
            .await
            .unwrap();
    }
}

#[expect(clippy::disallowed_methods, reason = "how scripts/test tells the tests where the server is")]
pub fn postgres_server() -> Option<String> {
    std::env::var("POSTROOM_TEST_POSTGRES").ok()
}

pub fn address(text: &str) -> EmailAddress {
    EmailAddress::parse(text).unwrap()
}

impl World {
    async fn make(url: String, folder: tempfile::TempDir) -> Self {
        let clock = Arc::new(TestClock(AtomicI64::new(START.0)));
        let entropy = Arc::<TestEntropy>::default();
        let data_dir = folder.path().to_owned();
        let store = open(&url, &data_dir, &clock, &entropy).await;
        store.migrate().await.unwrap();
        let ours = tenant(&store, "Ours", "ada@ours.example").await;
        let theirs = tenant(&store, "Theirs", "eve@theirs.example").await;
        Self { store, url, clock, entropy, data_dir, ours, theirs, _folder: folder }
    }

    /// As somebody with access to the database would do it. How many rows it changed.
    pub async fn sql(&self, statement: &str) -> u64 {
        let statement = sqlx::AssertSqlSafe(statement.to_owned());
        if self.url.starts_with("sqlite") {
            let mut connection = sqlx::SqliteConnection::connect(&self.url).await.unwrap();
            sqlx::query(statement).execute(&mut connection).await.unwrap().rows_affected()
        } else {
            let mut connection = sqlx::PgConnection::connect(&self.url).await.unwrap();
            sqlx::query(statement).execute(&mut connection).await.unwrap().rows_affected()
        }
    }

    /// A second process on the same database.
    pub async fn another_store(&self) -> Store {
        open(&self.url, &self.data_dir, &self.clock, &self.entropy).await
    }

    /// A second process that was started with other keys.
    pub async fn store_with_keys(&self, ring: &str) -> Store {
        open_with(ring, &self.url, &self.data_dir, &self.clock, &self.entropy).await
    }
}

const RING: &str = "k1:BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=";

async fn open(url: &str, data_dir: &std::path::Path, clock: &Arc<TestClock>, entropy: &Arc<TestEntropy>) -> Store {
    open_with(RING, url, data_dir, clock, entropy).await
}

async fn open_with(
    ring: &str,
    url: &str,
    data_dir: &std::path::Path,
    clock: &Arc<TestClock>,
    entropy: &Arc<TestEntropy>,
) -> Store {
    Store::connect(StoreConfig {
        url: url.to_owned(),
        data_dir: data_dir.to_owned(),
        keys: KeyRing::parse(&Secret::new(ring)).unwrap(),
        max_connections: 16,
        clock: clock.clone(),
        entropy: entropy.clone(),
        kill_at: None,
    })
    .await
    .unwrap()
}

async fn tenant(store: &Store, name: &str, admin: &str) -> Tenant {
    let made = store
        .operator()
        .create_account(&NewAccount {
            name: name.to_owned(),
            locale: "en".to_owned(),
            admin: Some(NewUser {
                email: address(admin),
                name: "Ada".to_owned(),
                password: Some(PasswordHash("hash".to_owned())),
            }),
        })
        .await
        .unwrap();
    Tenant { scope: made.scope, admin: made.admin.unwrap() }
}

impl Tenant {
    /// By the administrator, where there is no mailer.
    pub fn invite(&self) -> Invite {
        Invite { by: self.admin.id, mailed: false, alone: true }
    }

    pub async fn agent(&self, email: &str) -> User {
        let new = NewUser { email: address(email), name: email.to_owned(), password: None };
        let place = AgentChange::default();
        self.scope.invite_agent(&new, Role::Agent, &place, 1000, self.invite()).await.unwrap().agent.user
    }

    pub async fn grant(&self, oid: &str) -> Grant {
        let mut tx = self.scope.begin().await.unwrap();
        let grant = tx.upsert_grant(&new_grant(oid, "refresh-1")).await.unwrap();
        tx.commit().await.unwrap();
        grant
    }

    pub async fn inbox(&self, mailbox: &str) -> Inbox {
        let grant = self.grant(mailbox).await;
        let mut tx = self.scope.begin().await.unwrap();
        let inbox = tx.create_inbox(&new_inbox(mailbox, &grant)).await.unwrap();
        tx.commit().await.unwrap();
        inbox
    }

    pub async fn contact(&self, email: &str) -> ContactId {
        let mut tx = self.scope.begin().await.unwrap();
        let (contact, _) = tx.find_or_create_contact(&NewContact::with_address("Cy", address(email))).await.unwrap();
        tx.commit().await.unwrap();
        contact.id
    }

    pub async fn conversation(&self, inbox: &Inbox, contact: ContactId) -> Conversation {
        let mut tx = self.scope.begin().await.unwrap();
        let conversation = tx.create_conversation(&new_conversation(inbox, contact)).await.unwrap();
        let numbers = tx.commit().await.unwrap();
        Conversation { display_id: numbers.display_ids[&conversation.id], ..conversation }
    }
}

pub fn new_grant(oid: &str, refresh_token: &str) -> NewGrant {
    NewGrant {
        provider: Provider::Microsoft,
        oauth_app_id: None,
        tid: "tenant".to_owned(),
        oid: oid.to_owned(),
        sub: "sub".to_owned(),
        principal: "support@ours.example".to_owned(),
        refresh_token: Secret::new(refresh_token),
        scopes: vec!["IMAP.AccessAsUser.All".to_owned(), "SMTP.Send".to_owned()],
    }
}

/// Its hash is that of its name.
pub fn new_token(tenant: &Tenant, name: &str, kind: TokenKind) -> NewToken {
    NewToken {
        user_id: tenant.admin.id,
        kind,
        hash: TokenHash::of(name),
        account_id: None,
        client_id: None,
        name: None,
        expires_at: None,
        device: Device::default(),
    }
}

pub fn new_inbox(mailbox: &str, grant: &Grant) -> NewInbox {
    NewInbox {
        name: mailbox.to_owned(),
        settings: InboxSettings::default(),
        channel: NewChannel {
            provider: Provider::Microsoft,
            service: domain::channel::Service::Microsoft365,
            grant_id: Some(grant.id),
            principal: mailbox.to_owned(),
            mailbox_address: address(mailbox),
            from_address: address(mailbox),
            smtp_user: mailbox.to_owned(),
            fetch_health: Health::default(),
            send_health: Health::default(),
        },
    }
}

pub fn new_conversation(inbox: &Inbox, contact: ContactId) -> NewConversation {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    NewConversation {
        uuid: format!("uuid-{}", COUNT.fetch_add(1, Ordering::SeqCst)),
        inbox_id: inbox.id,
        contact_id: contact,
        status: ConversationStatus::Open,
        priority: None,
        assignee_id: None,
        subject: Some("Where is my order?".to_owned()),
        additional_attributes: serde_json::json!({ "mail_subject": "Where is my order?" }),
        waiting_since: Some(START),
        last_activity_at: START,
    }
}

pub fn new_message(
    conversation: ConversationId,
    message_type: MessageType,
    sender: NewSender,
    sent_at: Timestamp,
) -> NewMessage {
    NewMessage {
        conversation_id: conversation,
        message_type,
        private: false,
        content: Some("Hello 100%".to_owned()),
        content_type: ContentType::Text,
        content_attributes: serde_json::json!({}),
        source_id: None,
        sender,
        sent_at,
    }
}
