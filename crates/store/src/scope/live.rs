//! Following an account: its events in order, and what those who follow it may see at this moment.
//!
//! An event's number is taken by the transaction that writes it, as its last statement, and the counter's row stays locked until it
//! has committed. So whoever can see an event can see all with lower numbers, and numbers have no gap but where old events were pruned.

use super::account::AccountScope;
use super::grants::micros;
use super::sql::{scoped, system};
use crate::connect::Inner;
use crate::*;
use domain::account::{AccountStatus, Role};
use domain::{AccountId, InboxId, UserId};
use sea_orm::FromQueryResult;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

/// Bound in one statement at most: both databases take more.
const AT_ONCE: usize = 1000;
/// Events that are looked at, and pruned, together.
const PRUNED_AT_ONCE: u32 = 1000;

/// The scope of whoever keeps streams going: it sees how far accounts are, and nothing of what happened in them.
#[derive(Clone, Debug)]
pub struct Live {
    pub(crate) inner: Arc<Inner>,
}

#[derive(Debug, FromQueryResult)]
struct EventRow {
    seq: i64,
    kind: String,
    inbox_id: Option<i64>,
    user_id: Option<i64>,
    payload: String,
}

#[derive(Debug, FromQueryResult)]
struct HeadRow {
    account_id: i64,
    event_seq: i64,
}

#[derive(Debug, FromQueryResult)]
struct AgedRow {
    seq: i64,
    created_at: i64,
}

#[derive(Debug, FromQueryResult)]
struct PlaceRow {
    user_id: i64,
    role: String,
}

#[derive(Debug, FromQueryResult)]
struct MemberRow {
    user_id: i64,
    inbox_id: i64,
}

impl Live {
    /// The number of each account's newest event.
    pub async fn newest_events(&self, accounts: &[AccountId]) -> Result<Vec<(AccountId, i64)>> {
        let mut heads = Vec::new();
        for some in accounts.chunks(AT_ONCE) {
            let rows: Vec<HeadRow> =
                system("SELECT account_id, event_seq FROM account_counters WHERE account_id IN (??)")
                    .list(some.iter().map(|account| account.0))
                    .all(&self.inner.read)
                    .await?;
            heads.extend(rows.into_iter().map(|row| (AccountId(row.account_id), row.event_seq)));
        }
        Ok(heads)
    }
}

impl AccountScope {
    /// The number of the newest event; 0 when nothing has happened yet.
    pub async fn newest_event(&self) -> Result<i64> {
        let seq = self.sql("SELECT event_seq FROM account_counters WHERE account_id = :account");
        seq.value(&self.inner.read).await?.ok_or(StoreError::NotFound("account"))
    }

    /// The events after `seq`, in order, `most` of them at most. Where the first is not the next one, older ones were pruned.
    pub async fn events_after(&self, seq: i64, most: u32) -> Result<Vec<StoredEvent>> {
        let rows: Vec<EventRow> = self
            .sql("SELECT seq, kind, inbox_id, user_id, payload FROM events WHERE account_id = :account AND seq > ? ORDER BY seq LIMIT ?")
            .bind(seq)
            .bind(i64::from(most))
            .all(&self.inner.read)
            .await?;
        let event = |row: EventRow| StoredEvent {
            seq: row.seq,
            kind: row.kind,
            inbox: row.inbox_id.map(InboxId),
            user: row.user_id.map(UserId),
            payload: row.payload,
        };
        Ok(rows.into_iter().map(event).collect())
    }

    /// What each of them may see now. The number of statements does not grow with them, but by three for every further thousand.
    pub async fn audience(&self, watchers: &[Watcher]) -> Result<Audience> {
        let mut audience = Audience { asked: watchers.iter().copied().collect(), sees: HashMap::new() };
        let now = self.inner.now().0;
        for some in watchers.chunks(AT_ONCE) {
            let users: HashSet<i64> = some.iter().map(|watcher| watcher.user.0).collect();
            let places: Vec<PlaceRow> = self
                .sql(
                    "SELECT au.user_id, au.role FROM account_users au JOIN accounts a ON a.id = au.account_id \
                     WHERE au.account_id = :account AND au.removed_at IS NULL AND NOT au.awaits_proof AND a.status = ? AND au.user_id IN (??)",
                )
                .bind(AccountStatus::Active.as_str())
                .list(users.iter().copied())
                .all(&self.inner.read)
                .await?;
            let valid: Vec<i64> = self
                .sql(
                    "SELECT id FROM api_tokens WHERE id IN (??) AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > ?) \
                     AND (account_id IS NULL OR account_id = :account)",
                )
                .list(some.iter().map(|watcher| watcher.token.0))
                .bind(now)
                .column(&self.inner.read)
                .await?;
            let agents = places.iter().filter(|place| Role::parse(&place.role) != Some(Role::Administrator));
            let members: Vec<MemberRow> = self
                .sql("SELECT user_id, inbox_id FROM inbox_members WHERE account_id = :account AND user_id IN (??) ORDER BY inbox_id")
                .list(agents.map(|place| place.user_id))
                .all(&self.inner.read)
                .await?;
            let mut inboxes: HashMap<i64, Vec<InboxId>> = HashMap::new();
            for member in members {
                inboxes.entry(member.user_id).or_default().push(InboxId(member.inbox_id));
            }
            let roles: HashMap<i64, &str> = places.iter().map(|place| (place.user_id, place.role.as_str())).collect();
            let valid: HashSet<i64> = valid.into_iter().collect();
            for watcher in some.iter().filter(|watcher| valid.contains(&watcher.token.0)) {
                let Some(role) = roles.get(&watcher.user.0) else { continue };
                let visibility = match Role::parse(role) {
                    Some(Role::Administrator) => Visibility::All,
                    Some(Role::Agent) | None => {
                        Visibility::Inboxes(inboxes.get(&watcher.user.0).cloned().unwrap_or_default())
                    }
                };
                audience.sees.insert(*watcher, visibility);
            }
        }
        Ok(audience)
    }
}

impl Purge {
    /// Prunes events that are older than `kept`, oldest first: what is left of an account's events has no gap. How many went.
    pub async fn sweep_events(&self, kept: Duration) -> Result<u64> {
        let before = self.inner.now().0.saturating_sub(micros(kept));
        let mut count = 0;
        let mut last = 0;
        loop {
            let accounts: Vec<i64> = system("SELECT id FROM accounts WHERE id > ? ORDER BY id LIMIT ?")
                .bind(last)
                .bind(i64::try_from(AT_ONCE).unwrap_or(i64::MAX))
                .column(&self.inner.read)
                .await?;
            let Some(end) = accounts.last() else { return Ok(count) };
            last = *end;
            for account in accounts {
                count += self.sweep_events_of(AccountId(account), before).await?;
            }
        }
    }

    async fn sweep_events_of(&self, account: AccountId, before: i64) -> Result<u64> {
        let mut count = 0;
        loop {
            let oldest: Vec<AgedRow> =
                scoped(account, "SELECT seq, created_at FROM events WHERE account_id = :account ORDER BY seq LIMIT ?")
                    .bind(i64::from(PRUNED_AT_ONCE))
                    .all(&self.inner.read)
                    .await?;
            let old = oldest.iter().take_while(|row| row.created_at < before);
            let Some(end) = old.last() else { return Ok(count) };
            count += scoped(account, "DELETE FROM events WHERE account_id = :account AND seq <= ?")
                .bind(end.seq)
                .run(&self.inner.write)
                .await?;
        }
    }
}
