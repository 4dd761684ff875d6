//! A stop is over within half a minute whatever hangs, and leaves everything so that the next process takes it up at once (R3).

use anyhow::{Context, Result};
use sandbox::{CONTOSO, Event, ImapFault, SmtpFault, TenantUser};
use serde_json::json;
use std::time::{Duration, Instant};
use testkit::builders::{Mail, numbered};
use testkit::chaos::Mode;
use testkit::post::ADA;
use testkit::process::Signal;
use testkit::world::{Database, Queue, SUPPORT, Setup, World};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// What is promised.
const HALF_A_MINUTE: Duration = Duration::from_secs(30);
const SALES: &str = "sales@contoso.example";

fn apart() -> Setup {
    Setup::on(Database::Postgres, Queue::Redis).with("OUTCOME_LOOKS_SECONDS", "1,2,2")
}

fn in_one(database: Database) -> Setup {
    Setup { apart: false, ..Setup::on(database, Queue::Memory) }.with("OUTCOME_LOOKS_SECONDS", "1,2,2")
}

fn said_to_the_server(w: &World, user: &str, command: &str) -> usize {
    let is_it = |event: &Event| matches!(event, Event::ImapCommand { user: by, command: said } if by == user && said == command);
    w.sandbox.events().iter().filter(|event| is_it(event)).count()
}

/// A mail is being handed over to a server that never answers, another mailbox's mail stops coming in the middle, its
/// import has stopped in the middle as well, and the first one sits in IDLE. Answers the conversation and the reply.
async fn much_is_under_way(w: &mut World) -> Result<(i64, i64)> {
    let conversation = w.first_conversation().await?;
    for n in 0..300 {
        let old = Mail::new("Bea <bea@customer.example>", &format!("Old {n}"), "long ago").id(&format!("old{n}@c"));
        w.sandbox.deliver(SALES, &old.bytes());
    }
    w.sandbox.add_user(TenantUser::work(CONTOSO, SALES, "Sales"));
    w.sandbox.faults().always_for(SALES, ImapFault::FetchStallInLiteral { after_messages: 0 });
    let sales = w.connect(SALES).await?;
    w.watched(sales).await?;
    w.deliver(SALES, &numbered(7000)).await?;
    w.sandbox.faults().once(SmtpFault::StallAfterDot { accepted: true });
    let reply = w.reply(conversation, "hello").await?["id"].as_i64().context("id")?;
    w.eventually("both servers have fallen silent, the mailbox's to the import as to the news", async |w| {
        let fired = w.sandbox.faults().fired();
        let met = |wanted: fn(&sandbox::Fault) -> bool| fired.iter().filter(|fault| wanted(fault)).count();
        Ok(met(|f| matches!(f, sandbox::Fault::Smtp(_))) >= 1 && met(|f| matches!(f, sandbox::Fault::Imap(_))) >= 2)
    })
    .await?;
    let import = w.api.get(&w.path(&format!("/inboxes/{sales}/health"))).await?["import"].clone();
    assert_ne!(import["state"], json!("done"), "it is under way: {import}");
    Ok((conversation, reply))
}

/// Whatever this process held is free, by the database.
async fn nothing_is_held(w: &World) -> Result<()> {
    for (what, query) in [
        ("mailboxes", "SELECT COUNT(*) FROM email_channels WHERE worker_session_id IS NOT NULL"),
        ("rights to send", "SELECT COUNT(*) FROM email_channels WHERE send_lease_token IS NOT NULL"),
        ("claims on work", "SELECT COUNT(*) FROM owed_work WHERE lease_token IS NOT NULL"),
        ("claims on mail", "SELECT COUNT(*) FROM raw_emails WHERE lease_token IS NOT NULL"),
        ("sessions", "SELECT COUNT(*) FROM worker_sessions"),
    ] {
        assert_eq!(w.number(query).await?, 0, "{what} are still held");
    }
    Ok(())
}

