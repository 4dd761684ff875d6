//! `contacts`: People outside.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "contacts")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i64,
    pub account_id: i64,
    pub name: String,
    pub email: Option<String>,
    pub phone_number: Option<String>,
    pub identifier: Option<String>,
    pub blocked: bool,
    pub additional_attributes: String,
    pub custom_attributes: String,
    pub last_activity_at: Option<i64>,
    pub created_at: i64,
    pub updated_at: i64,
    /// Being erased: nobody sees it any more.
    pub erased_at: Option<i64>,
}

entity!(tenant);
