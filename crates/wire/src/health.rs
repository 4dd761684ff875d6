//! How fetching and sending of a mailbox are doing, and how far its import has come. Additions to Chatwoot.

use crate::failure::Failure;
use crate::moment::seconds;
use crate::words::WhoMustAct;
use crate::words::{HealthState, ImportState};
use poem_openapi::Object;
use std::time::Duration;

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
    /// How far fetching is behind: 0 while the mailbox is read as often as it should be, else the seconds since it was last read; null when it
    /// never was.
    #[oai(nullable)]
    pub fetch_lag_seconds: Option<i64>,
    /// For how many seconds the message has waited that has waited longest to leave; 0 when none waits.
    pub send_lag_seconds: i64,
    /// Where it is said what the failure of fetching is and what to do about it.
    #[oai(nullable)]
    pub fetch_help_url: Option<String>,
    #[oai(nullable)]
    pub send_help_url: Option<String>,
    pub import: ImportProgress,
    /// The account's OAuth app through which somebody signed in; null: the installation's, or nobody's sign-in is left.
    #[oai(nullable)]
    pub oauth_app_id: Option<i64>,
    /// The owner must sign in again: `POST …/microsoft/authorization` with this inbox's id.
    pub reauthorization_required: bool,
}

impl InboxHealth {
    /// `lags`: of fetching and of sending.
    pub fn new(
        inbox: domain::InboxId,
        channel: &domain::channel::EmailChannel,
        oauth_app: Option<domain::OauthAppId>,
        lags: (Option<Duration>, Duration),
        help: &dyn Fn(domain::FailureClass) -> String,
    ) -> Self {
        Self {
            inbox_id: inbox.0,
            fetch: (&channel.fetch_health).into(),
            send: (&channel.send_health).into(),
            fetch_lag_seconds: lags.0.map(whole_seconds),
            send_lag_seconds: whole_seconds(lags.1),
            fetch_help_url: channel.fetch_health.failure.as_ref().map(|failure| help(failure.class)),
            send_help_url: channel.send_health.failure.as_ref().map(|failure| help(failure.class)),
            import: (&channel.import).into(),
            oauth_app_id: oauth_app.map(|app| app.0),
            reauthorization_required: needs_reauthorization(channel),
        }
    }
}

fn whole_seconds(lag: Duration) -> i64 {
    i64::try_from(lag.as_secs()).unwrap_or(i64::MAX)
}

pub fn needs_reauthorization(channel: &domain::channel::EmailChannel) -> bool {
    [&channel.fetch_health, &channel.send_health]
        .into_iter()
        .any(|health| health.state == domain::channel::HealthState::NeedsReauth)
}

/// From then on it did so: another state than before, or another cause.
#[derive(Clone, Debug, Object)]
pub struct HealthChange {
    pub id: i64,
    pub part: MailboxPart,
    pub state: HealthState,
    /// Epoch seconds.
    pub at: i64,
    #[oai(nullable)]
    pub failure: Option<Failure>,
}

#[derive(Clone, Debug, Object)]
pub struct HealthTimelineMeta {
    pub count: i64,
    pub current_page: i64,
}

/// How a mailbox has been doing, newest first.
#[derive(Clone, Debug, Object)]
pub struct HealthTimeline {
    pub meta: HealthTimelineMeta,
    pub payload: Vec<HealthChange>,
}

/// A mailbox does not work, and this is who must act.
#[derive(Clone, Debug, Object)]
pub struct HealthNotice {
    pub id: i64,
    pub inbox_id: i64,
    pub inbox_name: String,
    /// What does not work.
    pub parts: Vec<MailboxPart>,
    pub who_must_act: WhoMustAct,
    /// False: it has become somebody else's to mend, who has a notice of their own.
    pub is_current: bool,
    /// Since when it does not work (epoch seconds).
    pub since: i64,
    /// When people were told (epoch seconds).
    pub created_at: i64,
    pub failure: Failure,
    pub help_url: String,
}

#[derive(Clone, Debug, Object)]
pub struct HealthNoticeList {
    pub payload: Vec<HealthNotice>,
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
