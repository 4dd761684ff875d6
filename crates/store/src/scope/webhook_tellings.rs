//! What webhooks are told: the tellings that wait, and the log of those that ended.
//!
//! An event becomes a telling when the account's cursor passes it ([`AccountScope::tell_webhooks`]): both are one transaction, and of two who
//! look at the same events one moves the cursor. So nothing is added to the transaction in which something happens.
//!
//! A telling that waits is owed, or it is held: without owed work, while its webhook is left alone. However many are held, they cost nothing
//! until the webhook takes something again ([`AccountScope::release_tellings`]).

use super::convert::{code, number};
use super::sql::{rows_of, system};
use crate::*;
use domain::{AccountId, Timestamp, WebhookDeliveryId, WebhookId};
use sea_orm::{ConnectionTrait, FromQueryResult};
use std::collections::HashSet;
use std::time::Duration;

/// Tellings of one page.
const PAGE: u32 = 25;
const ROWS_AT_ONCE: usize = 100;
/// Tellings that are released, or forgotten, in one transaction.
const MOST_AT_ONCE: i64 = 500;
/// An owed telling that is tried within so long finds out whether the webhook takes anything again, so no other need be released for it.
const SOON: Duration = Duration::from_secs(60);

#[derive(Debug, FromQueryResult)]
struct DeliveryRow {
    id: i64,
    webhook_id: i64,
    event_seq: i64,
    event: String,
    uuid: String,
    state: String,
    attempts: i64,
    next_try_at: Option<i64>,
    answer_status: Option<i64>,
    answer: Option<String>,
    failure: Option<String>,
    took_micros: Option<i64>,
    delivered_at: Option<i64>,
    queued_at: i64,
    created_at: i64,
}

#[derive(Debug, FromQueryResult)]
struct CursorRow {
    account_id: i64,
    event_seq: i64,
}

#[derive(Debug, FromQueryResult)]
struct HeldRow {
    account_id: i64,
    id: i64,
}

#[derive(Debug, FromQueryResult)]
struct StandRow {
    failing: bool,
}

#[derive(Debug, FromQueryResult)]
struct NewRow {
    id: i64,
    webhook_id: i64,
}

impl DeliveryRow {
    fn delivery(self) -> Result<WebhookDelivery> {
        Ok(WebhookDelivery {
            id: WebhookDeliveryId(self.id),
            webhook_id: WebhookId(self.webhook_id),
            event_seq: self.event_seq,
            event: self.event,
            uuid: self.uuid,
            state: code("webhook delivery state", &self.state, WebhookDeliveryState::parse)?,
            attempts: number("attempts", self.attempts)?,
            next_try_at: self.next_try_at.map(Timestamp),
            answer_status: self.answer_status.and_then(|status| u16::try_from(status).ok()),
            answer: self.answer,
            failure: self.failure,
            took_micros: self.took_micros,
            delivered_at: self.delivered_at.map(Timestamp),
            queued_at: Timestamp(self.queued_at),
            created_at: Timestamp(self.created_at),
        })
    }
}

impl AccountScope {
    /// Newest first, 25 a page, and how many there are.
    pub async fn webhook_deliveries(
        &self,
        webhook: WebhookId,
        state: Option<WebhookDeliveryState>,
        page: u32,
    ) -> Result<(Vec<WebhookDelivery>, u64)> {
        let of_state = state.map_or("", |_| "AND state = ?");
        let filter = format!("FROM webhook_deliveries WHERE account_id = :account AND webhook_id = ? {of_state}");
        let asked = |text: String| {
            let sql = self.sql(text).bind(webhook.0);
            match state {
                Some(state) => sql.bind(state.as_str()),
                None => sql,
            }
        };
        let rows: Vec<DeliveryRow> = asked(format!("SELECT * {filter} ORDER BY id DESC LIMIT ? OFFSET ?"))
            .bind(i64::from(PAGE))
            .bind(i64::from(page.max(1) - 1) * i64::from(PAGE))
            .all(&self.inner.read)
            .await?;
        let count: Option<i64> = asked(format!("SELECT COUNT(*) {filter}")).value(&self.inner.read).await?;
        let found: Result<Vec<_>> = rows.into_iter().map(DeliveryRow::delivery).collect();
        Ok((found?, number("count", count.unwrap_or(0))?))
    }

