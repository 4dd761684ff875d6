//! Counts calls by the minute, in this process and, in lots, with the others.
//!
//! A call is counted here, at once. What was counted goes to the shared counts when a lot of a key is full, and at the latest after a second;
//! no call waits for that, unless more than two lots of its key are on their way: so each process lets through at most two lots beyond the
//! limit. Where the shared counts do not answer, this process counts alone until they do: nobody is refused for that and nobody has no limit.
//! What they were told without an answer they are not told again: it may have been added, and told twice it would be counted twice.
//!
//! Minutes are the clock's, by which all processes go. Memory is bounded: beyond [`MANY`] keys in a minute, further ones share counts.

use crate::shared_counts::{Lot, SharedCounts};
use domain::{Clock, Timestamp};
use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::fmt::{Debug, Display};
use std::hash::{BuildHasher, Hash};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

const MINUTE: Duration = Duration::from_secs(60);
/// Keys that have a count of their own within one minute.
const MANY: usize = 10_000;
/// Counts that are shared by all further keys.
const CROWD: usize = 1_024;
/// Where a limit is large, so many calls are told at a time; where it is small, a twentieth of it.
const LARGEST_LOT: u32 = 20;
/// What was counted is told at the latest after so long.
const TOLD_EVERY: Duration = Duration::from_secs(1);
/// A call waits no longer than this for the shared counts.
const PATIENCE: Duration = Duration::from_millis(250);
/// A minute's shared count outlives it, because clocks differ a little.
const SHARED_FOR: Duration = Duration::from_secs(120);
/// Told in one question at most.
const LOTS_AT_ONCE: usize = 1_000;

/// What may be counted: ids and addresses.
pub(super) trait Key: Copy + Eq + Hash + Debug + Display + Send + Sync + 'static {}
impl<K: Copy + Eq + Hash + Debug + Display + Send + Sync + 'static> Key for K {}

#[derive(Debug)]
pub(super) struct Counts<K>(Arc<Inside<K>>);

#[derive(Debug)]
struct Inside<K> {
    /// What is counted, as it stands in shared names.
    what: &'static str,
    limit: u32,
    lot: i64,
    clock: Arc<dyn Clock>,
    shared: Option<Arc<dyn SharedCounts>>,
    minute: Mutex<Minute<K>>,
    /// Which of the crowd's counts a key has: nobody outside can know.
    crowd_of: RandomState,
    /// A lot is full.
    full: Notify,
    /// The shared counts answered, or did not.
    told: Notify,
}

#[derive(Debug)]
struct Minute<K> {
    /// Minutes since the epoch.
    number: i64,
    counts: HashMap<K, Count>,
    crowd: Vec<Count>,
    /// Somebody tells the shared counts.
    telling: bool,
    /// The shared counts did not answer when they were asked last.
    alone: bool,
}

/// Calls of one key in this minute.
#[derive(Clone, Copy, Debug, Default)]
struct Count {
    /// All processes' together, as the shared counts said last.
    known: i64,
    /// Ours that are being told.
    on_the_way: i64,
    /// Ours that nobody was told of.
    untold: i64,
    /// All of ours, also those of which it is not known whether the shared counts have them.
    ours: i64,
}

impl Count {
    fn in_all(self) -> i64 {
        (self.known + self.on_the_way + self.untold).max(self.ours)
    }

    fn one_more(&mut self) {
        self.untold += 1;
        self.ours += 1;
    }

    fn one_less(&mut self) {
        self.untold -= 1;
        // What is given back may have been counted in the minute before.
        self.ours = (self.ours - 1).max(0);
    }
}

impl<K> Minute<K> {
    /// A clock that is set back a little goes on with the minute it had begun: what was counted in it is not to be forgotten.
    fn turn_to(&mut self, number: i64) {
        if self.number != number && self.number != number + 1 {
            self.number = number;
            // Not only cleared: a flood's memory is given back.
            self.counts = HashMap::new();
            self.crowd = Vec::new();
        }
    }
}

fn number_of(now: Timestamp) -> i64 {
    now.seconds().div_euclid(60)
}

fn left_of(number: i64, now: Timestamp) -> Duration {
    let end = Timestamp::from_seconds((number + 1) * 60);
    end.since(now).min(MINUTE)
}

impl<K: Key> Counts<K> {
    pub(super) fn new(
        what: &'static str,
        limit: u32,
        clock: &Arc<dyn Clock>,
        shared: Option<&Arc<dyn SharedCounts>>,
    ) -> Self {
        let minute = Minute { number: 0, counts: HashMap::new(), crowd: Vec::new(), telling: false, alone: false };
        Self(Arc::new(Inside {
            what,
            limit,
            lot: i64::from((limit / 20).clamp(1, LARGEST_LOT)),
            clock: clock.clone(),
            shared: shared.cloned(),
            minute: Mutex::new(minute),
            crowd_of: RandomState::new(),
            full: Notify::new(),
            told: Notify::new(),
        }))
    }

    pub(super) fn limit(&self) -> u32 {
        self.0.limit
    }

