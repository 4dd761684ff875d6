//! Who waits for whom in one process: no reply for imports, nobody for another account whose jobs hang, and the relay for nothing in vain.

use super::{CAPACITY, LONG, config, queue, start_with};
use crate::places::Places;
use crate::queue::{Lane, MemoryQueue, Payload, Queue, QueueError, Rooms};
use crate::relay::{Relay, Source};
use crate::runner::{self, Handler};
use crate::wake::Hints;
use app::job::JobEnvelope;
use app::{Hint, Wake};
use async_trait::async_trait;
use domain::{AccountId, OwedId};
use futures_util::FutureExt;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use testkit::redis::Redis;
use tokio::sync::{Notify, Semaphore, watch};
use tokio_util::sync::CancellationToken;

fn job(account: i64, id: i64) -> Payload {
    let (account_id, owed_id) = (AccountId(account), OwedId(id));
    Payload(JobEnvelope { name: "deliver_message".to_owned(), account_id, owed_id }.encode())
}

/// Rows that are due, each handed over once.
#[derive(Default)]
struct Due(Mutex<VecDeque<(Lane, Payload)>>);

impl Due {
    fn owe(&self, jobs: impl IntoIterator<Item = (Lane, Payload)>) {
        self.0.lock().unwrap().extend(jobs);
    }
}

#[async_trait]
impl Source for Due {
    async fn due(&self, mut rooms: Rooms, full: &[(Lane, AccountId)]) -> Result<Vec<(Lane, Payload)>, String> {
        let mut due = self.0.lock().unwrap();
        let (mut taken, mut left) = (Vec::new(), VecDeque::new());
        for (lane, job) in due.drain(..) {
            let room = rooms.of_mut(lane);
            let account = crate::account_of(&job).expect("a job of ours");
            if *room > 0 && !full.contains(&(lane, account)) {
                *room -= 1;
                taken.push((lane, job));
            } else {
                left.push_back((lane, job));
            }
        }
        *due = left;
        Ok(taken)
    }

    async fn next_due_in(&self, most: Duration) -> Result<Duration, String> {
        Ok(if self.0.lock().unwrap().is_empty() { most } else { Duration::ZERO })
    }
}

/// Jobs of some accounts hang until they may end; those of others end at once. Says which began, in order.
struct Hanging {
    hangs: fn(AccountId) -> bool,
    may_end: Semaphore,
    begun: Mutex<Vec<i64>>,
    changed: Notify,
}

impl Hanging {
    fn new(hangs: fn(AccountId) -> bool) -> Arc<Self> {
        Arc::new(Self { hangs, may_end: Semaphore::new(0), begun: Mutex::default(), changed: Notify::new() })
    }

    fn handler(self: &Arc<Self>) -> Handler {
        let this = Arc::clone(self);
        Arc::new(move |payload| {
            let this = Arc::clone(&this);
            async move {
                let job = JobEnvelope::decode(payload.0.as_bytes()).expect("a job of ours");
                this.begun.lock().unwrap().push(job.owed_id.0);
                this.changed.notify_waiters();
                if (this.hangs)(job.account_id) {
                    this.may_end.acquire().await.expect("open").forget();
                }
            }
            .boxed()
        })
    }

    fn begun(&self) -> Vec<i64> {
        let mut begun = self.begun.lock().unwrap().clone();
        begun.sort_unstable();
        begun
    }

    async fn until(&self, what: &str, holds: impl Fn(&[i64]) -> bool) {
        let waiting = async {
            loop {
                let changed = self.changed.notified();
                if holds(&self.begun()) {
                    return;
                }
                changed.await;
            }
        };
        tokio::time::timeout(LONG, waiting).await.unwrap_or_else(|_| panic!("{what}: {:?} began", self.begun()));
    }
}

const PLACES: Rooms = Rooms { people: 4, mail: 1, bulk: 2 };

