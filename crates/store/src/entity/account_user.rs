//! `account_users`: Users' places in accounts.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "account_users")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i64,
    pub account_id: i64,
    pub user_id: i64,
    pub role: String,
    pub availability: String,
    pub auto_offline: bool,
    pub active_at: Option<i64>,
    pub removed_at: Option<i64>,
    pub created_at: i64,
    pub updated_at: i64,
}

entity!(tenant);
