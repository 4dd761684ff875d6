//! A mail taken in by the program, beside what its parts cost alone: reading it off the wire, parsing it, inserting its rows (P1).
//!
//! The program is `postroom run` as it is built, reading one mailbox over TLS with everything it does to a mail: raw store, ingest, events,
//! owed work. The parts are done by the bench on the same mails: the wire with the product's own session and plan, the rows as they stood
//! in the database afterwards, in the batches in which they came. So whatever is between the parts and the whole is the product's own doing.

use super::{Servers, Sizes};
use crate::corpus::{self, Kind};
use crate::database::{Database, PostgresServer};
use crate::machine::cpu_of_this;
use crate::place::{Cpu, Place, blank, connector};
use crate::report::{Section, mib, ms, ratio};
use crate::rows::batches::{Batches, Files};
use anyhow::{Context, Result};
use app::inbound::reading::{self, Arrival};
use domain::{Secret, Timestamp};
use mail::imap::{ImapLogin, Session};
use mail::parse::parse;
use net::{Endpoint, TlsMode};
use std::hint::black_box;
use std::time::Duration;

/// As many as the product asks sizes for at once.
const CHUNK: usize = 100;
/// As the product's setting.
const PARSE_LIMIT: usize = 32 * 1024 * 1024;

pub async fn run(servers: &Servers, databases: &[Database], sizes: &Sizes) -> Result<Vec<Section>> {
    let count = sizes.intake;
    let warm_up = count / 10;
    let mails: Vec<Vec<u8>> = (warm_up..warm_up + count).map(|n| corpus::mail(sizes.seed, Kind::Mixed, n)).collect();
    let bytes: usize = mails.iter().map(Vec::len).sum();
    let senders = 400;
    let mut section = Section::new(
        "P1: a mail taken in (`intake`)",
        format!(
            "CPU per mail, {count} mails of {senders} senders in one mailbox, {} in all, {:.1} kB each on average. \
             Whole: `postroom run` reading them over TLS with IDLE until each is a message and nothing is owed; its CPU and the \
             database server's. The parts on the same mails, each alone, in the bench's process. The IMAP server is a third process \
             and is not counted. P1 promises a ratio of at most 2; the aim outside the database's server is 0.25 ms.",
            mib(bytes as u64),
            (bytes / mails.len().max(1)) as f64 / 1000.0,
        ),
        &["what", "SQLite", "PostgreSQL", "of that in its server"],
    );
    section.count("mails", count);

    servers.mail.fill("wire@contoso.example", Kind::Mixed, 0, warm_up + count).await?;
    let tls = wire(servers, TlsMode::Implicit, warm_up, count, &mut section).await?;
    let plain = wire(servers, TlsMode::None, warm_up, count, &mut section).await?;
    let parsed =
        of_this(|| mails.iter().for_each(|mail| drop(black_box(parse(mail, PARSE_LIMIT)))))? / u32::try_from(count)?;
    let read = of_this(|| {
        let at = Timestamp::from_seconds(1_793_606_400);
        let arrival = Arrival { stated: at, at };
        mails.iter().for_each(|mail| drop(black_box(reading::read(mail, arrival, PARSE_LIMIT, false))));
    })? / u32::try_from(count)?;
    let mut rows: Vec<Vec<String>> = [
        "write the long blobs' files",
        "insert the rows",
        "**sum of the parts (TLS)**",
        "**whole intake**",
        "**ratio**",
        "whole, outside the database's server",
    ]
    .map(|name| vec![name.to_owned()])
    .to_vec();
    for (database, postgres) in servers.pairings(databases) {
        let place = Place::new(&servers.mail, postgres).await?;
        let whole = whole(&place, warm_up, count).await?;
        let (files, insert, batches) = insert(&place, postgres).await?;
        section.count(format!("rows inserted alone, {}", database.as_str()), batches.rows() as u64);
        section.count(format!("mails among them, {}", database.as_str()), batches.mails() as u64);
        section.count(format!("batches, {}", database.as_str()), batches.len() as u64);
        let sum = tls + parsed + files + insert.total();
        let of = [
            (files, None),
            (insert.total(), Some(insert.database)),
            (sum, None),
            (whole.total(), Some(whole.database)),
        ];
        for (row, (total, server)) in rows.iter_mut().zip(of) {
            row.push(ms(total));
            if database == Database::Postgres {
                row.push(server.map(ms).unwrap_or_default());
            }
        }
        rows[4].push(format!("**{}**", ratio(whole.total(), sum)));
        rows[5].push(ms(whole.program));
    }
    section.row(["read off the wire, TLS".to_owned(), ms(tls)]);
    section.row(["read off the wire, plain (beside; not in the sum)".to_owned(), ms(plain)]);
    section.row(["parse".to_owned(), ms(parsed)]);
    section.row(["parse and put into words, trimmed of quotes (beside; not in the sum)".to_owned(), ms(read)]);
    rows.into_iter().for_each(|row| section.row(row));
    // Every row as wide as the head.
    let width = section.columns.len();
    section.rows.iter_mut().for_each(|row| row.resize(width, String::new()));
    Ok(vec![section])
}

