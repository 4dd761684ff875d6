//! PostgreSQL restarts, is full of other people's connections, ends our transactions, takes no writes, or is suddenly another one
//! (M4, O1, O2, R3, R6). On a server of the story's own.

use anyhow::{Context, Result};
use serde_json::json;
use sqlx::{Connection as _, Executor as _, PgConnection};
use std::time::Duration;
use testkit::builders::{Mail, numbered};
use testkit::load::{Load, lives};
use testkit::post::ADA;
use testkit::postgres_server::{PostgresServer, Shutdown};
use testkit::ways::Link;
use testkit::world::{Database, Queue, SUPPORT, Setup, World};

fn setup(settings: &[&str]) -> Setup {
    Setup::on(Database::Postgres, Queue::Redis).with_own_postgres(settings).with("OUTCOME_LOOKS_SECONDS", "1,2,2")
}

fn server(w: &mut World) -> Result<&mut PostgresServer> {
    w.postgres_server.as_mut().context("a server of its own")
}

/// What the readiness says is wrong with the database.
async fn problem(w: &World) -> Result<Option<String>> {
    let ready = w.api.call("GET", "/health/ready", None).await?;
    Ok(ready.body["missing"][0]["problem"].as_str().map(str::to_owned))
}

async fn says(w: &mut World, words: &str) -> Result<()> {
    w.eventually(&format!("the readiness says {words:?}"), async |w| {
        Ok(problem(w).await?.is_some_and(|problem| problem.contains(words)))
    })
    .await
}

/// A session that is not ours, and may do anything.
async fn as_superuser(w: &mut World) -> Result<PgConnection> {
    let url = server(w)?.url().replace("//postroom@", "//postgres@");
    Ok(PgConnection::connect(&url).await?)
}

async fn ours_wait(w: &mut World) -> Result<()> {
    w.eventually("something of ours waits for a lock", async |w| {
        let server = w.postgres_server.as_ref().context("a server")?;
        Ok(server.sessions("wait_event_type = 'Lock'").await? > 0)
    })
    .await
}

/// How often the server ended a transaction of ours for a deadlock.
fn deadlocks(w: &mut World) -> Result<usize> {
    Ok(server(w)?.log().matches("deadlock detected").count())
}

