//! What the program holds and does while nothing happens, with ever more mailboxes, and what a very long mail and a very
//! full mailbox take.

use super::{Servers, Sizes};
use crate::corpus::Kind;
use crate::database::Database;
use crate::machine::forget_highest;
use crate::place::{Place, Program};
use crate::report::{Section, mib, ms};
use anyhow::Result;
use std::time::Duration;
use testkit::process::resident;

pub async fn run(servers: &Servers, databases: &[Database], sizes: &Sizes) -> Result<Vec<Section>> {
    let mut idle = Section::new(
        "Resident size and idle CPU (`memory`)",
        format!(
            "`postroom run` with so many mailboxes in IDLE over TLS, measured for {} s after the last of them began to wait; CPU as of a \
             minute. P3 aims at 10,000 mailboxes below 1 GiB.",
            sizes.idle_seconds
        ),
        &[
            "database",
            "mailboxes",
            "resident size",
            "highest since the start",
            "idle CPU per minute",
            "of that in its server",
        ],
    );
    let mut most = Section::new(
        "Resident size at its highest (`memory`)",
        format!(
            "The highest resident size of `postroom run` with one mailbox while it takes in one mail of {}, and while it takes in the first \
             {} of {} mails that wait together.",
            mib(sizes.huge_bytes as u64),
            sizes.backlog_read,
            sizes.backlog
        ),
        &["database", "what", "before", "highest"],
    );
    for (database, postgres) in servers.pairings(databases) {
        for (n, mailboxes) in sizes.mailboxes.iter().enumerate() {
            let place = Place::new(&servers.mail, postgres).await?;
            let name = |at: u64| format!("memory-{}-{n}-{at}@contoso.example", database.as_str().to_lowercase());
            place.mailboxes((0..*mailboxes).map(name)).await?;
            let program = place.start(&[], *mailboxes).await?;
            let before = program.cpu()?;
            // The time is what is measured: CPU used while nothing happens.
            tokio::time::sleep(Duration::from_secs(sizes.idle_seconds)).await;
            let cpu = program.cpu()?.since(before);
            let minute = |of: Duration| of.mul_f64(60.0) / u32::try_from(sizes.idle_seconds.max(1)).unwrap_or(1);
            let (now, highest) = resident(program.id())?;
            idle.row([
                database.as_str().to_owned(),
                mailboxes.to_string(),
                mib(now),
                mib(highest),
                ms(minute(cpu.total())),
                if database == Database::Postgres { ms(minute(cpu.database)) } else { String::new() },
            ]);
            idle.count(format!("mailboxes idling, {}", database.as_str()), *mailboxes);
            program.stop()?;
        }
        let place = Place::new(&servers.mail, postgres).await?;
        let mailbox = format!("long-{}@contoso.example", database.as_str().to_lowercase());
        place.mailboxes(std::iter::once(mailbox.clone())).await?;
        let mut program = place.start(&[], 1).await?;
        let (before, _) = resident(program.id())?;
        forget_highest(program.id())?;
        place.mail.huge(&mailbox, sizes.huge_bytes).await?;
        program.has_ingested(1).await?;
        let mut row = |what: String, before: u64, program: &Program<'_>| {
            most.row([database.as_str().to_owned(), what, mib(before), mib(resident(program.id())?.1)]);
            anyhow::Ok(())
        };
        row(format!("one mail of {}", mib(sizes.huge_bytes as u64)), before, &program)?;
        let (before, _) = resident(program.id())?;
        forget_highest(program.id())?;
        place.mail.fill(&mailbox, Kind::Small, 0, sizes.backlog).await?;
        program.cursors_passed(1 + sizes.backlog_read).await?;
        row(format!("{} mails that wait", sizes.backlog), before, &program)?;
        program.stop()?;
        let read = place.connection().await?.number("SELECT COUNT(*) FROM raw_emails WHERE state = 'ingested'").await?;
        most.count(format!("mails read of the backlog, {}", database.as_str()), u64::try_from(read)? - 1);
    }
    Ok(vec![idle, most])
}
