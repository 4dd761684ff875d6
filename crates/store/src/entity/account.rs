//! `accounts`: Tenants.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "accounts")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i64,
    pub name: String,
    pub locale: String,
    pub status: String,
    pub created_at: i64,
    pub updated_at: i64,
    pub domain: Option<String>,
    pub support_email: Option<String>,
}

entity!();
