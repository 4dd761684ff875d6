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

/// Raw mail has no priority of its own: it is new mail.
const RAW_LANE: Lane = Lane::of(OwedPriority::Mail);

impl Candidate {
    fn is_raw(&self) -> bool {
        self.kind == OwedKind::IngestRawEmail.as_str()
    }

    fn lane(&self) -> Lane {
        let known = OwedPriority::ALL.into_iter().find(|priority| *priority as i64 == self.priority);
        // The query asks for priorities that we know.
        known.map_or(Lane::Bulk, Lane::of)
    }
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

/// Rows of one account that the first look takes at least: with one more than needed it shows whether there are more.
const LEAST_SHARE: u32 = 2;

impl Relay {
    /// Due rows of owed work and raw mail, in each lane as many as there is room for, round-robin by account, human replies first in each
    /// round; not handed over again before `hold` has passed. `full` names accounts that are to be left alone in a lane for now.
    pub async fn hand_over(&self, rooms: Rooms, full: &[(Lane, AccountId)], hold: Duration) -> Result<Vec<DueWork>> {
        let most = Lane::ALL.into_iter().map(|lane| rooms.of(lane)).max().unwrap_or(0);
        if most == 0 {
            return Ok(Vec::new());
        }
        // A first look takes of each account its share, were there as many with work as the last time; only when that leaves room does a
        // second one take more of the busy ones.
        let accounts = self.inner.busy_accounts.load(Ordering::Relaxed).max(1);
        let share = (most / accounts).saturating_add(1).max(LEAST_SHARE).min(most);
        let mut found = self.candidates(rooms, full, share).await?;
        if share < most && leaves_room(&found, rooms, share) {
            found = self.candidates(rooms, full, most).await?;
        }
        let distinct: HashSet<i64> = found.iter().map(|c| c.account_id).collect();
        self.inner.busy_accounts.store(u32::try_from(distinct.len()).unwrap_or(u32::MAX), Ordering::Relaxed);
        let first = self.inner.next_round.fetch_add(1, Ordering::Relaxed);
        let chosen = in_turn(found, first, rooms);
        let taken = self.take(&chosen, hold).await?;
        chosen
            .into_iter()
            .filter(|c| taken.contains(&(c.is_raw(), c.id)))
            .map(|c| {
                Ok(DueWork {
                    lane: c.lane(),
                    account_id: AccountId(c.account_id),
                    kind: convert::code("owed kind", &c.kind, OwedKind::parse)?,
                    owed_id: OwedId(c.id),
                })
            })
            .collect()
    }

    async fn candidates(&self, rooms: Rooms, full: &[(Lane, AccountId)], share: u32) -> Result<Vec<Candidate>> {
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
        let open = |priority: &OwedPriority| rooms.of(Lane::of(*priority)) > 0;
        let wanted = OwedPriority::ALL.into_iter().filter(open);
        let wanted: Vec<String> = wanted.map(|priority| format!("SELECT {}", priority as i64)).collect();
        let owed = format!(
            "WITH RECURSIVE {}, {}, priorities(priority) AS ({}) \
             SELECT account_id, CAST(priority AS BIGINT) AS priority, kind, id, ready_at FROM ({owed}) AS owed_rows",
            accounts_of("owed_work"),
            accounts_of("raw_emails"),
            wanted.join(" UNION ALL "),
        );
        let looked = if rooms.of(RAW_LANE) > 0 {
            let raw = format!(
                "SELECT account_id, CAST(1 AS BIGINT), 'ingest_raw_email', id, ready_at FROM ({raw}) AS raw_rows"
            );
            system(format!("{owed} UNION ALL {raw}")).bind(share).bind(share)
        } else {
            system(owed).bind(share)
        };
        let mut found: Vec<Candidate> = looked.all(&self.inner.read).await?;
        found.retain(|c| !full.contains(&(c.lane(), AccountId(c.account_id))));
        Ok(found)
    }

