//! Live updates (A6): a stream on one process tells what another one does, and who follows misses nothing, whatever becomes of processes.

use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use testkit::builders::numbered;
use testkit::client::ApiClient;
use testkit::follower::Follower;
use testkit::world::{ADMIN_PASSWORD, Database, Queue, SUPPORT, Setup, World};

async fn note(api: &ApiClient, w: &World, conversation: i64, text: &str) -> Result<Value> {
    let body = json!({"content": text, "private": true});
    api.post(&w.path(&format!("/conversations/{conversation}/messages")), &body).await
}

/// A new agent, who is a member of the inbox, and the headers of their session.
async fn agent(w: &World, inbox: i64) -> Result<(i64, Vec<(String, String)>)> {
    let new = json!({"name": "Bea", "email": "bea@contoso.example", "role": "agent", "password": ADMIN_PASSWORD});
    let id = w.api.post(&w.path("/agents"), &new).await?["id"].as_i64().context("id")?;
    w.api.post(&w.path("/inbox_members"), &json!({"inbox_id": inbox, "user_ids": [id]})).await?;
    let credentials = json!({"email": "bea@contoso.example", "password": ADMIN_PASSWORD});
    let answer = w.api.with_token(None).request("POST", "/auth/sign_in").json(&credentials).send().await?;
    let header = |name: &str| {
        let value = answer.headers().get(name).context("a header")?.to_str()?;
        anyhow::Ok((name.to_owned(), value.to_owned()))
    };
    Ok((id, vec![header("access-token")?, header("client")?, header("uid")?]))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_tells_at_once_what_is_written_through_another_process() -> Result<()> {
    World::run(Setup::on(Database::Postgres, Queue::Redis), async |w| {
        let conversation = w.first_conversation().await?;
        let other = w.start_another_api(&[]).await?;
        let mut follower = Follower::new(std::slice::from_ref(&other), w.account_id);
        assert_eq!(follower.next().await?.event, "ready");
        // Each is written when the one before it was told. Without the hint over Redis each would wait for the next look, two seconds later.
        let mut times = Vec::new();
        for n in 0..12 {
            let text = format!("note {n}");
            let began = Instant::now();
            note(&w.api, w, conversation, &text).await?;
            while follower.next().await?.data["content"] != text.as_str() {}
            times.push(began.elapsed());
        }
        // Half of them at least; what a busy machine delays is not what is looked at here.
        times.sort_unstable();
        assert!(times[times.len() / 2] < Duration::from_secs(2), "{times:?}");
        // A mail that a worker files is told as well.
        w.deliver(SUPPORT, &numbered(1)).await?;
        let told = loop {
            let told = follower.next().await?;
            if told.event == "conversation.created" {
                break told;
            }
        };
        assert_eq!(told.data["account_id"], w.account_id);
        assert_eq!(follower.connected, 1);
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn who_looks_and_who_is_there_is_known_in_all_processes() -> Result<()> {
    World::run(Setup::on(Database::Postgres, Queue::Redis), async |w| {
        let conversation = w.first_conversation().await?;
        let inbox = w.conversations().await?[0]["inbox_id"].as_i64().context("inbox_id")?;
        let other = w.start_another_api(&[]).await?;
        let (id, session) = agent(w, inbox).await?;
        let mut follower = Follower::new(std::slice::from_ref(&other), w.account_id);
        let mut hers = Follower::new(&[w.api.with_token(None)], w.account_id).with_headers(session.clone());
        assert_eq!(hers.next().await?.event, "ready");
        let told = follower.named("presence.update", |data| data["users"][id.to_string()] == "online").await?;
        assert_eq!(told.id, None);
        // What passes is lost where Redis has not begun to carry it; who looks says it again.
        let path = w.path(&format!("/conversations/{conversation}/viewing"));
        let looked = follower.named("conversation.viewing", |data| data["users"][0]["id"] == id);
        let looking = async {
            loop {
                let mut request = w.api.with_token(None).request("POST", &path).json(&json!({"viewing": true}));
                for (name, value) in &session {
                    request = request.header(name, value);
                }
                assert_eq!(request.send().await?.status().as_u16(), 200);
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        };
        tokio::select! {
            looked = looked => assert_eq!(looked?.data["conversation"]["id"], conversation),
            failed = looking => { let failed: Result<()> = failed; failed? }
        }
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_follows_misses_nothing_while_processes_end_and_come_back_under_load() -> Result<()> {
    World::run(Setup::on(Database::Postgres, Queue::Redis), async |w| {
        let conversation = w.first_conversation().await?;
        let first = w.api.clone();
        let second = w.start_another_api(&[]).await?;
        let both = [first.clone(), second.clone()];
        let mut follower = Follower::new(&both, w.account_id);
        let begins_after = follower.next().await?.id.context("id")?;
        let (enough, count) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let writing = {
            let (enough, count, clients) = (enough.clone(), count.clone(), both.clone());
            let path = w.path(&format!("/conversations/{conversation}/messages"));
            tokio::spawn(async move {
                while !enough.load(Ordering::Relaxed) {
                    for client in &clients {
                        let body = json!({"content": "a note", "private": true});
                        // One of them may be away.
                        count.fetch_add(usize::from(client.post(&path, &body).await.is_ok()), Ordering::Relaxed);
                        tokio::time::sleep(Duration::from_millis(10)).await;
                    }
                }
            })
        };
        let following = tokio::spawn(async move {
            let mut ids = Vec::new();
            loop {
                let told = follower.next().await?;
                if told.event == "reset" {
                    anyhow::bail!("it was told to read everything anew: {told:?}");
                }
                if told.event != "ready" {
                    ids.extend(told.id);
                }
                if told.data["content"] == "the last word" {
                    return anyhow::Ok((ids, follower.connected));
                }
            }
        });
        // The oldest one ends each time: the first, then the second, then the first again.
        for replaced in [&first, &second, &first] {
            w.deliver(SUPPORT, &numbered(1)).await?;
            let ended = w.stop("serve", Duration::from_secs(15))?;
            assert!(ended.success(), "streams have no end of their own, and are ended: {ended}");
            let before = count.load(Ordering::Relaxed);
            w.eventually("more is written", async |_| Ok(count.load(Ordering::Relaxed) >= before + 10)).await?;
            w.start_at(replaced, &[]).await?;
            w.eventually("more is written", async |_| Ok(count.load(Ordering::Relaxed) >= before + 20)).await?;
        }
        // And one without a word.
        w.kill("serve")?;
        w.start_at(&second, &[]).await?;
        enough.store(true, Ordering::Relaxed);
        writing.await?;
        note(&second, w, conversation, "the last word").await?;
        let (ids, connected) = following.await??;
        let all: Vec<i64> = (begins_after + 1..).take(ids.len()).collect();
        assert_eq!(ids, all, "each event once and in order");
        assert!(connected >= 3, "{connected}");
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn rights_that_are_taken_away_on_one_process_end_what_a_stream_of_another_tells() -> Result<()> {
    World::run(Setup::on(Database::Postgres, Queue::Redis), async |w| {
        let conversation = w.first_conversation().await?;
        let inbox = w.conversations().await?[0]["inbox_id"].as_i64().context("inbox_id")?;
        let other = w.start_another_api(&[]).await?;
        let (id, session) = agent(w, inbox).await?;
        let mut follower = Follower::new(&[other.with_token(None)], w.account_id).with_headers(session);
        assert_eq!(follower.next().await?.event, "ready");
        note(&w.api, w, conversation, "hers").await?;
        assert_eq!(follower.next().await?.data["content"], "hers");
        assert_eq!(follower.next().await?.event, "conversation.updated");
        w.api.patch(&w.path("/inbox_members"), &json!({"inbox_id": inbox, "user_ids": []})).await?;
        note(&w.api, w, conversation, "not hers").await?;
        w.api.delete(&w.path(&format!("/agents/{id}"))).await?;
        note(&w.api, w, conversation, "not hers either").await?;
        assert_eq!(follower.until_refused().await?, (Vec::new(), 404));
        Ok(())
    })
    .await
}
