//! Owed work: handing due rows over fairly, claiming, finishing. The row is the only lease.

use super::convert::{self, to_json};
use super::grants::micros;
use super::sql::{Sql, scoped, system};
use crate::connect::Inner;
use crate::*;
use domain::{AccountId, DeliveryId, Failure, OwedId};
use sea_orm::{ConnectionTrait, FromQueryResult};
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// The relay's scope.
#[derive(Clone, Debug)]
pub struct Relay {
    pub(crate) inner: Arc<Inner>,
}

/// A due row, before it is decided whose turn it is.
#[derive(Clone, Debug, PartialEq, Eq, FromQueryResult)]
struct Candidate {
    account_id: i64,
    priority: i64,
    kind: String,
    id: i64,
    ready_at: i64,
}

#[derive(Debug, FromQueryResult)]
struct ClaimedRow {
    subject_id: i64,
    attempts: i64,
    payload: String,
}

#[derive(Debug, FromQueryResult)]
struct StuckRow {
    account_id: i64,
    id: i64,
    owed_id: Option<i64>,
}

/// The accounts that have waiting rows in a table: one index look-up per account, however many rows each has.
fn accounts_of(table: &str) -> String {
    format!(
        "{table}_accounts(id) AS (SELECT MIN(account_id) FROM {table} WHERE state = 'waiting' UNION ALL \
         SELECT (SELECT MIN(w.account_id) FROM {table} w WHERE w.state = 'waiting' AND w.account_id > t.id) \
         FROM {table}_accounts t WHERE t.id IS NOT NULL)"
    )
}

impl Relay {
    /// Due rows of owed work and raw mail, round-robin by account, human replies first in each round; not handed over again before
    /// `hold` has passed. At most `window`.
    pub async fn hand_over(&self, window: u32, hold: Duration) -> Result<Vec<DueWork>> {
        let window_rows = usize::try_from(window).unwrap_or(usize::MAX);
        // A first look takes a fair share of each account; only when that leaves room does a second one take more of the busy ones.
        let mut share = (window / 16).max(8);
        let mut found = self.candidates(share).await?;
        if found.len() < window_rows && is_cut(&found, share) && share < window {
            share = window;
            found = self.candidates(share).await?;
        }
        let first = self.inner.next_round.fetch_add(1, Ordering::Relaxed);
        let chosen = in_turn(found, first, window_rows);
        let taken = self.take(&chosen, hold).await?;
        chosen
            .into_iter()
            .filter(|c| taken.contains(&(c.kind == OwedKind::IngestRawEmail.as_str(), c.id)))
            .map(|c| {
                Ok(DueWork {
                    account_id: AccountId(c.account_id),
                    kind: convert::code("owed kind", &c.kind, OwedKind::parse)?,
                    owed_id: OwedId(c.id),
                })
            })
            .collect()
    }

