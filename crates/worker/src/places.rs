//! The places of one worker process: so many in each lane, and of one account never all of them.
//!
//! Jobs that take long, because a server is slow or a mailbox is huge, hold their place all that time. Places of a lane are taken by no other
//! lane, so imports that fill theirs keep no reply waiting; and some places of each lane are out of one account's reach, so an account
//! whose every job hangs keeps no other account waiting. It decides nothing about order: that is the relay's and the pump's.

use app::owed::{Lane, Rooms};
use domain::AccountId;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

#[derive(Debug)]
pub(crate) struct Places {
    lanes: [Arc<LanePlaces>; 3],
    /// A job was taken from the queue, or one ended: the relay looks whether that makes room.
    moved: Arc<Notify>,
}

#[derive(Debug)]
pub(crate) struct LanePlaces {
    pub lane: Lane,
    free: Arc<Semaphore>,
    /// Places that one account may hold.
    per_account: u32,
    accounts: Mutex<Accounts>,
    ended: Notify,
    moved: Arc<Notify>,
}

#[derive(Debug, Default)]
struct Accounts {
    each: HashMap<AccountId, Account>,
    /// Jobs taken from the queue since the relay last looked.
    taken: u32,
}

#[derive(Clone, Copy, Debug, Default)]
struct Account {
    running: u32,
    /// Jobs that wait in this process because the account has as many places as it may.
    aside: u32,
    /// It was waited for in vain since the last of its jobs ended.
    slow: bool,
}

/// One place, given back when it is dropped, however the job ended.
#[derive(Debug)]
pub(crate) struct Place {
    lane: Arc<LanePlaces>,
    account: Option<AccountId>,
    _permit: OwnedSemaphorePermit,
}

/// A quarter of a lane's places, and one at least, is out of one account's reach; a lane with a single place has nothing to keep back.
fn per_account(places: u32) -> u32 {
    places.saturating_sub((places / 4).max(1)).max(1)
}

impl Places {
    pub(crate) fn new(places: Rooms) -> Arc<Self> {
        let moved = Arc::new(Notify::new());
        let lane = |lane| {
            let places = places.of(lane);
            Arc::new(LanePlaces {
                lane,
                free: Arc::new(Semaphore::new(usize::try_from(places).unwrap_or(Semaphore::MAX_PERMITS))),
                per_account: per_account(places),
                accounts: Mutex::default(),
                ended: Notify::new(),
                moved: moved.clone(),
            })
        };
        let lanes = Lane::ALL.map(lane);
        Arc::new(Self { lanes, moved })
    }

    pub(crate) fn lanes(&self) -> &[Arc<LanePlaces>; 3] {
        &self.lanes
    }

    /// Accounts that have jobs set aside here: more of them would only wait here too, and not where another process finds them.
    pub(crate) fn full(&self) -> Vec<(Lane, AccountId)> {
        let mut full = Vec::new();
        for lane in &self.lanes {
            let accounts = lane.accounts();
            let aside = accounts.each.iter().filter(|(_, account)| account.aside > 0);
            full.extend(aside.map(|(id, _)| (lane.lane, *id)));
        }
        full.sort_unstable();
        full
    }

    /// How many jobs this process took from each lane since [`Places::count_anew`].
    pub(crate) fn taken(&self) -> Rooms {
        let mut taken = Rooms::default();
        for lane in &self.lanes {
            *taken.of_mut(lane.lane) = lane.accounts().taken;
        }
        taken
    }

    pub(crate) fn count_anew(&self) {
        for lane in &self.lanes {
            lane.accounts().taken = 0;
        }
    }

    /// Waits until a job was taken or ended here; at once when that happened since the last wait.
    pub(crate) async fn moved(&self) {
        self.moved.notified().await;
    }
}

impl LanePlaces {
    /// No code panics while it holds this, so a poisoned lock holds a good state.
    fn accounts(&self) -> MutexGuard<'_, Accounts> {
        self.accounts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place that is free, whoever it will be for.
    pub(crate) async fn free(&self) -> OwnedSemaphorePermit {
        self.free.clone().acquire_owned().await.expect("nobody closes it")
    }

    /// Whether the account has fewer places than it may. What names no account is refused when it is run, which takes no time.
    pub(crate) fn may_begin(&self, account: Option<AccountId>) -> bool {
        account.is_none_or(|id| self.accounts().each.get(&id).is_none_or(|known| known.running < self.per_account))
    }

    pub(crate) fn is_slow(&self, account: Option<AccountId>) -> bool {
        account.is_some_and(|id| self.accounts().each.get(&id).is_some_and(|known| known.slow))
    }

    pub(crate) fn begin(self: &Arc<Self>, account: Option<AccountId>, permit: OwnedSemaphorePermit) -> Place {
        self.change(account, |known| known.running += 1);
        Place { lane: Arc::clone(self), account, _permit: permit }
    }

    pub(crate) fn took(&self) {
        self.accounts().taken += 1;
        self.moved.notify_one();
    }

    pub(crate) fn set_aside(&self, account: Option<AccountId>) {
        self.change(account, |known| {
            known.aside += 1;
            known.slow = true;
        });
        self.moved.notify_one();
    }

    pub(crate) fn taken_up(&self, account: Option<AccountId>) {
        self.change(account, |known| known.aside = known.aside.saturating_sub(1));
        self.moved.notify_one();
    }

    /// Waits until a job of this lane has ended; at once when one has since the last wait. For one waiter.
    pub(crate) async fn ended(&self) {
        self.ended.notified().await;
    }

    fn change(&self, account: Option<AccountId>, change: impl FnOnce(&mut Account)) {
        let Some(id) = account else { return };
        let mut accounts = self.accounts();
        let known = accounts.each.entry(id).or_default();
        change(known);
        if known.running == 0 && known.aside == 0 {
            accounts.each.remove(&id);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.lane.change(self.account, |known| {
            known.running = known.running.saturating_sub(1);
            known.slow = false;
        });
        self.lane.ended.notify_one();
        self.lane.moved.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_account_never_has_all_places_of_a_lane_with_more_than_one() {
        let each: Vec<u32> = [1, 2, 3, 4, 8, 100].map(per_account).to_vec();
        assert_eq!(each, [1, 1, 2, 3, 6, 75]);
    }

    #[tokio::test]
    async fn a_place_is_the_accounts_until_it_is_dropped_and_another_lane_knows_nothing_of_it() {
        let places = Places::new(Rooms::of_each(2));
        let [people, _, bulk] = places.lanes();
        let (ada, bob) = (Some(AccountId(1)), Some(AccountId(2)));
        let place = people.begin(ada, people.free().await);
        assert!(!people.may_begin(ada) && people.may_begin(bob) && bulk.may_begin(ada) && people.may_begin(None));
        people.set_aside(ada);
        assert_eq!(places.full(), [(Lane::People, AccountId(1))]);
        assert!(people.is_slow(ada));
        drop(place);
        people.ended().await;
        assert!(people.may_begin(ada) && !people.is_slow(ada));
        people.taken_up(ada);
        assert!(places.full().is_empty() && people.accounts().each.is_empty(), "nothing is remembered of who is gone");
    }
}
