//! From the moment a mail is in the mailbox to the moment the API shows it, one mail at a time, with IDLE (P4).

use super::{Servers, Sizes};
use crate::corpus::Kind;
use crate::database::Database;
use crate::place::Place;
use crate::report::{Section, ms, quantile};
use anyhow::{Result, bail};
use std::time::{Duration, Instant};

/// How often the API is asked.
const ASK_EVERY: Duration = Duration::from_millis(1);
const WITHIN: Duration = Duration::from_secs(30);

pub async fn run(servers: &Servers, databases: &[Database], sizes: &Sizes) -> Result<Vec<Section>> {
    let mut section = Section::new(
        "P4: delivered → visible (`latency`)",
        format!(
            "{} mails, each the beginning of a conversation and each after the one before was visible and the session idled again. From the \
             bench's word to the IMAP server to the first 200 of `GET /conversations/{{id}}`, asked every millisecond. CPU per mail of a mail \
             that comes alone, with the answers to those questions in it. P4 promises p50 < 100 ms, p99 < 500 ms.",
            sizes.latency
        ),
        &["database", "p50", "p99", "longest", "CPU per mail that comes alone", "of that in its server"],
    );
    for (database, postgres) in servers.pairings(databases) {
        let place = Place::new(&servers.mail, postgres).await?;
        let mailbox = format!("latency-{}@contoso.example", database.as_str().to_lowercase());
        place.mailboxes(std::iter::once(mailbox.clone())).await?;
        let mut program = place.start(&[], 1).await?;
        let mut times = Vec::new();
        let mut before = program.cpu()?;
        for n in 0..=sizes.latency {
            let begun = Instant::now();
            place.mail.fill(&mailbox, Kind::Apart, n, 1).await?;
            // A fresh account counts its conversations from one.
            let path = place.path(&format!("/conversations/{}", n + 1));
            while place.api.call("GET", &path, None).await?.status != 200 {
                if begun.elapsed() > WITHIN {
                    bail!("mail {n} is not visible after {WITHIN:?}");
                }
                tokio::time::sleep(ASK_EVERY).await;
            }
            times.push(begun.elapsed());
            program
                .eventually("the mailbox waits for news again", async || Ok(place.mail.idling().await? >= 1))
                .await?;
            if n == 0 {
                // The first one warms up.
                times.clear();
                before = program.cpu()?;
            }
        }
        let each = program.cpu()?.since(before).each(sizes.latency);
        program.stop()?;
        times.sort_unstable();
        section.count(format!("mails seen, {}", database.as_str()), times.len() as u64);
        section.row([
            database.as_str().to_owned(),
            ms(quantile(&times, 500)),
            ms(quantile(&times, 990)),
            ms(quantile(&times, 1000)),
            ms(each.total()),
            if database == Database::Postgres { ms(each.database) } else { String::new() },
        ]);
    }
    Ok(vec![section])
}
