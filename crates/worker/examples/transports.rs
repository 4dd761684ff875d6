//! Compares the two transports that Redis offers for jobs: lists (`RPUSH`, `BLPOP`) and streams with a consumer group (`XADD`, `XREADGROUP`,
//! `XACK` and `XDEL`, `XAUTOCLAIM`), on a Redis of its own. What came of it is docs/decisions/0006-queue-lists-and-lanes.md.
//!
//! `cargo run -p worker --example transports` (or `just transports`) prints one row for each. It is no part of the product.

#![expect(clippy::print_stdout, reason = "it is there to print")]

use anyhow::{Context, Result};
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, Value};
use std::collections::HashMap;
use std::time::{Duration, Instant};
use testkit::redis::Redis;

const KEY: &str = "jobs";
const GROUP: &str = "workers";
const JOBS: usize = 20_000;
const WINDOW: usize = 64;
const SAMPLES: usize = 3_000;
const BLOCK: Duration = Duration::from_millis(500);
/// After this long, what was taken and not acknowledged is another consumer's.
const IDLE: Duration = Duration::from_secs(1);

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    List,
    Stream,
}

struct Transport {
    kind: Kind,
    consumer: String,
    client: Client,
    asking: MultiplexedConnection,
    /// A command that blocks holds its connection.
    taking: MultiplexedConnection,
    /// Errors that somebody must handle.
    errors: usize,
}

/// A job: its id in the stream, and its text.
type Taken = (String, String);

async fn connection(client: &Client) -> Result<MultiplexedConnection> {
    let config = AsyncConnectionConfig::new().set_response_timeout(None);
    Ok(client.get_multiplexed_async_connection_with_config(&config).await?)
}

impl Transport {
    async fn new(kind: Kind, url: &str, consumer: &str) -> Result<Self> {
        let client = Client::open(url)?;
        let (asking, taking) = (connection(&client).await?, connection(&client).await?);
        let mut this = Self { kind, consumer: consumer.to_owned(), client, asking, taking, errors: 0 };
        if kind == Kind::Stream {
            this.make_group().await;
        }
        Ok(this)
    }

    async fn make_group(&mut self) {
        // An error says that it is there.
        let made =
            redis::cmd("XGROUP").arg(&["CREATE", KEY, GROUP, "0", "MKSTREAM"]).exec_async(&mut self.asking).await;
        drop(made);
    }

    async fn push(&mut self, jobs: &[String]) -> Result<()> {
        let mut pipe = redis::pipe();
        match self.kind {
            Kind::List => drop(pipe.rpush(KEY, jobs).ignore()),
            Kind::Stream => {
                for job in jobs {
                    pipe.cmd("XADD").arg(&[KEY, "*", "j", job]).ignore();
                }
            }
        }
        Ok(pipe.exec_async(&mut self.asking).await?)
    }

    async fn waiting(&mut self) -> Result<usize> {
        let command = if self.kind == Kind::List { "LLEN" } else { "XLEN" };
        Ok(redis::cmd(command).arg(KEY).query_async(&mut self.asking).await?)
    }

    async fn take(&mut self) -> Result<Option<Taken>> {
        match self.kind {
            Kind::List => {
                let popped: Option<(String, String)> =
                    redis::cmd("BLPOP").arg(KEY).arg(BLOCK.as_secs_f64()).query_async(&mut self.taking).await?;
                Ok(popped.map(|(_, job)| (String::new(), job)))
            }
            Kind::Stream => {
                let block = BLOCK.as_millis().to_string();
                let answer: Value = redis::cmd("XREADGROUP")
                    .arg(&["GROUP", GROUP, &self.consumer, "COUNT", "1", "BLOCK", &block, "STREAMS", KEY, ">"])
                    .query_async(&mut self.taking)
                    .await?;
                Ok(first_entry(&answer))
            }
        }
    }