    async fn candidates(&self, share: u32) -> Result<Vec<Candidate>> {
        let share = i64::from(share);
        let owed = match self.inner.backend {
            Backend::Postgres => {
                "SELECT t.id AS account_id, p.priority, w.kind, w.id, w.ready_at FROM owed_work_accounts t \
                 JOIN accounts a ON a.id = t.id AND a.status = 'active' CROSS JOIN priorities p CROSS JOIN LATERAL ( \
                 SELECT o.kind, o.id, o.ready_at FROM owed_work o WHERE o.account_id = t.id AND o.priority = p.priority \
                 AND o.state = 'waiting' AND o.ready_at <= {now} ORDER BY o.ready_at, o.id LIMIT ?) w"
            }
            Backend::Sqlite => {
                "SELECT t.id AS account_id, p.priority, w.kind, w.id, w.ready_at FROM owed_work_accounts t \
                 JOIN accounts a ON a.id = t.id AND a.status = 'active' CROSS JOIN priorities p CROSS JOIN owed_work w ON w.id IN ( \
                 SELECT o.id FROM owed_work o WHERE o.account_id = t.id AND o.priority = p.priority \
                 AND o.state = 'waiting' AND o.ready_at <= {now} ORDER BY o.ready_at, o.id LIMIT ?)"
            }
        };
        let raw = match self.inner.backend {
            Backend::Postgres => {
                "SELECT t.id AS account_id, w.id, w.ready_at FROM raw_emails_accounts t \
                 JOIN accounts a ON a.id = t.id AND a.status = 'active' CROSS JOIN LATERAL (SELECT o.id, o.ready_at FROM raw_emails o \
                 WHERE o.account_id = t.id AND o.state = 'waiting' AND o.ready_at <= {now} ORDER BY o.ready_at, o.id LIMIT ?) w"
            }
            Backend::Sqlite => {
                "SELECT t.id AS account_id, w.id, w.ready_at FROM raw_emails_accounts t \
                 JOIN accounts a ON a.id = t.id AND a.status = 'active' CROSS JOIN raw_emails w ON w.id IN (SELECT o.id FROM raw_emails o \
                 WHERE o.account_id = t.id AND o.state = 'waiting' AND o.ready_at <= {now} ORDER BY o.ready_at, o.id LIMIT ?)"
            }
        };
        let priorities = "priorities(priority) AS (SELECT 0 UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3)";
        let text = format!(
            "WITH RECURSIVE {}, {}, {priorities} \
             SELECT account_id, CAST(priority AS BIGINT) AS priority, kind, id, ready_at FROM ({owed}) AS owed_rows UNION ALL \
             SELECT account_id, CAST(1 AS BIGINT), 'ingest_raw_email', id, ready_at FROM ({raw}) AS raw_rows",
            accounts_of("owed_work"),
            accounts_of("raw_emails"),
        );
        system(text).bind(share).bind(share).all(&self.inner.read).await
    }

    /// Marks the chosen rows as handed over; of two relays that chose the same row, one gets it. Keyed by (is raw mail, id).
    async fn take(&self, chosen: &[Candidate], hold: Duration) -> Result<HashSet<(bool, i64)>> {
        let hold = micros(hold);
        let mut taken = HashSet::new();
        for raw in [false, true] {
            let ids: Vec<i64> =
                chosen.iter().filter(|c| (c.kind == OwedKind::IngestRawEmail.as_str()) == raw).map(|c| c.id).collect();
            for some in ids.chunks(1000) {
                let statement = if raw {
                    system("UPDATE raw_emails SET ready_at = {now} + ? WHERE id IN (??) AND state = 'waiting' AND ready_at <= {now} RETURNING id")
                        .bind(hold)
                } else {
                    system(
                        "UPDATE owed_work SET ready_at = {now} + ?, handed_until = {now} + ? WHERE id IN (??) AND state = 'waiting' \
                         AND ready_at <= {now} RETURNING id",
                    )
                    .bind(hold)
                    .bind(hold)
                };
                let ids: Vec<i64> = statement.list(some.iter().copied()).column(&self.inner.write).await?;
                taken.extend(ids.into_iter().map(|id| (raw, id)));
            }
        }
        Ok(taken)
    }

