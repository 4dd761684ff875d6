//! An agent's answer: the POST, and its way to the mail server.
//!
//! First answers that stand in the database when the program starts, so that only their delivery is counted; then as many through the API
//! of the running program, delivered meanwhile. Spread over mailboxes, each of which stays below its provider's pace of 30 a minute: the
//! pace is a promise, not a cost.

use super::{Servers, Sizes};
use crate::corpus::Kind;
use crate::database::Database;
use crate::place::{Cpu, Place};
use crate::report::{Section, ms};
use anyhow::{Context, Result};
use app::outbound::{Draft, reply};
use domain::DisplayId;
use serde_json::json;
use std::time::Instant;

/// Answers that one mailbox sends in a round.
const PER_MAILBOX: u64 = 12;
/// Clients that answer at the same time.
const CLIENTS: u64 = 4;
/// What an agent writes.
const TEXT: &str = "Hello,\n\nthank you for writing. **Your parcel** left our house this morning and should arrive tomorrow; \
    [this page](https://shop.example/track/1234) shows where it is.\n\n- order 1234\n- two boxes\n\nKind regards\nGrace";

pub async fn run(servers: &Servers, databases: &[Database], sizes: &Sizes) -> Result<Vec<Section>> {
    let mut section = Section::new(
        "Replies (`replies`)",
        format!(
            "CPU per reply of `postroom run` and the database's server, {} replies over mailboxes of their own, to an SMTP server that takes \
             everything, over STARTTLS. Delivery: they stand in the database when the program starts (its start is measured apart and taken \
             off). With the POST: through the API by {CLIENTS} clients, delivered meanwhile. The aim is 0.5 ms per reply outside the \
             database's server.",
            sizes.replies
        ),
        &[
            "database",
            "what",
            "CPU per reply",
            "of that in its server",
            "replies per CPU second",
            "replies per second here",
        ],
    );
    for (database, postgres) in servers.pairings(databases) {
        let place = Place::new(&servers.mail, postgres).await?;
        let mailboxes = sizes.replies.div_ceil(PER_MAILBOX);
        let names: Vec<String> = (0..mailboxes * 2)
            .map(|n| format!("replies-{}-{n}@contoso.example", database.as_str().to_lowercase()))
            .collect();
        place.mailboxes(names.iter().cloned()).await?;
        let mut program = place.start(&[], mailboxes * 2).await?;
        for name in &names {
            place.mail.fill(name, Kind::Apart, 0, 1).await?;
        }
        program.has_ingested(mailboxes * 2).await?;
        program.stop()?;
        let alone = delivery(&place, sizes.replies, mailboxes).await?;
        let posted = posted(&place, sizes.replies, mailboxes).await?;
        for (what, (cpu, per_second)) in [("delivery", alone), ("POST and delivery", posted)] {
            section.row([
                database.as_str().to_owned(),
                what.to_owned(),
                ms(cpu.total()),
                if database == Database::Postgres { ms(cpu.database) } else { String::new() },
                format!("{:.0}", 1.0 / cpu.total().as_secs_f64().max(1e-9)),
                format!("{per_second:.0}"),
            ]);
        }
        section.count(format!("replies taken by the server, {}", database.as_str()), sizes.replies * 2);
    }
    Ok(vec![section])
}

/// Reads one mailbox: the others' sign-ins would be counted.
const FEW: &[(&str, &str)] = &[("WORKER_MAILBOXES", "1")];

async fn delivery(place: &Place<'_>, count: u64, conversations: u64) -> Result<(Cpu, f64)> {
    // What starting costs, with nothing to deliver.
    let before = Cpu { database: place.database_cpu()?, ..Cpu::default() };
    let program = place.start(FEW, 1).await?;
    let start = program.cpu()?.since(before);
    program.stop()?;
    for n in 0..count {
        let draft = Draft { content: TEXT.to_owned(), ..Draft::default() };
        let conversation = DisplayId(i64::try_from(n % conversations)? + 1);
        reply::reply(&place.app, &place.signed_up.member, conversation, draft).await?;
    }
    let taken = place.mail.taken().await?;
    let before = Cpu { database: place.database_cpu()?, ..Cpu::default() };
    let begun = Instant::now();
    let mut program = place.start(FEW, 1).await?;
    sent(place, &mut program, taken + count).await?;
    let per_second = rate(count, begun);
    let cpu = program.cpu()?.since(before).since(start).each(count);
    program.stop()?;
    Ok((cpu, per_second))
}

async fn posted(place: &Place<'_>, count: u64, conversations: u64) -> Result<(Cpu, f64)> {
    let mut program = place.start(FEW, 1).await?;
    let taken = place.mail.taken().await?;
    let before = program.cpu()?;
    let begun = Instant::now();
    let clients = (0..CLIENTS).map(async |client| {
        for n in (client..count).step_by(usize::try_from(CLIENTS)?) {
            // The other half of the mailboxes: the first has its pace behind it.
            let conversation = conversations + n % conversations + 1;
            let path = place.path(&format!("/conversations/{conversation}/messages"));
            let body = json!({"content": TEXT, "message_type": "outgoing", "private": false});
            place.api.post(&path, &body).await.context("a reply")?;
        }
        anyhow::Ok(())
    });
    futures_util::future::try_join_all(clients).await?;
    sent(place, &mut program, taken + count).await?;
    let per_second = rate(count, begun);
    let cpu = program.cpu()?.since(before).each(count);
    program.stop()?;
    Ok((cpu, per_second))
}

/// Waits until the server took them and each is written down as sent.
async fn sent(place: &Place<'_>, program: &mut crate::place::Program<'_>, taken: u64) -> Result<()> {
    program.eventually("the server took every reply", async || Ok(place.mail.taken().await? >= taken)).await?;
    let connection = tokio::sync::Mutex::new(place.connection().await?);
    let unsent = "SELECT COUNT(*) FROM deliveries WHERE state <> 'sent'";
    program.eventually("every reply is sent", async || Ok(connection.lock().await.number(unsent).await? == 0)).await?;
    let now = place.mail.taken().await?;
    anyhow::ensure!(now == taken, "the server took {now} replies and not {taken}");
    Ok(())
}

fn rate(count: u64, begun: Instant) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX)) / begun.elapsed().as_secs_f64()
}
