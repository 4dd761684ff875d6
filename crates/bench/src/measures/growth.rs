//! The same intake with ever more mail stored (P2).
//!
//! What is stored before is taken in by the product up to the second step, and copied in the database from there: a hundred thousand mails
//! cost the product nothing else than ten thousand do, but the bench would take an hour.

use super::{Servers, Sizes};
use crate::corpus::Kind;
use crate::database::Database;
use crate::place::{Cpu, Place};
use crate::report::{Section, ms, ratio};
use anyhow::Result;

pub async fn run(servers: &Servers, databases: &[Database], sizes: &Sizes) -> Result<Vec<Section>> {
    let mut section = Section::new(
        "P2: the same with ever more mail stored (`growth`)",
        format!(
            "CPU per mail of {} mails as in `intake`, by `postroom run` and the database's server, with so many mails stored before: up to \
             {} they were taken in by the program, from there they are copies of these in the database. P2 promises at most 1.2 times the \
             first row.",
            sizes.growth_sample, sizes.growth
        ),
        &["database", "stored before", "CPU per mail", "of that in its server", "times the first"],
    );
    for (database, postgres) in servers.pairings(databases) {
        let place = Place::new(&servers.mail, postgres).await?;
        let mailbox = format!("growth-{}@contoso.example", database.as_str().to_lowercase());
        place.mailboxes(std::iter::once(mailbox.clone())).await?;
        let warm_up = sizes.growth_sample / 10;
        let mut program = place.start(&[], 1).await?;
        place.mail.fill(&mailbox, Kind::Mixed, 0, warm_up).await?;
        program.has_ingested(warm_up).await?;
        let mut made = warm_up;
        let mut first: Option<Cpu> = None;
        for step in 0..3 {
            if step == 1 {
                let more = sizes.growth.saturating_sub(made);
                place.mail.fill(&mailbox, Kind::Small, made, more).await?;
                made += more;
                program.has_ingested(made).await?;
            }
            if step == 2 {
                program.stop()?;
                place.connection().await?.copy_mails(sizes.copies).await?;
                program = place.start(&[], 1).await?;
                place.mail.fill(&mailbox, Kind::Mixed, made, warm_up).await?;
                made += warm_up;
                program.has_passed(made).await?;
            }
            let stored = place.connection().await?.number("SELECT COUNT(*) FROM raw_emails").await?;
            let before = program.cpu()?;
            place.mail.fill(&mailbox, Kind::Mixed, made, sizes.growth_sample).await?;
            made += sizes.growth_sample;
            program.has_passed(made).await?;
            let each = program.cpu()?.since(before).each(sizes.growth_sample);
            let first = *first.get_or_insert(each);
            section.row([
                database.as_str().to_owned(),
                stored.to_string(),
                ms(each.total()),
                if database == Database::Postgres { ms(each.database) } else { String::new() },
                ratio(each.total(), first.total()),
            ]);
        }
        program.stop()?;
        let ingested =
            place.connection().await?.number("SELECT COUNT(*) FROM raw_emails WHERE state = 'ingested'").await?;
        section.count(format!("mails stored, {}", database.as_str()), u64::try_from(ingested)?);
    }
    Ok(vec![section])
}
