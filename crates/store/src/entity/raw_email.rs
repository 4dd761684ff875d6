//! `raw_emails`: Mail as received.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "raw_emails")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i64,
    pub account_id: i64,
    pub inbox_id: i64,
    pub channel_id: i64,
    pub folder_id: i64,
    pub uidvalidity: i64,
    pub uid: i64,
    pub blob_id: i64,
    pub size_bytes: i64,
    pub internal_date: Option<i64>,
    pub message_id_header: Option<String>,
    pub fingerprint: Option<String>,
    pub source: String,
    pub state: String,
    pub attempts: i64,
    pub reason: Option<String>,
    pub message_id: Option<i64>,
    pub ready_at: i64,
    pub lease_token: Option<String>,
    pub lease_worker: Option<String>,
    pub lease_until: i64,
    pub received_at: i64,
    pub truncated: bool,
    pub dismissed_at: Option<i64>,
}

entity!(tenant);
