//! `channel_folders`: Watched folders and their cursors.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "channel_folders")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i64,
    pub account_id: i64,
    pub channel_id: i64,
    pub role: String,
    pub name: String,
    pub uidvalidity: Option<i64>,
    pub last_uid: i64,
    pub import_uidvalidity: Option<i64>,
    pub import_before_uid: Option<i64>,
    pub import_reached_uid: Option<i64>,
    pub created_at: i64,
    pub updated_at: i64,
}

entity!(tenant);
