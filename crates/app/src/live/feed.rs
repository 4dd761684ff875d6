//! What is new in one account, read once for all who follow it in this process.
//!
//! It remembers the latest events; who is further behind than that reads for themselves. Events and what everybody may see are read in
//! this order, so that nobody is told of something that happened after they lost the right to know.

use super::LiveEvent;
use super::passing::{Heard, Passed, Room, What};
use domain::UserId;
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;
use store::{AccountScope, Audience, StoreError, StoredEvent, Watcher};
use tokio::sync::{Notify, broadcast, watch};
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

/// Events that are remembered. Each is a few kilobytes.
const REMEMBERED: usize = 128;
/// And for so long, and until the next look at most: what is erased must be told by nobody, and links to files end.
const REMEMBERED_FOR: Duration = Duration::from_secs(60);
/// Events that are read together.
pub(super) const PAGE: u32 = 100;
/// Rights that ended are noticed after so long where nothing happens.
const LOOK_AT_RIGHTS_EVERY: Duration = Duration::from_secs(15);
/// A database that does not answer is asked again after so long.
const REST: Duration = Duration::from_secs(1);
/// What passes is kept for a stream that is busy, so much of it; more is lost.
const PASSING_KEPT: usize = 64;

#[derive(Debug)]
pub(super) struct Feed {
    pub scope: AccountScope,
    wanted: Arc<Notify>,
    state: Mutex<State>,
    /// Changes whenever the state does.
    changed: watch::Sender<()>,
    room: Mutex<Room>,
    passing: broadcast::Sender<Arc<Passed>>,
    /// It must be looked who is available.
    look_who_is_there: AtomicBool,
    reader: Mutex<Option<AbortOnDropHandle<()>>>,
}

#[derive(Debug, Default)]
struct State {
    /// With how many streams each has.
    watchers: HashMap<Watcher, usize>,
    /// The newest event that was read. `None`: none was looked for yet.
    head: Option<i64>,
    /// The latest ones up to the head, without a gap.
    latest: VecDeque<Arc<LiveEvent>>,
    audience: Arc<Audience>,
    /// Goes up when the account's events are not those they were: an older state of the database is in its place.
    lives: u32,
}

impl State {
    fn take_in(&mut self, now: Instant, before: Option<i64>, new: New, audience: Audience) {
        let follows = match new.events.first() {
            Some(first) => before.is_some_and(|head| head + 1 == first.seq),
            None => before == Some(new.head),
        };
        if !follows {
            self.latest.clear();
        }
        self.lives += u32::from(new.is_lost);
        self.head = Some(new.head);
        self.latest.extend(new.events.into_iter().map(|event| Arc::new(LiveEvent::new(event, now))));
        let too_many = self.latest.len().saturating_sub(REMEMBERED);
        self.latest.drain(..too_many);
        while self.latest.front().is_some_and(|oldest| now.duration_since(oldest.read_at) > REMEMBERED_FOR) {
            self.latest.pop_front();
        }
        self.audience = Arc::new(audience);
    }

    fn after(&self, seq: i64) -> Look {
        let found = match (self.head, self.latest.front()) {
            (Some(head), _) if head <= seq => Found::Nothing,
            (Some(_), Some(first)) if first.event.seq <= seq + 1 => {
                let skipped = usize::try_from(seq + 1 - first.event.seq).unwrap_or(usize::MAX);
                Found::Events(self.latest.iter().skip(skipped).cloned().collect())
            }
            (Some(_), _) => Found::Forgotten,
            (None, _) => Found::Nothing,
        };
        Look { found, audience: self.audience.clone(), lives: self.lives }
    }
}

/// What a feed has for somebody.
pub(super) enum Found {
    Nothing,
    /// In order, and not without anything before the first.
    Events(Vec<Arc<LiveEvent>>),
    /// There is more than it remembers.
    Forgotten,
}

/// What a feed knows at one moment, for whoever is at some place in the events.
pub(super) struct Look {
    pub found: Found,
    pub audience: Arc<Audience>,
    pub lives: u32,
}

