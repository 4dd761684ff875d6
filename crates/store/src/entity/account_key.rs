//! `account_keys`: Sealed keys of an account.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "account_keys")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i64,
    pub account_id: i64,
    pub purpose: String,
    pub version: i64,
    pub seal_uid: String,
    pub sealed: Vec<u8>,
    pub created_at: i64,
}

entity!(tenant);
