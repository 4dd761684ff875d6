//! Owed work, events, and the numbers that are given last.

use super::{Committed, Tx};
use crate::scope::claims;
use crate::scope::convert::to_json;
use crate::scope::sql::rows_of;
use crate::*;
use domain::event::EventKind;
use domain::{ConversationId, DisplayId, Entropy, Failure, InboxId, MessageId, OwedId, Timestamp, TokenId, UserId};
use sea_orm::FromQueryResult;
use serde_json::Value;
use std::collections::HashMap;
use std::time::Duration;

/// Far below anything a payload could hold by chance.
const PROVISIONAL: i64 = -(1 << 62);
const IDEMPOTENCY_MICROS: i64 = 24 * 3600 * 1_000_000;

pub(super) struct PendingEvent {
    kind: EventKind,
    inbox: Option<InboxId>,
    conversation: Option<ConversationId>,
    /// Whom alone it concerns.
    user: Option<UserId>,
    payload: Value,
    at: Timestamp,
}

#[derive(Debug, FromQueryResult)]
struct CounterRow {
    next_display_id: i64,
    event_seq: i64,
}

#[derive(Debug, FromQueryResult)]
struct EndedRow {
    id: i64,
    lease_token: Option<String>,
}

#[derive(Debug, FromQueryResult)]
struct KeyRow {
    request_hash: String,
    message_id: Option<i64>,
}

/// The display id that a conversation's row carries until `commit`: random, so that no two transactions share one.
pub(super) fn provisional(entropy: &dyn Entropy) -> i64 {
    let mut bytes = [0; 8];
    entropy.fill(&mut bytes);
    PROVISIONAL - (i64::from_be_bytes(bytes) & ((1 << 61) - 1))
}

impl Tx {
    /// Due at once by the database's clock, or at `due_at`.
    pub async fn owe(
        &mut self,
        kind: OwedKind,
        subject_id: i64,
        payload: Value,
        priority: OwedPriority,
        due_at: Option<Timestamp>,
    ) -> Result<OwedId> {
        let now = self.scope.inner.now().0;
        let id: Option<i64> = self
            .sql(
                "INSERT INTO owed_work (account_id, kind, subject_id, payload, priority, state, due_at, ready_at, created_at, updated_at) \
                 VALUES (:account, ?, ?, ?, ?, 'waiting', COALESCE(?, {now}), COALESCE(?, {now}), ?, ?) RETURNING id",
            )
            .bind(kind.as_str())
            .bind(subject_id)
            .bind(payload.to_string())
            .bind(priority as i64)
            .bind(due_at.map(|t| t.0))
            .bind(due_at.map(|t| t.0))
            .bind(now)
            .bind(now)
            .value(&self.tx)
            .await?;
        id.map(OwedId).ok_or(StoreError::NotFound("owed work"))
    }

    /// The lease starts anew with the transaction's effects, and nobody else can claim the work before it commits. `LeaseLost` when it is
    /// not this worker's any more.
    pub async fn extend_work(&mut self, work: &ClaimedWork, lease: Duration) -> Result<()> {
        held(claims::extend(&self.tx, self.own(work)?, lease).await?)
    }

    /// `LeaseLost` when it is not this worker's any more.
    pub async fn finish_work(&mut self, work: &ClaimedWork) -> Result<()> {
        held(claims::finish(&self.tx, self.own(work)?).await?)
    }

    /// As [`Self::finish_work`], and whatever else of these kinds is owed for the subject is not wanted any more, finished or not.
    pub async fn finish_all_work(&mut self, work: &ClaimedWork, kinds: &[OwedKind], subject_id: i64) -> Result<()> {
        let work = self.own(work)?;
        let ended = self.delete_owed(kinds, subject_id).await?;
        held(ended.iter().any(|row| row.id == work.owed_id.0 && row.lease_token.as_deref() == Some(&work.token)))
    }

    pub async fn retry_work(&mut self, work: &ClaimedWork, after: Duration, failure: &Failure) -> Result<()> {
        held(claims::retry(&self.tx, self.own(work)?, after, failure).await?)
    }

    /// It waits for its turn. That it was asked for is no try: what went before stays counted.
    pub async fn line_up_work(&mut self, work: &ClaimedWork, after: Duration, why: &Failure) -> Result<()> {
        held(claims::line_up(&self.tx, self.own(work)?, after, why).await?)
    }

