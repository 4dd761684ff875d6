//! What did not leave, and what did not become a message.

use crate::auth::Auth;
use crate::download::RawDownload;
use crate::error::{Acting, Reading, Refusal};
use crate::tags::Tag;
use app::inbound::quarantine::{self, Examined, LeftOutFilter, RawEmail};
use app::outbound::unsent;
use domain::message::DeliveryState;
use domain::{InboxId, RawEmailId};
use poem_openapi::param::{Path, Query};
use poem_openapi::payload::Json;
use poem_openapi::{Enum, OpenApi};
use wire::delivery::{UnsentList, UnsentMessage, UnsentMeta};
use wire::moment::seconds;
use wire::quarantine::{
    LeftOutState, QuarantineList, QuarantineMeta, QuarantinedContent, QuarantinedEmail, QuarantinedEmailShown,
    RawEmailState,
};

pub struct LeftBehindApi;

/// What is listed of deliveries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
pub enum UnsentState {
    Failed,
    OutcomeUnknown,
    Bounced,
    Queued,
}

impl From<UnsentState> for DeliveryState {
    fn from(state: UnsentState) -> Self {
        match state {
            UnsentState::Failed => Self::Failed,
            UnsentState::OutcomeUnknown => Self::OutcomeUnknown,
            UnsentState::Bounced => Self::Bounced,
            UnsentState::Queued => Self::Queued,
        }
    }
}

