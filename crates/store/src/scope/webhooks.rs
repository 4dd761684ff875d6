//! Webhooks: whom an account tells, with their sealed secrets. What they were told is in [`super::webhook_tellings`].
//!
//! One that is deleted is seen by nobody from that moment on, and its secrets are gone; its row and its log, which may be long, go with the
//! next sweep. Locks are taken in the order account, cursor, webhook, telling, owed work.

use super::audit;
use super::convert::{json as read_json, number, to_json};
use crate::secret::SealedPlace;
use crate::*;
use domain::audit::{AuditAction, AuditSubject};
use domain::webhook::{Disabled, DisabledReason, Webhook};
use domain::{InboxId, Secret, Timestamp, WebhookDeliveryId, WebhookId};
use sea_orm::{ConnectionTrait, FromQueryResult};
use serde_json::{Value, json};

pub(crate) const SECRET: &str = "webhook.secret";

#[derive(Debug, FromQueryResult)]
struct WebhookRow {
    id: i64,
    inbox_id: Option<i64>,
    name: Option<String>,
    url: String,
    subscriptions: String,
    seal_uid: String,
    secret: Vec<u8>,
    previous_seal_uid: Option<String>,
    previous_secret: Option<Vec<u8>>,
    previous_until: Option<i64>,
    disabled_at: Option<i64>,
    disabled_reason: Option<String>,
    failing_since: Option<i64>,
    failures_in_a_row: i64,
    delivered_at: Option<i64>,
    created_at: i64,
    paused_for: i64,
}

const COLUMNS: &str = "w.id, w.inbox_id, w.name, w.url, w.subscriptions, w.seal_uid, w.secret, w.previous_seal_uid, w.previous_secret, \
    w.previous_until, w.disabled_at, w.disabled_reason, w.failing_since, w.failures_in_a_row, w.delivered_at, w.created_at, \
    w.paused_until - {now} AS paused_for";

impl WebhookRow {
    fn webhook(&self) -> Result<Webhook> {
        let disabled = match (self.disabled_at, self.disabled_reason.as_deref()) {
            (Some(at), reason) => {
                let reason = reason.and_then(DisabledReason::parse).unwrap_or(DisabledReason::ByPerson);
                Some(Disabled { at: Timestamp(at), reason })
            }
            (None, _) => None,
        };
        Ok(Webhook {
            id: WebhookId(self.id),
            inbox_id: self.inbox_id.map(InboxId),
            name: self.name.clone(),
            url: self.url.clone(),
            subscriptions: read_json("subscriptions", &self.subscriptions)?,
            disabled,
            failing_since: self.failing_since.map(Timestamp),
            failures_in_a_row: number("failures_in_a_row", self.failures_in_a_row)?,
            delivered_at: self.delivered_at.map(Timestamp),
            previous_until: self.previous_until.map(Timestamp),
            created_at: Timestamp(self.created_at),
        })
    }
}

fn told(webhook: &Webhook) -> Value {
    json!({
        "url": webhook.url,
        "name": webhook.name,
        "inbox_id": webhook.inbox_id.map(|inbox| inbox.0),
        "subscriptions": webhook.subscriptions,
        "enabled": webhook.disabled.is_none(),
    })
}

impl AccountScope {
    /// Oldest first.
    pub async fn webhooks(&self) -> Result<Vec<Webhook>> {
        let rows: Vec<WebhookRow> = self
            .sql(format!(
                "SELECT {COLUMNS} FROM webhooks w WHERE w.account_id = :account AND w.deleted_at IS NULL ORDER BY w.id"
            ))
            .all(&self.inner.read)
            .await?;
        rows.iter().map(WebhookRow::webhook).collect()
    }

    pub async fn webhook(&self, id: WebhookId) -> Result<Option<Webhook>> {
        self.webhook_row(&self.inner.read, id).await?.as_ref().map(WebhookRow::webhook).transpose()
    }

    async fn webhook_row<C: ConnectionTrait>(&self, on: &C, id: WebhookId) -> Result<Option<WebhookRow>> {
        self.sql(format!(
            "SELECT {COLUMNS} FROM webhooks w WHERE w.account_id = :account AND w.id = ? AND w.deleted_at IS NULL"
        ))
        .bind(id.0)
        .one(on)
        .await
    }