    /// `None` when it is done, somebody else's, not due (any more), or its account is suspended. Counts an attempt. `worker` is for
    /// diagnosis. For raw mail the owed id is the raw mail's id.
    pub async fn claim(
        &self,
        account: AccountId,
        kind: OwedKind,
        owed: OwedId,
        worker: &str,
        lease: Duration,
    ) -> Result<Option<ClaimedWork>> {
        let token = self.inner.random_name();
        let text = match kind {
            OwedKind::IngestRawEmail => {
                "UPDATE raw_emails SET attempts = attempts + 1, lease_token = ?, lease_worker = ?, lease_until = {now} + ?, ready_at = {now} + ? \
                 WHERE account_id = :account AND id = ? AND ? = 'ingest_raw_email' AND state = 'waiting' AND lease_until <= {now} \
                 AND EXISTS (SELECT 1 FROM accounts a WHERE a.id = raw_emails.account_id AND a.status = 'active') \
                 RETURNING id AS subject_id, attempts, 'null' AS payload"
            }
            OwedKind::DeliverMessage
            | OwedKind::ProveConnection
            | OwedKind::ImportWindow
            | OwedKind::ReconcileDelivery => {
                "UPDATE owed_work SET attempts = attempts + 1, lease_token = ?, lease_worker = ?, lease_until = {now} + ?, ready_at = {now} + ? \
                 WHERE account_id = :account AND id = ? AND kind = ? AND state = 'waiting' AND due_at <= {now} AND lease_until <= {now} \
                 AND EXISTS (SELECT 1 FROM accounts a WHERE a.id = owed_work.account_id AND a.status = 'active') \
                 RETURNING subject_id, attempts, payload"
            }
        };
        let row: Option<ClaimedRow> = scoped(account, text)
            .bind(token.clone())
            .bind(worker)
            .bind(micros(lease))
            .bind(micros(lease))
            .bind(owed.0)
            .bind(kind.as_str())
            .one(&self.inner.write)
            .await?;
        row.map(|row| {
            Ok(ClaimedWork {
                scope: self.inner.scope(account),
                kind,
                owed_id: owed,
                subject_id: row.subject_id,
                attempts: convert::number("attempts", row.attempts)?,
                payload: convert::json("owed payload", &row.payload)?,
                token,
            })
        })
        .transpose()
    }

    /// The lease starts anew. `false`: it was lost.
    pub async fn extend(&self, work: &ClaimedWork, lease: Duration) -> Result<bool> {
        let text = format!(
            "UPDATE {} SET lease_until = {{now}} + ?, ready_at = {{now}} + ? WHERE account_id = :account AND id = ? AND lease_token = ?",
            table(work.kind)
        );
        let extended = ours(scoped(work.scope.id, text).bind(micros(lease)).bind(micros(lease)), work);
        Ok(extended.run(&self.inner.write).await? == 1)
    }

    /// Done. `false`: the lease was lost. (`Tx::finish_work` does the same together with its effects.)
    pub async fn finish(&self, work: &ClaimedWork) -> Result<bool> {
        finish(&self.inner.write, work).await
    }

    pub async fn retry(&self, work: &ClaimedWork, after: Duration, failure: &Failure) -> Result<bool> {
        retry(&self.inner.write, work, after, failure).await
    }

    /// Never tried again by itself; kept with its failure. Raw mail is quarantined.
    pub async fn fail(&self, work: &ClaimedWork, failure: &Failure) -> Result<bool> {
        fail(&self.inner.write, work, failure).await
    }

    /// Given back untried: the attempt is not counted.
    pub async fn release(&self, work: &ClaimedWork, after: Duration) -> Result<bool> {
        let due = if is_raw(work) { "" } else { ", due_at = {now} + ?, handed_until = 0" };
        let text = format!(
            "UPDATE {} SET attempts = attempts - 1, lease_token = NULL, lease_worker = NULL, lease_until = 0, ready_at = {{now}} + ?{due} \
             WHERE account_id = :account AND id = ? AND lease_token = ?",
            table(work.kind)
        );
        let sql = scoped(work.scope.id, text).bind(micros(after));
        let sql = if is_raw(work) { sql } else { sql.bind(micros(after)) };
        Ok(ours(sql, work).run(&self.inner.write).await? == 1)
    }

    /// The work's payload is this from now on: what a job that comes in pieces remembers between them. `false`: the lease was lost.
    pub async fn remember(&self, work: &ClaimedWork, payload: &serde_json::Value) -> Result<bool> {
        let text = "UPDATE owed_work SET payload = ? WHERE account_id = :account AND id = ? AND lease_token = ?";
        Ok(ours(scoped(work.scope.id, text).bind(payload.to_string()), work).run(&self.inner.write).await? == 1)
    }

