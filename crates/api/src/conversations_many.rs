//! What is asked of many conversations at once.

use crate::auth::Auth;
use crate::error::{Problem, Reading, Refusal, Writing};
use crate::shape;
use crate::tags::Tag;
use app::conversations::filter::{self, AskedTerm, Operator};
use app::conversations::{self, BulkChange, ConversationFilter};
use domain::{DisplayId, TeamId, Timestamp, UserId};
use poem_openapi::OpenApi;
use poem_openapi::param::{Path, Query};
use poem_openapi::payload::Json;
use poem_openapi::types::MaybeUndefined;
use std::collections::BTreeMap;
use wire::conversation::ConversationPage;
use wire::conversation_many::{
    BulkAction, ConversationQuery, FilterCondition, FilterOperator, QueryOperator, UnreadCounts, UnreadCountsAnswer,
};

pub struct ConversationsManyApi;

#[OpenApi(tag = "Tag::Conversations")]
impl ConversationsManyApi {
    /// List conversations by conditions that are put together
    ///
    /// 25 a page, of every status unless a condition says otherwise, the last activity first.
    #[oai(
        path = "/api/v1/accounts/:account_id/conversations/filter",
        method = "post",
        operation_id = "filter_conversations"
    )]
    async fn filter(
        &self,
        auth: Auth,
        account_id: Path<i64>,
        /// From 1.
        #[oai(validator(maximum(value = "100000")))]
        page: Query<Option<u32>>,
        body: Json<ConversationQuery>,
    ) -> Result<Json<ConversationPage>, Refusal<Writing>> {
        let member = auth.enter(account_id.0).await?;
        let asked: Vec<AskedTerm> = body.0.payload.into_iter().map(asked).collect();
        let terms = filter::terms(auth.app(), &asked).map_err(Problem::from)?;
        let page = page.0.unwrap_or(1).max(1);
        let wanted = ConversationFilter { status: None, terms, page, ..ConversationFilter::default() };
        let found = conversations::list(auth.app(), &member, &wanted).await?;
        let links = shape::links(auth.app(), &member).await?;
        let payload = found.items.iter().map(|view| shape::conversation(view, &links)).collect();
        Ok(Json(ConversationPage { meta: shape::counts(found.counts), payload }))
    }

    /// Count open conversations with something unread
    ///
    /// Of those that the caller sees, also for each inbox, team and label.
    #[oai(
        path = "/api/v1/accounts/:account_id/conversations/unread_counts",
        method = "get",
        operation_id = "count_unread_conversations"
    )]
    async fn unread_counts(
        &self,
        auth: Auth,
        account_id: Path<i64>,
    ) -> Result<Json<UnreadCountsAnswer>, Refusal<Reading>> {
        let member = auth.enter(account_id.0).await?;
        let counts = conversations::unread_counts(auth.app(), &member).await?;
        Ok(Json(UnreadCountsAnswer {
            payload: UnreadCounts {
                all_count: counts.all,
                mine_count: counts.mine,
                unassigned_count: counts.unassigned,
                inboxes: by_id(counts.inboxes),
                teams: by_id(counts.teams),
                labels: by_id(counts.labels),
            },
        }))
    }

    /// Do the same to many conversations
    ///
    /// To those of them that the caller sees, each by itself; it is done when the answer comes.
    #[oai(path = "/api/v1/accounts/:account_id/bulk_actions", method = "post", operation_id = "change_conversations")]
    async fn bulk(&self, auth: Auth, account_id: Path<i64>, body: Json<BulkAction>) -> Result<(), Refusal<Writing>> {
        let member = auth.enter(account_id.0).await?;
        let BulkAction { kind: _, ids, fields, labels, snoozed_until } = body.0;
        let (fields, labels) = (fields.unwrap_or_default(), labels.unwrap_or_default());
        let change = BulkChange {
            status: fields.status.map(Into::into),
            snoozed_until: snoozed_until.map(Timestamp::from_seconds),
            priority: None,
            assignee: or_nobody(fields.assignee_id).map(|id| id.map(UserId)),
            team: or_nobody(fields.team_id).map(|id| id.map(TeamId)),
            add_labels: labels.add.unwrap_or_default(),
            remove_labels: labels.remove.unwrap_or_default(),
        };
        let ids: Vec<DisplayId> = ids.into_iter().map(DisplayId).collect();
        Ok(conversations::change_many(auth.app(), &member, &ids, &change).await?)
    }
}

/// Absent leaves; null and 0, which Chatwoot's clients send, mean nobody.
pub(crate) fn or_nobody(id: MaybeUndefined<i64>) -> Option<Option<i64>> {
    match id {
        MaybeUndefined::Undefined => None,
        MaybeUndefined::Null => Some(None),
        MaybeUndefined::Value(id) => Some((id != 0).then_some(id)),
    }
}

fn by_id<K: std::fmt::Display>(counts: BTreeMap<K, u64>) -> BTreeMap<String, u64> {
    counts.into_iter().map(|(id, count)| (id.to_string(), count)).collect()
}

fn asked(condition: FilterCondition) -> AskedTerm {
    AskedTerm {
        key: condition.attribute_key,
        operator: match condition.filter_operator {
            FilterOperator::EqualTo => Operator::EqualTo,
            FilterOperator::NotEqualTo => Operator::NotEqualTo,
            FilterOperator::Contains => Operator::Contains,
            FilterOperator::DoesNotContain => Operator::DoesNotContain,
            FilterOperator::IsPresent => Operator::IsPresent,
            FilterOperator::IsNotPresent => Operator::IsNotPresent,
            FilterOperator::IsGreaterThan => Operator::IsGreaterThan,
            FilterOperator::IsLessThan => Operator::IsLessThan,
            FilterOperator::DaysBefore => Operator::DaysBefore,
        },
        values: condition.values.unwrap_or_default().into_iter().map(|value| value.0).collect(),
        or_next: matches!(condition.query_operator, Some(QueryOperator::Or | QueryOperator::LowerOr)),
    }
}
