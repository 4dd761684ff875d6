//! Owed work: handing due rows over fairly. What becomes of a row once a worker takes it is [`super::claims`]'.

use super::convert;
use super::grants::micros;
use super::sql::system;
use crate::connect::Inner;
use crate::*;
use domain::{AccountId, OwedId};
use sea_orm::FromQueryResult;
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

/// The kinds that this version knows, for SQL. A row of another kind is a newer version's, and waits for it: handing it over would be in
/// vain, and must not stop the others.
fn known_kinds() -> String {
    let quoted: Vec<String> = OwedKind::ALL.iter().map(|kind| format!("'{}'", kind.as_str())).collect();
    quoted.join(", ")
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
                 AND o.state = 'waiting' AND o.ready_at <= {now} AND o.kind IN ({kinds}) ORDER BY o.ready_at, o.id LIMIT ?) w"
            }
            Backend::Sqlite => {
                "SELECT t.id AS account_id, p.priority, w.kind, w.id, w.ready_at FROM owed_work_accounts t \
                 JOIN accounts a ON a.id = t.id AND a.status = 'active' CROSS JOIN priorities p CROSS JOIN owed_work w ON w.id IN ( \
                 SELECT o.id FROM owed_work o WHERE o.account_id = t.id AND o.priority = p.priority \
                 AND o.state = 'waiting' AND o.ready_at <= {now} AND o.kind IN ({kinds}) ORDER BY o.ready_at, o.id LIMIT ?)"
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
        let owed = owed.replace("{kinds}", &known_kinds());
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
