//! The bench's program: `bench run` measures, and `bench mail-server` is the server that it measures against, in a process of its own.

use anyhow::{Context, Result};
use bench::database::Database;
use bench::measures::{self, NAMES, Servers, Sizes};
use bench::{machine, report, server};
use clap::{Parser, Subcommand};
use std::io::Write as _;
use std::path::PathBuf;
use std::time::Instant;

/// What Postroom costs, measured.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Measures and prints tables.
    Run {
        /// What to measure: intake, growth, latency, replies, push, blobs, reading, memory. Everything without a name.
        names: Vec<String>,
        /// The same seed makes the same mails.
        #[arg(long, default_value_t = 3)]
        seed: u64,
        /// sqlite, postgres, or both.
        #[arg(long, value_delimiter = ',', default_value = "sqlite,postgres")]
        databases: Vec<String>,
        /// A few of everything: shows that it works, and measures nothing.
        #[arg(long)]
        tiny: bool,
        /// Mails that `intake` takes in.
        #[arg(long)]
        intake: Option<u64>,
        /// Mailboxes that idle in `memory`, one number after the other.
        #[arg(long, value_delimiter = ',')]
        mailboxes: Option<Vec<u64>>,
        /// Replies that `replies` sends.
        #[arg(long)]
        replies: Option<u64>,
    },
    /// The mail server that is measured against.
    #[command(hide = true)]
    MailServer {
        #[arg(long)]
        folder: PathBuf,
        #[arg(long)]
        seed: u64,
    },
}

fn main() -> Result<()> {
    match Arguments::parse().command {
        Command::MailServer { folder, seed } => {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            tokio::task::LocalSet::new().block_on(&runtime, server::serve(&folder, seed))
        }
        Command::Run { names, seed, databases, tiny, intake, mailboxes, replies } => {
            let mut sizes = if tiny { Sizes::tiny(seed) } else { Sizes::full(seed) };
            sizes.intake = intake.unwrap_or(sizes.intake);
            sizes.replies = replies.unwrap_or(sizes.replies);
            sizes.mailboxes = mailboxes.unwrap_or(sizes.mailboxes);
            let databases = databases.iter().map(|name| database(name)).collect::<Result<Vec<_>>>()?;
            let names = if names.is_empty() { NAMES.map(str::to_owned).to_vec() } else { names };
            let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
            runtime.block_on(run(&names, &databases, &sizes))
        }
    }
}

fn database(name: &str) -> Result<Database> {
    [Database::Sqlite, Database::Postgres]
        .into_iter()
        .find(|database| database.as_str().to_lowercase().starts_with(name))
        .with_context(|| format!("there is no {name}: sqlite, postgres"))
}

async fn run(names: &[String], databases: &[Database], sizes: &Sizes) -> Result<()> {
    let begun = Instant::now();
    let servers = Servers::start(&std::env::current_exe()?, databases, sizes.seed).await?;
    let mut out = std::io::stdout();
    let mut facts = machine::facts();
    facts.push(("Seed", sizes.seed.to_string()));
    writeln!(out, "{}", report::facts(&facts))?;
    for name in names {
        let begun = Instant::now();
        for section in measures::run(name, &servers, databases, sizes).await? {
            writeln!(out, "{}", section.markdown())?;
        }
        writeln!(std::io::stderr(), "{name}: {:?}", begun.elapsed())?;
    }
    writeln!(std::io::stderr(), "everything: {:?}", begun.elapsed())?;
    Ok(())
}
