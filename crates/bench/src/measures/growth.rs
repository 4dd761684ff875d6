//! The same intake with ever more mail stored (P2), and the memory of a backlog that waits in one mailbox.

use super::{Servers, Sizes};
use crate::corpus::Kind;
use crate::database::Database;
use crate::machine::{forget_highest, resident};
use crate::place::{Cpu, Place};
use crate::report::{Section, mib, ms, ratio};
use anyhow::Result;

pub async fn run(servers: &Servers, databases: &[Database], sizes: &Sizes) -> Result<Vec<Section>> {
    let mut section = Section::new(
        "P2: the same with ever more mail stored (`growth`)",
        format!(
            "CPU per mail of {} mails as in `intake`, by `postroom run` and the database's server, with so many short mails taken in \
             before. The mails of the last step waited in the mailbox all together: the last column is the program's highest resident \
             size while it read them. P2 promises at most 1.2 times the first row.",
            sizes.growth_sample
        ),
        &[
            "database",
            "stored before",
            "CPU per mail",
            "of that in its server",
            "times the first",
            "highest resident size",
        ],
    );
    for (database, postgres, redis) in servers.pairings(databases) {
        let place = Place::new(&servers.mail, postgres, redis).await?;
        let mailbox = format!("growth-{}@contoso.example", database.as_str().to_lowercase());
        place.mailboxes(std::iter::once(mailbox.clone())).await?;
        let mut program = place.start(&[], 1).await?;
        let (mut stored, mut made) = (0, 0);
        let mut first: Option<Cpu> = None;
        for (step, wanted) in sizes.growth.iter().enumerate() {
            let more = wanted.saturating_sub(stored);
            let mut highest = 0;
            if more > 0 {
                forget_highest(program.id())?;
                place.mail.fill(&mailbox, Kind::Small, made, more).await?;
                made += more;
                stored += more;
                program.has_ingested(stored).await?;
                highest = resident(program.id())?.1;
            }
            let before = program.cpu()?;
            place.mail.fill(&mailbox, Kind::Mixed, made, sizes.growth_sample).await?;
            made += sizes.growth_sample;
            stored += sizes.growth_sample;
            program.has_ingested(stored).await?;
            let each = program.cpu()?.since(before).each(sizes.growth_sample);
            let first = *first.get_or_insert(each);
            section.row([
                database.as_str().to_owned(),
                (stored - sizes.growth_sample).to_string(),
                ms(each.total()),
                if database == Database::Postgres { ms(each.database) } else { String::new() },
                ratio(each.total(), first.total()),
                if step + 1 == sizes.growth.len() {
                    format!("{} with {more} waiting", mib(highest))
                } else {
                    String::new()
                },
            ]);
        }
        section.count(format!("mails stored, {}", database.as_str()), stored);
        program.stop()?;
    }
    Ok(vec![section])
}