#[OpenApi]
impl LeftBehindApi {
    /// List what did not leave
    ///
    /// Messages of the inboxes one is a member of, newest first, 25 a page. Without `state`: `failed`, `outcome_unknown` and `bounced`.
    /// To send one again, retry the message.
    #[oai(
        path = "/api/v1/accounts/:account_id/deliveries",
        method = "get",
        operation_id = "list_deliveries",
        tag = "Tag::Messages"
    )]
    async fn deliveries(
        &self,
        auth: Auth,
        account_id: Path<i64>,
        state: Query<Option<UnsentState>>,
        inbox_id: Query<Option<i64>>,
        /// From 1.
        #[oai(validator(maximum(value = "100000")))]
        page: Query<Option<u32>>,
    ) -> Result<Json<UnsentList>, Refusal<Reading>> {
        let member = auth.enter(account_id.0).await?;
        let (state, inbox, page) = (state.0.map(Into::into), inbox_id.0.map(InboxId), page.0.unwrap_or(1).max(1));
        let (found, count) = unsent::list(auth.app(), &member, state, inbox, page).await?;
        let payload = found.iter().filter_map(|one| {
            let envelope = &one.record.envelope;
            UnsentMessage::new(&one.message, [&envelope.to, &envelope.cc, &envelope.bcc])
        });
        let payload = payload.collect();
        Ok(Json(UnsentList { meta: UnsentMeta { count: whole(count), current_page: page.into() }, payload }))
    }

    /// List mails that are no messages
    ///
    /// Administrators only. Newest first, 25 a page. Without `state`: what could not be understood (`quarantined`) and what was left out on
    /// purpose (`dropped`), as long as nobody has dismissed it. `waiting`: what is tried again.
    #[oai(
        path = "/api/v1/accounts/:account_id/quarantine",
        method = "get",
        operation_id = "list_quarantine",
        tag = "Tag::Inboxes"
    )]
    async fn quarantine(
        &self,
        auth: Auth,
        account_id: Path<i64>,
        state: Query<Option<LeftOutState>>,
        inbox_id: Query<Option<i64>>,
        /// From 1.
        #[oai(validator(maximum(value = "100000")))]
        page: Query<Option<u32>>,
    ) -> Result<Json<QuarantineList>, Refusal<Reading>> {
        let member = auth.enter(account_id.0).await?;
        let page = page.0.unwrap_or(1).max(1);
        let state = state.0.map(|state| match state {
            LeftOutState::Quarantined => quarantine::LeftOutState::Quarantined,
            LeftOutState::Dropped => quarantine::LeftOutState::Dropped,
            LeftOutState::Waiting => quarantine::LeftOutState::Waiting,
        });
        let filter = LeftOutFilter { inbox_id: inbox_id.0.map(InboxId), state, page };
        let (found, count) = quarantine::list(auth.app(), &member, &filter).await?;
        let payload = found.iter().map(shown).collect();
        Ok(Json(QuarantineList { meta: QuarantineMeta { count: whole(count), current_page: page.into() }, payload }))
    }

    /// Show a mail that is no message
    ///
    /// Administrators only. With what can be read of it, as plain text.
    #[oai(
        path = "/api/v1/accounts/:account_id/quarantine/:raw_email_id",
        method = "get",
        operation_id = "get_quarantined",
        tag = "Tag::Inboxes"
    )]
    async fn show(
        &self,
        auth: Auth,
        account_id: Path<i64>,
        raw_email_id: Path<i64>,
    ) -> Result<Json<QuarantinedEmailShown>, Refusal<Reading>> {
        let member = auth.enter(account_id.0).await?;
        let Examined { email, read } = quarantine::show(auth.app(), &member, RawEmailId(raw_email_id.0)).await?;
        let content = read.map(|read| QuarantinedContent {
            from: read.from,
            to: read.to,
            subject: read.subject,
            date: seconds(read.date),
            excerpt: read.excerpt,
        });
        Ok(Json(QuarantinedEmailShown { email: shown(&email), content }))
    }

    /// Download a mail as it came
    ///
    /// Administrators only. Bytes to be saved: they came from a stranger and are never shown here.
    #[oai(
        path = "/api/v1/accounts/:account_id/quarantine/:raw_email_id/raw",
        method = "get",
        operation_id = "download_quarantined",
        tag = "Tag::Inboxes"
    )]
    async fn raw(
        &self,
        auth: Auth,
        account_id: Path<i64>,
        raw_email_id: Path<i64>,
    ) -> Result<RawDownload, Refusal<Reading>> {
        let member = auth.enter(account_id.0).await?;
        let bytes = quarantine::raw(auth.app(), &member, RawEmailId(raw_email_id.0)).await?;
        Ok(RawDownload { file_name: format!("mail-{}.eml", raw_email_id.0), bytes })
    }

    /// Try a mail again that is no message
    ///
    /// Administrators only. It is `waiting` then. What is a message already, or tried at this moment, stays as it is.
    #[oai(
        path = "/api/v1/accounts/:account_id/quarantine/:raw_email_id/reprocess",
        method = "post",
        operation_id = "reprocess_quarantined",
        tag = "Tag::Inboxes"
    )]
    async fn reprocess(
        &self,
        auth: Auth,
        account_id: Path<i64>,
        raw_email_id: Path<i64>,
    ) -> Result<Json<QuarantinedEmail>, Refusal<Acting>> {
        let member = auth.enter(account_id.0).await?;
        Ok(Json(shown(&quarantine::reprocess(auth.app(), &member, RawEmailId(raw_email_id.0)).await?)))
    }

    /// Let a mail be that is no message
    ///
    /// Administrators only. It is kept, and not listed any more.
    #[oai(
        path = "/api/v1/accounts/:account_id/quarantine/:raw_email_id/dismiss",
        method = "post",
        operation_id = "dismiss_quarantined",
        tag = "Tag::Inboxes"
    )]
    async fn dismiss(
        &self,
        auth: Auth,
        account_id: Path<i64>,
        raw_email_id: Path<i64>,
    ) -> Result<Json<QuarantinedEmail>, Refusal<Acting>> {
        let member = auth.enter(account_id.0).await?;
        Ok(Json(shown(&quarantine::dismiss(auth.app(), &member, RawEmailId(raw_email_id.0)).await?)))
    }
}

fn shown(email: &RawEmail) -> QuarantinedEmail {
    let (code, reason) = quarantine::reason(email).unzip();
    QuarantinedEmail {
        id: email.id.0,
        inbox_id: email.inbox_id.0,
        state: match email.state {
            quarantine::RawEmailState::Waiting => RawEmailState::Waiting,
            quarantine::RawEmailState::Ingested => RawEmailState::Ingested,
            quarantine::RawEmailState::Duplicate => RawEmailState::Duplicate,
            quarantine::RawEmailState::Dropped => RawEmailState::Dropped,
            quarantine::RawEmailState::Quarantined => RawEmailState::Quarantined,
        },
        code,
        reason,
        message_id: email.message_id.map(|message| message.0),
        received_at: email.received_at.seconds(),
        internal_date: seconds(email.internal_date),
        size_bytes: whole(email.size_bytes),
        truncated: email.truncated,
        attempts: email.attempts.into(),
        message_id_header: email.message_id_header.clone(),
        dismissed_at: seconds(email.dismissed_at),
    }
}

fn whole(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
