//! Threads with contacts: list, show, and what agents do with one.

use crate::auth::Auth;
use crate::conversation_query::{AssigneeWord, SortWord, StatusWord};
use crate::error::{Acting, Problem, Reading, Refusal, Writing};
use crate::optional_json::OptionalJson;
use crate::shape;
use crate::tags::Tag;
use app::conversations::{self, ConversationFilter};
use domain::{DisplayId, InboxId, Timestamp, UserId};
use poem_openapi::OpenApi;
use poem_openapi::param::{Path, Query};
use poem_openapi::payload::Json;
use poem_openapi::types::MaybeUndefined;
use std::time::Duration;
use wire::agent::Agent;
use wire::attachment::{Attachment, AttachmentList, AttachmentMeta};

use wire::conversation::{
    Assignment, Conversation, ConversationList, ConversationMetaAnswer, ConversationPage, StatusToggled,
    StatusToggledAnswer, ToggleStatus,
};

pub struct ConversationsApi;

/// The longest search text.
const MAX_QUERY_CHARS: usize = 200;
/// How far back `updated_within` may reach: a year.
const MAX_UPDATED_WITHIN_SECONDS: u64 = 366 * 24 * 3600;

struct Asked {
    status: Option<StatusWord>,
    assignee: Option<AssigneeWord>,
    inbox_id: Option<i64>,
    labels: Option<Vec<String>>,
    q: Option<String>,
    updated_within: Option<u64>,
    sort: Option<SortWord>,
    page: Option<u32>,
}

impl Asked {
    fn filter(self, now: Timestamp) -> Result<ConversationFilter, Problem> {
        let default = ConversationFilter::default();
        if self.q.as_ref().is_some_and(|q| q.chars().count() > MAX_QUERY_CHARS) {
            return Err(Problem::bad_request("q: at most 200 characters"));
        }
        Ok(ConversationFilter {
            status: self.status.map_or(default.status, StatusWord::status),
            assignee: self.assignee.map_or(default.assignee, Into::into),
            inbox_id: self.inbox_id.filter(|id| *id != 0).map(InboxId),
            labels: self.labels.unwrap_or_default(),
            q: self.q,
            updated_since: self
                .updated_within
                .map(|seconds| now.minus(Duration::from_secs(seconds.min(MAX_UPDATED_WITHIN_SECONDS)))),
            sort: self.sort.map_or(default.sort, Into::into),
            page: self.page.unwrap_or(1).max(1),
            contact_id: default.contact_id,
        })
    }
}

#[OpenApi(tag = "Tag::Conversations")]
impl ConversationsApi {
    /// List conversations, with how many there are of each kind
    ///
    /// 25 a page. Agents see the conversations of the inboxes they are a member of. The counts are taken under every filter but
    /// `assignee_type`.
    #[oai(path = "/api/v1/accounts/:account_id/conversations", method = "get", operation_id = "list_conversations")]
    async fn list(
        &self,
        auth: Auth,
        account_id: Path<i64>,
        /// `open` when absent.
        status: Query<Option<StatusWord>>,
        assignee_type: Query<Option<AssigneeWord>>,
        inbox_id: Query<Option<i64>>,
        /// Any of them.
        #[oai(name = "labels[]", validator(max_items = 50))]
        labels: Query<Option<Vec<String>>>,
        /// Words in the subject, the contact or a message.
        q: Query<Option<String>>,
        /// Only those that changed within so many seconds.
        updated_within: Query<Option<u64>>,
        sort_by: Query<Option<SortWord>>,
        /// From 1.
        #[oai(validator(maximum(value = "100000")))]
        page: Query<Option<u32>>,
    ) -> Result<Json<ConversationList>, Refusal<Reading>> {
        let member = auth.enter(account_id.0).await?;
        let asked = Asked {
            status: status.0,
            assignee: assignee_type.0,
            inbox_id: inbox_id.0,
            labels: labels.0,
            q: q.0,
            updated_within: updated_within.0,
            sort: sort_by.0,
            page: page.0,
        };
        let found = conversations::list(auth.app(), &member, &asked.filter(auth.app().now())?).await?;
        let links = shape::links(auth.app(), &member).await?;
        let payload = found.items.iter().map(|view| shape::conversation(view, &links)).collect();
        Ok(Json(ConversationList { data: ConversationPage { meta: shape::counts(found.counts), payload } }))
    }

