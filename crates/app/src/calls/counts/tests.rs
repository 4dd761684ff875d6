//! Several processes that share counts, one that is left alone, and a crowd.

use super::*;
use crate::shared_counts::Total;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

/// Nothing here takes so long.
const LONG: Duration = Duration::from_secs(60);

#[derive(Debug)]
struct StillClock(AtomicI64);

impl Clock for StillClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_seconds(self.0.load(Ordering::SeqCst))
    }
}

/// What Redis does, in memory, and how often it has been asked.
#[derive(Debug, Default)]
struct Shared {
    counts: Mutex<BTreeMap<String, i64>>,
    asked: AtomicI64,
    away: AtomicBool,
    /// Adds what it is told, and its answer comes too late.
    late: AtomicBool,
    silent: AtomicBool,
}

#[async_trait::async_trait]
impl SharedCounts for Shared {
    async fn add(&self, lots: &[Lot]) -> Option<Vec<Total>> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        if self.silent.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        if self.away.load(Ordering::SeqCst) {
            return None;
        }
        let mut counts = self.counts.lock().expect("not poisoned");
        let mut add = |lot: &Lot| {
            let count = counts.entry(lot.name.clone()).or_default();
            *count += lot.calls;
            Total { calls: *count, left: lot.lasts }
        };
        let totals = lots.iter().map(&mut add).collect();
        (!self.late.load(Ordering::SeqCst)).then_some(totals)
    }

    async fn forget(&self, _name: &str) {}
}

struct Place {
    clock: Arc<StillClock>,
    shared: Arc<Shared>,
}

impl Place {
    fn new() -> Self {
        Self { clock: Arc::new(StillClock(AtomicI64::new(1_760_000_000))), shared: Arc::default() }
    }

    fn process(&self, limit: u32) -> Counts<u64> {
        let clock: Arc<dyn Clock> = self.clock.clone();
        let shared: Arc<dyn SharedCounts> = self.shared.clone();
        Counts::new("user", limit, &clock, Some(&shared))
    }
}