    /// Counts one call; `Err` says how long to wait, and the call is not counted.
    pub(super) async fn take(&self, key: K) -> Result<(), Duration> {
        let inside = &self.0;
        let limit = i64::from(inside.limit);
        let (now, number) = {
            let (now, mut minute) = inside.turned();
            let number = minute.number;
            let (is_its_own, count) = inside.count_of(&mut minute, key);
            if count.in_all() >= limit {
                return Err(left_of(number, now));
            }
            count.one_more();
            let waiting = count.untold;
            if !is_its_own || inside.shared.is_none() {
                return Ok(());
            }
            if waiting >= inside.lot {
                inside.full.notify_one();
            }
            if !minute.telling {
                minute.telling = true;
                tokio::spawn(tell(inside.clone()));
            }
            (now, number)
        };
        inside.until_few_are_untold(key, number).await;
        let mut minute = inside.lock();
        let still = minute.number == number;
        match minute.counts.get_mut(&key) {
            // Others let in so many meanwhile.
            Some(count) if still && count.in_all() > limit => {
                count.one_less();
                Err(left_of(number, now))
            }
            _ => Ok(()),
        }
    }

    /// One call less: it should not have been counted here.
    pub(super) fn give_back(&self, key: K) {
        let (_, mut minute) = self.0.turned();
        let (_, count) = self.0.count_of(&mut minute, key);
        if count.in_all() > 0 {
            count.one_less();
        }
    }
}

impl<K: Key> Inside<K> {
    fn lock(&self) -> MutexGuard<'_, Minute<K>> {
        self.minute.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The minute that it is. Whoever looked at the clock before waiting for the lock might come with a minute that is over.
    fn turned(&self) -> (Timestamp, MutexGuard<'_, Minute<K>>) {
        let mut minute = self.lock();
        let now = self.clock.now();
        minute.turn_to(number_of(now));
        (now, minute)
    }

    /// The key's count, and whether it has it for itself.
    fn count_of<'a>(&self, minute: &'a mut Minute<K>, key: K) -> (bool, &'a mut Count) {
        if minute.counts.len() < MANY || minute.counts.contains_key(&key) {
            return (true, minute.counts.entry(key).or_default());
        }
        minute.crowd.resize(CROWD, Count::default());
        let place = usize::try_from(self.crowd_of.hash_one(key)).unwrap_or(usize::MAX) % CROWD;
        (false, &mut minute.crowd[place])
    }

    async fn until_few_are_untold(&self, key: K, number: i64) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let mut told = std::pin::pin!(self.told.notified());
            told.as_mut().enable();
            {
                let minute = self.lock();
                let count = minute.counts.get(&key).copied().unwrap_or_default();
                let few = count.on_the_way + count.untold <= 2 * self.lot;
                if few || minute.alone || minute.number != number {
                    return;
                }
            }
            if tokio::time::timeout_at(deadline, told).await.is_err() {
                self.lock().alone = true;
                return;
            }
        }
    }

    fn name(&self, key: K, number: i64) -> String {
        let digest = ring::digest::digest(&ring::digest::SHA256, format!("{}\n{key}", self.what).as_bytes());
        format!("calls:{}:{}:{number}", self.what, crate::accounts::base64url(digest.as_ref()))
    }

    /// All that is untold, which is on its way from now on. Nothing: whoever tells is done.
    fn lots(&self) -> Option<(i64, Vec<(K, Lot)>)> {
        let (_, mut minute) = self.turned();
        let number = minute.number;
        let lots: Vec<_> = minute
            .counts
            .iter_mut()
            .filter(|(_, count)| count.untold != 0)
            .map(|(key, count)| {
                let calls = std::mem::take(&mut count.untold);
                count.on_the_way = calls;
                (*key, Lot { name: self.name(*key, number), calls, lasts: SHARED_FOR })
            })
            .collect();
        minute.telling = !lots.is_empty();
        (!lots.is_empty()).then_some((number, lots))
    }

    /// `totals`: the answer to the first of these lots. Without one, it is not known whether they were added; the others were not told.
    fn settle(&self, number: i64, lots: &[(K, Lot)], asked: usize, totals: Option<&[i64]>) {
        let mut minute = self.lock();
        if minute.alone != totals.is_none() {
            tracing::debug!(
                what = self.what,
                alone = totals.is_none(),
                "calls are counted by this process alone, or no longer"
            );
        }
        minute.alone = totals.is_none();
        if minute.number == number {
            for (n, (key, _)) in lots.iter().enumerate() {
                let Some(count) = minute.counts.get_mut(key) else { continue };
                let calls = std::mem::take(&mut count.on_the_way);
                match totals.and_then(|totals| totals.get(n)) {
                    Some(total) => count.known = *total,
                    None if n < asked => {}
                    None => count.untold += calls,
                }
            }
        }
        drop(minute);
        self.told.notify_waiters();
    }
}

/// Tells the shared counts until there is nothing more to tell. Whatever is untold is told in one round, so that no key stands behind
/// others that are always busy. Without an answer it asks no more often than once a second.
async fn tell<K: Key>(inside: Arc<Inside<K>>) {
    let Some(shared) = inside.shared.clone() else { return };
    loop {
        let _ = tokio::time::timeout(TOLD_EVERY, inside.full.notified()).await;
        let Some((number, lots)) = inside.lots() else { return };
        let mut rest = lots.as_slice();
        while !rest.is_empty() {
            let (now, later) = rest.split_at(rest.len().min(LOTS_AT_ONCE));
            let asked: Vec<Lot> = now.iter().map(|(_, lot)| lot.clone()).collect();
            let totals = shared.add(&asked).await.filter(|totals| totals.len() == asked.len());
            if let Some(totals) = totals {
                let totals: Vec<i64> = totals.iter().map(|total| total.calls).collect();
                inside.settle(number, now, asked.len(), Some(&totals));
                rest = later;
            } else {
                inside.settle(number, rest, asked.len(), None);
                tokio::time::sleep(TOLD_EVERY).await;
                break;
            }
        }
    }
}

#[cfg(test)]
mod tests;