    /// Told of what happens from now on. `Conflict`: this address is told already. `LimitReached`: there are `most` of them.
    pub async fn create_webhook(&self, new: &NewWebhook, most: u32) -> Result<Webhook> {
        let (uid, secret) = self.seal_webhook(&new.secret);
        let now = self.inner.now().0;
        let tx = self.inner.begin().await?;
        // One after the other, so that two do not both take the last place.
        let counted = self.sql("SELECT COUNT(*) FROM webhooks WHERE account_id = :account AND deleted_at IS NULL");
        self.make_room(&tx, "webhooks", counted, most).await?;
        self.sql(
            "INSERT INTO webhook_cursors (account_id, event_seq) SELECT account_id, event_seq FROM account_counters \
             WHERE account_id = :account ON CONFLICT (account_id) DO NOTHING",
        )
        .run(&tx)
        .await?;
        let id: Option<i64> = self
            .sql(
                "INSERT INTO webhooks (account_id, inbox_id, name, url, subscriptions, seal_uid, secret, failures_in_a_row, paused_until, \
                 created_at, updated_at) VALUES (:account, ?, ?, ?, ?, ?, ?, 0, 0, ?, ?) ON CONFLICT (account_id, url) WHERE deleted_at IS NULL \
                 DO NOTHING RETURNING id",
            )
            .bind(new.inbox_id.map(|inbox| inbox.0))
            .bind(new.name.clone())
            .bind(new.url.clone())
            .bind(to_json(&new.subscriptions))
            .bind(uid)
            .bind(secret)
            .bind(now)
            .bind(now)
            .value(&tx)
            .await?;
        let Some(id) = id else {
            tx.rollback().await?;
            return Err(StoreError::Conflict("the address is told already".to_owned()));
        };
        let row = self.webhook_row(&tx, WebhookId(id)).await?.ok_or(StoreError::NotFound("webhook"))?;
        let webhook = row.webhook()?;
        self.audit(&tx, AuditAction::Create, AuditSubject::Webhook, id, audit::fields(told(&webhook))).await?;
        tx.commit().await?;
        Ok(webhook)
    }

    /// `None`: there is none. `Conflict`: another one has this address.
    pub async fn update_webhook(&self, id: WebhookId, change: &WebhookChange) -> Result<Option<Webhook>> {
        let now = self.inner.now().0;
        let tx = self.inner.begin().await?;
        self.stand_in_line(&tx).await?;
        if let Some(url) = &change.url {
            let other: Option<i64> = self
                .sql("SELECT id FROM webhooks WHERE account_id = :account AND url = ? AND id <> ? AND deleted_at IS NULL")
                .bind(url.clone())
                .bind(id.0)
                .value(&tx)
                .await?;
            if other.is_some() {
                tx.rollback().await?;
                return Err(StoreError::Conflict("the address is told already".to_owned()));
            }
        }
        let before = self.webhook_row(&tx, id).await?.as_ref().map(WebhookRow::webhook).transpose()?;
        let (disabled, disabled_at, reason) = match change.disabled {
            None => (false, None, None),
            Some(reason) => (true, reason.map(|_| now), reason.map(DisabledReason::as_str)),
        };
        self.sql(
            "UPDATE webhooks SET inbox_id = CASE WHEN ? THEN ? ELSE inbox_id END, name = CASE WHEN ? THEN ? ELSE name END, \
             url = COALESCE(?, url), subscriptions = COALESCE(?, subscriptions), \
             disabled_at = CASE WHEN ? THEN ? ELSE disabled_at END, disabled_reason = CASE WHEN ? THEN ? ELSE disabled_reason END, \
             failing_since = CASE WHEN ? THEN NULL ELSE failing_since END, failures_in_a_row = CASE WHEN ? THEN 0 ELSE failures_in_a_row END, \
             paused_until = CASE WHEN ? THEN 0 ELSE paused_until END, updated_at = ? WHERE account_id = :account AND id = ? AND deleted_at IS NULL",
        )
        .bind(change.inbox_id.is_some())
        .bind(change.inbox_id.flatten().map(|inbox| inbox.0))
        .bind(change.name.is_some())
        .bind(change.name.clone().flatten())
        .bind(change.url.clone())
        .bind(change.subscriptions.as_ref().map(to_json))
        .bind(disabled)
        .bind(disabled_at)
        .bind(disabled)
        .bind(reason)
        .bind(disabled)
        .bind(disabled)
        .bind(disabled)
        .bind(now)
        .bind(id.0)
        .run(&tx)
        .await?;
        let after = self.webhook_row(&tx, id).await?.as_ref().map(WebhookRow::webhook).transpose()?;
        if let (Some(before), Some(after)) = (before, &after) {
            self.audit_update(&tx, AuditSubject::Webhook, id.0, told(&before), told(after)).await?;
        }
        tx.commit().await?;
        Ok(after)
    }

