//! `postroom doctor`: checks what this installation needs, one line each, and says how to mend what is wrong. It changes nothing.
//!
//! It ends with 1 when something is wrong that must be mended; a warning is not.

mod inboxes;
mod keys;
mod microsoft_app;
mod servers;

use crate::config::{Config, Reader};
use crate::open_files::OpenFiles;
use crate::output::say;
use crate::parts::open_store;
use anyhow::Result;
use app::system::{SystemClock, SystemEntropy};
use domain::Clock;
use net::Connector;
use std::process::ExitCode;
use std::time::Duration;
use store::{Backend, OwedCounts, SchemaState, Store, SystemMailCounts, UnreadableJob};

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Look at this inbox's mailbox step by step, whether it works or not; may be given several times. Without it, at those that do not work
    #[arg(long = "inbox", value_name = "ID")]
    inboxes: Vec<i64>,
}

/// The longest one check may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// What was found so far.
#[derive(Debug, Default)]
struct Report {
    failures: u32,
}

impl Report {
    fn ok(&mut self, what: &str, found: &str) {
        say(format!("ok    {what:<14} {found}"));
    }

    fn note(&mut self, what: &str, found: &str) {
        say(format!("note  {what:<14} {found}"));
    }

    fn fail(&mut self, what: &str, found: &str, cure: &str) {
        self.failures += 1;
        say(format!("FAIL  {what:<14} {found}"));
        self.cure(cure);
    }

    fn cure(&self, cure: &str) {
        say(format!("      {:<14} {cure}", "→"));
    }
}

