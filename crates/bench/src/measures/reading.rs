//! What an agent's page reads most, with ever so many messages stored: the list with its four counts, the badges, a conversation (P5).
//!
//! The mails are taken in by the program; what more there is, is copied in the database. wrk asks, so that the asking costs next to nothing.

use super::{Servers, Sizes};
use crate::corpus::Kind;
use crate::database::Database;
use crate::place::{Place, Program};
use crate::report::{Section, ms, quantile};
use anyhow::{Context, Result, ensure};
use std::process::Command;
use std::time::{Duration, Instant};

/// Of the mails that are taken in, one in so many is as mails come; the others are short.
const MIXED: u64 = 10;
/// Of the conversations, one in so many stays open.
const OPEN: i64 = 10;
/// Those who ask at once under wrk.
const AT_ONCE: u32 = 8;

pub async fn run(servers: &Servers, databases: &[Database], sizes: &Sizes) -> Result<Vec<Section>> {
    let mut section = Section::new(
        "P5: reading (`reading`)",
        format!(
            "{} mails taken in and copied {} times; one conversation in {OPEN} is open, a third of them the asking agent's, a third nobody's. *Alone*: \
             {} requests, one after the other over one connection, the answer read whole, times at the client. *Under wrk*: {AT_ONCE} connections for {} s. \
             CPU is of `postroom run` and the database's server, under wrk. P5 promises p99 < 20 ms for the list with its four counts.",
            sizes.read_mails, sizes.read_copies, sizes.reads, sizes.read_seconds
        ),
        &[
            "database",
            "request",
            "alone, p50",
            "p99",
            "under wrk, requests/s",
            "p50",
            "p99",
            "CPU each",
            "of that in its server",
        ],
    );
    for (database, postgres) in servers.pairings(databases) {
        let place = Place::new(&servers.mail, postgres).await?;
        let mailbox = format!("reading-{}@contoso.example", database.as_str().to_lowercase());
        place.mailboxes(std::iter::once(mailbox.clone())).await?;
        let mut program = place.start(&[], 1).await?;
        let mixed = sizes.read_mails / MIXED;
        place.mail.fill(&mailbox, Kind::Mixed, 0, mixed).await?;
        place.mail.fill(&mailbox, Kind::Small, mixed, sizes.read_mails - mixed).await?;
        program.has_ingested(sizes.read_mails).await?;
        // Then the worker rests while it is measured: the copies are no event, and not indexed.
        program
            .eventually("everything is in the search index", async || {
                let behind = "SELECT COUNT(*) FROM account_counters c LEFT JOIN search_progress p ON p.account_id = c.account_id \
                              WHERE p.account_id IS NULL OR p.event_seq < c.event_seq OR p.messages_below > 0 OR p.contacts_below > 0";
                Ok(place.connection().await?.number(behind).await? == 0)
            })
            .await?;
        program.stop()?;
        let user = place.signed_up.member.agent.user.id.0;
        let mut connection = place.connection().await?;
        connection.copy_messages(sizes.read_copies).await?;
        connection.run(&format!("UPDATE conversations SET status = 'resolved' WHERE id % {OPEN} <> 0")).await?;
        connection.run(&format!("UPDATE conversations SET assignee_id = {user} WHERE (id / {OPEN}) % 3 = 0")).await?;
        connection.settle().await?;
        for (name, query) in [
            ("messages", "SELECT COUNT(*) FROM messages"),
            ("conversations", "SELECT COUNT(*) FROM conversations"),
            ("open conversations", "SELECT COUNT(*) FROM conversations WHERE status = 'open'"),
        ] {
            section.count(format!("{name}, {}", database.as_str()), u64::try_from(connection.number(query).await?)?);
        }
        // The one with the most to show, as far as there is one.
        let longest = "SELECT CAST(display_id AS BIGINT) FROM conversations WHERE id = (SELECT conversation_id FROM messages \
                       GROUP BY conversation_id ORDER BY COUNT(*) DESC, conversation_id LIMIT 1)";
        let longest = connection.number(longest).await?;
        drop(connection);
        let program = place.start(&[], 1).await?;
        for (name, path) in [
            ("list, open, mine (the default)", "/conversations?status=open&assignee_type=me".to_owned()),
            ("list, open, all", "/conversations?status=open&assignee_type=all".to_owned()),
            ("list, open, all, page 20", "/conversations?status=open&assignee_type=all&page=20".to_owned()),
            ("list, every status", "/conversations?status=all&assignee_type=all".to_owned()),
            (
                "list, open, by priority",
                "/conversations?status=open&assignee_type=all&sort_by=priority_desc".to_owned(),
            ),
            ("four counts", "/conversations/meta?status=open".to_owned()),
            ("badges", "/conversations/unread_counts".to_owned()),
            ("a conversation", format!("/conversations/{longest}")),
            ("its messages", format!("/conversations/{longest}/messages")),
        ] {
            let path = place.path(&path);
            let alone = alone(&place, &path, sizes.reads).await?;
            let loaded = under_wrk(&place, &program, &path, sizes.read_seconds)?;
            section.row([
                database.as_str().to_owned(),
                name.to_owned(),
                ms(quantile(&alone, 500)),
                ms(quantile(&alone, 990)),
                format!("{:.0}", loaded.each_second),
                loaded.p50,
                loaded.p99,
                ms(loaded.program + loaded.database),
                if database == Database::Postgres { ms(loaded.database) } else { String::new() },
            ]);
            section.count(format!("requests answered, {}", database.as_str()), loaded.requests);
        }
        program.stop()?;
    }
    Ok(vec![section])
}

async fn alone(place: &Place<'_>, path: &str, times: u64) -> Result<Vec<Duration>> {
    let mut all = Vec::new();
    // The first ones warm up.
    for n in 0..times + times / 10 + 1 {
        let begun = Instant::now();
        let answer = place.api.call("GET", path, None).await?;
        ensure!(answer.status == 200, "{path}: {} {}", answer.status, answer.text);
        if n > times / 10 {
            all.push(begun.elapsed());
        }
    }
    all.sort_unstable();
    Ok(all)
}

struct Loaded {
    requests: u64,
    each_second: f64,
    p50: String,
    p99: String,
    program: Duration,
    database: Duration,
}

fn under_wrk(place: &Place<'_>, program: &Program<'_>, path: &str, seconds: u64) -> Result<Loaded> {
    let before = program.cpu()?;
    let token = place.api.token().context("a token")?;
    let mut wrk = Command::new("wrk");
    wrk.args([
        "--threads",
        "1",
        "--latency",
        "--connections",
        &AT_ONCE.to_string(),
        "--duration",
        &format!("{seconds}s"),
    ]);
    wrk.args(["--header", &format!("api_access_token: {token}"), &format!("{}{path}", place.api.base())]);
    let output = wrk.output().context("wrk is not installed: run scripts/install")?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(output.status.success() && !said.contains("Non-2xx"), "wrk {path}: {said}");
    let after = |label: &str| {
        let line = said.lines().map(str::trim).find_map(|line| line.strip_prefix(label));
        line.and_then(|rest| rest.split_whitespace().next())
            .map(str::to_owned)
            .with_context(|| format!("{label}: {said}"))
    };
    let total = said.lines().map(str::trim).find_map(|line| line.split_once(" requests in ").map(|(n, _)| n));
    let requests: u64 = total.context("wrk says how many")?.parse()?;
    let each = program.cpu()?.since(before).each(requests);
    Ok(Loaded {
        requests,
        each_second: after("Requests/sec:")?.parse()?,
        p50: after("50%")?,
        p99: after("99%")?,
        program: each.program,
        database: each.database,
    })
}
