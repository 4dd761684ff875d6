//! `users`: People who sign in; global.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "users")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i64,
    pub email: String,
    pub email_key: String,
    pub name: String,
    pub display_name: Option<String>,
    pub message_signature: Option<String>,
    pub password_hash: Option<String>,
    pub email_proved_at: Option<i64>,
    pub email_changed_at: Option<i64>,
    pub created_at: i64,
    pub updated_at: i64,
}

entity!();
