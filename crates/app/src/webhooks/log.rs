//! What was told, and telling it once more.

use super::WebhookError;
use crate::accounts::Member;
use crate::{App, Hint};
use domain::webhook::Webhook;
use domain::{WebhookDeliveryId, WebhookId};
use serde_json::json;
use store::{OwedKind, OwedPriority, StoreError, WebhookDelivery, WebhookDeliveryState};

#[derive(Debug, thiserror::Error)]
pub enum LogError {
    #[error(transparent)]
    Webhook(#[from] WebhookError),
    /// It is on its way, so there is nothing to tell once more.
    #[error("the event is on its way already")]
    OnItsWay,
    /// Nothing is told to a webhook that is disabled.
    #[error("the webhook is disabled")]
    Disabled,
}

impl From<StoreError> for LogError {
    fn from(error: StoreError) -> Self {
        Self::Webhook(error.into())
    }
}

/// Newest first, 25 a page, and how many there are.
pub async fn deliveries(
    app: &App,
    member: &Member,
    webhook: WebhookId,
    state: Option<WebhookDeliveryState>,
    page: u32,
) -> Result<(Vec<WebhookDelivery>, u64), LogError> {
    super::show(app, member, webhook).await?;
    Ok(member.scope.webhook_deliveries(webhook, state, page).await?)
}

/// From the beginning: tried for as long as a new one, with the same delivery id, so that a receiver that had it knows it.
pub async fn redeliver(
    app: &App,
    member: &Member,
    webhook: WebhookId,
    delivery: WebhookDeliveryId,
) -> Result<WebhookDelivery, LogError> {
    let Webhook { id, disabled, .. } = super::show(app, member, webhook).await?;
    let found = member.scope.webhook_delivery(delivery).await?.filter(|found| found.webhook_id == id);
    found.ok_or(WebhookError::NotFound)?;
    if disabled.is_some() {
        return Err(LogError::Disabled);
    }
    let mut tx = member.scope.begin().await?;
    if !tx.queue_webhook_delivery(delivery).await? {
        return Err(LogError::OnItsWay);
    }
    tx.owe(OwedKind::DeliverWebhook, delivery.0, json!({}), OwedPriority::Bulk, None).await?;
    tx.commit().await?;
    app.wake(Hint::Owed);
    Ok(member.scope.webhook_delivery(delivery).await?.ok_or(WebhookError::NotFound)?)
}
