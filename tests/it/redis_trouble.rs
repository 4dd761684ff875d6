//! Redis is slow, away for long, restarted, flushed, out of memory or out of connections (M4, R3): people sign in and are still counted,
//! mail arrives, replies are accepted, and what waited leaves once, by itself, when Redis is well. [`crate::outages`] has the short ones.

use anyhow::{Context, Result};
use serde_json::json;
use testkit::builders::numbered;
use testkit::chaos::{ChaosProxy, Mode};
use testkit::post::ADA;
use testkit::redis::Redis;
use testkit::world::{ADMIN_EMAIL, ADMIN_PASSWORD, Database, Queue, SUPPORT, Setup, World};

fn setup() -> Setup {
    Setup::on(Database::Postgres, Queue::Redis).through_proxies().with("OUTCOME_LOOKS_SECONDS", "1,2,2")
}

fn proxy(w: &World) -> Result<&ChaosProxy> {
    w.proxies.as_ref().and_then(|proxies| proxies.redis.as_ref()).context("a proxy before Redis")
}

fn redis(w: &World) -> Result<&Redis> {
    w.redis.as_ref().context("Redis")
}

async fn sign_in(w: &World, email: &str, password: &str) -> Result<u16> {
    let with = json!({"email": email, "password": password});
    Ok(w.api.with_token(None).call("POST", "/auth/sign_in", Some(&with)).await?.status)
}

/// Whoever guesses is stopped, and the others are not.
async fn guessing_is_stopped(w: &World) -> Result<()> {
    let mut refused = Vec::new();
    for n in 0..7 {
        refused.push(sign_in(w, "eve@contoso.example", &format!("guess {n}")).await?);
    }
    assert_eq!(refused, [401, 401, 401, 401, 401, 429, 429]);
    assert_eq!(sign_in(w, ADMIN_EMAIL, ADMIN_PASSWORD).await?, 200);
    Ok(())
}

async fn reply(w: &World, conversation: i64, text: &str) -> Result<i64> {
    w.reply(conversation, text).await?["id"].as_i64().context("id")
}

/// What must work whatever Redis does: the API is ready, replies are accepted, mail arrives. Answers the replies.
async fn life_goes_on(w: &mut World, conversation: i64, mails: usize) -> Result<Vec<i64>> {
    assert_eq!(w.api.call("GET", "/health/ready", None).await?.status, 200);
    let mut replies = Vec::new();
    for n in 0..3 {
        replies.push(reply(w, conversation, &format!("reply {n}")).await?);
    }
    w.deliver(SUPPORT, &numbered(mails)).await?;
    w.conversations_are(1 + mails).await?;
    Ok(replies)
}

/// Each leaves, once.
async fn all_leave(w: &mut World, conversation: i64, replies: &[i64], in_all: usize) -> Result<()> {
    for reply in replies {
        w.delivery_is(conversation, *reply, "sent").await?;
    }
    w.inbox_has(ADA, in_all).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_redis_delays_and_refuses_nothing() -> Result<()> {
    World::run(setup(), async |w| {
        let conversation = w.first_conversation().await?;
        proxy(w)?.set(Mode::Slow);
        guessing_is_stopped(w).await?;
        let replies = life_goes_on(w, conversation, 1).await?;
        all_leave(w, conversation, &replies, 3).await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_is_away_for_long_is_tried_again_and_found_when_it_is_back() -> Result<()> {
    World::run(setup(), async |w| {
        let conversation = w.first_conversation().await?;
        proxy(w)?.set(Mode::Cut);
        guessing_is_stopped(w).await?;
        let replies = life_goes_on(w, conversation, 1).await?;
        // By then every wait has grown to its longest.
        let before = proxy(w)?.connections();
        w.eventually("it was tried again and again", async |w| Ok(proxy(w)?.connections() > before + 30)).await?;
        for reply in &replies {
            assert_eq!(w.message(conversation, *reply).await?["delivery"]["state"], json!("queued"));
        }
        proxy(w)?.set(Mode::Pass);
        all_leave(w, conversation, &replies, 3).await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_is_started_again_and_flushed_under_replies_loses_and_doubles_none() -> Result<()> {
    World::run(setup(), async |w| {
        let conversation = w.first_conversation().await?;
        let mut replies = Vec::new();
        for round in 0..3 {
            for n in 0..4 {
                replies.push(reply(w, conversation, &format!("reply {round}.{n}")).await?);
            }
            redis(w)?.flush()?;
            replies.push(reply(w, conversation, "one more").await?);
            w.redis.as_mut().context("Redis")?.stop();
            replies.push(reply(w, conversation, "while it is gone").await?);
            w.redis.as_mut().context("Redis")?.start_again()?;
        }
        all_leave(w, conversation, &replies, 18).await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_without_room_stops_no_sign_in_and_no_counting_of_guesses() -> Result<()> {
    World::run(setup(), async |w| {
        let conversation = w.first_conversation().await?;
        redis(w)?.tell(&["CONFIG", "SET", "maxmemory", "1"])?;
        guessing_is_stopped(w).await?;
        let replies = life_goes_on(w, conversation, 1).await?;
        redis(w)?.tell(&["CONFIG", "SET", "maxmemory", "0"])?;
        all_leave(w, conversation, &replies, 3).await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_takes_no_more_connections_delays_what_it_carries_until_it_does() -> Result<()> {
    World::run(setup(), async |w| {
        let conversation = w.first_conversation().await?;
        redis(w)?.tell(&["CONFIG", "SET", "maxclients", "1"])?;
        // Whoever was connected must come again, and is refused.
        proxy(w)?.set(Mode::Cut);
        proxy(w)?.set(Mode::Pass);
        let before = proxy(w)?.connections();
        w.eventually("it was tried again", async |w| Ok(proxy(w)?.connections() > before + 10)).await?;
        let replies = life_goes_on(w, conversation, 1).await?;
        // Whoever mends it needs a connection too.
        proxy(w)?.set(Mode::Cut);
        w.eventually("there is a connection", async |w| {
            Ok(redis(w)?.tell(&["CONFIG", "SET", "maxclients", "1000"]).is_ok())
        })
        .await?;
        proxy(w)?.set(Mode::Pass);
        all_leave(w, conversation, &replies, 3).await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_that_start_without_redis_serve_and_take_up_work_when_it_comes() -> Result<()> {
    World::run(setup(), async |w| {
        let conversation = w.first_conversation().await?;
        let waiting = reply(w, conversation, "before").await?;
        w.kill("work")?;
        w.kill("serve")?;
        w.redis.as_mut().context("Redis")?.stop();
        w.start_processes().await?;
        guessing_is_stopped(w).await?;
        let mut replies = life_goes_on(w, conversation, 1).await?;
        replies.push(waiting);
        w.redis.as_mut().context("Redis")?.start_again()?;
        all_leave(w, conversation, &replies, 4).await
    })
    .await
}
