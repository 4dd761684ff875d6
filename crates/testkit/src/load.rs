//! Somebody who uses the API all the while something breaks, as a careful client would: each reply has its key and is asked for until it is
//! accepted. Whatever is refused must be refused plainly.

use crate::client::{Answer, ApiClient};
use crate::world::World;
use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Longer than this nobody waits for an answer, and least of all for a refusal.
const ANSWERS_WITHIN: Duration = Duration::from_secs(45);
const PAUSE: Duration = Duration::from_millis(25);
/// Replies, spread over the time: a mailbox sends thirty a minute, and a page of messages has twenty.
const REPLIES: usize = 15;
const REPLY_EVERY: Duration = Duration::from_millis(300);

/// What became of it.
#[derive(Clone, Debug, Default)]
pub struct Told {
    /// The messages that were accepted, each once.
    pub accepted: Vec<i64>,
    pub refused: usize,
    /// Reads that were answered with 200.
    pub read: usize,
}

pub struct Load {
    stop: CancellationToken,
    task: JoinHandle<Result<Told>>,
}

impl Load {
    /// Replies in `conversation`, reads the list, and looks at what must always be there.
    pub fn start(world: &World, conversation: i64) -> Self {
        let stop = CancellationToken::new();
        let (api, stopped) = (world.api.clone(), stop.clone());
        let (list, replies) =
            (world.path("/conversations"), world.path(&format!("/conversations/{conversation}/messages")));
        Self { stop, task: tokio::spawn(async move { run(&api, &list, &replies, &stopped).await }) }
    }

    /// Comes to the end of what was begun; the last reply is accepted before it returns.
    pub async fn end(self) -> Result<Told> {
        self.stop.cancel();
        self.task.await.context("the load panicked")?
    }
}

async fn run(api: &ApiClient, list: &str, replies: &str, stop: &CancellationToken) -> Result<Told> {
    let (mut told, mut replied) = (Told::default(), None);
    while !stop.is_cancelled() {
        if told.accepted.len() < REPLIES && replied.is_none_or(|at: Instant| at.elapsed() >= REPLY_EVERY) {
            replied = Some(Instant::now());
            reply(api, replies, &mut told).await?;
        }
        let answer = timely(api, api.request("GET", list)).await?;
        if answer.status == 200 {
            told.read += 1;
        } else {
            answer.is_plainly_unavailable()?;
            told.refused += 1;
        }
        lives(api).await?;
        tokio::time::sleep(PAUSE).await;
    }
    Ok(told)
}

/// Until it is accepted.
async fn reply(api: &ApiClient, replies: &str, told: &mut Told) -> Result<()> {
    let key = format!("load-{}", told.accepted.len());
    let reply = json!({"content": key});
    let begun = Instant::now();
    loop {
        let answer = timely(api, api.request("POST", replies).header("Idempotency-Key", &key).json(&reply)).await?;
        if answer.status == 200 {
            told.accepted.push(answer.body["id"].as_i64().context("id")?);
            return Ok(());
        }
        answer.is_plainly_unavailable()?;
        told.refused += 1;
        anyhow::ensure!(begun.elapsed() < crate::world::WITHIN, "a reply was refused for too long");
        tokio::time::sleep(PAUSE).await;
    }
}

async fn timely(api: &ApiClient, request: reqwest::RequestBuilder) -> Result<Answer> {
    tokio::time::timeout(ANSWERS_WITHIN, api.send(request)).await.context("no answer in time")?
}

/// What needs no database is served whatever else is broken.
pub async fn lives(api: &ApiClient) -> Result<()> {
    for path in ["/health/live", "/docs", "/openapi.json"] {
        let answer = timely(api, api.request("GET", path)).await?;
        anyhow::ensure!(answer.status == 200, "{path}: {} {}", answer.status, answer.text);
    }
    Ok(())
}

/// Words that only a database, a file system or a library would say.
const INTERNAL: &[&str] = &[
    "sql",
    "postgres",
    "connection",
    "pool",
    "127.0.0.1",
    "redis",
    "relation",
    "errno",
    "os error",
    "deadlock",
    "blob",
];

impl Answer {
    /// A refusal of ours that asks to come back: 503 with words, a code, a request id and a time, and nothing of the inside.
    pub fn is_plainly_unavailable(&self) -> Result<()> {
        let body: &Value = &self.body;
        if self.status != 503 {
            bail!("{} instead of 503: {}", self.status, self.text);
        }
        let whole = ["error", "code", "request_id"].iter().all(|field| body[field].is_string());
        anyhow::ensure!(whole && self.retry_after.is_some(), "Retry-After {:?}: {body}", self.retry_after);
        let text = self.text.to_lowercase();
        if let Some(word) = INTERNAL.iter().find(|word| text.contains(**word)) {
            bail!("{word} in {text}");
        }
        Ok(())
    }
}
