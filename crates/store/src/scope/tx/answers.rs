//! Which replies of a conversation answer the customer: what is known of them when one is taken back, or given after all.

use super::Tx;
use crate::*;
use domain::{ConversationId, DeliveryId, Timestamp};
use sea_orm::FromQueryResult;

#[derive(Debug, FromQueryResult)]
struct AnswerRow {
    id: i64,
    sent_at: i64,
}

impl Tx {
    /// The first reply but this one that left, or may still. Its delivery is locked until the end.
    pub async fn another_answer(
        &mut self,
        conversation: ConversationId,
        except: DeliveryId,
    ) -> Result<Option<(DeliveryRecord, Timestamp)>> {
        let found: Option<AnswerRow> = self
            .sql(
                "SELECT d.id AS id, m.sent_at AS sent_at FROM deliveries d \
                 JOIN messages m ON m.account_id = d.account_id AND m.id = d.message_id \
                 WHERE d.account_id = :account AND d.conversation_id = ? AND d.id <> ? AND d.state <> 'failed' \
                 ORDER BY m.sent_at, m.id LIMIT 1",
            )
            .bind(conversation.0)
            .bind(except.0)
            .one(&self.tx)
            .await?;
        let Some(found) = found else { return Ok(None) };
        let record = self.lock_delivery(DeliveryId(found.id)).await?;
        Ok(record.map(|record| (record, Timestamp(found.sent_at))))
    }
}
