//! One piece of owed work of each kind, with what it is about, and a clock that can be made to break.

use anyhow::{Context, Result};
use app::outbound::{Draft, reply};
use app::system::SystemClock;
use app::{App, Hint, Wake, inbound, job};
use domain::channel::Provider;
use domain::inbox::Inbox;
use domain::message::Message;
use domain::{Clock, ConnectionId, OwedId, Secret, Timestamp};
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use store::{ConnectionPurpose, Handshake, NewConnection, OwedKind, OwedPriority, TokenHash};
use testkit::builders::numbered;
use testkit::installation::{Installation, ProcessParts};
use testkit::setup::Database;
use tokio_util::sync::CancellationToken;

const SUPPORT: &str = "support@contoso.example";

/// A clock with a bug: whoever looks at it while it is broken, panics. Claims and leases are the database's clock's.
#[derive(Debug, Default)]
pub struct BreakableClock(AtomicBool);

impl BreakableClock {
    pub fn breaks(&self, broken: bool) {
        self.0.store(broken, Ordering::SeqCst);
    }
}

impl Clock for BreakableClock {
    fn now(&self) -> Timestamp {
        assert!(!self.0.load(Ordering::SeqCst), "a bug in this test's clock");
        SystemClock.now()
    }
}

#[derive(Debug)]
struct NobodyListens;

impl Wake for NobodyListens {
    fn wake(&self, _hint: Hint) {}
}

pub struct Subjects {
    pub installation: Installation,
    pub app: App,
    pub clock: Arc<BreakableClock>,
    pub inbox: Inbox,
    pub message: Message,
    pub connection: ConnectionId,
}

impl Subjects {
    /// A mailbox with one mail in it, an answer that is queued, a sign-in of nobody that is to be proved, a second mail that nobody has
    /// ingested, and an import.
    pub async fn new() -> Result<Self> {
        let installation = Installation::new(Database::Sqlite).await?;
        let inbox = installation.connect(SUPPORT).await?;
        let clock = Arc::new(BreakableClock::default());
        let mut parts = ProcessParts::new(Arc::new(NobodyListens));
        parts.clock = clock.clone();
        let app = installation.app(parts).await?;
        let sync = app.store().sync();
        let session = sync.start_session("test").await?;
        let lease = sync.lease_channels(session, 1).await?.pop().context("a lease")?;
        let mut mailbox = inbound::pull::open(&app, &lease).await?;
        for n in 0..2 {
            installation.sandbox.deliver(SUPPORT, &numbered(n));
        }
        inbound::pull::pull(&app, &lease, &mut mailbox).await?;
        mailbox.close().await;
        installation.messages_are(2).await?;
        let filter = app::conversations::ConversationFilter::default();
        let conversations = app::conversations::list(&app, &installation.member, &filter).await?.items;
        let conversation = conversations.first().context("a conversation")?.conversation.display_id;
        let draft = Draft { content: "An answer".to_owned(), ..Draft::default() };
        let message = reply(&app, &installation.member, conversation, draft).await?;
        // As after a crash between storing and ingesting.
        installation.sql("UPDATE raw_emails SET state = 'waiting', ready_at = 0 WHERE uid = 2").await?;
        let connection = installation
            .scope
            .create_connection(
                &NewConnection {
                    purpose: ConnectionPurpose::Connect,
                    provider: Provider::Microsoft,
                    oauth_app_id: None,
                    inbox_id: None,
                    created_by: installation.member.agent.user.id,
                    email: None,
                    mailbox: None,
                    connect_link: None,
                    send_transport: None,
                    handshake: Handshake {
                        state: Secret::new("state"),
                        nonce: Secret::new("nonce"),
                        pkce_verifier: Secret::new("verifier"),
                    },
                    link_hash: TokenHash::of("link"),
                    browser: None,
                    agreed: false,
                    consent_state: "consent".to_owned(),
                    expires_at: app.now(),
                },
                1000,
            )
            .await?
            .id;
        installation.sql("UPDATE connections SET status = 'proving'").await?;
        let mut tx = installation.scope.begin().await?;
        tx.owe(OwedKind::ProveConnection, connection.0, json!({}), OwedPriority::Human, None).await?;
        tx.owe(OwedKind::ImportWindow, inbox.channel.id.0, json!({}), OwedPriority::Bulk, None).await?;
        tx.commit().await?;
        Ok(Self { installation, app, clock, inbox, message, connection })
    }

    /// The delivery may have left: its work is to look for it.
    pub async fn outcome_is_unknown(&self) -> Result<()> {
        self.installation.sql("UPDATE deliveries SET state = 'outcome_unknown', next_try_at = 1").await?;
        self.installation
            .sql("UPDATE owed_work SET kind = 'reconcile_delivery' WHERE kind = 'deliver_message'")
            .await?;
        Ok(())
    }

    /// Runs the work of a kind that there is one of, however long it should have rested.
    pub async fn run(&self, kind: OwedKind) -> Result<job::JobEnd> {
        self.installation.sql("UPDATE owed_work SET due_at = 0, ready_at = 0, lease_until = 0").await?;
        self.installation.sql("UPDATE raw_emails SET lease_until = 0").await?;
        self.installation.sql("UPDATE email_channels SET send_lease_until = 0").await?;
        let query = match kind {
            OwedKind::IngestRawEmail => "SELECT MAX(id) FROM raw_emails WHERE uid = 2".to_owned(),
            _ => format!("SELECT MAX(id) FROM owed_work WHERE kind = '{}'", kind.as_str()),
        };
        let id = OwedId(self.installation.number(&query).await?);
        let envelope = job::JobEnvelope::new(kind, self.installation.scope.account_id(), id);
        Ok(job::run(&self.app, &envelope, "test", &CancellationToken::new()).await)
    }

    /// The row of a kind: its state and its error.
    pub async fn row(&self, kind: OwedKind) -> Result<(String, String)> {
        let rows = self.app.store().operator().owed_rows(100).await?;
        let row = rows.into_iter().find(|row| row.kind == kind.as_str()).context("the row")?;
        Ok((row.state, row.last_error.unwrap_or_default()))
    }
}
