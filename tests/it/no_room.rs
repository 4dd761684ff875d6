//! The disk is full, or another program holds SQLite's file: states with words, and not the end of anything (R6, O1, I1).

use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::process::Command;
use testkit::builders::{Mail, numbered};
use testkit::load::lives;
use testkit::post::ADA;
use testkit::postgres_server::give_to_postgres;
use testkit::process::Process;
use testkit::small_disk::SmallDisk;
use testkit::world::{Database, Queue, SUPPORT, Setup, World};

fn mails(n: usize) -> Vec<u8> {
    // Large enough not to fit into a place that something else left; half of them a file beside SQLite, and half of them a row.
    let lines = if n.is_multiple_of(2) { 7000 } else { 3000 };
    Mail::new(ADA, &format!("Mail {n}"), &"a line of this mail, which is not short\n".repeat(lines))
        .id(&format!("mail-{n}@c"))
        .bytes()
}

async fn says(w: &mut World, words: &str) -> Result<()> {
    w.eventually(&format!("the readiness says {words:?}"), async |w| {
        let ready = w.api.call("GET", "/health/ready", None).await?;
        Ok(ready.body["missing"][0]["problem"].as_str().is_some_and(|problem| problem.contains(words)))
    })
    .await
}

/// A reply that does not fit into any place that is left.
fn long_reply() -> Value {
    json!({"content": "word ".repeat(20_000)})
}

/// The disk is full, and has room again: `disk` is where the database keeps its files.
async fn the_disk_is_full(w: &mut World, disk: &SmallDisk) -> Result<()> {
    let conversation = w.first_conversation().await?;
    let path = w.path(&format!("/conversations/{conversation}/messages"));
    disk.fill()?;
    for n in 0..4 {
        w.deliver(SUPPORT, &mails(n)).await?;
    }
    // What fits in somewhere may still be accepted, and is owed then; soon nothing is.
    let mut accepted = Vec::new();
    let refused = loop {
        let answer = w.api.call("POST", &path, Some(&long_reply())).await?;
        if answer.status != 200 {
            break answer;
        }
        accepted.push(answer.body["id"].as_i64().context("id")?);
        anyhow::ensure!(accepted.len() < 50, "the disk is not full");
    };
    refused.is_plainly_unavailable()?;
    assert_eq!(refused.body["code"], json!("storage_full"), "{}", refused.text);
    says(w, "no room").await?;
    for _ in 0..3 {
        let list = w.api.call("GET", &w.path("/conversations"), None).await?;
        if list.status != 200 {
            list.is_plainly_unavailable()?;
        }
        w.api.call("POST", &path, Some(&long_reply())).await?.is_plainly_unavailable()?;
        lives(&w.api).await?;
    }
    disk.make_room()?;
    w.conversations_are(5).await?;
    let reply = w.reply(conversation, "hello").await?["id"].as_i64().context("id")?;
    accepted.push(reply);
    for reply in &accepted {
        w.delivery_is(conversation, *reply, "sent").await?;
    }
    w.inbox_has(ADA, accepted.len()).await?;
    w.eventually("it is ready again", async |w| Ok(w.api.call("GET", "/health/ready", None).await?.status == 200)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_under_sqlite_loses_nothing_and_says_so_until_there_is_room() -> Result<()> {
    World::run(Setup::on(Database::Sqlite, Queue::Memory).with_small_disk(24), async |w| {
        let disk = w.disk.take().context("a small disk")?;
        let told = the_disk_is_full(w, &disk).await;
        w.disk = Some(disk);
        told
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_under_postgresql_loses_nothing_and_says_so_until_there_is_room() -> Result<()> {
    World::run(Setup::on(Database::Postgres, Queue::Redis).with_own_postgres(&["autovacuum=off"]), async |w| {
        let server = w.postgres_server.as_ref().context("a server")?;
        let folder = tempfile::Builder::new().prefix("postroom-small").tempdir()?;
        let disk = SmallDisk::mount(&folder.path().join("disk"), 40)?;
        let place = disk.path().join("place");
        std::fs::create_dir(&place)?;
        give_to_postgres(&place)?;
        testkit::process::run(Command::new("chmod").arg("755").arg(folder.path()))?;
        server.say(&format!("CREATE TABLESPACE small LOCATION '{}'", place.display())).await?;
        // Nobody may be connected while it moves.
        w.stop_all("work")?;
        w.stop_all("serve")?;
        w.postgres_server.as_ref().context("a server")?.say("ALTER DATABASE postroom SET TABLESPACE small").await?;
        w.start_processes().await?;
        the_disk_is_full(w, &disk).await?;
        w.holds().await?;
        // Before the disk goes.
        w.stop_all("work")?;
        w.stop_all("serve")?;
        let server = w.postgres_server.as_ref().context("a server")?;
        server.say("ALTER DATABASE postroom SET TABLESPACE pg_default").await?;
        drop(disk);
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn another_program_that_holds_sqlites_file_delays_everything_and_loses_nothing() -> Result<()> {
    World::run(Setup::on(Database::Sqlite, Queue::Memory), async |w| {
        let conversation = w.first_conversation().await?;
        let file = w.database_url().trim_start_matches("sqlite://").to_owned();
        let (held, go) = (w.dir.path().join("held"), w.dir.path().join("go"));
        let script = "import sqlite3, sys, os, time\n\
                      c = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=60)\n\
                      c.execute('BEGIN EXCLUSIVE')\nopen(sys.argv[2], 'w').close()\n\
                      while not os.path.exists(sys.argv[3]): time.sleep(0.05)\n\
                      c.execute('COMMIT')\n";
        let mut command = Command::new("python3");
        command.args(["-c", script, &file]).arg(&held).arg(&go);
        let mut other = Process::start("python3", &mut command, &w.dir.path().join("other.log"))?;
        other.wait_until(|| held.exists())?;
        w.deliver(SUPPORT, &numbered(1)).await?;
        let path = w.path(&format!("/conversations/{conversation}/messages"));
        // Longer than a statement waits for its turn (15 seconds): refused, and not accepted and lost.
        let reply = json!({"content": "refused"});
        w.api.call("POST", &path, Some(&reply)).await?.is_plainly_unavailable()?;
        lives(&w.api).await?;
        assert_eq!(w.api.call("GET", &w.path("/conversations"), None).await?.status, 200, "reading works");
        let ready = w.api.call("GET", "/health/ready", None).await?;
        assert_eq!((ready.status, &ready.body["missing"][0]["part"]), (503, &json!("database")), "{}", ready.text);
        std::fs::write(&go, "")?;
        other.wait_for_end(std::time::Duration::from_secs(30))?;
        w.conversations_are(2).await?;
        let reply = w.reply(conversation, "accepted").await?["id"].as_i64().context("id")?;
        w.delivery_is(conversation, reply, "sent").await?;
        w.said_are(conversation, 2).await?;
        w.inbox_has(ADA, 1).await?;
        w.eventually("it is ready again", async |w| Ok(w.api.call("GET", "/health/ready", None).await?.status == 200))
            .await
    })
    .await
}
