//! The database, Redis or a mail server is away, does not answer, or has no room (M4, R3, R6): what can be done is done, the rest is said
//! in plain refusals, and everything goes on by itself when the server is back.

use anyhow::{Context, Result};
use sandbox::Event;
use serde_json::{Value, json};
use testkit::builders::numbered;
use testkit::chaos::{Mode, Proxies};
use testkit::post::ADA;
use testkit::world::{ADMIN_EMAIL, ADMIN_PASSWORD, Database, Queue, SUPPORT, Setup, World};

fn setup() -> Setup {
    Setup::on(Database::Postgres, Queue::Redis).through_proxies().with("OUTCOME_LOOKS_SECONDS", "1,2,2")
}

fn proxies(w: &World) -> Result<&Proxies> {
    w.proxies.as_ref().context("proxies")
}

fn database(w: &World, mode: Mode) -> Result<()> {
    proxies(w)?.database.as_ref().context("PostgreSQL")?.set(mode);
    Ok(())
}

fn redis(w: &World, mode: Mode) -> Result<()> {
    proxies(w)?.redis.as_ref().context("Redis")?.set(mode);
    Ok(())
}

/// A refusal of ours: plain words, a code, a request id, and nothing of the database's own.
fn is_plain(answer: &testkit::client::Answer) {
    let body: &Value = &answer.body;
    assert_eq!(answer.status, 503, "{}", answer.text);
    assert!(body["error"].is_string() && body["code"].is_string() && body["request_id"].is_string(), "{body}");
    for word in ["sql", "postgres", "connection", "pool", "127.0.0.1"] {
        assert!(!answer.text.to_lowercase().contains(word), "{word} in {}", answer.text);
    }
}

async fn the_database_is_away(mode: Mode) -> Result<()> {
    World::run(setup(), async |w| {
        let conversation = w.first_conversation().await?;
        database(w, mode)?;
        for n in 0..3 {
            w.deliver(SUPPORT, &numbered(n)).await?;
        }
        is_plain(&w.api.call("GET", &w.path("/conversations"), None).await?);
        let reply = json!({"content": "hello"});
        let path = w.path(&format!("/conversations/{conversation}/messages"));
        is_plain(&w.api.call("POST", &path, Some(&reply)).await?);
        assert_eq!(w.api.call("GET", "/health/live", None).await?.status, 200);
        let ready = w.api.call("GET", "/health/ready", None).await?;
        assert_eq!((ready.status, &ready.body["missing"][0]["part"]), (503, &json!("database")));
        // What was swallowed is lost: the connections of that time are dead, as after a partition.
        database(w, Mode::Cut)?;
        database(w, Mode::Pass)?;
        w.start_processes().await?;
        w.conversations_are(4).await?;
        let reply = w.reply(conversation, "hello").await?["id"].as_i64().context("id")?;
        w.delivery_is(conversation, reply, "sent").await?;
        w.inbox_has(ADA, 1).await?;
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_down_is_503_and_everything_goes_on_when_it_is_back() -> Result<()> {
    the_database_is_away(Mode::Cut).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_does_not_answer_is_503_too_and_holds_up_nothing_afterwards() -> Result<()> {
    the_database_is_away(Mode::Stall).await
}

async fn redis_is_away(mode: Mode) -> Result<()> {
    World::run(setup(), async |w| {
        let conversation = w.first_conversation().await?;
        redis(w, mode)?;
        let sign_in = json!({"email": ADMIN_EMAIL, "password": ADMIN_PASSWORD});
        assert_eq!(w.api.with_token(None).call("POST", "/auth/sign_in", Some(&sign_in)).await?.status, 200);
        let reply = w.reply(conversation, "hello").await?["id"].as_i64().context("id")?;
        w.deliver(SUPPORT, &numbered(1)).await?;
        w.conversations_are(2).await?;
        redis(w, Mode::Cut)?;
        redis(w, Mode::Pass)?;
        w.delivery_is(conversation, reply, "sent").await?;
        let next = w.reply(conversation, "and another").await?["id"].as_i64().context("id")?;
        w.delivery_is(conversation, next, "sent").await?;
        w.inbox_has(ADA, 2).await?;
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn without_redis_people_sign_in_mail_arrives_and_replies_wait() -> Result<()> {
    redis_is_away(Mode::Cut).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_that_does_not_answer_is_like_none() -> Result<()> {
    redis_is_away(Mode::Stall).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redis_without_room_delays_replies_and_loses_none() -> Result<()> {
    World::run(setup(), async |w| {
        let conversation = w.first_conversation().await?;
        w.redis.as_ref().context("redis")?.tell(&["CONFIG", "SET", "maxmemory", "1"])?;
        let reply = w.reply(conversation, "hello").await?["id"].as_i64().context("id")?;
        w.deliver(SUPPORT, &numbered(1)).await?;
        w.conversations_are(2).await?;
        assert_eq!(w.message(conversation, reply).await?["delivery"]["state"], json!("queued"));
        w.redis.as_ref().context("redis")?.tell(&["CONFIG", "SET", "maxmemory", "0"])?;
        w.delivery_is(conversation, reply, "sent").await?;
        w.inbox_has(ADA, 1).await?;
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_session_that_is_half_open_is_found_out_and_replaced() -> Result<()> {
    World::run(setup().with("POLL_INTERVAL_SECONDS", "1"), async |w| {
        let inbox = w.connect_and_watch(SUPPORT).await?;
        // An import has a session of its own, which is not what is counted here.
        let health = w.path(&format!("/inboxes/{inbox}/health"));
        w.eventually("the past is imported", async |w| {
            Ok(w.api.get(&health).await?["import"]["state"] == json!("done"))
        })
        .await?;
        let sign_ins = sign_ins_of(w, SUPPORT);
        proxies(w)?.imap.set(Mode::Stall);
        w.deliver(SUPPORT, &numbered(1)).await?;
        // The session that is open stays dumb; only a new one would get through.
        let before = proxies(w)?.imap.connections();
        w.eventually("it tries a new session", async |w| Ok(proxies(w)?.imap.connections() > before)).await?;
        proxies(w)?.imap.set(Mode::Cut);
        proxies(w)?.imap.set(Mode::Pass);
        w.conversations_are(1).await?;
        assert_eq!(sign_ins_of(w, SUPPORT), sign_ins + 1, "over a session that is new, and no third");
        Ok(())
    })
    .await
}

fn sign_ins_of(w: &World, user: &str) -> usize {
    let is_it = |event: &&Event| matches!(event, Event::ImapCommand { user: by, command } if by == user && command == "AUTHENTICATE");
    w.sandbox.events().iter().filter(is_it).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_smtp_server_that_cannot_be_reached_delays_a_reply_and_says_so() -> Result<()> {
    World::run(setup(), async |w| {
        let conversation = w.first_conversation().await?;
        proxies(w)?.smtp.set(Mode::Cut);
        let reply = w.reply(conversation, "hello").await?["id"].as_i64().context("id")?;
        w.eventually("the reply says what it waits for", async |w| {
            Ok(w.message(conversation, reply).await?["delivery"]["failure"]["code"].is_string())
        })
        .await?;
        proxies(w)?.smtp.set(Mode::Pass);
        w.delivery_is(conversation, reply, "sent").await?;
        w.inbox_has(ADA, 1).await?;
        Ok(())
    })
    .await
}
