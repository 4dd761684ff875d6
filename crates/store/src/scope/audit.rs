//! The log of what administrators did: an entry is written in the transaction of what it tells, by the store itself.
//!
//! Only what a person does is told: a scope without one ([`AccountScope::acting`]) writes nothing. No secret ever stands in an entry, and of
//! people outside only numbers.

use super::convert;
use super::grants::micros;
use super::purge::Purge;
use super::tx::Tx;
use crate::*;
use domain::audit::{AuditAction, AuditEvent, AuditSubject, differences};
use domain::oauth_app::OauthApp;
use domain::{AccountId, AuditEventId, OauthAppId, Timestamp, UserId};
use sea_orm::{ConnectionTrait, FromQueryResult};
use serde_json::{Map, Value, json};
use std::sync::Arc;
use std::time::Duration;

#[derive(Debug, FromQueryResult)]
struct AuditRow {
    id: i64,
    account_id: i64,
    user_id: Option<i64>,
    username: Option<String>,
    action: String,
    subject: String,
    subject_id: i64,
    changes: String,
    remote_address: Option<String>,
    request_id: Option<String>,
    created_at: i64,
}

impl AuditRow {
    fn event(self) -> Result<AuditEvent> {
        Ok(AuditEvent {
            id: AuditEventId(self.id),
            account_id: AccountId(self.account_id),
            user_id: self.user_id.map(UserId),
            username: self.username,
            action: convert::code("audit action", &self.action, AuditAction::parse)?,
            subject: convert::code("audit subject", &self.subject, AuditSubject::parse)?,
            subject_id: self.subject_id,
            changes: convert::json("audit changes", &self.changes)?,
            remote_address: self.remote_address,
            request_id: self.request_id,
            created_at: Timestamp(self.created_at),
        })
    }
}

/// Fields of a thing as an entry tells them.
pub(crate) fn fields(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

/// Of a credential only its hint, which shows nothing.
pub(super) fn oauth_app(app: &OauthApp) -> Map<String, Value> {
    fields(json!({
        "name": app.name,
        "client_id": app.client_id,
        "authority": app.authority,
        "is_default": app.is_default,
        "credentials": app.credentials.iter().map(|credential| credential.hint.as_str()).collect::<Vec<_>>(),
    }))
}

impl AccountScope {
    /// What an app is now, told beside what it was.
    pub(super) async fn audit_app<C: ConnectionTrait>(
        &self,
        on: &C,
        id: OauthAppId,
        before: &OauthApp,
    ) -> Result<OauthApp> {
        let after = self.oauth_app_on(on, id).await?.ok_or(StoreError::NotFound("oauth app"))?;
        let (was, is) = (Value::Object(oauth_app(before)), Value::Object(oauth_app(&after)));
        self.audit_update(on, AuditSubject::OauthApp, id.0, was, is).await?;
        Ok(after)
    }
}

impl AccountScope {
    /// The same account, with whoever acts in it: what they change is told in the log.
    #[must_use]
    pub fn acting(mut self, acting: Acting) -> Self {
        self.acting = Some(Arc::new(acting));
        self
    }

    /// Where whoever acts comes from.
    #[must_use]
    pub fn came_from(mut self, remote_address: Option<String>, request_id: Option<String>) -> Self {
        if let Some(acting) = &self.acting {
            self.acting = Some(Arc::new(Acting { remote_address, request_id, ..(**acting).clone() }));
        }
        self
    }

    /// `changes`: what the thing is, or was.
    pub(crate) async fn audit<C: ConnectionTrait>(
        &self,
        on: &C,
        action: AuditAction,
        subject: AuditSubject,
        subject_id: i64,
        changes: Map<String, Value>,
    ) -> Result<()> {
        let Some(acting) = &self.acting else { return Ok(()) };
        self.sql(
            "INSERT INTO audit_events (account_id, user_id, token_id, action, subject, subject_id, changes, remote_address, request_id, \
             created_at) VALUES (:account, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(acting.user_id.0)
        .bind(acting.token_id.map(|token| token.0))
        .bind(action.as_str())
        .bind(subject.as_str())
        .bind(subject_id)
        .bind(convert::to_json(&changes))
        .bind(acting.remote_address.clone())
        .bind(acting.request_id.clone())
        .bind(self.inner.now().0)
        .run(on)
        .await?;
        Ok(())
    }

    /// Nothing where nothing is another.
    pub(crate) async fn audit_update<C: ConnectionTrait>(
        &self,
        on: &C,
        subject: AuditSubject,
        subject_id: i64,
        before: Value,
        after: Value,
    ) -> Result<()> {
        let changes = differences(&fields(before), &fields(after));
        if changes.is_empty() {
            return Ok(());
        }
        self.audit(on, AuditAction::Update, subject, subject_id, changes).await
    }

    /// A page of the log, newest first, and how many entries there are.
    pub async fn audit_log(&self, offset: u64, limit: u32) -> Result<(Vec<AuditEvent>, u64)> {
        let count: Option<i64> =
            self.sql("SELECT COUNT(*) FROM audit_events WHERE account_id = :account").value(&self.inner.read).await?;
        let rows: Vec<AuditRow> = self
            .sql(
                "SELECT a.id, a.account_id, a.user_id, u.email AS username, a.action, a.subject, a.subject_id, a.changes, a.remote_address, \
                 a.request_id, a.created_at FROM audit_events a LEFT JOIN users u ON u.id = a.user_id \
                 WHERE a.account_id = :account ORDER BY a.id DESC LIMIT ? OFFSET ?",
            )
            .bind(i64::from(limit))
            .bind(i64::try_from(offset).unwrap_or(i64::MAX))
            .all(&self.inner.read)
            .await?;
        let events = rows.into_iter().map(AuditRow::event).collect::<Result<_>>()?;
        Ok((events, convert::number("count", count.unwrap_or(0))?))
    }
}

impl Tx {
    /// For what no method of this transaction tells by itself.
    pub async fn audit(
        &mut self,
        action: AuditAction,
        subject: AuditSubject,
        subject_id: i64,
        changes: Value,
    ) -> Result<()> {
        self.scope().audit(self.on(), action, subject, subject_id, fields(changes)).await
    }
}

impl Purge {
    /// Removes entries that are older than `kept`. How many.
    pub async fn sweep_audit_events(&self, kept: Duration) -> Result<u64> {
        let until = self.inner.now().0.saturating_sub(micros(kept));
        let which = "audit_events WHERE id IN (SELECT id FROM audit_events WHERE created_at < ? ORDER BY id LIMIT ?)";
        self.delete_in_pieces(which, &[until], 1000).await
    }
}