    pub async fn webhook_delivery(&self, id: WebhookDeliveryId) -> Result<Option<WebhookDelivery>> {
        let row: Option<DeliveryRow> = self
            .sql("SELECT * FROM webhook_deliveries WHERE account_id = :account AND id = ?")
            .bind(id.0)
            .one(&self.inner.read)
            .await?;
        row.map(DeliveryRow::delivery).transpose()
    }

    /// Moves the account's cursor from one event to another and owes the tellings of those between.
    /// `false`: somebody else has moved it.
    pub async fn tell_webhooks(&self, from: i64, to: i64, tellings: &[NewTelling]) -> Result<bool> {
        let now = self.inner.now().0;
        let tx = self.inner.begin().await?;
        let moved = self
            .sql("UPDATE webhook_cursors SET event_seq = ? WHERE account_id = :account AND event_seq = ?")
            .bind(to)
            .bind(from)
            .run(&tx)
            .await?;
        if moved == 0 {
            tx.rollback().await?;
            return Ok(false);
        }
        let alone: Vec<i64> = self
            .sql(
                "UPDATE webhooks SET held = TRUE WHERE account_id = :account AND paused_until > {now} AND disabled_at IS NULL \
                 AND deleted_at IS NULL AND id IN (??) RETURNING id",
            )
            .list(tellings.iter().map(|telling| telling.webhook_id.0).collect::<HashSet<_>>())
            .column(&tx)
            .await?;
        for some in tellings.chunks(ROWS_AT_ONCE) {
            let row = "(:account, ?, ?, ?, ?, 'queued', 0, ?, ?, ?)";
            let mut sql = self.sql(format!(
                "INSERT INTO webhook_deliveries (account_id, webhook_id, event_seq, event, uuid, state, attempts, queued_at, created_at, updated_at) \
                 SELECT v.* FROM (VALUES {}) AS v WHERE EXISTS (SELECT 1 FROM webhooks w WHERE w.account_id = :account AND w.id = v.column2 AND w.deleted_at IS NULL) \
                 RETURNING id, webhook_id",
                rows_of(row, some.len())
            ));
            for telling in some {
                sql = sql
                    .bind(telling.webhook_id.0)
                    .bind(telling.event_seq)
                    .bind(telling.event.clone())
                    .bind(telling.uuid.clone())
                    .bind(now)
                    .bind(now)
                    .bind(now);
            }
            let new: Vec<NewRow> = sql.all(&tx).await?;
            let owed = new.into_iter().filter(|row| !alone.contains(&row.webhook_id)).map(|row| row.id).collect();
            self.owe_tellings(&tx, owed).await?;
        }
        tx.commit().await?;
        Ok(true)
    }

    async fn owe_tellings<C: ConnectionTrait>(&self, on: &C, tellings: Vec<i64>) -> Result<()> {
        let now = self.inner.now().0;
        for some in tellings.chunks(ROWS_AT_ONCE) {
            let mut sql = self.sql(format!(
                "INSERT INTO owed_work (account_id, kind, subject_id, payload, priority, state, due_at, ready_at, created_at, updated_at) VALUES {}",
                rows_of("(:account, ?, ?, '{}', ?, 'waiting', {now}, {now}, ?, ?)", some.len())
            ));
            for id in some {
                sql = sql
                    .bind(OwedKind::DeliverWebhook.as_str())
                    .bind(*id)
                    .bind(OwedPriority::Bulk as i64)
                    .bind(now)
                    .bind(now);
            }
            sql.run(on).await?;
        }
        Ok(())
    }

