//! Deliveries: outgoing messages on their way.

use super::convert::{self, to_json};
use super::grants::micros;
use super::tenant::{find_in, insert_in};
use crate::entity::delivery;
use crate::*;
use domain::message::DeliveryState;
use domain::{ChannelId, DeliveryId, MessageId, Timestamp};
use sea_orm::ActiveValue::Set;
use sea_orm::{ColumnTrait, ConnectionTrait, QueryFilter};
use std::time::Duration;

impl AccountScope {
    pub async fn delivery(&self, delivery: DeliveryId) -> Result<Option<DeliveryRecord>> {
        let row = find_in::<delivery::Entity>(self.id)
            .filter(delivery::Column::Id.eq(delivery.0))
            .one(&self.inner.read)
            .await?;
        row.map(convert::delivery_record).transpose()
    }

    pub async fn delivery_of_message(&self, message: MessageId) -> Result<Option<DeliveryRecord>> {
        let row = find_in::<delivery::Entity>(self.id)
            .filter(delivery::Column::MessageId.eq(message.0))
            .one(&self.inner.read)
            .await?;
        row.map(convert::delivery_record).transpose()
    }

    /// Commits `queued` → `sending`, attempts + 1, before MAIL FROM, so that a crash can never look like "not tried yet". `lease` is
    /// how long it may take. `None`: it is not `queued` any more.
    pub async fn begin_sending(&self, delivery: DeliveryId, lease: Duration) -> Result<Option<DeliveryRecord>> {
        let row: Option<delivery::Model> = self
            .sql(
                "UPDATE deliveries SET state = 'sending', attempts = attempts + 1, sending_until = {now} + ?, next_try_at = NULL, \
                 updated_at = ? WHERE account_id = :account AND id = ? AND state = 'queued' RETURNING *",
            )
            .bind(micros(lease))
            .bind(self.inner.now().0)
            .bind(delivery.0)
            .one(&self.inner.write)
            .await?;
        row.map(convert::delivery_record).transpose()
    }

    /// How many this channel has handed to its server since then: for pacing.
    pub async fn sent_since(&self, channel: ChannelId, since: Timestamp) -> Result<u64> {
        let count: Option<i64> = self
            .sql("SELECT COUNT(*) FROM deliveries WHERE account_id = :account AND channel_id = ? AND sent_at >= ?")
            .bind(channel.0)
            .bind(since.0)
            .value(&self.inner.read)
            .await?;
        convert::number("count", count.unwrap_or(0))
    }
}

pub(crate) async fn insert_delivery<C: ConnectionTrait>(
    on: &C,
    scope: &AccountScope,
    new: &NewDelivery,
) -> Result<DeliveryRecord> {
    let row = delivery::ActiveModel {
        message_id: Set(new.message_id.0),
        conversation_id: Set(new.conversation_id.0),
        inbox_id: Set(new.inbox_id.0),
        channel_id: Set(new.channel_id.map(|c| c.0)),
        state: Set(DeliveryState::Queued.as_str().to_owned()),
        attempts: Set(0),
        envelope: Set(to_json(&new.envelope)),
        message_id_header: Set(new.message_id_header.clone()),
        refused_recipients: Set("[]".to_owned()),
        looks: Set(0),
        queued_at: Set(new.queued_at.0),
        updated_at: Set(scope.inner.now().0),
        ..Default::default()
    };
    convert::delivery_record(insert_in(on, scope.id, row).await?)
}

pub(crate) async fn lock_delivery<C: ConnectionTrait>(
    on: &C,
    scope: &AccountScope,
    delivery: DeliveryId,
) -> Result<Option<DeliveryRecord>> {
    let row: Option<delivery::Model> = scope
        .sql("SELECT * FROM deliveries WHERE account_id = :account AND id = ?{lock}")
        .bind(delivery.0)
        .one(on)
        .await?;
    row.map(convert::delivery_record).transpose()
}

/// Everything but what never changes (message, conversation, inbox).
pub(crate) async fn update_delivery<C: ConnectionTrait>(
    on: &C,
    scope: &AccountScope,
    record: &DeliveryRecord,
) -> Result<()> {
    let delivery = &record.delivery;
    let changed = scope
        .sql(
            "UPDATE deliveries SET state = ?, attempts = ?, channel_id = ?, envelope = ?, message_id_header = ?, \
             rewritten_message_id = ?, composed_blob_id = ?, failure = ?, refused_recipients = ?, looks = ?, queued_at = ?, sent_at = ?, \
             next_try_at = ?, sending_until = CASE WHEN ? = 'sending' THEN sending_until ELSE NULL END, updated_at = ? \
             WHERE account_id = :account AND id = ?",
        )
        .bind(delivery.state.as_str())
        .bind(i64::from(delivery.attempts))
        .bind(record.channel_id.map(|c| c.0))
        .bind(to_json(&record.envelope))
        .bind(record.message_id_header.clone())
        .bind(record.rewritten_message_id.clone())
        .bind(record.composed_blob_id.map(|b| b.0))
        .bind(delivery.failure.as_ref().map(to_json))
        .bind(to_json(&delivery.refused_recipients))
        .bind(i64::from(record.looks))
        .bind(delivery.queued_at.0)
        .bind(delivery.sent_at.map(|t| t.0))
        .bind(delivery.next_try_at.map(|t| t.0))
        .bind(delivery.state.as_str())
        .bind(scope.inner.now().0)
        .bind(delivery.id.0)
        .run(on)
        .await?;
    if changed == 1 { Ok(()) } else { Err(StoreError::NotFound("delivery")) }
}
