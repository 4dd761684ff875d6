//! `deliveries`: Outgoing messages on their way.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "deliveries")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i64,
    pub account_id: i64,
    pub message_id: i64,
    pub conversation_id: i64,
    pub inbox_id: i64,
    pub channel_id: Option<i64>,
    pub state: String,
    pub attempts: i64,
    pub envelope: String,
    pub message_id_header: String,
    pub rewritten_message_id: Option<String>,
    pub composed_blob_id: Option<i64>,
    pub graph_draft: Option<String>,
    pub failure: Option<String>,
    pub failing_since: Option<i64>,
    pub waits_alone: i64,
    pub recipients: String,
    pub looks: i64,
    pub queued_at: i64,
    pub sent_at: Option<i64>,
    pub next_try_at: Option<i64>,
    pub waited_since: Option<i64>,
    pub updated_at: i64,
}

entity!(tenant);
