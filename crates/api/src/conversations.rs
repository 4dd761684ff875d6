//! Threads with contacts: list, show, and what agents do with one.

use crate::auth::Auth;
use crate::conversation_query::{AssigneeWord, SortWord, StatusWord, TypeWord};
use crate::conversations_many::or_nobody;
use crate::error::{Acting, Problem, Reading, Refusal, Writing};
use crate::message_body::MessageBody;
use crate::optional_json::OptionalJson;
use crate::shape;
use crate::tags::Tag;
use app::conversations::{self, BulkChange, ConversationFilter};
use app::organising::teams;
use app::outbound::{self, Beginning, IdempotencyKey};
use domain::conversation::ConversationStatus;
use domain::{ContactId, DisplayId, InboxId, TeamId, Timestamp, UserId};
use poem_openapi::OpenApi;
use poem_openapi::param::{Header, Path, Query};
use poem_openapi::payload::Json;
use poem_openapi::types::MaybeUndefined;
use std::time::Duration;
use wire::attachment::{Attachment, AttachmentList, AttachmentMeta};
use wire::conversation_change::{Assigned, AssignedOrNobody, ConversationChange};
use wire::conversation_many::NewConversation;
use wire::organising::Team;

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
    team_id: Option<i64>,
    kind: Option<TypeWord>,
    source_id: Option<String>,
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
            team_id: self.team_id.filter(|id| *id != 0).map(TeamId),
            kind: self.kind.map(Into::into),
            source_id: self.source_id.filter(|id| !id.is_empty()),
            labels: self.labels.unwrap_or_default(),
            q: self.q,
            updated_since: self
                .updated_within
                .map(|seconds| now.minus(Duration::from_secs(seconds.min(MAX_UPDATED_WITHIN_SECONDS)))),
            sort: self.sort.map_or(default.sort, Into::into),
            page: self.page.unwrap_or(1).max(1),
            contact_id: default.contact_id,
            terms: default.terms,
        })
    }
}