    /// Owes held tellings of a webhook that is not left alone any more, oldest first: many when it took the last one, or is disabled, which
    /// ends them; one, if none is tried soon, to find out whether it takes anything again. How many.
    pub async fn release_tellings(&self, webhook: WebhookId) -> Result<u64> {
        let tx = self.inner.begin().await?;
        // Who releases at the same time waits here, and sees what this one owed.
        let stand: Option<StandRow> = self
            .sql(
                "UPDATE webhooks SET held = held WHERE account_id = :account AND id = ? AND held AND deleted_at IS NULL \
                 AND paused_until <= {now} RETURNING failures_in_a_row > 0 AND disabled_at IS NULL AS failing",
            )
            .bind(webhook.0)
            .one(&tx)
            .await?;
        let Some(StandRow { failing }) = stand else { return Ok(0) };
        let owed = "FROM owed_work o WHERE o.account_id = :account AND o.kind = ? AND o.state = 'waiting'";
        if failing {
            let soon: Option<i64> = self
                .sql(format!(
                    "SELECT CAST(1 AS BIGINT) WHERE EXISTS (SELECT 1 {owed} AND o.due_at <= {{now}} + ? AND o.subject_id IN \
                     (SELECT d.id FROM webhook_deliveries d WHERE d.account_id = :account AND d.webhook_id = ? AND d.state = 'queued'))"
                ))
                .bind(OwedKind::DeliverWebhook.as_str())
                .bind(super::grants::micros(SOON))
                .bind(webhook.0)
                .value(&tx)
                .await?;
            if soon.is_some() {
                return Ok(0);
            }
        }
        let held: Vec<i64> = self
            .sql(format!(
                "SELECT d.id FROM webhook_deliveries d WHERE d.account_id = :account AND d.webhook_id = ? AND d.state = 'queued' \
                 AND NOT EXISTS (SELECT 1 {owed} AND o.subject_id = d.id) ORDER BY d.id LIMIT ?"
            ))
            .bind(webhook.0)
            .bind(OwedKind::DeliverWebhook.as_str())
            .bind(if failing { 1 } else { MOST_AT_ONCE })
            .column(&tx)
            .await?;
        if held.is_empty() {
            self.sql("UPDATE webhooks SET held = FALSE WHERE account_id = :account AND id = ?")
                .bind(webhook.0)
                .run(&tx)
                .await?;
        }
        let count = held.len() as u64;
        self.owe_tellings(&tx, held).await?;
        tx.commit().await?;
        Ok(count)
    }
}

impl Relay {
    /// Accounts behind `after` whose events somebody wants to be told of and that have some which were not looked at: each with the last that
    /// was.
    pub async fn accounts_to_tell(&self, after: AccountId, most: u32) -> Result<Vec<(AccountScope, i64)>> {
        let rows: Vec<CursorRow> = system(
            "SELECT k.account_id, k.event_seq FROM webhook_cursors k JOIN account_counters c ON c.account_id = k.account_id \
             WHERE c.event_seq > k.event_seq AND k.account_id > ? ORDER BY k.account_id LIMIT ?",
        )
        .bind(after.0)
        .bind(i64::from(most))
        .all(&self.inner.read)
        .await?;
        Ok(rows.into_iter().map(|row| (self.inner.scope(AccountId(row.account_id)), row.event_seq)).collect())
    }

    /// Webhooks behind `after` that have tellings held and are not left alone any more.
    pub async fn webhooks_with_held(&self, after: WebhookId, most: u32) -> Result<Vec<(AccountScope, WebhookId)>> {
        let rows: Vec<HeldRow> = system(
            "SELECT account_id, id FROM webhooks WHERE held AND deleted_at IS NULL AND paused_until <= {now} AND id > ? ORDER BY id LIMIT ?",
        )
        .bind(after.0)
        .bind(i64::from(most))
        .all(&self.inner.read)
        .await?;
        Ok(rows.into_iter().map(|row| (self.inner.scope(AccountId(row.account_id)), WebhookId(row.id))).collect())
    }
}

impl Purge {
    /// Forgets tellings that ended longer than `kept` ago, and webhooks that were deleted with all that they were told. How many tellings.
    pub async fn sweep_webhook_deliveries(&self, kept: Duration) -> Result<u64> {
        let before = self.inner.now().minus(kept);
        let old = "webhook_deliveries WHERE id IN \
                   (SELECT id FROM webhook_deliveries WHERE updated_at < ? AND state <> 'queued' ORDER BY updated_at LIMIT ?)";
        let mut count = self.delete_in_pieces(old, &[before.0], MOST_AT_ONCE).await?;
        let deleted: Vec<i64> =
            system("SELECT id FROM webhooks WHERE deleted_at IS NOT NULL ORDER BY id").column(&self.inner.read).await?;
        let told = "webhook_deliveries WHERE id IN (SELECT d.id FROM webhook_deliveries d JOIN webhooks w \
                    ON w.account_id = d.account_id AND w.id = d.webhook_id WHERE w.id = ? ORDER BY d.id LIMIT ?)";
        for webhook in deleted {
            count += self.delete_in_pieces(told, &[webhook], MOST_AT_ONCE).await?;
            system("DELETE FROM webhooks WHERE id = ?").bind(webhook).run(&self.inner.write).await?;
        }
        Ok(count)
    }
}
