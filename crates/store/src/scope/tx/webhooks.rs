//! How telling a webhook ended, with the work that it was.

use super::Tx;
use crate::scope::grants::micros;
use crate::*;
use domain::WebhookDeliveryId;
use domain::webhook::{DISABLED_AFTER, DisabledReason};

impl Tx {
    /// How a try ended, of the telling and of its webhook. `true`: the webhook was disabled by it.
    pub async fn record_webhook_attempt(&mut self, telling: &WebhookTelling, attempt: &WebhookAttempt) -> Result<bool> {
        let disabled = self.stand_of_webhook(telling, attempt).await?;
        self.end_webhook_delivery(telling, attempt).await?;
        Ok(disabled)
    }

    /// It waits with the others until its webhook is not left alone any more; the work ends.
    pub async fn hold_telling(&mut self, telling: &WebhookTelling, work: &ClaimedWork) -> Result<()> {
        self.sql("UPDATE webhooks SET held = TRUE WHERE account_id = :account AND id = ?")
            .bind(telling.webhook.id.0)
            .run(&self.tx)
            .await?;
        self.finish_work(work).await?;
        Ok(())
    }

    /// As [`Self::record_webhook_attempt`], where nothing was asked of the webhook's address.
    pub async fn end_webhook_delivery(&mut self, telling: &WebhookTelling, attempt: &WebhookAttempt) -> Result<()> {
        let now = self.scope.inner.now();
        let delivered = attempt.state == WebhookDeliveryState::Delivered;
        self.sql(
            "UPDATE webhook_deliveries SET state = ?, attempts = attempts + 1, next_try_at = ?, answer_status = ?, answer = ?, failure = ?, \
             took_micros = ?, delivered_at = CASE WHEN ? THEN ? ELSE delivered_at END, updated_at = ? WHERE account_id = :account AND id = ?",
        )
        .bind(attempt.state.as_str())
        .bind(attempt.again_in.map(|wait| now.plus(wait).0))
        .bind(attempt.answer_status.map(i64::from))
        .bind(attempt.answer.clone())
        .bind(attempt.failure.clone())
        .bind(attempt.took_micros)
        .bind(delivered)
        .bind(now.0)
        .bind(now.0)
        .bind(telling.delivery.id.0)
        .run(&self.tx)
        .await?;
        Ok(())
    }

    async fn stand_of_webhook(&mut self, telling: &WebhookTelling, attempt: &WebhookAttempt) -> Result<bool> {
        let now = self.scope.inner.now();
        let webhook = telling.webhook.id.0;
        let Some(pause) = attempt.pause else {
            self.sql(
                "UPDATE webhooks SET failing_since = NULL, failures_in_a_row = 0, paused_until = 0, delivered_at = ? \
                 WHERE account_id = :account AND id = ?",
            )
            .bind(now.0)
            .bind(webhook)
            .run(&self.tx)
            .await?;
            return Ok(false);
        };
        self.sql(
            "UPDATE webhooks SET failing_since = COALESCE(failing_since, ?), failures_in_a_row = failures_in_a_row + 1, \
             paused_until = {now} + ? WHERE account_id = :account AND id = ?",
        )
        .bind(now.0)
        .bind(micros(pause))
        .bind(webhook)
        .run(&self.tx)
        .await?;
        let Some(reason) = attempt.disable else { return Ok(false) };
        let disabled = self
            .sql(
                "UPDATE webhooks SET disabled_at = ?, disabled_reason = ?, updated_at = ? \
                 WHERE account_id = :account AND id = ? AND disabled_at IS NULL AND (? OR failing_since <= ?)",
            )
            .bind(now.0)
            .bind(reason.as_str())
            .bind(now.0)
            .bind(webhook)
            // It may have taken something since this try began.
            .bind(reason != DisabledReason::Failing)
            .bind(now.minus(DISABLED_AFTER).0)
            .run(&self.tx)
            .await?;
        Ok(disabled == 1)
    }

    /// It is told once more, from the beginning. `false`: it is on its way, or gone.
    pub async fn queue_webhook_delivery(&mut self, id: WebhookDeliveryId) -> Result<bool> {
        let now = self.scope.inner.now();
        let queued = self
            .sql(
                "UPDATE webhook_deliveries SET state = 'queued', attempts = 0, next_try_at = NULL, queued_at = ?, updated_at = ? \
                 WHERE account_id = :account AND id = ? AND state <> 'queued'",
            )
            .bind(now.0)
            .bind(now.0)
            .bind(id.0)
            .run(&self.tx)
            .await?;
        Ok(queued == 1)
    }
}
