//! Behind the database's URL there is suddenly another database: an empty standby, or somebody else's (R6, I1, O2). Nothing is read from it
//! or written to it, everybody is told, and everything goes on when the right one is back.

use anyhow::{Context, Result};
use serde_json::json;
use sqlx::{Connection as _, PgConnection};
use testkit::builders::numbered;
use testkit::load::lives;
use testkit::post::ADA;
use testkit::postgres_server::PostgresServer;
use testkit::ways::Link;
use testkit::world::{ADMIN_EMAIL, ADMIN_PASSWORD, Database, Queue, SUPPORT, Setup, World};

fn setup() -> Setup {
    Setup::on(Database::Postgres, Queue::Redis).with_own_postgres(&[]).through_proxies()
}

/// Every table with the number of its rows, and when a row was changed last.
async fn content(url: &str) -> Result<Vec<(String, i64)>> {
    let mut connection = PgConnection::connect(url).await?;
    let tables: Vec<String> =
        sqlx::query_scalar("SELECT tablename::text FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")
            .fetch_all(&mut connection)
            .await?;
    let mut content = Vec::new();
    for table in tables {
        let count = format!("SELECT COUNT(*) + COALESCE(MAX(xmin::text::bigint), 0) FROM {table}");
        content.push((table, sqlx::query_scalar(sqlx::AssertSqlSafe(count)).fetch_one(&mut connection).await?));
    }
    Ok(content)
}

/// As long as `other` stands behind the URL, and afterwards.
async fn is_refused(w: &mut World, other: &PostgresServer) -> Result<()> {
    let conversation = w.first_conversation().await?;
    let ours = w.postgres_server.as_ref().context("a server")?.port;
    let before = content(&other.url()).await?;
    w.proxy(Link::Database)?.lead_to(other.port);
    w.deliver(SUPPORT, &numbered(1)).await?;
    w.eventually("the readiness says so", async |w| {
        let ready = w.api.call("GET", "/health/ready", None).await?;
        Ok(ready.body["missing"][0]["problem"].as_str().is_some_and(|words| words.contains("another database")))
    })
    .await?;
    let path = w.path(&format!("/conversations/{conversation}/messages"));
    let sign_in = json!({"email": ADMIN_EMAIL, "password": ADMIN_PASSWORD});
    w.api.with_token(None).call("POST", "/auth/sign_in", Some(&sign_in)).await?.is_plainly_unavailable()?;
    // Until every part of the worker has tried in vain: heartbeat and relay, and the actors of mailboxes with them.
    for words in ["mailboxes wait", "owed work cannot be handed over"] {
        w.says("work", words, 1).await?;
    }
    for _ in 0..10 {
        w.api.call("GET", &w.path("/conversations"), None).await?.is_plainly_unavailable()?;
        w.api.call("POST", &path, Some(&json!({"content": "refused"}))).await?.is_plainly_unavailable()?;
        lives(&w.api).await?;
    }
    // Whoever is started there is told as well, in words that say what to do.
    for command in ["work", "run"] {
        let refused = format!("{:#}", w.postroom(&[command]).err().context("it began on another database")?);
        assert!(refused.contains("REDIS_URL has carried jobs for installation"), "{refused}");
    }
    assert_eq!(content(&other.url()).await?, before, "something was written into another database");
    w.proxy(Link::Database)?.lead_to(ours);
    w.conversations_are(2).await?;
    let reply = w.reply(conversation, "hello").await?["id"].as_i64().context("id")?;
    w.delivery_is(conversation, reply, "sent").await?;
    w.inbox_has(ADA, 1).await?;
    assert_eq!(w.api.call("GET", "/health/ready", None).await?.status, 200);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_database_behind_the_url_is_refused_and_stays_empty() -> Result<()> {
    World::run(setup(), async |w| is_refused(w, &PostgresServer::start(&[]).await?).await).await
}

#[tokio::test(flavor = "multi_thread")]
async fn another_installations_database_behind_the_url_is_refused_and_stays_as_it_is() -> Result<()> {
    World::run(setup(), async |w| {
        let theirs = World::start(setup()).await?;
        let mut theirs = theirs;
        theirs.stop_all("work")?;
        theirs.stop_all("serve")?;
        is_refused(w, theirs.postgres_server.as_ref().context("a server")?).await?;
        theirs.finish().await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schema_that_goes_away_under_running_processes_is_503_and_not_made_anew() -> Result<()> {
    World::run(setup(), async |w| {
        w.connect_and_watch(SUPPORT).await?;
        let server = w.postgres_server.as_ref().context("a server")?;
        let database = server.url().replace("//postroom@", "//postgres@");
        let mut admin = PgConnection::connect(&database).await?;
        let say = async |admin: &mut PgConnection, text: &'static str| sqlx::query(text).execute(admin).await.map(drop);
        say(&mut admin, "ALTER SCHEMA public RENAME TO elsewhere").await?;
        say(&mut admin, "CREATE SCHEMA public AUTHORIZATION postroom").await?;
        w.deliver(SUPPORT, &numbered(1)).await?;
        for _ in 0..5 {
            w.api.call("GET", &w.path("/conversations"), None).await?.is_plainly_unavailable()?;
            assert_eq!(w.api.call("GET", "/health/ready", None).await?.status, 503);
            lives(&w.api).await?;
        }
        let refused = format!("{:#}", w.postroom(&["run"]).err().context("it began on an empty database")?);
        assert!(refused.contains("the database is empty"), "{refused}");
        assert_eq!(content(&database).await?, []);
        say(&mut admin, "DROP SCHEMA public").await?;
        say(&mut admin, "ALTER SCHEMA elsewhere RENAME TO public").await?;
        w.conversations_are(1).await?;
        Ok(())
    })
    .await
}
