//! How mailboxes have been doing, and what their administrators must be told of.

use crate::auth::Auth;
use crate::error::{Reading, Refusal};
use crate::tags::Tag;
use app::channels::{self, HealthPart, inboxes, notices};
use domain::InboxId;
use domain::channel::notice::Parts;
use poem_openapi::OpenApi;
use poem_openapi::param::{Path, Query};
use poem_openapi::payload::Json;
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
