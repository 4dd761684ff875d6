//! What the program holds and does while nothing happens, with ever more mailboxes, and what one very long mail takes.

use super::{Servers, Sizes};
use crate::database::Database;
use crate::machine::{forget_highest, resident};
use crate::place::Place;
use crate::report::{Section, mib, ms};
use anyhow::Result;
use std::time::Duration;

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
    let mut long = Section::new(
        "One long mail (`memory`)",
        "The highest resident size of `postroom run` while it takes in one mail of this size.",
        &["database", "mail", "before", "highest"],
    );
    for (database, postgres, redis) in servers.pairings(databases) {
        for (n, mailboxes) in sizes.mailboxes.iter().enumerate() {
            let place = Place::new(&servers.mail, postgres, redis.clone()).await?;
            let name = |at: u64| format!("memory-{}-{n}-{at}@contoso.example", database.as_str().to_lowercase());
            place.mailboxes((0..*mailboxes).map(name)).await?;
            let mut program = place.start(&[], *mailboxes).await?;
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
            if *mailboxes == 1 || n + 1 == sizes.mailboxes.len() && !sizes.mailboxes.contains(&1) {
                forget_highest(program.id())?;
                place.mail.huge(&name(0), sizes.huge_bytes).await?;
                program.has_ingested(1).await?;
                long.row([
                    database.as_str().to_owned(),
                    mib(sizes.huge_bytes as u64),
                    mib(now),
                    mib(resident(program.id())?.1),
                ]);
                long.count(format!("long mails, {}", database.as_str()), 1);
            }
            program.stop()?;
        }
    }
    Ok(vec![idle, long])
}
