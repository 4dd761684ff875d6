//! What is asked of many conversations at once: filters that somebody puts together, the same done to many, badges; and a conversation that
//! an agent begins.

use crate::JsonObject;
use crate::message::NewMessage;
use crate::words::ConversationStatus;
use poem_openapi::types::{Any, MaybeUndefined};
use poem_openapi::{Enum, Object};
use serde_json::Value;
use std::collections::BTreeMap;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
pub enum FilterOperator {
    EqualTo,
    NotEqualTo,
    Contains,
    DoesNotContain,
    IsPresent,
    IsNotPresent,
    IsGreaterThan,
    IsLessThan,
    DaysBefore,
}

/// How a condition is joined with the next one. AND binds closer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum QueryOperator {
    #[oai(rename = "AND")]
    And,
    #[oai(rename = "OR")]
    Or,
    #[oai(rename = "and")]
    LowerAnd,
    #[oai(rename = "or")]
    LowerOr,
}

#[derive(Clone, Debug, Object)]
pub struct FilterCondition {
    /// `status`, `priority`, `assignee_id`, `inbox_id`, `team_id`, `contact_id`, `display_id`, `labels`, `created_at`, `last_activity_at`,
    /// `mail_subject`, or the key of a custom attribute.
    #[oai(deserialize_with = "crate::json::text", validator(min_length = 1, max_length = 255))]
    pub attribute_key: String,
    pub filter_operator: FilterOperator,
    /// Texts or numbers.
    #[oai(validator(max_items = 100))]
    pub values: Option<Vec<Any<Value>>>,
    #[oai(nullable)]
    pub query_operator: Option<QueryOperator>,
    /// Passed over: the key says it.
    #[oai(nullable, deserialize_with = "crate::json::optional_text", validator(max_length = 255))]
    pub attribute_model: Option<String>,
    /// Passed over.
    #[oai(nullable, deserialize_with = "crate::json::optional_text", validator(max_length = 255))]
    pub custom_attribute_type: Option<String>,
}

#[derive(Clone, Debug, Object)]
pub struct ConversationQuery {
    #[oai(validator(max_items = 30))]
    pub payload: Vec<FilterCondition>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
pub enum BulkType {
    Conversation,
}

#[derive(Clone, Debug, Default, Object)]
pub struct BulkFields {
    pub status: Option<ConversationStatus>,
    /// Null or 0 for nobody.
    #[oai(nullable)]
    pub assignee_id: MaybeUndefined<i64>,
    /// Null or 0 for none.
    #[oai(nullable)]
    pub team_id: MaybeUndefined<i64>,
}

#[derive(Clone, Debug, Default, Object)]
pub struct BulkLabels {
    #[oai(validator(max_items = 50))]
    pub add: Option<Vec<String>>,
    #[oai(validator(max_items = 50))]
    pub remove: Option<Vec<String>>,
}

#[derive(Clone, Debug, Object)]
pub struct BulkAction {
    #[oai(rename = "type")]
    pub kind: BulkType,
    /// Numbers of conversations (`display_id`).
    #[oai(validator(max_items = 100))]
    pub ids: Vec<i64>,
    pub fields: Option<BulkFields>,
    pub labels: Option<BulkLabels>,
    /// Epoch seconds; only with the status `snoozed`.
    #[oai(nullable, validator(minimum(value = "0"), maximum(value = "253402300799")))]
    pub snoozed_until: Option<i64>,
}

/// Open conversations with something unread. What has none is not listed.
#[derive(Clone, Debug, Object)]
pub struct UnreadCounts {
    pub all_count: u64,
    pub mine_count: u64,
    pub unassigned_count: u64,
    /// By id of the inbox.
    pub inboxes: BTreeMap<String, u64>,
    /// By id of the team.
    pub teams: BTreeMap<String, u64>,
    /// By id of the label.
    pub labels: BTreeMap<String, u64>,
}

#[derive(Clone, Debug, Object)]
pub struct UnreadCountsAnswer {
    pub payload: UnreadCounts,
}

/// A conversation that an agent begins, with or without its first message.
#[derive(Clone, Debug, Object)]
pub struct NewConversation {
    pub inbox_id: i64,
    /// Who it is with. One of this and `source_id` is needed.
    #[oai(nullable)]
    pub contact_id: Option<i64>,
    /// The contact's address, under which the inbox knows them.
    #[oai(nullable, deserialize_with = "crate::json::optional_text", validator(max_length = 320))]
    pub source_id: Option<String>,
    /// `open` when absent.
    pub status: Option<ConversationStatus>,
    #[oai(nullable)]
    pub assignee_id: Option<i64>,
    #[oai(nullable)]
    pub team_id: Option<i64>,
    /// `mail_subject` in it is the subject.
    pub additional_attributes: Option<JsonObject>,
    pub custom_attributes: Option<JsonObject>,
    /// Epoch seconds; only with the status `snoozed`.
    #[oai(nullable, validator(minimum(value = "0"), maximum(value = "253402300799")))]
    pub snoozed_until: Option<i64>,
    pub message: Option<NewMessage>,
}