    /// Count conversations
    #[oai(
        path = "/api/v1/accounts/:account_id/conversations/meta",
        method = "get",
        operation_id = "count_conversations"
    )]
    async fn meta(
        &self,
        auth: Auth,
        account_id: Path<i64>,
        status: Query<Option<StatusWord>>,
        inbox_id: Query<Option<i64>>,
        #[oai(name = "labels[]", validator(max_items = 50))] labels: Query<Option<Vec<String>>>,
        q: Query<Option<String>>,
    ) -> Result<Json<ConversationMetaAnswer>, Refusal<Reading>> {
        let member = auth.enter(account_id.0).await?;
        let asked = Asked {
            status: status.0,
            assignee: None,
            inbox_id: inbox_id.0,
            labels: labels.0,
            q: q.0,
            updated_within: None,
            sort: None,
            page: None,
        };
        let counts = conversations::meta(auth.app(), &member, &asked.filter(auth.app().now())?).await?;
        Ok(Json(ConversationMetaAnswer { meta: shape::counts(counts) }))
    }

    /// Show a conversation
    #[oai(
        path = "/api/v1/accounts/:account_id/conversations/:conversation_id",
        method = "get",
        operation_id = "get_conversation"
    )]
    async fn show(
        &self,
        auth: Auth,
        account_id: Path<i64>,
        /// The conversation's number in the account (`display_id`).
        conversation_id: Path<i64>,
    ) -> Result<Json<Conversation>, Refusal<Reading>> {
        let member = auth.enter(account_id.0).await?;
        let view = conversations::show(auth.app(), &member, DisplayId(conversation_id.0)).await?;
        Ok(Json(shape::conversation(&view, &shape::links(auth.app(), &member).await?)))
    }

    /// Open, resolve, snooze or set pending
    #[oai(
        path = "/api/v1/accounts/:account_id/conversations/:conversation_id/toggle_status",
        method = "post",
        operation_id = "toggle_conversation_status"
    )]
    async fn toggle_status(
        &self,
        auth: Auth,
        account_id: Path<i64>,
        conversation_id: Path<i64>,
        body: OptionalJson<ToggleStatus>,
    ) -> Result<Json<StatusToggledAnswer>, Refusal<Writing>> {
        let member = auth.enter(account_id.0).await?;
        let view = conversations::toggle_status(
            auth.app(),
            &member,
            DisplayId(conversation_id.0),
            body.0.status.map(Into::into),
            body.0.snoozed_until.map(Timestamp::from_seconds),
        )
        .await?;
        Ok(Json(StatusToggledAnswer {
            meta: wire::JsonObject::default(),
            payload: StatusToggled {
                success: true,
                conversation_id: view.conversation.display_id.0,
                current_status: view.conversation.status.into(),
                snoozed_until: wire::moment::iso(view.conversation.snoozed_until),
            },
        }))
    }

    /// Assign to an agent, or to nobody
    ///
    /// Answers the agent, or null. A body without `assignee_id` changes nothing.
    #[oai(
        path = "/api/v1/accounts/:account_id/conversations/:conversation_id/assignments",
        method = "post",
        operation_id = "assign_conversation"
    )]
    async fn assign(
        &self,
        auth: Auth,
        account_id: Path<i64>,
        conversation_id: Path<i64>,
        /// Refused: there are no teams yet.
        team_id: Query<Option<i64>>,
        body: OptionalJson<Assignment>,
    ) -> Result<Json<Option<Agent>>, Refusal<Writing>> {
        let member = auth.enter(account_id.0).await?;
        let conversation = DisplayId(conversation_id.0);
        let assignee = match body.0.assignee_id {
            // Chatwoot's clients send 0 for nobody.
            MaybeUndefined::Value(id) => (id != 0).then_some(UserId(id)),
            MaybeUndefined::Null => None,
            MaybeUndefined::Undefined => {
                conversations::show(auth.app(), &member, conversation).await?;
                return match team_id.0.or(body.0.team_id) {
                    Some(_) => Err(Problem::invalid("team_id", "There are no teams here yet").into()),
                    None => Ok(Json(None)),
                };
            }
        };
        let agent = conversations::assign(auth.app(), &member, conversation, assignee).await?;
        Ok(Json(agent.as_ref().map(Agent::from)))
    }

    /// Say that the conversation was looked at
    #[oai(
        path = "/api/v1/accounts/:account_id/conversations/:conversation_id/update_last_seen",
        method = "post",
        operation_id = "update_last_seen"
    )]
    async fn update_last_seen(
        &self,
        auth: Auth,
        account_id: Path<i64>,
        conversation_id: Path<i64>,
    ) -> Result<Json<Conversation>, Refusal<Acting>> {
        let member = auth.enter(account_id.0).await?;
        let view = conversations::update_last_seen(auth.app(), &member, DisplayId(conversation_id.0)).await?;
        Ok(Json(shape::conversation(&view, &shape::links(auth.app(), &member).await?)))
    }

    /// List a conversation's files
    ///
    /// Newest first, 100 a page; images that stand inside a mail's HTML are left out.
    #[oai(
        path = "/api/v1/accounts/:account_id/conversations/:conversation_id/attachments",
        method = "get",
        operation_id = "list_conversation_attachments"
    )]
    async fn attachments(
        &self,
        auth: Auth,
        account_id: Path<i64>,
        conversation_id: Path<i64>,
        /// From 1.
        #[oai(validator(maximum(value = "100000")))]
        page: Query<Option<u32>>,
    ) -> Result<Json<AttachmentList>, Refusal<Reading>> {
        let member = auth.enter(account_id.0).await?;
        let conversation = DisplayId(conversation_id.0);
        let (found, count) =
            app::attachments::of_conversation(auth.app(), &member, conversation, page.0.unwrap_or(1)).await?;
        let links = shape::links(auth.app(), &member).await?;
        Ok(Json(AttachmentList {
            meta: AttachmentMeta { total_count: i64::try_from(count).unwrap_or(i64::MAX) },
            payload: found.iter().map(|attachment| Attachment::new(attachment, &links)).collect(),
        }))
    }
}
