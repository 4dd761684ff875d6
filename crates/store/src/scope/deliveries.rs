//! Deliveries: outgoing messages on their way.

use super::convert::{self, to_json};
use super::message_rows::{MessageRow, where_message};
use super::relay::Relay;
use super::sql::system;
use super::tenant::{Only as _, find_in, insert_in};
use super::views;
use crate::entity::delivery;
use crate::*;
use domain::message::{DeliveryState, Message, Recipients};
use domain::{AccountId, BlobId, DeliveryId, MessageId, Timestamp};
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
            .only(&self.inner.read)
            .await?;
        row.map(convert::delivery_record).transpose()
    }

    /// With the message that it is of.
    pub async fn delivery_and_message(&self, delivery: DeliveryId) -> Result<Option<(DeliveryRecord, Message)>> {
        let row: Option<MessageRow> = where_message(self.id, "d.id = ?").bind(delivery.0).one(&self.inner.read).await?;
        let Some(row) = row else { return Ok(None) };
        let record = row.delivery.clone().map(convert::delivery_record).transpose()?;
        Ok(record.zip(views::messages(&self.inner.read, self.id, vec![row]).await?.pop()))
    }

    pub async fn delivery_of_message(&self, message: MessageId) -> Result<Option<DeliveryRecord>> {
        let row = find_in::<delivery::Entity>(self.id)
            .filter(delivery::Column::MessageId.eq(message.0))
            .only(&self.inner.read)
            .await?;
        row.map(convert::delivery_record).transpose()
    }

    /// What a delivery waited for has come: from now on it stands in the mailbox's line, where those behind it wait for it.
    pub async fn join_line(&self, delivery: DeliveryId) -> Result<()> {
        self.sql("UPDATE deliveries SET waits_alone = 0 WHERE account_id = :account AND id = ? AND state = 'queued'")
            .bind(delivery.0)
            .run(&self.inner.write)
            .await?;
        Ok(())
    }

    /// When a delivery that waits is tried next, as people are shown it.
    pub async fn expect_delivery_at(&self, delivery: DeliveryId, at: Timestamp) -> Result<()> {
        self.sql("UPDATE deliveries SET next_try_at = ? WHERE account_id = :account AND id = ? AND state = 'queued'")
            .bind(at.0)
            .bind(delivery.0)
            .run(&self.inner.write)
            .await?;
        Ok(())
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
        waits_alone: Set(i64::from(new.is_delayed)),
        next_try_at: Set(new.is_delayed.then_some(new.queued_at.0)),
        waited_since: Set(new.waited_since.map(|t| t.0)),
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

fn graph_draft(handover: &Handover) -> Option<String> {
    match handover {
        Handover::Smtp => None,
        Handover::Graph { draft } => Some(draft.clone().unwrap_or_default()),
    }
}

/// The one change that every attempt begins with.
pub(crate) async fn begin_delivery<C: ConnectionTrait>(
    on: &C,
    scope: &AccountScope,
    delivery: DeliveryId,
    message_id_header: &str,
    composed: Option<BlobId>,
    handover: &Handover,
) -> Result<Option<DeliveryRecord>> {
    let row: Option<delivery::Model> = scope
        .sql(
            "UPDATE deliveries SET state = 'sending', attempts = attempts + 1, next_try_at = NULL, waits_alone = 0, \
             composed_blob_id = COALESCE(?, composed_blob_id), graph_draft = ?, updated_at = ? \
             WHERE account_id = :account AND id = ? AND state = 'queued' AND message_id_header = ? RETURNING *",
        )
        .bind(composed.map(|blob| blob.0))
        .bind(graph_draft(handover))
        .bind(scope.inner.now().0)
        .bind(delivery.0)
        .bind(message_id_header)
        .one(on)
        .await?;
    let Some(row) = row else { return Ok(None) };
    let mut record = convert::delivery_record(row)?;
    let known = record.delivery.recipients.clone();
    record.delivery.recipients.begin();
    if record.delivery.recipients != known {
        update_delivery(on, scope, &record).await?;
    }
    Ok(Some(record))
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
             rewritten_message_id = ?, composed_blob_id = ?, graph_draft = ?, failure = ?, failing_since = ?, waits_alone = ?, recipients = ?, looks = ?, queued_at = ?, sent_at = ?, \
             next_try_at = ?, waited_since = ?, updated_at = ? \
             WHERE account_id = :account AND id = ?",
        )
        .bind(delivery.state.as_str())
        .bind(i64::from(delivery.attempts))
        .bind(record.channel_id.map(|c| c.0))
        .bind(to_json(&record.envelope))
        .bind(record.message_id_header.clone())
        .bind(record.rewritten_message_id.clone())
        .bind(record.composed_blob_id.map(|b| b.0))
        .bind(graph_draft(&record.handover))
        .bind(delivery.failure.as_ref().map(to_json))
        .bind(delivery.failing_since.map(|t| t.0))
        .bind(i64::from(delivery.waits_alone))
        .bind(to_json(&delivery.recipients))
        .bind(i64::from(record.looks))
        .bind(delivery.queued_at.0)
        .bind(delivery.sent_at.map(|t| t.0))
        .bind(delivery.next_try_at.map(|t| t.0))
        .bind(record.waited_since.map(|t| t.0))
        .bind(scope.inner.now().0)
        .bind(delivery.id.0)
        .run(on)
        .await?;
    if changed == 1 { Ok(()) } else { Err(StoreError::NotFound("delivery")) }
}
