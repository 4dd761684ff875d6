//! The process dies between writing bytes and naming them, and between removing bytes and what named them (DECISIONS: bytes are durable before
//! the row that names them). SQLite, where long ones are files; the others, and all on PostgreSQL, are rows of the same transaction.

use anyhow::{Context, Result};
use serde_json::Value;
use sqlx::{Connection as _, SqliteConnection};
use std::path::PathBuf;
use std::process::Command;
use testkit::builders::Mail;
use testkit::post::ADA;
use testkit::process::{Signal, run};
use testkit::ways::Way::{self, Dies, Stalls};
use testkit::world::{Database, Queue, SUPPORT, Setup, World};

const LINE: &str = "these bytes are stored, swept, and stored again\n";

/// Too long for a row.
fn long_text() -> String {
    LINE.repeat(6000)
}

fn setup() -> Setup {
    Setup::on(Database::Sqlite, Queue::Memory)
}

/// Files that hold blobs.
fn files(w: &World) -> Result<Vec<PathBuf>> {
    let listed = run(Command::new("find").arg(w.dir.path().join("data/blobs")).args(["-type", "f"]))?;
    Ok(listed.lines().map(PathBuf::from).collect())
}

async fn rows(w: &World, query: &'static str) -> Result<i64> {
    Ok(sqlx::query_scalar(query).fetch_one(&mut SqliteConnection::connect(w.database_url()).await?).await?)
}

/// A reply with a file; answers what the API said of it.
async fn reply_with(w: &World, conversation: i64, text: &str) -> Result<Value> {
    let body = format!(
        "--b\r\ncontent-disposition: form-data; name=\"content\"\r\n\r\nwith a file\r\n\
         --b\r\ncontent-disposition: form-data; name=\"attachments[]\"; filename=\"note.txt\"\r\n\
         content-type: text/plain\r\n\r\n{text}\r\n--b--\r\n"
    );
    let path = w.path(&format!("/conversations/{conversation}/messages"));
    w.api
        .send(w.api.request("POST", &path).header("content-type", "multipart/form-data; boundary=b").body(body))
        .await?
        .ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn mail_whose_bytes_are_written_and_not_named_is_there_once() -> Result<()> {
    World::run(setup(), async |w| {
        w.connect_and_watch(SUPPORT).await?;
        for (n, way) in [Dies, Stalls].into_iter().enumerate() {
            w.stop_all("run")?;
            let mail = Mail::new(ADA, &format!("Mail {n}"), &long_text()).id(&format!("mail-{n}@c"));
            w.deliver(SUPPORT, &mail.bytes()).await?;
            let named = rows(w, "SELECT COUNT(*) FROM raw_emails").await?;
            w.start_towards("run", "files_written", way)?;
            w.meets_its_point("run", way).await?;
            assert_eq!(rows(w, "SELECT COUNT(*) FROM raw_emails").await?, named, "the mail is stored already");
            let blobs = usize::try_from(rows(w, "SELECT COUNT(*) FROM blobs").await?)?;
            assert!(files(w)?.len() > blobs, "no file was written");
            w.befalls("run", way, async |w| w.conversations_are(n + 1).await.map(drop)).await?;
            w.holds().await?;
        }
        Ok(())
    })
    .await
}

/// Bytes that nothing refers to, older than the sweeper's grace, and a sweep that is due.
async fn something_to_sweep(w: &World, sha256: &str) -> Result<()> {
    let mut database = SqliteConnection::connect(w.database_url()).await?;
    for statement in [
        // Whoever stored them was about to refer to them, and never did.
        "DELETE FROM attachments",
        "UPDATE deliveries SET composed_blob_id = NULL",
        "UPDATE blobs SET named_at = 1, created_at = 1 WHERE sha256 = ?",
        "DELETE FROM chores",
    ] {
        let query = sqlx::query(statement);
        let query = if statement.contains('?') { query.bind(sha256.to_owned()) } else { query };
        query.execute(&mut database).await?;
    }
    Ok(())
}

async fn bytes_that_are_swept_while_the_process(way: Way) -> Result<()> {
    World::run(setup(), async |w| {
        let conversation = w.first_conversation().await?;
        let text = long_text();
        let sent = reply_with(w, conversation, &text).await?["id"].as_i64().context("id")?;
        w.delivery_is(conversation, sent, "sent").await?;
        w.stop_all("run")?;
        let query = "SELECT b.sha256 FROM blobs b JOIN attachments a ON a.blob_id = b.id";
        let mut database = SqliteConnection::connect(w.database_url()).await?;
        let sha256: String = sqlx::query_scalar(query).fetch_one(&mut database).await?;
        database.close().await?;
        something_to_sweep(w, &sha256).await?;
        let there = |w: &World| -> Result<bool> { Ok(files(w)?.iter().any(|path| path.ends_with(&sha256))) };
        assert!(there(w)?, "the bytes are a file");
        w.start_towards("run", "files_removed", way)?;
        w.meets_its_point("run", way).await?;
        assert!(!there(w)?, "the file is removed");
        if way == Dies {
            w.start_processes().await?;
        } else {
            Signal::Continue.send(w.process_id("run")?);
            w.start_processes().await?;
        }
        // The same bytes again: the row that was left, if it was, has its file again.
        let again = reply_with(w, conversation, &text).await?;
        let url = again["attachments"][0]["data_url"].as_str().context("data_url")?.to_owned();
        let download = w.api.call("GET", &url, None).await?;
        assert_eq!((download.status, download.text == text), (200, true));
        w.delivery_is(conversation, again["id"].as_i64().context("id")?, "sent").await?;
        w.inbox_has(ADA, 2).await?;
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_whose_sweeper_died_can_be_stored_again() -> Result<()> {
    bytes_that_are_swept_while_the_process(Dies).await
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_whose_sweeper_stood_still_can_be_stored_again() -> Result<()> {
    bytes_that_are_swept_while_the_process(Stalls).await
}
