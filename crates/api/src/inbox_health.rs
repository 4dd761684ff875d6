//! How mailboxes have been doing, what their administrators must be told of, and a look at one step by step.

use crate::auth::Auth;
use crate::error::{Deciding, Problem, Reading, Refusal};
use crate::refusals::refused_with;
use crate::tags::Tag;
use app::App;
use app::channels::diagnose::{self, DiagnoseError, Outcome, StepReport};
use app::channels::{self, HealthPart, inboxes, notices};
use domain::InboxId;
use domain::channel::notice::Parts;
use poem_openapi::OpenApi;
use poem_openapi::param::{Path, Query};
use poem_openapi::payload::Json;
use std::time::Duration;
use wire::diagnosis::{Diagnosis, DiagnosisFinding, DiagnosisOutcome, DiagnosisStep};
use wire::failure::Failure;
use wire::health::{HealthChange, HealthNotice, HealthNoticeList, HealthTimeline, HealthTimelineMeta, MailboxPart};

pub struct InboxHealthApi;

#[OpenApi(tag = "Tag::Inboxes")]
impl InboxHealthApi {
    /// Show how the mailbox has been doing
    ///
    /// Administrators only: it holds the servers' own words. Each change of state or cause, newest first, 25 a page; the last 200 are kept, for 90
    /// days.
    #[oai(
        path = "/api/v1/accounts/:account_id/inboxes/:inbox_id/health/timeline",
        method = "get",
        operation_id = "get_inbox_health_timeline"
    )]
    async fn timeline(
        &self,
        auth: Auth,
        account_id: Path<i64>,
        inbox_id: Path<i64>,
        /// From 1.
        #[oai(validator(maximum(value = "100000")))]
        page: Query<Option<u32>>,
    ) -> Result<Json<HealthTimeline>, Refusal<Reading>> {
        let member = auth.enter(account_id.0).await?;
        let page = page.0.unwrap_or(1).max(1);
        let (found, count) = inboxes::health_timeline(auth.app(), &member, InboxId(inbox_id.0), page).await?;
        let payload = found.iter().map(changed).collect();
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        Ok(Json(HealthTimeline { meta: HealthTimelineMeta { count, current_page: page.into() }, payload }))
    }

    /// Look at the mailbox step by step
    ///
    /// Administrators only. The token, then both ways at once: name, connection, TLS, sign-in, INBOX and IDLE of fetching; name, connection, TLS, sign-in
    /// and MAIL FROM of sending. Each step says how long it took and what it found or why it failed; nothing is sent, and no health is changed.
    /// It takes up to a minute, and one look at a mailbox is taken at a time (409).
    #[oai(
        path = "/api/v1/accounts/:account_id/inboxes/:inbox_id/diagnose",
        method = "post",
        operation_id = "diagnose_inbox"
    )]
    async fn diagnose(
        &self,
        auth: Auth,
        account_id: Path<i64>,
        inbox_id: Path<i64>,
    ) -> Result<Json<Diagnosis>, Refusal<Deciding>> {
        let member = auth.enter(account_id.0).await?;
        let found = diagnose::diagnose(auth.app(), &member, InboxId(inbox_id.0)).await?;
        let steps = |steps: &[StepReport]| steps.iter().map(|step| step_shown(auth.app(), step)).collect();
        Ok(Json(Diagnosis {
            inbox_id: found.inbox_id.0,
            began_at: found.began_at.seconds(),
            duration_ms: milliseconds(found.took),
            token: step_shown(auth.app(), &found.token),
            fetch: steps(&found.fetch),
            send: steps(&found.send),
        }))
    }

    /// List the mailboxes that do not work, and who must act
    ///
    /// Administrators only. What has lasted for ten minutes where a person must act, and for an hour where it is still being tried; it stays until the
    /// mailbox has worked for ten minutes. Newest first, 500 at most. Administrators are also told by mail, once, where the installation sends mail
    /// of its own, and webhooks by `inbox_health_notice`.
    #[oai(path = "/api/v1/accounts/:account_id/health_notices", method = "get", operation_id = "list_health_notices")]
    async fn notices(&self, auth: Auth, account_id: Path<i64>) -> Result<Json<HealthNoticeList>, Refusal<Reading>> {
        let member = auth.enter(account_id.0).await?;
        let found = notices::open(auth.app(), &member).await?;
        let shown = |notice: &channels::HealthNotice| HealthNotice {
            id: notice.standing.id.0,
            inbox_id: notice.inbox_id.0,
            inbox_name: notice.inbox_name.clone(),
            parts: parts(notice.standing.parts),
            who_must_act: notice.standing.actor.into(),
            is_current: notice.standing.is_current,
            since: notice.since.seconds(),
            created_at: notice.created_at.seconds(),
            failure: Failure::from(&notice.standing.failure),
            help_url: auth.app().settings().help(notice.standing.failure.class),
        };
        Ok(Json(HealthNoticeList { payload: found.iter().map(shown).collect() }))
    }
}

impl From<DiagnoseError> for Problem {
    fn from(error: DiagnoseError) -> Self {
        match error {
            DiagnoseError::Forbidden => Self::forbidden(),
            DiagnoseError::NotFound => Self::not_found(),
            DiagnoseError::UnderWay => {
                Self::conflict("diagnosis_under_way", "Somebody is looking at this mailbox already: wait a minute")
            }
            DiagnoseError::Store(error) => error.into(),
        }
    }
}

refused_with! { DiagnoseError }

fn step_shown(app: &App, step: &StepReport) -> DiagnosisStep {
    let finding =
        |(name, value): &(&'static str, String)| DiagnosisFinding { name: (*name).to_owned(), value: value.clone() };
    DiagnosisStep {
        name: step.name.to_owned(),
        outcome: match step.outcome {
            Outcome::Ok => DiagnosisOutcome::Ok,
            Outcome::Failed => DiagnosisOutcome::Failed,
            Outcome::Skipped => DiagnosisOutcome::Skipped,
        },
        duration_ms: milliseconds(step.took),
        found: step.found.iter().map(finding).collect(),
        failure: step.failure.as_ref().map(Failure::from),
        help_url: step.failure.as_ref().map(|failure| app.settings().help(failure.class)),
    }
}

fn milliseconds(took: Duration) -> i64 {
    i64::try_from(took.as_millis()).unwrap_or(i64::MAX)
}

fn parts(about: Parts) -> Vec<MailboxPart> {
    let halves = [(about.fetch, MailboxPart::Fetch), (about.send, MailboxPart::Send)];
    halves.into_iter().filter(|(is, _)| *is).map(|(_, part)| part).collect()
}

fn changed(change: &channels::HealthChange) -> HealthChange {
    HealthChange {
        id: change.id,
        part: match change.part {
            HealthPart::Fetch => MailboxPart::Fetch,
            HealthPart::Send => MailboxPart::Send,
        },
        state: change.state.into(),
        at: change.at.seconds(),
        failure: change.failure.as_ref().map(Failure::from),
    }
}