async fn imports_in_all_their_places_keep_no_reply_waiting(queue: Arc<dyn Queue>) {
    let (due, jobs, hints) = (Arc::new(Due::default()), Hanging::new(|account| account.0 < 100), Hints::in_process());
    // Many more than there is room for, of many accounts.
    due.owe((0..200).map(|n| (Lane::Bulk, job(n % 50, n))));
    let running = start_with(due.clone(), queue.clone(), PLACES, &hints, jobs.handler(), CancellationToken::new());
    jobs.until("as many imports as have places", |begun| begun.len() == PLACES.bulk as usize).await;
    for n in 1_000..1_020 {
        due.owe([(Lane::People, job(n, n))]);
        hints.wake(Hint::Owed);
        jobs.until("a reply", |begun| begun.contains(&n)).await;
    }
    assert_eq!(jobs.begun().len(), PLACES.bulk as usize + 20, "no import beyond its places");
    let room = queue.room().await.unwrap();
    assert!(room.bulk < CAPACITY / 4 && room.people == CAPACITY, "the lane of bulk is full: {room:?}");
    jobs.may_end.add_permits(200);
    jobs.until("all imports", |begun| begun.len() == 220).await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn imports_in_all_their_places_keep_no_reply_waiting_in_memory() {
    imports_in_all_their_places_keep_no_reply_waiting(Arc::new(MemoryQueue::new(CAPACITY))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn imports_in_all_their_places_keep_no_reply_waiting_over_redis() {
    let redis = Redis::start().unwrap();
    imports_in_all_their_places_keep_no_reply_waiting(queue(&redis)).await;
}

async fn an_account_whose_jobs_hang_leaves_places_to_others(queue: Arc<dyn Queue>) {
    let (due, jobs, hints) = (Arc::new(Due::default()), Hanging::new(|account| account.0 == 1), Hints::in_process());
    due.owe((0..100).map(|n| (Lane::People, job(1, n))));
    let running = start_with(due.clone(), queue.clone(), PLACES, &hints, jobs.handler(), CancellationToken::new());
    jobs.until("the account has as many places as it may", |begun| begun.len() == 3).await;
    for n in 1_000..1_020 {
        due.owe([(Lane::People, job(2, n))]);
        hints.wake(Hint::Owed);
        jobs.until("another account's", |begun| begun.contains(&n)).await;
    }
    assert_eq!(jobs.begun().iter().filter(|id| **id < 100).count(), 3);
    jobs.may_end.add_permits(50);
    jobs.until("its own follow as places come free", |begun| begun.len() == 20 + 53).await;
    running.stop.cancel();
    tokio::time::timeout(LONG, running.relay).await.expect("in time").unwrap();
    // A busy machine may begin some more before its pumps have heard of the stop: one by one they may end, however many there are.
    let letting_end = async {
        loop {
            jobs.may_end.add_permits(1);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::select! {
        ended = tokio::time::timeout(LONG, running.runner) => ended.expect("in time").unwrap(),
        () = letting_end => {}
    }
    // Counted one by one: what was put back may stand beyond the capacity, of which room says nothing.
    let mut waiting = 0;
    while queue.take(Lane::People, Duration::ZERO).await.unwrap().is_some() {
        waiting += 1;
    }
    let left = due.0.lock().unwrap().len();
    let begun = jobs.begun().len() - 20;
    assert_eq!(begun + left + waiting, 100, "what was set aside went back: {begun} {left} {waiting}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_whose_jobs_hang_leaves_places_to_others_in_memory() {
    an_account_whose_jobs_hang_leaves_places_to_others(Arc::new(MemoryQueue::new(CAPACITY))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_whose_jobs_hang_leaves_places_to_others_over_redis() {
    let redis = Redis::start().unwrap();
    an_account_whose_jobs_hang_leaves_places_to_others(queue(&redis)).await;
}

/// Counts what it is asked.
#[derive(Debug)]
struct Counted {
    queue: MemoryQueue,
    asked: watch::Sender<usize>,
}

#[async_trait]
impl Queue for Counted {
    fn capacity(&self) -> u32 {
        self.queue.capacity()
    }

    async fn room(&self) -> Result<Rooms, QueueError> {
        self.asked.send_modify(|asked| *asked += 1);
        self.queue.room().await
    }

    async fn push(&self, jobs: Vec<(Lane, Payload)>) -> Result<(), QueueError> {
        self.queue.push(jobs).await
    }

    async fn take(&self, lane: Lane, patience: Duration) -> Result<Option<Payload>, QueueError> {
        self.asked.send_modify(|asked| *asked += 1);
        self.queue.take(lane, patience).await
    }

    async fn put_back(&self, lane: Lane, jobs: Vec<Payload>) -> Result<(), QueueError> {
        self.queue.put_back(lane, jobs).await
    }

    async fn interrupt(&self) -> Result<(), QueueError> {
        self.queue.interrupt().await
    }
}

/// A worker whose jobs all hang asks its queue so often in no less than so many seconds. A slow machine takes longer.
async fn asks_take(asks: usize, seconds: u64, jobs: impl IntoIterator<Item = (Lane, Payload)>) {
    let (due, hanging) = (Arc::new(Due::default()), Hanging::new(|_| true));
    due.owe(jobs);
    let queue = Arc::new(Counted { queue: MemoryQueue::new(CAPACITY), asked: watch::Sender::new(0) });
    let mut asked = queue.asked.subscribe();
    let (places, stop) = (Places::new(PLACES), CancellationToken::new());
    let relay = Relay {
        source: due,
        queue: queue.clone(),
        places: places.clone(),
        hints: Hints::in_process(),
        poll: crate::relay::NET,
    };
    let begun = Instant::now();
    let relay = tokio::spawn(relay.run(stop.clone()));
    let config = config(PLACES, Duration::from_secs(3600));
    let runner = tokio::spawn(runner::run(queue, places, config, hanging.handler(), stop.clone()));
    let enough = asked.wait_for(|asked| *asked >= asks);
    tokio::time::timeout(LONG, enough).await.expect("it asks again and again").expect("the queue is there");
    let took = begun.elapsed();
    stop.cancel();
    hanging.may_end.add_permits(1_000);
    relay.await.unwrap();
    runner.await.unwrap();
    assert!(took >= Duration::from_secs(seconds), "{asks} times in {took:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_worker_asks_its_queue_less_than_twice_a_second() {
    asks_take(10, 3, []).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_whose_places_and_queue_are_full_asks_ever_more_rarely() {
    asks_take(25, 3, (0..500).map(|n| (Lane::Bulk, job(n, n)))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_set_aside_for_an_account_that_has_its_places_cost_four_looks_a_second() {
    asks_take(45, 3, (0..500).map(|n| (Lane::People, job(1, n)))).await;
}