pub async fn run(args: Args) -> Result<ExitCode> {
    let mut report = Report::default();
    match Config::read(Reader::from_environment().only_looking(), &SystemEntropy::new()) {
        Ok(config) => {
            report.ok("configuration", "every variable can be used");
            check(&config, &args, &mut report).await;
        }
        Err(problems) => {
            for problem in problems.0 {
                report.fail(&problem.name, &problem.what, &problem.cure);
            }
        }
    }
    say(match report.failures {
        0 => "Nothing is wrong.".to_owned(),
        1 => "One thing is wrong.".to_owned(),
        many => format!("{many} things are wrong."),
    });
    Ok(if report.failures == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn check(config: &Config, args: &Args, report: &mut Report) {
    data_dir(config, report);
    open_files(config, report);
    proxies(config, report);
    let connector = match Connector::new(config.connector()) {
        Ok(connector) => connector,
        Err(error) => {
            report.fail("certificates", &error.to_string(), "Correct EXTRA_CA_FILE: it must hold certificates in PEM.");
            return;
        }
    };
    let can_be_read = database(&connector, config, report).await;
    redis(config, report).await;
    microsoft_app::check(&connector, config, report).await;
    servers::sign_in(&connector, config, report).await;
    servers::imap(&connector, &config.microsoft.imap, report).await;
    servers::smtp(&connector, &config.microsoft.smtp, report).await;
    servers::mailer(&connector, config.mailer.as_ref(), report).await;
    if can_be_read {
        inboxes::check(config, &args.inboxes, report).await;
    } else if !args.inboxes.is_empty() {
        inboxes::unseen(&args.inboxes, "the database cannot be used", report);
    }
}

fn data_dir(config: &Config, report: &mut Report) {
    let dir = &config.database.data_dir;
    let shown = dir.display().to_string();
    // A folder that is not there yet is made by the first start, in the nearest parent that is.
    let existing = dir.ancestors().find(|folder| folder.is_dir()).unwrap_or(dir);
    match tempfile::NamedTempFile::new_in(if existing.as_os_str().is_empty() { ".".as_ref() } else { existing }) {
        Ok(_) => report.ok("data folder", &format!("{shown} can be written")),
        Err(error) if config.database.is_sqlite => report.fail(
            "data folder",
            &format!("{shown} cannot be written ({error})"),
            "Give the user that runs postroom the right to write there, or set POSTROOM_DATA_DIR.",
        ),
        Err(error) => {
            report.note("data folder", &format!("{shown} cannot be written ({error}); PostgreSQL needs none"));
        }
    }
}

/// As a process would have them that is started from here; another user, or systemd, may give it others. Few mailboxes need few, so it is a
/// note where they are not enough for as many as the configuration allows.
fn open_files(config: &Config, report: &mut Report) {
    const WHAT: &str = "open files";
    match OpenFiles::of_this_process() {
        Ok(files) => {
            let found = format!(
                "{} (a start raises the limit from {}): enough for about {} mailboxes in one process; WORKER_MAILBOXES is {}",
                files.hard,
                files.soft,
                files.mailboxes(config),
                config.work.max_mailboxes
            );
            if files.are_enough(config) {
                report.ok(WHAT, &found);
            } else {
                report.note(WHAT, &format!("{found}; raise the hard limit (LimitNOFILE=, ulimits) or lower the other"));
            }
        }
        Err(error) => report.note(WHAT, &format!("the limit cannot be read ({error})")),
    }
}

fn proxies(config: &Config, report: &mut Report) {
    const WHAT: &str = "proxies";
    match config.unnamed_proxy() {
        Some(unnamed) => report.note(WHAT, &format!("{unnamed}; set the proxy's address")),
        None if config.limits.trusted_proxies.is_empty() => report.ok(WHAT, "none: people reach it by plain http"),
        None => report.ok(WHAT, "TRUSTED_PROXIES names them"),
    }
}

/// `true`: its schema is this version's, so that what is in it can be read.
async fn database(connector: &Connector, config: &Config, report: &mut Report) -> bool {
    const WHAT: &str = "database";
    let kind = if config.database.is_sqlite { "SQLite" } else { "PostgreSQL" };
    if let Some(path) = config.database.sqlite_file()
        && !path.exists()
    {
        // Opening would make it, and it would be this user's.
        let found = format!("{} is not there yet; `postroom run` (or `migrate`) makes it", path.display());
        report.note(WHAT, &found);
        return false;
    }
    // Whoever opens a pool waits for a server that may yet start; here, a server that is not there is said at once.
    if let Some(server) = config.database.server()
        && let Err(error) = connector.tcp(&server).await
    {
        let cure = format!("Check that it runs and listens there, and the firewall (port {} outwards).", server.port);
        report.fail(WHAT, &format!("{kind} at {}:{}: {error}", server.host, server.port), &cure);
        return false;
    }
    let looked = async {
        let store = open_store(config).await?;
        store.ping().await?;
        clock(&store, report).await?;
        let schema = store.schema().await?;
        let work = match schema {
            SchemaState::Current => {
                let operator = store.operator();
                let mails = operator.system_mail_counts().await?;
                let uses = store.keys().uses().await?;
                let client_id = config.microsoft.settings.as_ref().map(|settings| settings.client_id.as_str());
                let alarm = store.app_alarms().of(client_id.unwrap_or(app::oauth_apps::NOT_CONFIGURED)).await?;
                Some((operator.owed_counts().await?, operator.unreadable_jobs(1).await?, mails, uses, alarm))
            }
            _ => None,
        };
        store.close().await;
        if let Some((counts, unreadable, mails, uses, alarm)) = work {
            owed_work(&counts, unreadable.first(), report);
            own_mails(&mails, report);
            keys::report_uses(&uses, report);
            microsoft_app::alarm(alarm.as_ref(), report);
        }
        anyhow::Ok(schema)
    };
    let looked = tokio::time::timeout(PATIENCE, looked).await;
    let can_be_read = matches!(looked, Ok(Ok(SchemaState::Current)));
    match looked {
        Ok(Ok(SchemaState::Current)) => report.ok(WHAT, &format!("{kind} answers and its schema is up to date")),
        Ok(Ok(SchemaState::NewerCompatible { found })) => {
            report
                .ok(WHAT, &format!("{kind} answers; its schema is newer ({found} migrations) and can be worked with"));
        }
        Ok(Ok(SchemaState::Empty)) => {
            let makes = if config.database.is_sqlite { "`postroom run` (or `migrate`)" } else { "`postroom migrate`" };
            report.note(WHAT, &format!("{kind} answers and is empty; {makes} makes the schema"));
        }
        Ok(Ok(SchemaState::TooOld { found, wanted })) => {
            report.fail(
                WHAT,
                &format!("the schema has {found} migrations and needs {wanted}"),
                "Run `postroom migrate`.",
            );
        }
        Ok(Ok(SchemaState::TooNew { found, known })) => report.fail(
            WHAT,
            &format!("the schema has {found} migrations, and this version knows {known}"),
            "Run the newer version that made it.",
        ),
        Ok(Err(error)) => report.fail(
            WHAT,
            &format!("{error:#}"),
            "Check that it runs, and address, user, password and rights in DATABASE_URL.",
        ),
        Err(_) => report.fail(WHAT, "no answer in time", "Check address and firewall (DATABASE_URL)."),
    }
    can_be_read
}

/// How this computer's clock stands to the database's, by which all processes go.
async fn clock(store: &Store, report: &mut Report) -> Result<()> {
    const WHAT: &str = "clock";
    if store.backend() == Backend::Sqlite {
        return Ok(());
    }
    let ahead = SystemClock.now().seconds() - store.sync().time().await?.seconds();
    if ahead.abs() <= servers::WORST_SKEW_SECONDS {
        report.ok(WHAT, &format!("within {} s of the database's", servers::WORST_SKEW_SECONDS));
    } else {
        let found = format!("{} s {} the database's", ahead.abs(), if ahead > 0 { "ahead of" } else { "behind" });
        report.fail(WHAT, &found, "Set the clock that is wrong (NTP). Until then this process goes by the database's.");
    }
    Ok(())
}

/// What was given up for good is nothing that this installation lacks, so it is a note.
fn owed_work(counts: &OwedCounts, unreadable: Option<&UnreadableJob>, report: &mut Report) {
    const WHAT: &str = "owed work";
    report.ok(WHAT, &format!("{} waiting, {} mails to be read", counts.waiting, counts.raw_waiting));
    if counts.failed > 0 {
        report.note(
            WHAT,
            &format!(
                "{} given up for good: rows of owed_work in the state 'failed', each with its last_error",
                counts.failed
            ),
        );
    }
    if let Some(job) = unreadable {
        let text: String = job.text.chars().take(80).collect();
        report.note(
            WHAT,
            &format!(
                "{} texts in the queue were no job (table unreadable_jobs); the newest, of {}: {text:?}",
                counts.unreadable,
                job.seen_at.to_iso()
            ),
        );
    }
}

/// The installation's own mails. Whoever waits for one cannot come in.
fn own_mails(mails: &SystemMailCounts, report: &mut Report) {
    if mails.waiting > 0 || mails.failed > 0 {
        let last = mails.last_failure.as_deref().map(|words| format!("; the last reason: {words}")).unwrap_or_default();
        let found = format!("{} waiting, {} given up within a week{last}", mails.waiting, mails.failed);
        report.note("own mails", &found);
    }
}

async fn redis(config: &Config, report: &mut Report) {
    let Some(url) = &config.database.redis_url else {
        let found = if config.database.is_sqlite {
            "not used: one process needs none"
        } else {
            "not used: with more than one process, work is found up to a second later (REDIS_URL)"
        };
        report.note("redis", found);
        return;
    };
    match worker::ping(url.expose()).await {
        Ok(()) => report.ok("redis", "it answers"),
        Err(error) => {
            report.fail("redis", &error.to_string(), "Check that it runs, and address and password in REDIS_URL.");
        }
    }
}