/// A list that clients name with brackets or without.
fn either(bracketed: Option<Vec<String>>, bare: Option<Vec<String>>) -> Option<Vec<String>> {
    (bracketed.is_some() || bare.is_some()).then(|| bracketed.into_iter().chain(bare).flatten().collect())
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
        team_id: Query<Option<i64>>,
        conversation_type: Query<Option<TypeWord>>,
        /// The contact's address, for conversations of the inbox in which they are known by it.
        #[oai(validator(max_length = 320))]
        source_id: Query<Option<String>>,
        /// Any of them.
        #[oai(name = "labels[]", validator(max_items = 50))]
        labels: Query<Option<Vec<String>>>,
        /// As `labels[]`.
        #[oai(name = "labels", validator(max_items = 50))]
        bare_labels: Query<Option<Vec<String>>>,
        /// All words must stand in one message (with its subject, sender and files) or in the contact; of the last one the beginning is enough.
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
            team_id: team_id.0,
            kind: conversation_type.0,
            source_id: source_id.0,
            labels: either(labels.0, bare_labels.0),
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

    /// Begin a conversation
    ///
    /// With a message that is no note the mail leaves like any reply. With an `Idempotency-Key` the same request, sent again within 24 hours,
    /// gives the same conversation, where it has a message.
    #[oai(path = "/api/v1/accounts/:account_id/conversations", method = "post", operation_id = "create_conversation")]
    async fn create(
        &self,
        auth: Auth,
        account_id: Path<i64>,
        #[oai(name = "Idempotency-Key", validator(min_length = 1, max_length = 255))] idempotency_key: Header<
            Option<String>,
        >,
        body: Json<NewConversation>,
    ) -> Result<Json<Conversation>, Refusal<Writing>> {
        let member = auth.enter(account_id.0).await?;
        let idempotency = idempotency_key.0.map(|key| IdempotencyKey { token_id: auth.caller.token_id, key });
        let new = body.0;
        let mut attributes = new.additional_attributes.unwrap_or_default().0;
        let subject = match attributes.remove("mail_subject") {
            None | Some(serde_json::Value::Null) => None,
            Some(serde_json::Value::String(subject)) => Some(subject),
            Some(_) => return Err(Problem::invalid("mail_subject", "The subject must be a text").into()),
        };
        let message = new.message.map(|message| MessageBody::Json(Json(message)).asked(idempotency)).transpose()?;
        let beginning = Beginning {
            inbox_id: InboxId(new.inbox_id),
            contact_id: new.contact_id.map(ContactId),
            source_id: new.source_id,
            subject,
            status: new.status.map_or(ConversationStatus::Open, Into::into),
            snoozed_until: new.snoozed_until.map(Timestamp::from_seconds),
            assignee_id: new.assignee_id.filter(|id| *id != 0).map(UserId),
            team_id: new.team_id.filter(|id| *id != 0).map(TeamId),
            additional_attributes: attributes,
            custom_attributes: new.custom_attributes.unwrap_or_default().0,
            message: message.map(|asked| asked.draft),
        };
        let view = outbound::start(auth.app(), &member, beginning).await?;
        Ok(Json(shape::conversation(&view, &shape::links(auth.app(), &member).await?)))
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
        team_id: Query<Option<i64>>,
        conversation_type: Query<Option<TypeWord>>,
        #[oai(name = "labels[]", validator(max_items = 50))] labels: Query<Option<Vec<String>>>,
        /// As `labels[]`.
        #[oai(name = "labels", validator(max_items = 50))]
        bare_labels: Query<Option<Vec<String>>>,
        q: Query<Option<String>>,
    ) -> Result<Json<ConversationMetaAnswer>, Refusal<Reading>> {
        let member = auth.enter(account_id.0).await?;
        let asked = Asked {
            status: status.0,
            assignee: None,
            inbox_id: inbox_id.0,
            team_id: team_id.0,
            kind: conversation_type.0,
            source_id: None,
            labels: either(labels.0, bare_labels.0),
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

    /// Change a conversation's priority, status, assignee or team
    ///
    /// What is absent stays as it is. Chatwoot changes the priority alone here, while its Python SDK sends the others too.
    #[oai(
        path = "/api/v1/accounts/:account_id/conversations/:conversation_id",
        method = "patch",
        operation_id = "update_conversation"
    )]
    async fn update(
        &self,
        auth: Auth,
        account_id: Path<i64>,
        conversation_id: Path<i64>,
        body: Json<ConversationChange>,
    ) -> Result<Json<Conversation>, Refusal<Writing>> {
        let member = auth.enter(account_id.0).await?;
        let id = DisplayId(conversation_id.0);
        let ConversationChange { priority, status, snoozed_until, assignee_id, team_id } = body.0;
        let change = BulkChange {
            status: status.map(Into::into),
            snoozed_until: snoozed_until.map(Timestamp::from_seconds),
            priority: match priority {
                MaybeUndefined::Undefined => None,
                MaybeUndefined::Null => Some(None),
                MaybeUndefined::Value(priority) => Some(Some(priority.into())),
            },
            assignee: or_nobody(assignee_id).map(|id| id.map(UserId)),
            team: or_nobody(team_id).map(|id| id.map(TeamId)),
            ..BulkChange::default()
        };
        // What is not seen is passed over among many; alone it is not there.
        let mut view = conversations::show(auth.app(), &member, id).await?;
        if change != BulkChange::default() {
            conversations::change_many(auth.app(), &member, &[id], &change).await?;
            view = conversations::show(auth.app(), &member, id).await?;
        }
        Ok(Json(shape::conversation(&view, &shape::links(auth.app(), &member).await?)))
    }

    /// Delete a conversation with all that is in it
    ///
    /// Administrators only. Its mails stay deleted when the mail server hands them out again.
    #[oai(
        path = "/api/v1/accounts/:account_id/conversations/:conversation_id",
        method = "delete",
        operation_id = "delete_conversation"
    )]
    async fn delete(
        &self,
        auth: Auth,
        account_id: Path<i64>,
        conversation_id: Path<i64>,
    ) -> Result<(), Refusal<Acting>> {
        let member = auth.enter(account_id.0).await?;
        Ok(conversations::delete(auth.app(), &member, DisplayId(conversation_id.0)).await?)
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

    /// Assign to an agent, to a team, or to nobody
    ///
    /// Answers the agent or the team, or null. A body with neither changes nothing. Who has a conversation that is given to a team they
    /// are not in has it no longer.
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
        /// As in the body.
        team_id: Query<Option<i64>>,
        body: OptionalJson<Assignment>,
    ) -> Result<Json<AssignedOrNobody>, Refusal<Writing>> {
        let member = auth.enter(account_id.0).await?;
        let conversation = DisplayId(conversation_id.0);
        let assignee = match body.0.assignee_id {
            // Chatwoot's clients send 0 for nobody.
            MaybeUndefined::Value(id) => (id != 0).then_some(UserId(id)),
            MaybeUndefined::Null => None,
            MaybeUndefined::Undefined => {
                let team = match (body.0.team_id, team_id.0) {
                    (MaybeUndefined::Value(id), _) | (_, Some(id)) => (id != 0).then_some(TeamId(id)),
                    (MaybeUndefined::Null, None) => None,
                    (MaybeUndefined::Undefined, None) => {
                        conversations::show(auth.app(), &member, conversation).await?;
                        return Ok(Json(AssignedOrNobody(None)));
                    }
                };
                let team = conversations::assign_team(auth.app(), &member, conversation, team).await?;
                let own = teams::of_member(&member).await?;
                let team = team.map(|team| Assigned::Team(Team::new(&team, own.contains(&team.id))));
                return Ok(Json(AssignedOrNobody(team)));
            }
        };
        let agent = conversations::assign(auth.app(), &member, conversation, assignee).await?;
        Ok(Json(AssignedOrNobody(agent.as_ref().map(|agent| Assigned::Agent(agent.into())))))
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