impl Shared {
    /// Until all that was told comes to so much.
    async fn comes_to(&self, calls: i64) {
        let waiting = async {
            while self.counts.lock().expect("not poisoned").values().sum::<i64>() != calls {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(LONG, waiting).await.expect("what was told comes to another number");
    }

    async fn asked(&self, times: i64) {
        let waiting = async {
            while self.asked.load(Ordering::SeqCst) < times {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(LONG, waiting).await.expect("nobody asks");
    }
}

async fn let_in(counts: &Counts<u64>, key: u64, calls: u32) -> u32 {
    let mut in_all = 0;
    for _ in 0..calls {
        in_all += u32::from(counts.take(key).await.is_ok());
    }
    in_all
}

#[tokio::test]
async fn processes_together_let_in_the_limit_and_two_lots_more_for_each_at_most() {
    let place = Place::new();
    let processes: Vec<_> = (0..4).map(|_| place.process(3000)).collect();
    let mut in_all = 0;
    for _ in 0..3000 {
        for process in &processes {
            in_all += u32::from(process.take(7).await.is_ok());
        }
    }
    assert!((3000..=3000 + 4 * 40).contains(&in_all), "{in_all}");
    assert!(place.shared.asked.load(Ordering::SeqCst) < 500, "not once a call: {:?}", place.shared.asked);
    assert_eq!(let_in(&processes[0], 8, 10).await, 10, "another key is not concerned");
}

#[tokio::test]
async fn what_a_process_counted_is_known_to_the_others_after_a_second_also_when_no_lot_is_full() {
    let place = Place::new();
    let (one, other) = (place.process(100), place.process(100));
    assert_eq!(let_in(&one, 7, 99).await, 99);
    place.shared.comes_to(99).await;
    assert_eq!(let_in(&other, 7, 1).await, 1, "it knows of none yet");
    place.shared.comes_to(100).await;
    assert_eq!(let_in(&other, 7, 5).await, 0);
}

#[tokio::test]
async fn without_an_answer_each_process_counts_alone_and_what_it_may_have_told_is_told_to_nobody_again() {
    let place = Place::new();
    for trouble in [&place.shared.away, &place.shared.silent] {
        trouble.store(true, Ordering::SeqCst);
        let process = place.process(100);
        let began = Instant::now();
        assert_eq!(let_in(&process, 7, 200).await, 100);
        assert!(began.elapsed() < PATIENCE * 50, "{:?}: not once for each call", began.elapsed());
        trouble.store(false, Ordering::SeqCst);
        place.clock.0.fetch_add(60, Ordering::SeqCst);
    }
    place.shared.counts.lock().expect("not poisoned").clear();
    place.shared.late.store(true, Ordering::SeqCst);
    let (one, other) = (place.process(100), place.process(100));
    for told in [5, 10, 15] {
        let asked = place.shared.asked.load(Ordering::SeqCst);
        assert_eq!(let_in(&one, 7, 5).await, 5);
        place.shared.asked(asked + 1).await;
        place.shared.comes_to(told).await;
    }
    assert_eq!(let_in(&one, 7, 100).await, 85, "its own calls it has not forgotten");
    place.shared.late.store(false, Ordering::SeqCst);
    place.shared.comes_to(100).await;
    assert_eq!(let_in(&other, 7, 1).await, 1, "it knows of none yet");
    place.shared.comes_to(101).await;
    assert_eq!(let_in(&other, 7, 1).await, 0);
}

#[tokio::test]
async fn no_key_is_kept_from_being_told_by_others_that_are_always_busy() {
    let place = Place::new();
    let process = place.process(3000);
    for round in 1..=4 {
        for key in 0..1500 {
            assert_eq!(let_in(&process, key, 1).await, 1);
        }
        place.shared.asked(round).await;
    }
    let told = place.shared.counts.lock().expect("not poisoned").len();
    assert_eq!(told, 1500, "keys that were told of");
}

#[tokio::test]
async fn a_clock_that_is_set_back_over_a_minutes_beginning_forgets_nothing_of_it() {
    let place = Place::new();
    let process = place.process(100);
    let go = |seconds| place.clock.0.fetch_add(seconds, Ordering::SeqCst);
    go(40);
    assert_eq!(let_in(&process, 7, 100).await, 100);
    go(-1);
    assert_eq!(process.take(7).await, Err(Duration::from_secs(60)));
    go(1);
    assert_eq!(let_in(&process, 7, 1).await, 0);
    go(-61);
    assert_eq!(let_in(&process, 7, 1).await, 1, "it was wrong by more");
}

#[tokio::test]
async fn a_minute_begins_anew_and_what_is_left_of_it_is_said() {
    let place = Place::new();
    let process = place.process(100);
    assert_eq!(let_in(&process, 7, 101).await, 100);
    // 1,760,000,000 is twenty seconds into its minute.
    assert_eq!(process.take(7).await, Err(Duration::from_secs(40)));
    place.clock.0.fetch_add(40, Ordering::SeqCst);
    assert_eq!(let_in(&process, 7, 101).await, 100);
}

#[tokio::test]
async fn what_is_given_back_was_not_counted_here_or_elsewhere() {
    let place = Place::new();
    let (one, other) = (place.process(100), place.process(100));
    for _ in 0..500 {
        one.take(7).await.expect("never too many");
        one.give_back(7);
    }
    assert_eq!(let_in(&one, 7, 1).await, 1);
    place.shared.comes_to(1).await;
    assert_eq!(let_in(&other, 7, 1).await, 1);
    place.shared.comes_to(2).await;
    assert_eq!(let_in(&other, 7, 200).await, 98);
}

#[tokio::test]
async fn strangers_without_number_take_a_bounded_room_and_are_limited_all_the_same() {
    let place = Place::new();
    let process = place.process(10);
    let mut in_all = 0;
    for key in 0..100_000 {
        in_all += let_in(&process, key, 1).await;
    }
    let kept = || {
        let minute = process.0.lock();
        (minute.counts.len(), minute.crowd.len())
    };
    assert_eq!(kept(), (MANY, CROWD));
    assert!((MANY + CROWD..=MANY + 10 * CROWD).contains(&(in_all as usize)), "{in_all}");
    place.clock.0.fetch_add(60, Ordering::SeqCst);
    assert_eq!(let_in(&process, 99_999, 1).await, 1);
    assert_eq!(kept(), (1, 0), "the next minute knows nothing of it");
}
