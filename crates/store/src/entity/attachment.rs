//! `attachments`: Files of messages.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "attachments")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i64,
    pub account_id: i64,
    pub message_id: i64,
    pub blob_id: i64,
    pub file_name: String,
    pub content_type: String,
    pub size_bytes: i64,
    pub content_id: Option<String>,
    pub inline: bool,
    pub created_at: i64,
}

entity!(tenant);