fn of_this(work: impl FnOnce()) -> Result<Duration> {
    let before = cpu_of_this()?;
    work();
    Ok(cpu_of_this()?.saturating_sub(before))
}

/// The product's own session, asking as the pull asks, and nothing done with what comes.
async fn wire(servers: &Servers, tls: TlsMode, warm_up: u64, count: u64, section: &mut Section) -> Result<Duration> {
    let port = if tls == TlsMode::Implicit { servers.mail.imaps_port } else { servers.mail.imap_port };
    let login = ImapLogin {
        endpoint: Endpoint::new("127.0.0.1", port, tls),
        user: "wire@contoso.example".to_owned(),
        token: Secret::new("a token that is believed"),
    };
    let connector = connector(&servers.mail)?;
    let mut session = Session::open(&connector, &login).await.map_err(|failure| anyhow::anyhow!("{failure}"))?;
    session.examine("INBOX").await.map_err(|failure| anyhow::anyhow!("{failure}"))?;
    let mut fetched = 0u64;
    let mut begun = None;
    let uids = session.uids_after(0).await.map_err(|failure| anyhow::anyhow!("{failure}"))?;
    anyhow::ensure!(uids.len() as u64 >= warm_up + count, "{} mails are announced", uids.len());
    let (first, rest) = uids.split_at(usize::try_from(warm_up)?);
    for (measured, uids) in [(false, first), (true, rest)] {
        if measured {
            begun = Some(cpu_of_this()?);
        }
        for chunk in uids.chunks(CHUNK) {
            for batch in session.plan(chunk).await.map_err(|failure| anyhow::anyhow!("{failure}"))? {
                let mails = session.fetch_batch(&batch).await.map_err(|failure| anyhow::anyhow!("{failure}"))?;
                fetched += if measured { black_box(mails).len() as u64 } else { 0 };
            }
        }
    }
    let cpu = cpu_of_this()?.saturating_sub(begun.context("a beginning")?);
    session.logout().await;
    let fetched_now = fetched.min(count);
    section.count(format!("mails read, {tls:?}"), fetched_now);
    Ok(cpu / u32::try_from(fetched_now.max(1))?)
}

/// The program takes in `count` mails that arrive at once, after `warm_up` others.
async fn whole(place: &Place<'_>, warm_up: u64, count: u64) -> Result<Cpu> {
    let mailbox = format!("intake-{}@contoso.example", place.database.as_str().to_lowercase());
    place.mailboxes(std::iter::once(mailbox.clone())).await?;
    let mut program = place.start(&[], 1).await?;
    place.mail.fill(&mailbox, Kind::Mixed, 0, warm_up).await?;
    program.has_ingested(warm_up).await?;
    let before = program.cpu()?;
    place.mail.fill(&mailbox, Kind::Mixed, warm_up, count).await?;
    program.has_ingested(warm_up + count).await?;
    let cpu = program.cpu()?.since(before).each(count);
    program.stop()?;
    Ok(cpu)
}

/// The rows that are there now, into another database of the same kind: what their files cost, and what they do.
async fn insert(place: &Place<'_>, postgres: Option<&PostgresServer>) -> Result<(Duration, Cpu, Batches)> {
    let batches = Batches::of(place.connection().await?.read_all().await?)?;
    let mails = batches.mails() as u64;
    let (dir, mut connection) = blank(place.mail, postgres).await?;
    let files = match place.database {
        Database::Sqlite => {
            let files = Files::read(&place.dir.path().join("blobs"), &dir.path().join("blobs"))?;
            let before = cpu_of_this()?;
            batches.write(&files)?;
            cpu_of_this()?.saturating_sub(before) / u32::try_from(mails.max(1))?
        }
        Database::Postgres => Duration::ZERO,
    };
    batches.prepare(&mut connection).await?;
    let before = Cpu { program: cpu_of_this()?, database: place.database_cpu()? };
    batches.insert(&mut connection).await?;
    let cpu = Cpu { program: cpu_of_this()?, database: place.database_cpu()? }.since(before);
    let inserted = connection.number("SELECT COUNT(*) FROM raw_emails").await?;
    anyhow::ensure!(u64::try_from(inserted)? == mails, "{inserted} of {mails} mails were inserted");
    Ok((files, cpu.each(mails), batches))
}