    /// When the next row falls due, at most `most` from now; zero when one is due.
    pub async fn next_due_in(&self, most: Duration) -> Result<Duration> {
        let mut least = micros(most);
        for name in ["owed_work", "raw_emails"] {
            // Per account and priority the earliest is the first entry of the index.
            let priority = if name == "owed_work" { " AND w.priority = p.priority" } else { "" };
            let text = format!(
                "WITH RECURSIVE {}, priorities(priority) AS (SELECT 0 UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3) \
                 SELECT MIN((SELECT MIN(w.ready_at) FROM {name} w WHERE w.account_id = t.id{priority} AND w.state = 'waiting')) - {{now}} \
                 FROM {name}_accounts t JOIN accounts a ON a.id = t.id AND a.status = 'active' CROSS JOIN priorities p",
                accounts_of(name)
            );
            if let Some(Some(next)) = system(text).value::<Option<i64>, _>(&self.inner.read).await? {
                least = least.min(next);
            }
        }
        Ok(Duration::from_micros(u64::try_from(least).unwrap_or(0)))
    }

    /// Deliveries that say `sending` although their lease has ended: whoever sent them is gone, their outcome is unknown.
    pub async fn stuck_deliveries(&self, limit: u32) -> Result<Vec<StuckDelivery>> {
        Ok(system(
            "SELECT d.account_id, d.id, (SELECT MAX(o.id) FROM owed_work o WHERE o.account_id = d.account_id AND o.kind = 'deliver_message' \
             AND o.subject_id = d.id AND o.state = 'waiting') AS owed_id \
             FROM deliveries d WHERE d.state = 'sending' AND d.sending_until <= {now} ORDER BY d.sending_until LIMIT ?",
        )
        .bind(i64::from(limit))
        .all::<StuckRow, _>(&self.inner.read)
        .await?
        .into_iter()
        .map(|row| StuckDelivery {
            account_id: AccountId(row.account_id),
            delivery_id: DeliveryId(row.id),
            owed_id: row.owed_id.map(OwedId),
        })
        .collect())
    }
}

/// Whether some account had more than its share.
fn is_cut(found: &[Candidate], share: u32) -> bool {
    let mut per_bucket: BTreeMap<(i64, i64, bool), u32> = BTreeMap::new();
    for c in found {
        *per_bucket.entry((c.account_id, c.priority, c.kind == OwedKind::IngestRawEmail.as_str())).or_default() += 1;
    }
    per_bucket.values().any(|count| *count >= share)
}

/// Round by round: in each, every account gives one row of each priority, the most urgent priority first. `first` turns the order
/// of the accounts, so that none is always served first.
fn in_turn(found: Vec<Candidate>, first: usize, window: usize) -> Vec<Candidate> {
    let mut buckets: BTreeMap<(i64, i64), Vec<Candidate>> = BTreeMap::new();
    for candidate in found {
        buckets.entry((candidate.priority, candidate.account_id)).or_default().push(candidate);
    }
    let mut accounts: Vec<i64> = buckets.keys().map(|(_, account)| *account).collect();
    accounts.sort_unstable();
    accounts.dedup();
    let turn = |account: i64| {
        let at = accounts.binary_search(&account).unwrap_or_default();
        (at + accounts.len() - first % accounts.len().max(1)) % accounts.len().max(1)
    };
    let mut ranked: Vec<((usize, i64, usize), Candidate)> = Vec::new();
    for ((priority, account), mut rows) in buckets {
        rows.sort_by_key(|c| (c.ready_at, c.id));
        let place = turn(account);
        ranked.extend(rows.into_iter().enumerate().map(|(round, row)| ((round, priority, place), row)));
    }
    ranked.sort_by_key(|(rank, _)| *rank);
    ranked.into_iter().map(|(_, row)| row).take(window).collect()
}

fn is_raw(work: &ClaimedWork) -> bool {
    work.kind == OwedKind::IngestRawEmail
}

fn table(kind: OwedKind) -> &'static str {
    match kind {
        OwedKind::IngestRawEmail => "raw_emails",
        OwedKind::DeliverMessage | OwedKind::ProveConnection | OwedKind::ImportWindow | OwedKind::ReconcileDelivery => {
            "owed_work"
        }
    }
}