    /// As [`Transport::take`], and mends whatever is wrong until there is a job.
    async fn take_whatever_happens(&mut self) -> Result<Taken> {
        loop {
            match self.take().await {
                Ok(Some(taken)) => return Ok(taken),
                Ok(None) => {}
                Err(_) => {
                    self.errors += 1;
                    if let (Ok(asking), Ok(taking)) = (connection(&self.client).await, connection(&self.client).await) {
                        (self.asking, self.taking) = (asking, taking);
                        if self.kind == Kind::Stream {
                            self.make_group().await;
                        }
                    }
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            }
        }
    }

    async fn done(&mut self, job: &Taken) -> Result<()> {
        if self.kind == Kind::Stream {
            let mut pipe = redis::pipe();
            pipe.cmd("XACK").arg(&[KEY, GROUP, &job.0]).ignore().cmd("XDEL").arg(&[KEY, &job.0]).ignore();
            pipe.exec_async(&mut self.asking).await?;
        }
        Ok(())
    }

    /// What another consumer took and did not acknowledge.
    async fn claim_idle(&mut self) -> Result<Option<Taken>> {
        let idle = IDLE.as_millis().to_string();
        let answer: Value = redis::cmd("XAUTOCLAIM")
            .arg(&[KEY, GROUP, &self.consumer, &idle, "0", "COUNT", "1"])
            .query_async(&mut self.asking)
            .await?;
        Ok(first_entry(&answer))
    }
}

/// The first `[id, [field, text]]` in an answer, however deep.
fn first_entry(answer: &Value) -> Option<Taken> {
    let Value::Array(parts) = answer else { return None };
    if let [Value::BulkString(id), Value::Array(fields)] = parts.as_slice()
        && let [Value::BulkString(_), Value::BulkString(text)] = fields.as_slice()
    {
        return Some((String::from_utf8_lossy(id).into_owned(), String::from_utf8_lossy(text).into_owned()));
    }
    parts.iter().find_map(first_entry)
}

fn job(n: usize) -> String {
    format!(r#"{{"name":"deliver_message","account_id":{},"owed_id":{n}}}"#, n % 50)
}

fn own_cpu_us() -> Result<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let fields: Vec<&str> = stat.rsplit(')').next().context("stat")?.split_whitespace().collect();
    let ticks: f64 = fields[11].parse::<f64>()? + fields[12].parse::<f64>()?;
    Ok(ticks * 10_000.0)
}

async fn redis_cpu_us(connection: &mut MultiplexedConnection) -> Result<f64> {
    let info: String = redis::cmd("INFO").arg("cpu").query_async(connection).await?;
    let part = |name: &str| -> Result<f64> {
        let line = info.lines().find_map(|line| line.strip_prefix(name)).context("INFO cpu")?;
        Ok(line.trim_start_matches(':').trim().parse()?)
    };
    Ok((part("used_cpu_sys")? + part("used_cpu_user")?) * 1e6)
}

/// CPU per job, ours and Redis's, in microseconds: pushed in windows, as the relay does, taken one by one.
async fn cpu(transport: &mut Transport) -> Result<(f64, f64)> {
    let (ours, theirs) = (own_cpu_us()?, redis_cpu_us(&mut transport.asking).await?);
    let mut done = 0;
    while done < JOBS {
        let room = WINDOW - transport.waiting().await?;
        let jobs: Vec<String> = (done..done + room).map(job).collect();
        transport.push(&jobs).await?;
        for _ in 0..room {
            let taken = transport.take_whatever_happens().await?;
            transport.done(&taken).await?;
        }
        done += room;
    }
    let count = done as f64;
    Ok(((own_cpu_us()? - ours) / count, (redis_cpu_us(&mut transport.asking).await? - theirs) / count))
}

/// From the push to the taking, while somebody waits: half of all, and 99 of 100, in microseconds.
async fn latency(kind: Kind, url: &str) -> Result<(u128, u128)> {
    let (mut pushing, mut taking) = (Transport::new(kind, url, "one").await?, Transport::new(kind, url, "one").await?);
    let (told, mut heard) = tokio::sync::mpsc::channel(1);
    let waiting = tokio::spawn(async move {
        for _ in 0..SAMPLES {
            let taken = taking.take_whatever_happens().await?;
            told.send(Instant::now()).await?;
            taking.done(&taken).await?;
        }
        Ok::<_, anyhow::Error>(())
    });
    let mut all = Vec::new();
    for n in 0..SAMPLES {
        // The taker is back in its wait by then.
        tokio::time::sleep(Duration::from_millis(1)).await;
        let start = Instant::now();
        pushing.push(&[job(n)]).await?;
        all.push(heard.recv().await.context("taken")?.duration_since(start).as_micros());
    }
    waiting.await??;
    all.sort_unstable();
    Ok((all[SAMPLES / 2], all[SAMPLES * 99 / 100]))
}

async fn bytes(transport: &mut Transport) -> Result<u64> {
    let used = redis::cmd("MEMORY").arg(&["USAGE", KEY, "SAMPLES", "0"]).query_async(&mut transport.asking).await?;
    Ok(used)
}

/// Waits for a job while something happens to Redis; then jobs are pushed. How long until one is taken, and the errors on the way.
async fn after(kind: Kind, redis: &mut Redis, happens: fn(&mut Redis) -> Result<()>) -> Result<(Duration, usize)> {
    let url = redis.url();
    let mut waiting = Transport::new(kind, &url, "one").await?;
    let taking = tokio::spawn(async move {
        let taken = waiting.take_whatever_happens().await?;
        waiting.done(&taken).await?;
        Ok::<_, anyhow::Error>((Instant::now(), waiting.errors))
    });
    tokio::time::sleep(Duration::from_millis(200)).await;
    happens(redis)?;
    let start = Instant::now();
    let mut pushing = Transport { kind, ..Transport::new(Kind::List, &url, "two").await? };
    pushing.push(&[job(1)]).await?;
    let (at, errors) = taking.await??;
    Ok((at.duration_since(start), errors))
}

/// A consumer that dies with a job in its hands: from Redis a connection that ends. How long until somebody else has it, if ever.
async fn killed(kind: Kind, url: &str) -> Result<Option<Duration>> {
    let mut dying = Transport::new(kind, url, "dying").await?;
    dying.push(&[job(7)]).await?;
    let start = Instant::now();
    dying.take_whatever_happens().await?;
    drop(dying);
    let mut other = Transport::new(kind, url, "other").await?;
    while start.elapsed() < IDLE * 3 {
        let taken = if kind == Kind::Stream { other.claim_idle().await? } else { other.take().await? };
        if let Some(taken) = taken {
            other.done(&taken).await?;
            return Ok(Some(start.elapsed()));
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(None)
}

/// A job that takes three times as long as a claim may be idle, while another consumer looks for idle ones: how often it is begun.
async fn long_job(url: &str) -> Result<usize> {
    let mut consumers = [Transport::new(Kind::Stream, url, "a").await?, Transport::new(Kind::Stream, url, "b").await?];
    consumers[0].push(&[job(9)]).await?;
    let taken = consumers[0].take_whatever_happens().await?;
    let (mut begun, start) = (1, Instant::now());
    while start.elapsed() < IDLE * 3 {
        begun += usize::from(consumers[begun % 2].claim_idle().await?.is_some());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    consumers[0].done(&taken).await?;
    Ok(begun)
}

#[tokio::main]
async fn main() -> Result<()> {
    let mut rows: HashMap<&str, Vec<String>> = HashMap::new();
    let order = [
        "CPU a job here, us",
        "CPU a job in Redis, us",
        "push to taken p50, us",
        "push to taken p99, us",
        "64 waiting, bytes",
        "64 taken and running, bytes",
        "taken after FLUSHALL (errors to handle)",
        "taken after a restart (errors to handle)",
        "consumer killed with a job: another has it after",
        "a job of 3 s, idle limit 1 s, is begun",
    ];
    for kind in [Kind::List, Kind::Stream] {
        let mut redis = Redis::start()?;
        let url = redis.url();
        let mut transport = Transport::new(kind, &url, "one").await?;
        // Once to warm up.
        cpu(&mut transport).await?;
        let (ours, theirs) = cpu(&mut transport).await?;
        let (p50, p99) = latency(kind, &url).await?;
        transport.push(&(0..WINDOW).map(job).collect::<Vec<_>>()).await?;
        let waiting = bytes(&mut transport).await?;
        let mut taken = Vec::new();
        for _ in 0..WINDOW {
            taken.push(transport.take_whatever_happens().await?);
        }
        let running = if kind == Kind::Stream { bytes(&mut transport).await? } else { 0 };
        for one in &taken {
            transport.done(one).await?;
        }
        let lost = killed(kind, &url).await?;
        let long = if kind == Kind::Stream { long_job(&url).await? } else { 1 };
        let (flushed, flush_errors) = after(kind, &mut redis, |redis| redis.flush()).await?;
        let restart = |redis: &mut Redis| {
            redis.stop();
            redis.start_again()
        };
        let (restarted, restart_errors) = after(kind, &mut redis, restart).await?;
        let cells = [
            format!("{ours:.0}"),
            format!("{theirs:.1}"),
            p50.to_string(),
            p99.to_string(),
            waiting.to_string(),
            running.to_string(),
            format!("{flushed:.1?} ({flush_errors})"),
            format!("{restarted:.1?} ({restart_errors})"),
            lost.map_or("never by itself: from its row".to_owned(), |after| format!("{after:.1?}")),
            format!("{long} times"),
        ];
        for (name, cell) in order.into_iter().zip(cells) {
            rows.entry(name).or_default().push(cell);
        }
    }
    println!("| | list | stream |\n|---|---|---|");
    for name in order {
        println!("| {name} | {} |", rows[name].join(" | "));
    }
    Ok(())
}
