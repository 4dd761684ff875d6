//! `conversations`: Conversations, with what lists need kept in step.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "conversations")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i64,
    pub account_id: i64,
    pub display_id: i64,
    pub uuid: String,
    pub inbox_id: i64,
    pub contact_id: i64,
    pub status: String,
    pub priority: Option<i64>,
    pub assignee_id: Option<i64>,
    pub team_id: Option<i64>,
    pub subject: Option<String>,
    pub muted: bool,
    pub additional_attributes: String,
    pub custom_attributes: String,
    pub snoozed_until: Option<i64>,
    pub waiting_since: Option<i64>,
    pub first_reply_at: Option<i64>,
    pub last_activity_at: i64,
    pub agent_last_seen_at: Option<i64>,
    pub assignee_last_seen_at: Option<i64>,
    pub contact_last_seen_at: Option<i64>,
    pub unread_count: i64,
    pub last_message_id: Option<i64>,
    pub last_message_at: Option<i64>,
    pub last_non_activity_message_id: Option<i64>,
    pub last_non_activity_at: Option<i64>,
    pub created_at: i64,
    pub updated_at: i64,
}

entity!(tenant);
