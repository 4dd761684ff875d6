//! A great heap of owed work drains through the worker as it is: on PostgreSQL and Redis, and on SQLite and memory.
//!
//! What was done, how often and in which order is written down by the database itself, when a row of owed work goes. Nothing here is timed,
//! and nothing weighed: rows are so small that a worker which held all of them would hardly be noticed. That few of them are in anybody's hands
//! at a time is shown by `worker`'s `handing_over` tests, and on Redis here.

mod heap;

use anyhow::{Context, Result};
use heap::{Heap, Pairing};
use std::collections::BTreeMap;

/// So many rows in CI, a hundred times what waits in a lane of the queue; 100,000 with `POSTROOM_TEST_OWED_ROWS=100000` (`just drain`).
const ROWS: i64 = 6_000;
/// Rows that may be done before somebody who comes late: what waits in the queue already, what is being handed over, what runs, and a
/// share of each round in which the latecomer has one turn.
const AHEAD_AT_MOST: i64 = 400;
const TENANTS: usize = 50;
/// Of a hundred rows, the busy tenant owes ninety.
const BUSY: usize = 0;

#[expect(clippy::disallowed_methods, reason = "how a person asks for the whole heap")]
fn rows() -> i64 {
    std::env::var("POSTROOM_TEST_OWED_ROWS").ok().and_then(|rows| rows.parse().ok()).unwrap_or(ROWS)
}

async fn a_heap_drains(pairing: Pairing) -> Result<()> {
    let rows = rows();
    let mut heap = Heap::new(pairing, TENANTS).await?;
    let small = rows / 10 / i64::try_from(TENANTS)?;
    let mut expected: BTreeMap<usize, i64> = BTreeMap::new();
    for tenant in 1..TENANTS - 1 {
        expected.insert(tenant, small);
    }
    expected.insert(BUSY, rows - 20 - expected.values().sum::<i64>());
    for (tenant, count) in &expected {
        heap.owe(*tenant, *count, heap::BULK).await?;
    }
    let poison = heap.poison(BUSY).await?;
    heap.start()?;

    heap.done_is(rows / 10).await?;
    // Somebody comes late with little, while the busy tenant has most of its rows to go.
    let late = heap.mark().await?;
    heap.owe(TENANTS - 1, 10, heap::BULK).await?;
    expected.insert(TENANTS - 1, 10);
    let last = heap.last_of(TENANTS - 1, 10).await?;
    let ahead = heap.done_between(late, last, BUSY).await?;
    assert!(ahead <= AHEAD_AT_MOST, "{ahead} rows of the busy tenant went before ten of another");

    // A reply of the busy tenant's own.
    let late = heap.mark().await?;
    heap.owe(BUSY, 10, heap::HUMAN).await?;
    *expected.entry(BUSY).or_default() += 10;
    let last = heap.last_of_priority(heap::HUMAN, 10).await?;
    let ahead = heap.done_between(late, last, BUSY).await? - 10;
    assert!(ahead <= AHEAD_AT_MOST, "{ahead} rows of bulk went before ten replies");
    assert!(heap.left(BUSY).await? > 0, "both came in the middle");

    heap.done_is(rows / 2).await?;
    heap.flush()?;
    heap.done_is(rows).await.context("all of it")?;
    heap.poison_is_visible(poison).await?;

    assert_eq!(heap.done_of_each().await?, expected, "each row once");
    assert_eq!(heap.claimed_more_than_once().await?, 0, "and none was begun twice");
    if let Some(most) = heap.most_waiting() {
        // None at all would mean that nobody looked.
        assert!((1..=64).contains(&most), "{most} jobs waited in one lane of the queue");
    }
    heap.stop().await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_heap_of_fifty_tenants_drains_fairly_and_each_row_runs_once_on_postgres_and_redis() -> Result<()> {
    a_heap_drains(Pairing::PostgresAndRedis).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_heap_of_fifty_tenants_drains_fairly_and_each_row_runs_once_on_sqlite_and_memory() -> Result<()> {
    a_heap_drains(Pairing::SqliteAndMemory).await
}