async fn it_stops_under_load(setup: Setup) -> Result<()> {
    World::run(setup, async |w| {
        let (conversation, reply) = much_is_under_way(w).await?;
        let goodbyes = said_to_the_server(w, SUPPORT, "LOGOUT");
        let worker = w.worker_name();
        let ended = w.stop(worker, HALF_A_MINUTE)?;
        assert!(ended.success(), "{ended}: {}", w.said_by(worker)?);
        nothing_is_held(w).await?;
        assert!(said_to_the_server(w, SUPPORT, "LOGOUT") > goodbyes, "the mailbox in IDLE was left with a goodbye");
        w.sandbox.faults().clear();
        w.start_processes().await?;
        w.deliver(SUPPORT, &numbered(1)).await?;
        // The first conversation, the new one, the one that hung, and what was imported.
        let meta = w.path("/conversations/meta?status=all");
        w.eventually("all mail is there", async |w| Ok(w.api.get(&meta).await?["meta"]["all_count"] == json!(303)))
            .await?;
        w.delivery_is(conversation, reply, "sent").await?;
        w.inbox_has(ADA, 1).await?;
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn run_stops_under_load_and_gives_everything_back_on_sqlite() -> Result<()> {
    it_stops_under_load(in_one(Database::Sqlite)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn run_stops_under_load_and_gives_everything_back_on_postgres() -> Result<()> {
    it_stops_under_load(in_one(Database::Postgres)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn work_stops_under_load_and_gives_everything_back() -> Result<()> {
    it_stops_under_load(apart()).await
}

/// A request whose body is still coming when the stop is asked for.
async fn a_request_in_flight_is_answered(setup: Setup) -> Result<()> {
    World::run(setup, async |w| {
        let conversation = w.first_conversation().await?;
        let body = json!({"content": "slowly"}).to_string();
        let address = w.base.trim_start_matches("http://").to_owned();
        #[expect(clippy::disallowed_methods, reason = "the client's own socket")]
        let mut request = TcpStream::connect(&address).await?;
        let head = format!(
            "POST {} HTTP/1.1\r\nHost: {address}\r\napi_access_token: {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            w.path(&format!("/conversations/{conversation}/messages")),
            w.api.token().context("a token")?,
            body.len()
        );
        request.write_all(head.as_bytes()).await?;
        request.write_all(&body.as_bytes()[..5]).await?;
        // Something else was answered after that began, so the server has it.
        w.conversations().await?;
        let api = w.api_name();
        w.signal(api, 0, Signal::Term)?;
        w.says(api, "stopping: what runs comes to its end first", 1).await?;
        request.write_all(&body.as_bytes()[5..]).await?;
        let mut answer = vec![0; 4096];
        let count = request.read(&mut answer).await?;
        let answer = String::from_utf8_lossy(&answer[..count]).into_owned();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer:?}");
        assert!(w.ended(api)?.success());
        w.start_processes().await?;
        let said = w.said_are(conversation, 2).await?;
        w.delivery_is(conversation, said[1]["id"].as_i64().context("id")?, "sent").await?;
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn serve_answers_what_it_was_asked_before_it_stops() -> Result<()> {
    a_request_in_flight_is_answered(apart()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn run_answers_what_it_was_asked_before_it_stops() -> Result<()> {
    a_request_in_flight_is_answered(in_one(Database::Sqlite)).await
}

/// A client that asks and never finishes its question, a mail server and a database that say nothing more.
#[tokio::test(flavor = "multi_thread")]
async fn a_stop_is_over_in_half_a_minute_while_mail_server_database_and_client_hang() -> Result<()> {
    World::run(apart().through_proxies(), async |w| {
        let (conversation, reply) = much_is_under_way(w).await?;
        let address = w.base.trim_start_matches("http://").to_owned();
        #[expect(clippy::disallowed_methods, reason = "the client's own socket")]
        let mut request = TcpStream::connect(&address).await?;
        request.write_all(b"POST /auth/sign_in HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 20\r\n\r\n{").await?;
        let proxies = w.proxies.as_ref().context("proxies")?;
        proxies.database.as_ref().context("PostgreSQL")?.set(Mode::Stall);
        proxies.imap.set(Mode::Stall);
        for name in ["work", "serve"] {
            let begun = Instant::now();
            let ended = w.stop(name, HALF_A_MINUTE)?;
            assert!(ended.success(), "{name}: {ended} after {:?}\n{}", begun.elapsed(), w.said_by(name)?);
        }
        let proxies = w.proxies.as_ref().context("proxies")?;
        let database = proxies.database.as_ref().context("PostgreSQL")?;
        for proxy in [database, &proxies.imap] {
            proxy.set(Mode::Cut);
            proxy.set(Mode::Pass);
        }
        w.sandbox.faults().clear();
        w.start_processes().await?;
        w.deliver(SUPPORT, &numbered(1)).await?;
        w.delivery_is(conversation, reply, "sent").await?;
        w.inbox_has(ADA, 1).await?;
        Ok(())
    })
    .await
}

async fn the_second_signal_insists(setup: Setup) -> Result<()> {
    World::run(setup, async |w| {
        let conversation = w.first_conversation().await?;
        w.sandbox.faults().once(SmtpFault::StallAfterDot { accepted: true });
        let reply = w.reply(conversation, "hello").await?["id"].as_i64().context("id")?;
        w.eventually("the server has the final dot", async |w| Ok(!w.sandbox.faults().fired().is_empty())).await?;
        let worker = w.worker_name();
        w.signal(worker, 0, Signal::Term)?;
        w.says(worker, "stopping: what runs comes to its end first", 1).await?;
        w.signal(worker, 0, Signal::Term)?;
        let ended = w.ended(worker)?;
        assert_eq!(ended.code(), Some(130), "{ended}");
        assert!(w.said_by(worker)?.contains("stopping at once"));
        w.start_processes().await?;
        w.delivery_is(conversation, reply, "sent").await?;
        w.inbox_has(ADA, 1).await?;
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_ends_run_at_once_and_nothing_is_lost() -> Result<()> {
    the_second_signal_insists(in_one(Database::Sqlite)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_ends_work_at_once_and_nothing_is_lost() -> Result<()> {
    the_second_signal_insists(apart()).await
}