    /// With its log. `false`: there is none.
    pub async fn delete_webhook(&self, id: WebhookId) -> Result<bool> {
        let now = self.inner.now().0;
        let tx = self.inner.begin().await?;
        // Whoever makes one at the same time either sees this one gone, and begins to look at events anew, or is seen here.
        self.stand_in_line(&tx).await?;
        let found = self.webhook_row(&tx, id).await?.as_ref().map(WebhookRow::webhook).transpose()?;
        self.sql(
            "DELETE FROM webhook_cursors WHERE account_id = :account AND NOT EXISTS \
             (SELECT 1 FROM webhooks w WHERE w.account_id = :account AND w.id <> ? AND w.deleted_at IS NULL)",
        )
        .bind(id.0)
        .run(&tx)
        .await?;
        self.sql(
            "UPDATE webhooks SET deleted_at = ?, updated_at = ?, secret = ?, previous_secret = NULL \
             WHERE account_id = :account AND id = ? AND deleted_at IS NULL",
        )
        .bind(now)
        .bind(now)
        .bind(Vec::<u8>::new())
        .bind(id.0)
        .run(&tx)
        .await?;
        if let Some(found) = &found {
            self.audit(&tx, AuditAction::Destroy, AuditSubject::Webhook, id.0, audit::fields(told(found))).await?;
        }
        tx.commit().await?;
        Ok(found.is_some())
    }

    /// The one that was holds beside it until `until`. `false`: there is no such webhook.
    pub async fn rotate_webhook_secret(&self, id: WebhookId, secret: &Secret, until: Timestamp) -> Result<bool> {
        let (uid, sealed) = self.seal_webhook(secret);
        let tx = self.inner.begin().await?;
        let changed = self
            .sql(
                "UPDATE webhooks SET previous_seal_uid = seal_uid, previous_secret = secret, previous_until = ?, seal_uid = ?, secret = ?, \
                 updated_at = ? WHERE account_id = :account AND id = ? AND deleted_at IS NULL",
            )
            .bind(until.0)
            .bind(uid)
            .bind(sealed)
            .bind(self.inner.now().0)
            .bind(id.0)
            .run(&tx)
            .await?;
        if changed == 1 {
            let rotated = audit::fields(json!({ "secret": ["…", "…"] }));
            self.audit(&tx, AuditAction::Update, AuditSubject::Webhook, id.0, rotated).await?;
        }
        tx.commit().await?;
        Ok(changed == 1)
    }

    fn seal_webhook(&self, secret: &Secret) -> (String, Vec<u8>) {
        let uid = self.inner.random_name();
        let place = SealedPlace { account: self.id, purpose: SECRET, uid: &uid };
        let sealed = self.inner.keys.seal(&place, self.inner.entropy.as_ref(), secret.expose().as_bytes());
        (uid, sealed)
    }

    fn open_webhook(&self, row: &WebhookRow) -> Result<WebhookSecrets> {
        let open = |uid: &str, sealed: &[u8]| {
            self.inner.keys.open_text(&SealedPlace { account: self.id, purpose: SECRET, uid }, sealed)
        };
        let holds = row.previous_until.is_some_and(|until| until > self.inner.now().0);
        let previous = match (&row.previous_seal_uid, &row.previous_secret) {
            (Some(uid), Some(sealed)) if holds => Some(open(uid, sealed)?),
            _ => None,
        };
        Ok(WebhookSecrets { current: open(&row.seal_uid, &row.secret)?, previous })
    }

    /// `None`: it, or its webhook, is gone.
    pub async fn webhook_telling(&self, id: WebhookDeliveryId) -> Result<Option<WebhookTelling>> {
        let Some(delivery) = self.webhook_delivery(id).await? else { return Ok(None) };
        let Some(row) = self.webhook_row(&self.inner.read, delivery.webhook_id).await? else { return Ok(None) };
        Ok(Some(WebhookTelling {
            delivery,
            webhook: row.webhook()?,
            is_paused: row.paused_for > 0,
            secrets: self.open_webhook(&row)?,
        }))
    }
}
