//! `grants`: OAuth tokens of signed-in principals.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "grants")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i64,
    pub account_id: i64,
    pub provider: String,
    pub oauth_app_id: Option<i64>,
    pub tid: String,
    pub oid: String,
    pub sub: String,
    pub principal: String,
    pub status: String,
    pub failure: Option<String>,
    pub scopes: String,
    pub seal_uid: String,
    pub refresh_token: Vec<u8>,
    pub version: i64,
    pub lease_token: Option<String>,
    pub lease_until: i64,
    pub refreshed_at: i64,
    pub kept_alive_at: i64,
    pub created_at: i64,
    pub updated_at: i64,
}

entity!(tenant);
