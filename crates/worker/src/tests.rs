//! The relay, the queue and the runner together, over memory and over a real Redis, with a table of rows as the truth.
//!
//! Redis is started here, on a free port in a temporary folder, when POSTROOM_TEST_REDIS says that this machine has one.

use crate::queue::{JOBS_KEY, MemoryQueue, Payload, Queue, RedisQueue};
use crate::relay;
use crate::runner::{self, Handler, RunnerConfig};
use crate::wake::Hints;
use app::{Hint, Wake};
use domain::ChannelId;
use futures_util::FutureExt;
use std::collections::BTreeMap;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

const LONG: Duration = Duration::from_secs(60);
const CAPACITY: usize = 16;
const CONCURRENCY: usize = 2;

/// The rows of owed work, as the database would hold them.
#[derive(Default)]
struct Rows {
    rows: Mutex<BTreeMap<usize, Row>>,
    changed: Notify,
    most_outstanding: AtomicUsize,
}

#[derive(Default)]
struct Row {
    handed_until: Option<Instant>,
    handed: bool,
    runs: usize,
}

impl Rows {
    fn owe(&self, ids: std::ops::Range<usize>) {
        self.rows.lock().unwrap().extend(ids.map(|id| (id, Row::default())));
    }

    fn hand_over(&self, window: usize, hold: Duration) -> Vec<Payload> {
        let mut rows = self.rows.lock().unwrap();
        let now = Instant::now();
        let due = rows.iter_mut().filter(|(_, row)| row.runs == 0 && row.handed_until.is_none_or(|until| until < now));
        let jobs: Vec<Payload> = due
            .take(window)
            .map(|(id, row)| {
                row.handed_until = Some(now + hold);
                row.handed = true;
                Payload(id.to_string())
            })
            .collect();
        let outstanding = rows.values().filter(|row| row.handed && row.runs == 0).count();
        self.most_outstanding.fetch_max(outstanding, Ordering::SeqCst);
        jobs
    }

    fn finish(&self, id: usize) {
        self.rows.lock().unwrap().get_mut(&id).expect("a row of ours").runs += 1;
        self.changed.notify_waiters();
    }

    fn done(&self) -> usize {
        self.rows.lock().unwrap().values().filter(|row| row.runs > 0).count()
    }

    async fn wait_until_done(&self, count: usize) {
        let waiting = async {
            loop {
                let changed = self.changed.notified();
                if self.done() >= count {
                    return;
                }
                changed.await;
            }
        };
        tokio::time::timeout(LONG, waiting).await.unwrap_or_else(|_| panic!("{} of {count} done", self.done()));
    }
}

struct Running {
    stop: CancellationToken,
    relay: JoinHandle<()>,
    runner: JoinHandle<()>,
}

impl Running {
    async fn stop(self) {
        self.stop.cancel();
        tokio::time::timeout(LONG, self.relay).await.expect("in time").expect("the relay ends well");
        tokio::time::timeout(LONG, self.runner).await.expect("in time").expect("the runner ends well");
    }
}

fn start(queue: Arc<dyn Queue>, rows: &Arc<Rows>, hold: Duration, hints: &Hints, handler: Handler) -> Running {
    let stop = CancellationToken::new();
    let rows = rows.clone();
    let due: relay::Due = Arc::new(move |window| {
        let jobs = rows.hand_over(window as usize, hold);
        async move { Ok(jobs) }.boxed()
    });
    let relay = tokio::spawn(relay::run(due, queue.clone(), hints.clone(), stop.clone()));
    let config = RunnerConfig { name: "test".to_owned(), concurrency: CONCURRENCY, timeout: LONG };
    let runner = tokio::spawn(runner::run(queue, config, handler, stop.clone()));
    Running { stop, relay, runner }
}

/// Finishes the row a job names; a job that names none panics, as a bug would.
fn finishing(rows: &Arc<Rows>) -> Handler {
    let rows = rows.clone();
    Arc::new(move |job: Payload| {
        let rows = rows.clone();
        async move {
            tokio::task::yield_now().await;
            rows.finish(job.0.parse().expect("a job that can be read"));
        }
        .boxed()
    })
}