    /// Given back untried, for whoever takes it next. What went before stays counted.
    pub async fn release_work(&mut self, work: &ClaimedWork) -> Result<()> {
        held(claims::give_back(&self.tx, self.own(work)?, Duration::ZERO, "").await?)
    }

    pub async fn fail_work(&mut self, work: &ClaimedWork, failure: &Failure) -> Result<()> {
        held(claims::fail(&self.tx, self.own(work)?, failure).await?)
    }

    fn own<'a>(&self, work: &'a ClaimedWork) -> Result<&'a ClaimedWork> {
        if work.scope.id == self.scope.id { Ok(work) } else { Err(StoreError::LeaseLost) }
    }

    /// Somebody has it, or will.
    pub async fn is_owed(&mut self, kind: OwedKind, subject_id: i64) -> Result<bool> {
        let count: Option<i64> = self
            .sql("SELECT COUNT(*) FROM owed_work WHERE account_id = :account AND kind = ? AND subject_id = ? AND state = 'waiting'")
            .bind(kind.as_str())
            .bind(subject_id)
            .value(&self.tx)
            .await?;
        Ok(count.unwrap_or(0) > 0)
    }

    /// Work that is not wanted any more (a deleted message's delivery), finished or not. How many rows.
    pub async fn cancel_owed(&mut self, kind: OwedKind, subject_id: i64) -> Result<u64> {
        self.cancel_all_owed(&[kind], subject_id).await
    }

    /// All of these kinds, as [`Self::cancel_owed`].
    pub async fn cancel_all_owed(&mut self, kinds: &[OwedKind], subject_id: i64) -> Result<u64> {
        Ok(self.delete_owed(kinds, subject_id).await?.len() as u64)
    }

    async fn delete_owed(&mut self, kinds: &[OwedKind], subject_id: i64) -> Result<Vec<EndedRow>> {
        self.sql(
            "DELETE FROM owed_work WHERE account_id = :account AND kind IN (??) AND subject_id = ? RETURNING id, lease_token",
        )
        .list(kinds.iter().map(|kind| kind.as_str()))
        .bind(subject_id)
        .all(&self.tx)
        .await
    }

    /// Numbered by `commit`. The payload is the event's own snapshot.
    pub fn append_event(
        &mut self,
        kind: EventKind,
        inbox: Option<InboxId>,
        conversation: Option<ConversationId>,
        payload: Value,
    ) {
        let at = self.scope.inner.now();
        self.events.push(PendingEvent { kind, inbox, conversation, user: None, payload, at });
    }

    /// As [`Self::append_event`], for one person alone: nobody else is told, whatever they may see. `inbox`: they are told only while they
    /// see it.
    pub fn append_event_for(&mut self, user: UserId, inbox: Option<InboxId>, kind: EventKind, payload: Value) {
        let at = self.scope.inner.now();
        self.events.push(PendingEvent { kind, inbox, conversation: None, user: Some(user), payload, at });
    }

    /// Takes display ids and event numbers from the account's counters: the last row that is locked, for as short as can be.
    pub(super) async fn number(&mut self) -> Result<Committed> {
        if self.events.is_empty() && self.new_conversations.is_empty() {
            return Ok(Committed::default());
        }
        let conversations = count(self.new_conversations.len());
        let events = count(self.events.len());
        let counters: CounterRow = self
            .sql(
                "UPDATE account_counters SET next_display_id = next_display_id + ?, event_seq = event_seq + ? \
                 WHERE account_id = :account RETURNING next_display_id, event_seq",
            )
            .bind(conversations)
            .bind(events)
            .one(&self.tx)
            .await?
            .ok_or(StoreError::NotFound("account"))?;
        let mut display_ids = HashMap::new();
        let mut finals: HashMap<i64, i64> = HashMap::new();
        let made = std::mem::take(&mut self.new_conversations);
        let numbered: Vec<(i64, ConversationId, i64)> = (counters.next_display_id - conversations..)
            .zip(made)
            .map(|(display_id, (id, provisional))| (display_id, id, provisional))
            .collect();
        for some in numbered.chunks(200) {
            let mut sql = self.sql(format!(
                "UPDATE conversations SET display_id = v.column2 FROM (VALUES {}) AS v \
                 WHERE conversations.account_id = :account AND conversations.id = v.column1",
                rows_of("(?, ?)", some.len())
            ));
            for (display_id, id, _) in some {
                sql = sql.bind(id.0).bind(*display_id);
            }
            sql.run(&self.tx).await?;
        }
        for (display_id, id, provisional) in numbered {
            display_ids.insert(id, DisplayId(display_id));
            finals.insert(provisional, display_id);
        }
        let mut pending = std::mem::take(&mut self.events);
        let mut seq = counters.event_seq - events;
        for some in pending.chunks_mut(100) {
            let mut sql = self.sql(format!(
                "INSERT INTO events (account_id, seq, kind, inbox_id, conversation_id, user_id, payload, created_at) VALUES {}",
                rows_of("(:account, ?, ?, ?, ?, ?, ?, ?)", some.len())
            ));
            for event in some {
                seq += 1;
                replace(&mut event.payload, &finals);
                sql = sql
                    .bind(seq)
                    .bind(event.kind.as_str())
                    .bind(event.inbox.map(|i| i.0))
                    .bind(event.conversation.map(|c| c.0))
                    .bind(event.user.map(|u| u.0))
                    .bind(to_json(&event.payload))
                    .bind(event.at.0);
            }
            sql.run(&self.tx).await?;
        }
        Ok(Committed { display_ids, last_event_seq: (events > 0).then_some(counters.event_seq) })
    }

    /// Takes the key, or says what it was taken for. Keys older than 24 hours are forgotten.
    pub async fn claim_idempotency_key(
        &mut self,
        token: TokenId,
        key: &str,
        request: &TokenHash,
        now: Timestamp,
    ) -> Result<IdempotencyCheck> {
        self.sql(
            "DELETE FROM idempotency_keys WHERE account_id = :account AND token_id = ? AND key = ? AND created_at <= ?",
        )
        .bind(token.0)
        .bind(key)
        .bind(now.0 - IDEMPOTENCY_MICROS)
        .run(&self.tx)
        .await?;
        let taken = self
            .sql(
                "INSERT INTO idempotency_keys (account_id, token_id, key, request_hash, created_at) VALUES (:account, ?, ?, ?, ?) \
                 ON CONFLICT DO NOTHING",
            )
            .bind(token.0)
            .bind(key)
            .bind(request.hex())
            .bind(now.0)
            .run(&self.tx)
            .await?;
        if taken == 1 {
            return Ok(IdempotencyCheck::New);
        }
        let row: KeyRow = self
            .sql("SELECT request_hash, message_id FROM idempotency_keys WHERE account_id = :account AND token_id = ? AND key = ?")
            .bind(token.0)
            .bind(key)
            .one(&self.tx)
            .await?
            .ok_or_else(|| StoreError::Unavailable("an idempotency key went while it was looked at".to_owned()))?;
        Ok(match row.message_id {
            _ if row.request_hash != request.hex() => IdempotencyCheck::OtherRequest,
            Some(message) => IdempotencyCheck::Made(MessageId(message)),
            None => IdempotencyCheck::MadeNothing,
        })
    }

    /// What the request made, so that its repetition finds it.
    pub async fn finish_idempotency_key(&mut self, token: TokenId, key: &str, message: MessageId) -> Result<()> {
        self.sql("UPDATE idempotency_keys SET message_id = ? WHERE account_id = :account AND token_id = ? AND key = ?")
            .bind(message.0)
            .bind(token.0)
            .bind(key)
            .run(&self.tx)
            .await?;
        Ok(())
    }
}

fn held(held: bool) -> Result<()> {
    if held { Ok(()) } else { Err(StoreError::LeaseLost) }
}

fn count(length: usize) -> i64 {
    i64::try_from(length).expect("a transaction holds few things")
}

/// Provisional display ids in a payload become the final ones.
fn replace(value: &mut Value, finals: &HashMap<i64, i64>) {
    match value {
        Value::Number(number) => {
            if let Some(display_id) = number.as_i64().and_then(|n| finals.get(&n)) {
                *value = Value::from(*display_id);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| replace(item, finals)),
        Value::Object(fields) => fields.values_mut().for_each(|field| replace(field, finals)),
        Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn provisional_display_ids_are_replaced_wherever_they_stand() {
        let given = PROVISIONAL - 7;
        let finals = HashMap::from([(given, 3)]);
        let mut payload = serde_json::json!({ "id": given, "messages": [{ "conversation_id": given, "id": 7 }] });
        replace(&mut payload, &finals);
        assert_eq!(payload, serde_json::json!({ "id": 3, "messages": [{ "conversation_id": 3, "id": 7 }] }));
    }
}
