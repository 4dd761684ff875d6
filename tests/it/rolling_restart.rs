//! Every process is replaced while mail comes in and replies go out (R3, M4): nothing is lost, nothing is there twice, and no call is
//! answered with an error.

use anyhow::{Context, Result};
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;
use testkit::builders::numbered;
use testkit::client::{Answer, ApiClient};
use testkit::post::ADA;
use testkit::world::{Database, Queue, SUPPORT, Setup, World};

/// Below thirty a minute, which is as many as leave through one mailbox.
const BETWEEN_REPLIES: Duration = Duration::from_millis(2100);
const BETWEEN_LOOKS: Duration = Duration::from_millis(100);

/// A client that knows both processes and goes to the other one when it cannot reach the first. Whatever is answered must be a success.
#[derive(Clone)]
struct Both {
    apis: [ApiClient; 2],
    next: Arc<AtomicUsize>,
    unreached: Arc<AtomicUsize>,
}

impl Both {
    async fn ask(&self, path: &str, reply: Option<&str>) -> Result<Answer> {
        loop {
            let api = &self.apis[self.next.fetch_add(1, Ordering::Relaxed) % 2];
            let request = match reply {
                Some(text) => api.request("POST", path).header("Idempotency-Key", text).json(&json!({"content": text})),
                None => api.request("GET", path),
            };
            match api.send(request).await {
                Ok(answer) => {
                    anyhow::ensure!(answer.status == 200, "{}: {}", answer.status, answer.text);
                    return Ok(answer);
                }
                // Refused, or the connection ended before an answer: as a client with a key does, ask the other one.
                Err(error) => {
                    let reqwest = error.downcast_ref::<reqwest::Error>().context("an error of the connection")?;
                    anyhow::ensure!(!reqwest.is_decode() && !reqwest.is_timeout(), "{error:#}");
                    self.unreached.fetch_add(1, Ordering::Relaxed);
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_process_is_replaced_under_load_and_no_call_fails() -> Result<()> {
    let setup = Setup::on(Database::Postgres, Queue::Redis).with("OUTCOME_LOOKS_SECONDS", "1,2,2");
    World::run(setup, async |w| {
        let conversation = w.first_conversation().await?;
        let other = w.start_another_api(&[]).await?;
        w.start_process("work")?;
        w.start_process("work")?;
        let both = Both { apis: [w.api.clone(), other.clone()], next: Arc::default(), unreached: Arc::default() };
        let enough = Arc::new(AtomicBool::new(false));
        let replying = {
            let (both, enough, path) =
                (both.clone(), enough.clone(), w.path(&format!("/conversations/{conversation}/messages")));
            tokio::spawn(async move {
                let mut replies = Vec::new();
                while !enough.load(Ordering::Relaxed) {
                    let answer = both.ask(&path, Some(&format!("reply {}", replies.len()))).await?;
                    replies.push(answer.body["id"].as_i64().context("id")?);
                    tokio::time::sleep(BETWEEN_REPLIES).await;
                }
                anyhow::Ok(replies)
            })
        };
        let looking = {
            let (both, enough, path) = (both.clone(), enough.clone(), w.path("/conversations?status=all"));
            tokio::spawn(async move {
                while !enough.load(Ordering::Relaxed) {
                    both.ask(&path, None).await?;
                    tokio::time::sleep(BETWEEN_LOOKS).await;
                }
                anyhow::Ok(())
            })
        };
        let mut count = 0;
        let first = w.api.clone();
        for restarted in ["serve", "work", "serve", "work", "work"] {
            for _ in 0..5 {
                w.deliver(SUPPORT, &numbered(count)).await?;
                count += 1;
            }
            let ended = w.stop(restarted, Duration::from_secs(30))?;
            assert!(ended.success(), "{restarted}: {ended}");
            for _ in 0..5 {
                w.deliver(SUPPORT, &numbered(count)).await?;
                count += 1;
            }
            if restarted == "work" {
                w.start_process("work")?;
            } else {
                // The oldest is replaced each time: first the one that was there first, then the other.
                let replaced = if count == 10 { &first } else { &other };
                w.start_at(replaced, &[]).await?;
            }
        }
        enough.store(true, Ordering::Relaxed);
        let replies = replying.await??;
        looking.await??;
        assert!(both.unreached.load(Ordering::Relaxed) > 0, "nobody noticed that processes were replaced");
        for reply in &replies {
            w.delivery_is(conversation, *reply, "sent").await?;
        }
        let meta = w.path("/conversations/meta?status=all");
        let all = json!(count + 1);
        w.eventually("all mail is there", async |w| Ok(w.api.get(&meta).await?["meta"]["all_count"] == all)).await?;
        w.inbox_has(ADA, replies.len()).await?;
        Ok(())
    })
    .await
}
