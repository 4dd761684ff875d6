//! How fetching and sending of a mailbox are doing, and how far its import has come. Additions to Chatwoot.

use crate::failure::Failure;
use crate::moment::seconds;
use crate::words::{HealthState, ImportState};
use poem_openapi::Object;

#[derive(Clone, Debug, Object)]
pub struct Health {
    pub state: HealthState,
    /// Since when it is in this state (epoch seconds).
    pub since: i64,
    #[oai(nullable)]
    pub last_ok_at: Option<i64>,
    #[oai(nullable)]
    pub next_try_at: Option<i64>,
    pub failures_in_a_row: i64,
    #[oai(nullable)]
    pub failing_since: Option<i64>,
    #[oai(nullable)]
    pub failure: Option<Failure>,
}

impl From<&domain::channel::Health> for Health {
    fn from(health: &domain::channel::Health) -> Self {
        Self {
            state: health.state.into(),
            since: health.since.seconds(),
            last_ok_at: seconds(health.last_ok_at),
            next_try_at: seconds(health.next_try_at),
            failures_in_a_row: health.failures_in_a_row.into(),
            failing_since: seconds(health.failing_since),
            failure: health.failure.as_ref().map(Failure::from),
        }
    }
}

/// How far the import of the past has come.
#[derive(Clone, Debug, Object)]
pub struct ImportProgress {
    pub state: ImportState,
    /// Mails found in the window; null until they were counted.
    #[oai(nullable)]
    pub total: Option<i64>,
    pub done: i64,
}

impl From<&domain::channel::ImportProgress> for ImportProgress {
    fn from(progress: &domain::channel::ImportProgress) -> Self {
        Self { state: progress.state.into(), total: progress.total.map(Into::into), done: progress.done.into() }
    }
}

/// The health of an inbox's mailbox.
#[derive(Clone, Debug, Object)]
pub struct InboxHealth {
    pub inbox_id: i64,
    pub fetch: Health,
    pub send: Health,
    pub import: ImportProgress,
    /// The owner must sign in again: `POST …/microsoft/authorization` with this inbox's id.
    pub reauthorization_required: bool,
}

impl InboxHealth {
    pub fn new(inbox: domain::InboxId, channel: &domain::channel::EmailChannel) -> Self {
        Self {
            inbox_id: inbox.0,
            fetch: (&channel.fetch_health).into(),
            send: (&channel.send_health).into(),
            import: (&channel.import).into(),
            reauthorization_required: needs_reauthorization(channel),
        }
    }
}

pub fn needs_reauthorization(channel: &domain::channel::EmailChannel) -> bool {
    [&channel.fetch_health, &channel.send_health]
        .into_iter()
        .any(|health| health.state == domain::channel::HealthState::NeedsReauth)
}

/// Which half of the mailbox to try again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, poem_openapi::Enum)]
#[oai(rename_all = "snake_case")]
pub enum MailboxPart {
    Fetch,
    Send,
}

#[derive(Clone, Debug, Object)]
pub struct TryAgain {
    pub part: MailboxPart,
}
