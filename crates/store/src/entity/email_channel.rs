//! `email_channels`: Mailboxes behind inboxes.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "email_channels")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i64,
    pub account_id: i64,
    pub inbox_id: i64,
    pub provider: String,
    pub grant_id: Option<i64>,
    pub principal: String,
    pub mailbox_address: String,
    pub mailbox_key: String,
    pub from_address: String,
    pub smtp_user: String,
    pub fetch_state: String,
    pub fetch_health: String,
    pub send_state: String,
    pub send_health: String,
    pub import: String,
    pub worker_session_id: Option<i64>,
    pub epoch: i64,
    pub send_lease_token: Option<String>,
    pub send_lease_worker: Option<String>,
    pub send_lease_until: i64,
    /// Nothing is sent before that, by the database's clock.
    pub send_after: i64,
    pub sending_limits: String,
    pub service: String,
    pub send_transport: String,
    /// `NULL`: none was taken yet, or by a version that did not remember it.
    pub from_accepted_at: Option<i64>,
    pub created_at: i64,
    pub updated_at: i64,
}

entity!(tenant);
