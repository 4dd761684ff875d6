//! `connections`: Connection attempts.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "connections")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i64,
    pub account_id: i64,
    pub purpose: String,
    pub provider: String,
    pub oauth_app_id: Option<i64>,
    pub inbox_id: Option<i64>,
    pub created_by: i64,
    pub email: Option<String>,
    pub status: String,
    pub state_hash: String,
    pub link_hash: String,
    pub confirm_hash: Option<String>,
    pub browser_hash: Option<String>,
    pub seal_uid: String,
    pub handshake: Vec<u8>,
    pub identity: Option<String>,
    pub grant_id: Option<i64>,
    pub result_inbox_id: Option<i64>,
    pub failure: Option<String>,
    pub send_transport: Option<String>,
    pub expires_at: i64,
    pub consumed_at: Option<i64>,
    pub confirmed_at: Option<i64>,
    pub connect_link_id: Option<i64>,
    pub mailbox: Option<String>,
    pub agreed: bool,
    pub opened_at: Option<i64>,
    pub consent_state: Option<String>,
    pub consent_until: Option<i64>,
    pub consent_seen_at: Option<i64>,
    pub handover_by: Option<i64>,
    pub accepted_by: Option<i64>,
    pub held_seal_uid: Option<String>,
    pub held_tokens: Option<Vec<u8>>,
    pub created_at: i64,
    pub updated_at: i64,
}

entity!(tenant);