/// The row, as long as it is this worker's.
fn ours(sql: Sql, work: &ClaimedWork) -> Sql {
    sql.bind(work.owed_id.0).bind(work.token.clone())
}

pub(crate) async fn finish<C: ConnectionTrait>(on: &C, work: &ClaimedWork) -> Result<bool> {
    let text = if is_raw(work) {
        // What became of the mail is in its state; only the lease ends here.
        "UPDATE raw_emails SET lease_token = NULL, lease_worker = NULL, lease_until = 0 WHERE account_id = :account AND id = ? AND lease_token = ?"
    } else {
        "DELETE FROM owed_work WHERE account_id = :account AND id = ? AND lease_token = ?"
    };
    Ok(ours(scoped(work.scope.id, text), work).run(on).await? == 1)
}

pub(crate) async fn retry<C: ConnectionTrait>(
    on: &C,
    work: &ClaimedWork,
    after: Duration,
    failure: &Failure,
) -> Result<bool> {
    let (text, after) = if is_raw(work) {
        (
            "UPDATE raw_emails SET lease_token = NULL, lease_worker = NULL, lease_until = 0, reason = ?, ready_at = {now} + ? \
             WHERE account_id = :account AND id = ? AND lease_token = ?",
            [Some(micros(after)), None],
        )
    } else {
        (
            "UPDATE owed_work SET lease_token = NULL, lease_worker = NULL, lease_until = 0, handed_until = 0, last_error = ?, \
             ready_at = {now} + ?, due_at = {now} + ? WHERE account_id = :account AND id = ? AND lease_token = ?",
            [Some(micros(after)); 2],
        )
    };
    let error = if is_raw(work) { failure.to_string() } else { to_json(failure) };
    let sql = after.into_iter().flatten().fold(scoped(work.scope.id, text).bind(error), Sql::bind);
    Ok(ours(sql, work).run(on).await? == 1)
}

pub(crate) async fn fail<C: ConnectionTrait>(on: &C, work: &ClaimedWork, failure: &Failure) -> Result<bool> {
    let (text, error) = if is_raw(work) {
        (
            "UPDATE raw_emails SET state = 'quarantined', reason = ?, lease_token = NULL, lease_worker = NULL, lease_until = 0 \
             WHERE account_id = :account AND id = ? AND lease_token = ?",
            failure.to_string(),
        )
    } else {
        (
            "UPDATE owed_work SET state = 'failed', last_error = ?, lease_token = NULL, lease_worker = NULL, lease_until = 0 \
             WHERE account_id = :account AND id = ? AND lease_token = ?",
            to_json(failure),
        )
    };
    Ok(ours(scoped(work.scope.id, text).bind(error), work).run(on).await? == 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(account_id: i64, priority: i64, id: i64) -> Candidate {
        Candidate { account_id, priority, kind: "deliver_message".to_owned(), id, ready_at: id }
    }

    #[test]
    fn a_busy_account_does_not_push_the_others_out_and_replies_come_first_in_each_round() {
        let mut found: Vec<Candidate> = (0..1000).map(|n| row(1, 0, n)).collect();
        found.extend([row(2, 0, 2000), row(2, 3, 2001), row(3, 1, 3000)]);
        let chosen = in_turn(found, 0, 6);
        let ids: Vec<i64> = chosen.iter().map(|c| c.id).collect();
        assert_eq!(ids, [0, 2000, 3000, 2001, 1, 2]);
    }

    #[test]
    fn another_account_is_first_in_the_next_round() {
        let found = vec![row(1, 0, 1), row(2, 0, 2), row(3, 0, 3)];
        let firsts: Vec<i64> = (0..3).map(|n| in_turn(found.clone(), n, 1)[0].account_id).collect();
        assert_eq!(firsts, [1, 2, 3]);
        assert!(in_turn(Vec::new(), 5, 10).is_empty());
    }
}
