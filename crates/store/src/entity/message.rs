//! `messages`: Messages.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "messages")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i64,
    pub account_id: i64,
    pub conversation_id: i64,
    pub message_type: i64,
    pub private: bool,
    pub content: Option<String>,
    pub content_type: String,
    pub content_attributes: String,
    pub source_id: Option<String>,
    pub sender_contact_id: Option<i64>,
    pub sender_user_id: Option<i64>,
    pub deleted: bool,
    pub sent_at: i64,
    pub created_at: i64,
    pub updated_at: i64,
}

entity!(tenant);
