//! Conversations whose snooze is over, of all accounts: the schedule's only question about them.

use super::relay::Relay;
use super::sql::system;
use crate::*;
use domain::{AccountId, ConversationId, Timestamp};
use sea_orm::FromQueryResult;

#[derive(Debug, FromQueryResult)]
struct SnoozedRow {
    account_id: i64,
    id: i64,
    snoozed_until: i64,
}

/// A conversation that was to come back.
#[derive(Clone, Debug)]
pub struct DueSnooze {
    pub scope: AccountScope,
    pub conversation_id: ConversationId,
    pub snoozed_until: Timestamp,
}

impl Relay {
    /// Those that were to be back by now, of active accounts, longest due first, behind `after`.
    pub async fn due_snoozes(
        &self,
        now: Timestamp,
        after: Option<(Timestamp, ConversationId)>,
        limit: u32,
    ) -> Result<Vec<DueSnooze>> {
        let (after_time, after_id) = after.map_or((i64::MIN, i64::MIN), |(until, id)| (until.0, id.0));
        let rows: Vec<SnoozedRow> = system(
            "SELECT c.account_id, c.id, c.snoozed_until FROM conversations c JOIN accounts a ON a.id = c.account_id \
             WHERE c.status = 'snoozed' AND c.snoozed_until IS NOT NULL AND c.snoozed_until <= ? \
             AND (c.snoozed_until, c.id) > (?, ?) AND a.status = 'active' ORDER BY c.snoozed_until, c.id LIMIT ?",
        )
        .bind(now.0)
        .bind(after_time)
        .bind(after_id)
        .bind(i64::from(limit))
        .all(&self.inner.read)
        .await?;
        let due = |row: SnoozedRow| DueSnooze {
            scope: self.inner.scope(AccountId(row.account_id)),
            conversation_id: ConversationId(row.id),
            snoozed_until: Timestamp(row.snoozed_until),
        };
        Ok(rows.into_iter().map(due).collect())
    }
}
