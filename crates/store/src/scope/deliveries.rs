//! Deliveries: outgoing messages on their way.

use super::convert::{self, to_json};
use super::relay::Relay;
use super::sql::system;
use super::tenant::{find_in, insert_in};
use crate::entity::delivery;
use crate::*;
use domain::message::{DeliveryState, Recipients};
use domain::{AccountId, ChannelId, DeliveryId, MessageId, Timestamp};
use sea_orm::ActiveValue::Set;
use sea_orm::{ColumnTrait, ConnectionTrait, FromQueryResult, QueryFilter};

#[derive(Debug, FromQueryResult)]
struct OrphanRow {
    account_id: i64,
    id: i64,
}

impl Relay {
    /// Deliveries that are under way with no work owed for them, which nobody would ever look at again. There are none as long as every
    /// transaction that changes one says what is owed next; this is the net under that.
    pub async fn orphaned_deliveries(&self, limit: u32) -> Result<Vec<OrphanedDelivery>> {
        let rows: Vec<OrphanRow> = system(
            "SELECT d.account_id, d.id FROM deliveries d WHERE d.state IN ('queued', 'sending', 'outcome_unknown') \
             AND (d.state <> 'outcome_unknown' OR d.next_try_at IS NOT NULL) \
             AND NOT EXISTS (SELECT 1 FROM owed_work o WHERE o.account_id = d.account_id AND o.subject_id = d.id \
             AND o.kind = CASE WHEN d.state = 'outcome_unknown' THEN 'reconcile_delivery' ELSE 'deliver_message' END \
             AND o.state = 'waiting') ORDER BY d.account_id, d.id LIMIT ?",
        )
        .bind(i64::from(limit))
        .all(&self.inner.read)
        .await?;
        let orphan = |row: OrphanRow| OrphanedDelivery {
            scope: self.inner.scope(AccountId(row.account_id)),
            delivery_id: DeliveryId(row.id),
        };
        Ok(rows.into_iter().map(orphan).collect())
    }
}

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

    /// How many of this channel's messages were written before this one and wait too; a hundred at most are counted.
    pub async fn queued_before(&self, channel: ChannelId, delivery: DeliveryId) -> Result<u64> {
        let count: Option<i64> = self
            .sql(
                "SELECT COUNT(*) FROM (SELECT 1 FROM deliveries WHERE account_id = :account AND channel_id = ? AND state = 'queued' \
                 AND id < ? LIMIT 100) AS before",
            )
            .bind(channel.0)
            .bind(delivery.0)
            .value(&self.inner.read)
            .await?;
        convert::number("count", count.unwrap_or(0))
    }

    /// Makes due now what waits longest for its turn to be sent from this channel. What waits because an attempt failed goes on waiting.
    /// `false`: nothing waits.
    pub async fn call_next_delivery(&self, channel: ChannelId) -> Result<bool> {
        let called = self
            .sql(
                "UPDATE owed_work SET due_at = {now}, ready_at = {now} WHERE account_id = :account AND id = ( \
                 SELECT o.id FROM deliveries d JOIN owed_work o ON o.account_id = d.account_id AND o.kind = 'deliver_message' \
                 AND o.subject_id = d.id AND o.state = 'waiting' AND o.lease_token IS NULL AND o.last_error IS NULL \
                 WHERE d.account_id = owed_work.account_id AND d.channel_id = ? AND d.state = 'queued' ORDER BY d.id LIMIT 1) AND due_at > {now}",
            )
            .bind(channel.0)
            .run(&self.inner.write)
            .await?;
        Ok(called == 1)
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
        recipients: Set(to_json(&Recipients::default())),
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
             rewritten_message_id = ?, composed_blob_id = ?, failure = ?, recipients = ?, looks = ?, queued_at = ?, sent_at = ?, \
             next_try_at = ?, updated_at = ? \
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
        .bind(to_json(&delivery.recipients))
        .bind(i64::from(record.looks))
        .bind(delivery.queued_at.0)
        .bind(delivery.sent_at.map(|t| t.0))
        .bind(delivery.next_try_at.map(|t| t.0))
        .bind(scope.inner.now().0)
        .bind(delivery.id.0)
        .run(on)
        .await?;
    if changed == 1 { Ok(()) } else { Err(StoreError::NotFound("delivery")) }
}