    /// Marks the chosen rows as handed over; of two relays that chose the same row, one gets it. Keyed by (is raw mail, id).
    async fn take(&self, chosen: &[Candidate], hold: Duration) -> Result<HashSet<(bool, i64)>> {
        let hold = micros(hold);
        let mut taken = HashSet::new();
        for raw in [false, true] {
            let ids: Vec<i64> = chosen.iter().filter(|c| c.is_raw() == raw).map(|c| c.id).collect();
            for some in ids.chunks(1000) {
                let (table, handed) =
                    if raw { ("raw_emails", "") } else { ("owed_work", ", handed_until = {now} + ?") };
                // Rows that somebody else is just taking or claiming are left to them: nobody waits for anybody, in whatever order.
                let statement = system(format!(
                    "UPDATE {table} SET ready_at = {{now}} + ?{handed} WHERE id IN (SELECT c.id FROM {table} c WHERE c.id IN (??) \
                     AND c.state = 'waiting' AND c.ready_at <= {{now}}{{skip}}) RETURNING id"
                ))
                .bind(hold);
                let statement = if raw { statement } else { statement.bind(hold) };
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

/// Whether some lane has room left although some account had more than its share for it.
fn leaves_room(found: &[Candidate], rooms: Rooms, share: u32) -> bool {
    let mut per_bucket: BTreeMap<(Lane, i64, i64, bool), u32> = BTreeMap::new();
    let mut per_lane = Rooms::default();
    for c in found {
        *per_bucket.entry((c.lane(), c.account_id, c.priority, c.is_raw())).or_default() += 1;
        *per_lane.of_mut(c.lane()) += 1;
    }
    let cut = |lane| per_bucket.iter().any(|((of, ..), count)| *of == lane && *count >= share);
    Lane::ALL.into_iter().any(|lane| per_lane.of(lane) < rooms.of(lane) && cut(lane))
}

/// Round by round: in each, every account gives one row of each priority, the most urgent priority first; of each lane as many as it has
/// room for. `first` turns the order of the accounts, so that none is always served first.
fn in_turn(found: Vec<Candidate>, first: usize, mut rooms: Rooms) -> Vec<Candidate> {
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
    let mut chosen = Vec::new();
    for (_, row) in ranked {
        let room = rooms.of_mut(row.lane());
        if *room > 0 {
            *room -= 1;
            chosen.push(row);
        }
    }
    chosen
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
        let chosen = in_turn(found, 0, Rooms { people: 4, mail: 4, bulk: 4 });
        let ids: Vec<i64> = chosen.iter().map(|c| c.id).collect();
        assert_eq!(ids, [0, 2000, 3000, 2001, 1, 2]);
    }

    #[test]
    fn a_lane_without_room_gives_nothing_and_takes_nothing_from_the_others() {
        let mut found: Vec<Candidate> = (0..100).map(|n| row(1, 3, n)).collect();
        found.extend([row(1, 0, 200), row(1, 2, 300), row(1, 1, 400)]);
        let ids = |rooms| in_turn(found.clone(), 0, rooms).iter().map(|c| c.id).collect::<Vec<_>>();
        assert_eq!(ids(Rooms { people: 2, mail: 1, bulk: 0 }), [200, 400]);
        assert_eq!(ids(Rooms { people: 0, mail: 5, bulk: 2 }), [400, 300, 0, 1]);
    }

    #[test]
    fn another_account_is_first_in_the_next_round() {
        let found = vec![row(1, 0, 1), row(2, 0, 2), row(3, 0, 3)];
        let firsts: Vec<i64> = (0..3).map(|n| in_turn(found.clone(), n, Rooms::of_each(1))[0].account_id).collect();
        assert_eq!(firsts, [1, 2, 3]);
        assert!(in_turn(Vec::new(), 5, Rooms::of_each(10)).is_empty());
    }

    #[test]
    fn more_is_looked_for_only_where_a_busy_account_could_fill_the_room_that_is_left() {
        let found: Vec<Candidate> = (0..4).map(|n| row(1, 3, n)).chain([row(2, 0, 9)]).collect();
        assert!(leaves_room(&found, Rooms { people: 5, mail: 5, bulk: 5 }, 4));
        assert!(!leaves_room(&found, Rooms { people: 5, mail: 5, bulk: 4 }, 4), "bulk is full, nobody else has more");
        assert!(!leaves_room(&found, Rooms { people: 5, mail: 5, bulk: 5 }, 5), "the account has no more");
    }
}