impl Feed {
    pub fn start(scope: &AccountScope) -> Arc<Self> {
        let feed = Arc::new(Self {
            scope: scope.clone(),
            wanted: Arc::default(),
            state: Mutex::default(),
            changed: watch::Sender::new(()),
            room: Mutex::default(),
            passing: broadcast::Sender::new(PASSING_KEPT),
            look_who_is_there: AtomicBool::new(true),
            reader: Mutex::default(),
        });
        let reader = tokio::spawn(run(Arc::downgrade(&feed), feed.wanted.clone()));
        *feed.reader.lock().unwrap_or_else(PoisonError::into_inner) = Some(AbortOnDropHandle::new(reader));
        feed
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn join(&self, watcher: Watcher) {
        *self.state().watchers.entry(watcher).or_default() += 1;
        self.look();
    }

    /// Whether nobody is left.
    pub fn leave(&self, watcher: Watcher) -> bool {
        let mut state = self.state();
        if let Some(streams) = state.watchers.get_mut(&watcher) {
            *streams -= 1;
            if *streams == 0 {
                state.watchers.remove(&watcher);
            }
        }
        state.watchers.is_empty()
    }

    fn room(&self) -> MutexGuard<'_, Room> {
        self.room.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Who follows the account here.
    pub fn users(&self) -> Vec<UserId> {
        let users: BTreeSet<i64> = self.state().watchers.keys().map(|watcher| watcher.user.0).collect();
        users.into_iter().map(UserId).collect()
    }

    pub fn hear(&self, what: What) {
        // Told while the room is held, so that whoever comes meanwhile is told of it once, and not of something older later.
        let mut room = self.room();
        match room.hear(what, Instant::now()) {
            Heard::Nothing => {}
            Heard::Tell(passed) => self.pass(passed),
            Heard::LookWhoIsThere => self.want_to_know_who_is_there(),
        }
    }

    pub fn forget_old(&self) {
        let mut room = self.room();
        let (told, who_is_there) = room.forget_old(Instant::now());
        told.into_iter().for_each(|passed| self.pass(passed));
        if who_is_there {
            self.want_to_know_who_is_there();
        }
    }

    /// What passes from now on, and what somebody who comes now must know.
    pub fn come_in(&self) -> (broadcast::Receiver<Arc<Passed>>, Vec<Passed>) {
        let room = self.room();
        (self.passing.subscribe(), room.all())
    }

    fn pass(&self, passed: Passed) {
        // An error means that nobody listens.
        let _ = self.passing.send(Arc::new(passed));
    }

    fn want_to_know_who_is_there(&self) {
        self.look_who_is_there.store(true, Ordering::Relaxed);
        self.look();
    }

    async fn who_is_there(&self) -> Result<(), StoreError> {
        let agents = self.scope.agents().await?;
        let mut room = self.room();
        if let Some(passed) = room.look_who_is_there(&agents) {
            self.pass(passed);
        }
        Ok(())
    }

    pub fn look(&self) {
        self.wanted.notify_one();
    }

    pub fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// The newest event is another than the newest one that was read.
    pub fn is_elsewhere(&self, newest: i64) -> bool {
        self.state().head != Some(newest)
    }

    pub fn lives(&self) -> u32 {
        self.state().lives
    }

    pub fn after(&self, seq: i64) -> Look {
        self.state().after(seq)
    }

    /// Reads what is new, a page of it, and who may see what. Whether there may be more.
    async fn read(&self) -> Result<bool, StoreError> {
        let before = self.state().head;
        let new = match before {
            None => New { head: self.scope.newest_event().await?, events: Vec::new(), is_lost: false },
            Some(head) => self.new_after(head).await?,
        };
        let watchers: Vec<Watcher> = self.state().watchers.keys().copied().collect();
        let audience = self.scope.audience(&watchers).await?;
        let is_full = new.events.len() >= PAGE as usize;
        self.state().take_in(Instant::now(), before, new, audience);
        self.changed.send_replace(());
        if self.look_who_is_there.swap(false, Ordering::Relaxed) {
            self.who_is_there().await.inspect_err(|_| self.look_who_is_there.store(true, Ordering::Relaxed))?;
        }
        Ok(is_full)
    }

    async fn new_after(&self, head: i64) -> Result<New, StoreError> {
        let mut events = self.scope.events_after(head, PAGE).await?;
        let mut newest = head;
        if events.is_empty() {
            newest = self.scope.newest_event().await?;
            if newest > head {
                // It came between the two looks, or was pruned before anybody looked.
                events = self.scope.events_after(head, PAGE).await?;
            }
        }
        Ok(New { head: events.last().map_or(newest, |last| last.seq), events, is_lost: newest < head })
    }
}

/// What was read after the head.
struct New {
    head: i64,
    events: Vec<StoredEvent>,
    /// Counting has begun again further down.
    is_lost: bool,
}

/// For as long as anybody follows.
async fn run(feed: Weak<Feed>, wanted: Arc<Notify>) {
    loop {
        // What became of it says nothing: somebody wants it, or it is time.
        let _ = tokio::time::timeout(LOOK_AT_RIGHTS_EVERY, wanted.notified()).await;
        loop {
            let Some(feed) = feed.upgrade() else { return };
            match feed.read().await {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => {
                    tracing::debug!(%error, "an account's new events could not be read");
                    drop(feed);
                    tokio::time::sleep(REST).await;
                    wanted.notify_one();
                    break;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn new(numbers: std::ops::RangeInclusive<i64>) -> New {
        let head = *numbers.end();
        let event = |seq| StoredEvent {
            seq,
            kind: "message_created".to_owned(),
            inbox: None,
            user: None,
            payload: String::new(),
        };
        New { head, events: numbers.map(event).collect(), is_lost: false }
    }

    #[test]
    fn what_happened_a_minute_ago_is_read_anew_for_whoever_asks_because_it_may_have_been_erased() {
        let (mut state, begin) = (State::default(), Instant::now());
        state.take_in(begin, None, new(1..=2), Audience::default());
        let middle = begin + REMEMBERED_FOR / 2;
        state.take_in(middle, Some(2), new(3..=3), Audience::default());
        let Found::Events(events) = state.after(1).found else { panic!("it is remembered") };
        assert_eq!(events.iter().map(|event| event.event.seq).collect::<Vec<_>>(), [2, 3]);
        let late = begin + REMEMBERED_FOR + Duration::from_secs(1);
        // Nothing new, as at each look at rights.
        state.take_in(late, Some(3), New { head: 3, events: Vec::new(), is_lost: false }, Audience::default());
        assert!(matches!(state.after(1).found, Found::Forgotten));
        assert!(matches!(state.after(2).found, Found::Events(_)));
        assert!(matches!(state.after(3).found, Found::Nothing));
    }
}