async fn all_sent_once(w: &mut World, conversation: i64, replies: &[i64]) -> Result<()> {
    for reply in replies {
        w.delivery_is(conversation, *reply, "sent").await?;
    }
    w.inbox_has(ADA, replies.len()).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_postgresql_that_is_restarted_under_load_loses_and_doubles_nothing() -> Result<()> {
    World::run(setup(&[]), async |w| {
        let conversation = w.first_conversation().await?;
        let load = Load::start(w, conversation);
        let mut mails = 1;
        for shutdown in [Shutdown::Fast, Shutdown::Immediate] {
            w.deliver(SUPPORT, &numbered(mails)).await?;
            mails += 1;
            // Also what is being asked at this moment is refused plainly.
            let (list, api) = (w.path("/conversations"), w.api.clone());
            let mut other = as_superuser(w).await?;
            other.execute("BEGIN").await?;
            other.execute("LOCK TABLE conversations").await?;
            let asked = tokio::spawn(async move { api.call("GET", &list, None).await });
            ours_wait(w).await?;
            server(w)?.stop(shutdown)?;
            let answer = asked.await??;
            if answer.status != 200 {
                answer.is_plainly_unavailable()?;
            }
            w.deliver(SUPPORT, &numbered(mails)).await?;
            mails += 1;
            server(w)?.start_again().await?;
            w.reads_again().await?;
            w.conversations_are(mails).await?;
        }
        let told = load.end().await?;
        // A short outage is waited for; what was refused was refused plainly, or the load would have ended with an error.
        assert!(told.read > 0 && !told.accepted.is_empty(), "{told:?}");
        all_sent_once(w, conversation, &told.accepted).await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_postgresql_that_is_down_for_longer_than_every_wait_between_two_tries_is_a_state_and_no_end() -> Result<()> {
    World::run(setup(&[]), async |w| {
        let conversation = w.first_conversation().await?;
        let waiting = w.reply(conversation, "before").await?["id"].as_i64().context("id")?;
        server(w)?.stop(Shutdown::Fast)?;
        w.deliver(SUPPORT, &numbered(1)).await?;
        // Longer than anybody waits between two tries to reach the database (30 seconds).
        let until = tokio::time::Instant::now() + Duration::from_secs(36);
        while tokio::time::Instant::now() < until {
            w.api.call("GET", &w.path("/conversations"), None).await?.is_plainly_unavailable()?;
            lives(&w.api).await?;
            says(w, "not answer").await?;
        }
        server(w)?.start_again().await?;
        w.reads_again().await?;
        w.conversations_are(2).await?;
        w.delivery_is(conversation, waiting, "sent").await?;
        w.inbox_has(ADA, 1).await?;
        assert_eq!(problem(w).await?, None);
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_others_used_up_are_503_where_one_is_wanted_and_it_goes_on_when_there_are_some() -> Result<()>
{
    // A process opens as many as it is allowed before another one has any: two for each of ours.
    let setup = setup(&["max_connections=24", "superuser_reserved_connections=3"]).with("DATABASE_CONNECTIONS", "2");
    World::run(setup.through_proxies(), async |w| {
        let conversation = w.first_conversation().await?;
        let url = w.database_url().to_owned();
        // Ours are dropped, and others take every place before we are back.
        w.proxy(Link::Database)?.set(testkit::chaos::Mode::Cut);
        let mut others = Vec::new();
        w.eventually("ours are gone", async |w| {
            let server = w.postgres_server.as_ref().context("a server")?;
            Ok(server.sessions("application_name = 'postroom'").await? == 0)
        })
        .await?;
        while let Ok(connection) = PgConnection::connect(&url).await {
            others.push(connection);
        }
        w.proxy(Link::Database)?.set(testkit::chaos::Mode::Pass);
        w.deliver(SUPPORT, &numbered(1)).await?;
        w.api.call("GET", &w.path("/conversations"), None).await?.is_plainly_unavailable()?;
        let reply = json!({"content": "refused"});
        let path = w.path(&format!("/conversations/{conversation}/messages"));
        w.api.call("POST", &path, Some(&reply)).await?.is_plainly_unavailable()?;
        lives(&w.api).await?;
        says(w, "not answer").await?;
        // Four places are enough to go on slowly.
        for other in others.drain(..4) {
            other.close().await?;
        }
        w.reads_again().await?;
        others.clear();
        w.eventually("nothing is refused any more", async |w| {
            Ok(w.api.call("GET", "/health/ready", None).await?.status == 200)
        })
        .await?;
        w.conversations_are(2).await?;
        let reply = w.reply(conversation, "accepted").await?["id"].as_i64().context("id")?;
        w.delivery_is(conversation, reply, "sent").await?;
        w.said_are(conversation, 2).await?;
        w.inbox_has(ADA, 1).await?;
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn transactions_that_are_ended_for_a_deadlock_are_tried_again() -> Result<()> {
    // Nobody else gives way: whoever waits for more than a second in a circle is ended, and our foreign session is patient.
    World::run(setup(&["deadlock_timeout=1s"]), async |w| {
        let conversation = w.first_conversation().await?;
        let mut other = as_superuser(w).await?;
        for n in 0..3 {
            // Conversation, then contact: the other way round than our mail's.
            other.execute("BEGIN").await?;
            other.execute("SET LOCAL deadlock_timeout = '10min'").await?;
            other.execute("SELECT id FROM conversations FOR UPDATE").await?;
            let answer =
                Mail::new(ADA, "Re: Order", &format!("more {n}")).id(&format!("more-{n}@c")).answering("one@c");
            w.deliver(SUPPORT, &answer.bytes()).await?;
            ours_wait(w).await?;
            other.execute("SELECT id FROM contacts FOR UPDATE").await?;
            other.execute("COMMIT").await?;
            w.said_are(conversation, n + 2).await?;
        }
        // Counter, then conversation: the other way round than a reply's. Who wrote it notices nothing. Nobody else waits meanwhile.
        w.stop_all("work")?;
        let mut replies = Vec::new();
        for n in 0..3 {
            other.execute("BEGIN").await?;
            other.execute("SET LOCAL deadlock_timeout = '10min'").await?;
            other.execute("SELECT 1 FROM account_counters FOR UPDATE").await?;
            let path = w.path(&format!("/conversations/{conversation}/messages"));
            let api = w.api.clone();
            let before = deadlocks(w)?;
            let asked = tokio::spawn(async move { api.post(&path, &json!({"content": format!("reply {n}")})).await });
            ours_wait(w).await?;
            other.execute("SELECT id FROM conversations FOR UPDATE").await?;
            other.execute("COMMIT").await?;
            replies.push(asked.await??["id"].as_i64().context("id")?);
            assert!(deadlocks(w)? > before, "no deadlock came about:\n{}", server(w)?.log());
        }
        w.start_processes().await?;
        all_sent_once(w, conversation, &replies).await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_role_whose_transactions_are_serializable_makes_no_difference() -> Result<()> {
    World::run(setup(&[]), async |w| {
        server(w)?.say("ALTER ROLE postroom SET default_transaction_isolation = 'serializable'").await?;
        // Every process begins anew, with sessions under the new default.
        w.stop_all("work")?;
        w.stop_all("serve")?;
        w.start_processes().await?;
        let conversation = w.first_conversation().await?;
        let load = Load::start(w, conversation);
        for n in 1..12 {
            w.deliver(SUPPORT, &numbered(n)).await?;
        }
        w.conversations_are(12).await?;
        let told = load.end().await?;
        assert_eq!(told.refused, 0, "{told:?}");
        all_sent_once(w, conversation, &told.accepted).await?;
        let log = server(w)?.log();
        assert!(!log.contains("could not serialize"), "{log}");
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn columns_that_a_newer_version_adds_are_noticed_without_an_error_of_ours() -> Result<()> {
    World::run(setup(&[]), async |w| {
        let conversation = w.first_conversation().await?;
        let load = Load::start(w, conversation);
        let database = w.database_url().to_owned();
        let mut newer = PgConnection::connect(&database).await?;
        for table in
            ["conversations", "messages", "contacts", "deliveries", "users", "accounts", "raw_emails", "grants"]
        {
            newer.execute(sqlx::AssertSqlSafe(format!("ALTER TABLE {table} ADD COLUMN of_tomorrow BIGINT"))).await?;
        }
        w.deliver(SUPPORT, &numbered(1)).await?;
        // Each connection may be refused once, when it learns of it.
        let told = load.end().await?;
        assert!(told.refused < 20, "{told:?}");
        w.reads_again().await?;
        w.conversations_are(2).await?;
        all_sent_once(w, conversation, &told.accepted).await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_standby_that_took_over_reads_and_says_that_it_takes_no_writes_until_it_is_promoted() -> Result<()> {
    World::run(setup(&["wal_level=replica"]).through_proxies(), async |w| {
        let conversation = w.first_conversation().await?;
        let standby = server(w)?.hot_standby().await?;
        let (first, second) = (server(w)?.port, standby.port);
        w.eventually("the standby has everything", async |w| {
            let mut copy = PgConnection::connect(&standby.url()).await?;
            let messages: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM messages").fetch_one(&mut copy).await?;
            Ok(usize::try_from(messages)? == w.said(conversation).await?.len())
        })
        .await?;
        w.proxy(Link::Database)?.lead_to(second);
        w.deliver(SUPPORT, &numbered(1)).await?;
        says(w, "takes no writes").await?;
        assert_eq!(w.api.call("GET", &w.path("/conversations"), None).await?.status, 200, "reading works");
        let path = w.path(&format!("/conversations/{conversation}/messages"));
        w.api.call("POST", &path, Some(&json!({"content": "refused"}))).await?.is_plainly_unavailable()?;
        lives(&w.api).await?;
        // The first one is gone, and the standby becomes the database.
        server(w)?.stop(Shutdown::Fast)?;
        standby.promote().await?;
        // From here on what is looked at from outside is there as well.
        let old = w.postgres_server.replace(standby).context("the first server")?;
        w.now_on(&w.database_url().replace(&first.to_string(), &second.to_string()));
        w.conversations_are(2).await?;
        let reply = w.reply(conversation, "hello").await?["id"].as_i64().context("id")?;
        w.delivery_is(conversation, reply, "sent").await?;
        w.inbox_has(ADA, 1).await?;
        assert_eq!(problem(w).await?, None);
        drop(old);
        Ok(())
    })
    .await
}