struct Redis {
    server: Option<Child>,
    port: u16,
    dir: tempfile::TempDir,
}

impl Redis {
    /// `None` where there is no Redis to test with; `./scripts/test` always has one.
    fn start() -> Option<Self> {
        if std::env::var_os("POSTROOM_TEST_REDIS").is_none() {
            eprintln!("not tested over Redis: POSTROOM_TEST_REDIS is not set");
            return None;
        }
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut redis = Self { server: None, port, dir: tempfile::tempdir().unwrap() };
        redis.start_again();
        Some(redis)
    }

    fn start_again(&mut self) {
        let server = Command::new("redis-server")
            .args([
                "--bind",
                "127.0.0.1",
                "--save",
                "",
                "--appendonly",
                "no",
                "--port",
                &self.port.to_string(),
                "--dir",
            ])
            .arg(self.dir.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("redis-server is installed");
        self.server = Some(server);
    }

    fn stop(&mut self) {
        if let Some(mut server) = self.server.take() {
            server.kill().unwrap();
            server.wait().unwrap();
        }
    }

    fn url(&self) -> String {
        format!("redis://127.0.0.1:{}/", self.port)
    }

    fn queue(&self) -> Arc<dyn Queue> {
        Arc::new(RedisQueue::new(&self.url(), CAPACITY).unwrap())
    }

    /// Runs a command, waiting for a server that is just starting.
    async fn ask(&self, command: &redis::Cmd) -> redis::Value {
        let start = Instant::now();
        loop {
            let client = redis::Client::open(self.url()).unwrap();
            let asked = async { command.query_async(&mut client.get_multiplexed_async_connection().await?).await };
            match asked.await {
                Ok(answer) => return answer,
                Err::<_, redis::RedisError>(error) => assert!(start.elapsed() < LONG, "{error}"),
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.stop();
    }
}

async fn every_row_runs_once_with_bounded_memory(queue: Arc<dyn Queue>) {
    let rows = Arc::new(Rows::default());
    rows.owe(0..600);
    let running = start(queue, &rows, LONG, &Hints::in_process(), finishing(&rows));
    rows.wait_until_done(600).await;
    running.stop().await;
    assert!(rows.rows.lock().unwrap().values().all(|row| row.runs == 1));
    // What waits, what runs, the one the pump holds, and the one between the queue and the pump.
    let most = rows.most_outstanding.load(Ordering::SeqCst);
    assert!(most <= CAPACITY + CONCURRENCY + 2, "{most} rows were handed over and not done at one time");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_row_runs_once_and_only_so_many_wait_in_memory() {
    every_row_runs_once_with_bounded_memory(Arc::new(MemoryQueue::new(CAPACITY))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_row_runs_once_and_only_so_many_wait_in_redis() {
    let Some(redis) = Redis::start() else { return };
    every_row_runs_once_with_bounded_memory(redis.queue()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_becomes_owed_is_run_at_once_when_it_is_said_and_soon_when_it_is_not() {
    let rows = Arc::new(Rows::default());
    let hints = Hints::in_process();
    let running = start(Arc::new(MemoryQueue::new(CAPACITY)), &rows, LONG, &hints, finishing(&rows));
    for id in 0..50 {
        rows.owe(id..id + 1);
        hints.wake(Hint::Owed);
        rows.wait_until_done(id + 1).await;
    }
    rows.owe(50..51);
    rows.wait_until_done(51).await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flushed_redis_loses_no_work() {
    let Some(redis) = Redis::start() else { return };
    let rows = Arc::new(Rows::default());
    rows.owe(0..300);
    let running = start(redis.queue(), &rows, Duration::from_millis(300), &Hints::in_process(), finishing(&rows));
    for done in [20, 80, 150] {
        rows.wait_until_done(done).await;
        redis.ask(&redis::cmd("FLUSHALL")).await;
    }
    rows.wait_until_done(300).await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_survives_a_redis_that_is_not_there_yet_and_one_that_is_started_again() {
    let Some(mut redis) = Redis::start() else { return };
    redis.stop();
    let rows = Arc::new(Rows::default());
    rows.owe(0..100);
    let running = start(redis.queue(), &rows, Duration::from_millis(300), &Hints::in_process(), finishing(&rows));
    redis.start_again();
    rows.wait_until_done(50).await;
    redis.stop();
    rows.owe(100..200);
    redis.start_again();
    rows.wait_until_done(200).await;
    assert!(!running.runner.is_finished() && !running.relay.is_finished());
    running.stop().await;
}

async fn a_job_that_cannot_be_read_or_panics_stops_nobody(queue: Arc<dyn Queue>) {
    let rows = Arc::new(Rows::default());
    let running = start(queue.clone(), &rows, LONG, &Hints::in_process(), finishing(&rows));
    queue.push(["", "{\"half\":", "nonsense"].map(|text| Payload(text.to_owned())).to_vec()).await.unwrap();
    rows.owe(0..40);
    rows.wait_until_done(40).await;
    assert!(!running.runner.is_finished());
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_panics_stops_nobody_in_memory() {
    a_job_that_cannot_be_read_or_panics_stops_nobody(Arc::new(MemoryQueue::new(CAPACITY))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_panics_or_is_no_text_stops_nobody_over_redis() {
    let Some(redis) = Redis::start() else { return };
    redis.ask(redis::cmd("RPUSH").arg(JOBS_KEY).arg(&b"\xff\xfe\x00"[..])).await;
    a_job_that_cannot_be_read_or_panics_stops_nobody(redis.queue()).await;
}

async fn a_stop_waits_for_what_runs_and_puts_the_rest_back(queue: Arc<dyn Queue>) {
    let rows = Arc::new(Rows::default());
    rows.owe(0..10);
    let (begun, may_end) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
    let handler: Handler = {
        let (rows, begun, may_end) = (rows.clone(), begun.clone(), may_end.clone());
        Arc::new(move |job: Payload| {
            let (rows, begun, may_end) = (rows.clone(), begun.clone(), may_end.clone());
            async move {
                begun.add_permits(1);
                may_end.acquire().await.unwrap().forget();
                rows.finish(job.0.parse().unwrap());
            }
            .boxed()
        })
    };
    let running = start(queue.clone(), &rows, LONG, &Hints::in_process(), handler);
    begun.acquire_many(u32::try_from(CONCURRENCY).unwrap()).await.unwrap().forget();
    running.stop.cancel();
    tokio::time::timeout(LONG, running.relay).await.expect("the relay waits for no job").unwrap();
    assert_eq!(rows.done(), 0);
    assert!(!running.runner.is_finished(), "jobs still run");
    may_end.add_permits(CONCURRENCY);
    tokio::time::timeout(LONG, running.runner).await.expect("in time").unwrap();
    assert_eq!(rows.done(), CONCURRENCY, "what ran came to its end, and nothing else was begun");
    assert_eq!(queue.room().await.unwrap(), CAPACITY - (10 - CONCURRENCY), "what was not begun is back in the queue");
    assert_eq!(queue.take().await.unwrap(), Some(Payload("2".to_owned())), "in front");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_waits_for_what_runs_and_puts_the_rest_back_in_memory() {
    a_stop_waits_for_what_runs_and_puts_the_rest_back(Arc::new(MemoryQueue::new(CAPACITY))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_waits_for_what_runs_and_puts_the_rest_back_into_redis() {
    let Some(redis) = Redis::start() else { return };
    redis.ask(&redis::cmd("PING")).await;
    a_stop_waits_for_what_runs_and_puts_the_rest_back(redis.queue()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_outlasts_its_time_is_ended_and_gives_its_place_free() {
    let rows = Arc::new(Rows::default());
    rows.owe(0..1);
    let queue = Arc::new(MemoryQueue::new(CAPACITY));
    let ended = Arc::new(Semaphore::new(0));
    let handler: Handler = {
        let ended = ended.clone();
        Arc::new(move |_| {
            let ended = ended.clone();
            async move {
                let _says_when_it_is_dropped = scopeguard(move || ended.add_permits(1));
                std::future::pending::<()>().await;
            }
            .boxed()
        })
    };
    queue.push(vec![Payload::default(), Payload::default()]).await.unwrap();
    let stop = CancellationToken::new();
    let config = RunnerConfig { name: "test".to_owned(), concurrency: 1, timeout: Duration::from_millis(50) };
    let runner = tokio::spawn(runner::run(queue, config, handler, stop.clone()));
    tokio::time::timeout(LONG, ended.acquire_many(2))
        .await
        .expect("both were ended, one after the other")
        .unwrap()
        .forget();
    stop.cancel();
    tokio::time::timeout(LONG, runner).await.expect("in time").unwrap();
}

struct OnDrop<F: FnMut()>(F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

fn scopeguard<F: FnMut()>(then: F) -> OnDrop<F> {
    OnDrop(then)
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_hear_each_others_hints_over_redis_and_not_their_own_twice() {
    let Some(mut redis) = Redis::start() else { return };
    let (one, other) =
        (Hints::over_redis(&redis.url(), "one").unwrap(), Hints::over_redis(&redis.url(), "other").unwrap());
    let (mut own, mut heard) = (one.subscribe(), other.subscribe());
    for round in 0..2i64 {
        // Said again until the other listens: a hint is lost while it does not.
        let said = Hint::Channel(ChannelId(round));
        let start = Instant::now();
        let mut times = 0;
        loop {
            one.wake(said);
            times += 1;
            match tokio::time::timeout(Duration::from_millis(50), heard.recv()).await {
                Ok(Ok(hint)) if hint == said => break,
                _ => assert!(start.elapsed() < LONG, "never heard"),
            }
        }
        // A last word of the other comes back over Redis after all of ours, so ours would have come before it.
        let last = Hint::Channel(ChannelId(100 + round));
        let mut own_heard = 0;
        loop {
            other.wake(last);
            let mut end = false;
            while let Ok(Ok(hint)) = tokio::time::timeout(Duration::from_millis(50), own.recv()).await {
                own_heard += usize::from(hint == said);
                end |= hint == last;
            }
            if end {
                break;
            }
            assert!(start.elapsed() < LONG, "never heard");
        }
        assert_eq!(own_heard, times);
        redis.stop();
        redis.start_again();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn attempts_to_sign_in_are_counted_for_all_processes_and_without_redis_for_each() {
    use app::accounts::{LOGIN_ATTEMPTS, LOGIN_WINDOW, LoginThrottle};
    let Some(mut redis) = Redis::start() else { return };
    redis.ask(&redis::cmd("PING")).await;
    let now = domain::Timestamp::from_seconds(1_760_000_000);
    let throttles =
        [crate::RedisThrottle::new(&redis.url()).unwrap(), crate::RedisThrottle::new(&redis.url()).unwrap()];
    for attempt in 0..LOGIN_ATTEMPTS as usize {
        assert_eq!(throttles[attempt % 2].attempt("ada", now).await, Ok(()));
    }
    for throttle in &throttles {
        let wait = throttle.attempt("ada", now).await.expect_err("too often, whichever process is asked");
        assert!(!wait.is_zero() && wait <= LOGIN_WINDOW, "{wait:?}");
        assert_eq!(throttle.attempt("bob", now).await, Ok(()));
    }
    throttles[0].forget("ada").await;
    assert_eq!(throttles[1].attempt("ada", now).await, Ok(()));
    redis.stop();
    for _ in 0..LOGIN_ATTEMPTS {
        assert_eq!(throttles[0].attempt("eve", now).await, Ok(()));
    }
    assert!(throttles[0].attempt("eve", now).await.is_err());
}
