//! A process dies, stands still or is cut off while it changes the schema, and two do it at once (R3): the schema is made whole, once.
//!
//! Between two migrations a kill point stops it. Inside one, PostgreSQL itself holds the statement up, and SQLite's writes are ended by the
//! kernel at any byte of its files, the commit's among them.

use anyhow::{Context, Result};
use sqlx::{Connection as _, Executor as _, PgConnection, SqliteConnection};
use std::path::Path;
use std::process::Command;
use std::time::Duration;
use tempfile::TempDir;
use testkit::chaos::{ChaosProxy, Mode};
use testkit::postgres::PostgresDatabase;
use testkit::process::{Process, Signal, run};
use testkit::ways::stands_still;
use testkit::world::binary;

const WITHIN: Duration = Duration::from_secs(60);

/// An installation of which nothing is there yet.
struct Bare {
    dir: TempDir,
    url: String,
    started: usize,
}

impl Bare {
    fn on(url: Option<&str>) -> Result<Self> {
        let dir = tempfile::tempdir()?;
        let sqlite = format!("sqlite://{}", dir.path().join("data/postroom.db").display());
        Ok(Self { url: url.map_or(sqlite, str::to_owned), dir, started: 0 })
    }

    fn dress(&self, command: &mut Command) {
        command.env_clear().current_dir(self.dir.path()).envs([
            ("POSTROOM_ENV", "development"),
            ("POSTROOM_DATA_DIR", "data"),
            ("DATABASE_URL", &self.url),
            ("POSTROOM_SECRET_KEY", "k1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="),
        ]);
    }

    fn migrate(&self) -> Result<String> {
        let mut command = Command::new(binary()?);
        self.dress(command.arg("migrate"));
        run(&mut command)
    }

    fn start(&mut self, kill_at: Option<&str>) -> Result<Process> {
        self.started += 1;
        let mut command = Command::new(binary()?);
        self.dress(command.arg("migrate"));
        command.envs(kill_at.map(|at| ("POSTROOM_TEST_KILL_AT", at)));
        Process::start("migrate", &mut command, &self.dir.path().join(format!("migrate-{}.log", self.started)))
    }

    fn file(&self) -> &Path {
        Path::new(self.url.trim_start_matches("sqlite://"))
    }

    async fn count(&self, query: &'static str) -> Result<i64> {
        Ok(if self.url.starts_with("sqlite") {
            sqlx::query_scalar(query).fetch_one(&mut SqliteConnection::connect(&self.url).await?).await?
        } else {
            sqlx::query_scalar(query).fetch_one(&mut PgConnection::connect(&self.url).await?).await?
        })
    }

    /// Everything is there, and once.
    async fn is_whole(&self) -> Result<()> {
        assert!(self.migrate()?.contains("up to date"));
        assert_eq!(self.count("SELECT COUNT(*) FROM schema_info").await?, 1);
        assert_eq!(self.count("SELECT COUNT(*) FROM installation").await?, 1);
        let doubled = "SELECT COUNT(*) - COUNT(DISTINCT version) FROM seaql_migrations";
        assert_eq!(self.count(doubled).await?, 0);
        Ok(())
    }

    /// Nobody ever sees half a schema.
    async fn is_empty(&self) -> Result<()> {
        let tables = if self.url.starts_with("sqlite") {
            "SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        } else {
            "SELECT COUNT(*) FROM pg_tables WHERE schemaname = 'public'"
        };
        assert_eq!(self.count(tables).await?, 0, "half a schema is there");
        Ok(())
    }
}

fn until_it_stands_still(process: &mut Process) -> Result<()> {
    let id = process.id();
    process.wait_until(|| stands_still(id))
}

fn ended_well(process: &mut Process) -> Result<()> {
    let ended = process.wait_for_end(WITHIN)?;
    anyhow::ensure!(ended.success(), "{ended}: {}", process.log());
    Ok(())
}

/// Dies, stands still while others come, and two and three at once: the same on both databases.
async fn between_two_migrations(url: impl AsyncFn() -> Result<(Bare, Option<PostgresDatabase>)>) -> Result<()> {
    let (mut bare, database) = url().await?;
    let mut dying = bare.start(Some("migrating"))?;
    let ended = dying.wait_for_end(WITHIN)?;
    assert!(ended.code().is_none(), "it ended with {ended} instead of dying");
    bare.is_empty().await?;
    // The next ones find nothing in their way: three at once.
    let mut others = vec![bare.start(None)?, bare.start(None)?, bare.start(None)?];
    for other in &mut others {
        ended_well(other)?;
    }
    bare.is_whole().await?;
    remove(database).await?;

    let (mut bare, database) = url().await?;
    let mut still = bare.start(Some("migrating:stop"))?;
    until_it_stands_still(&mut still)?;
    // Whoever comes now waits for it, and finds everything done.
    let mut other = bare.start(None)?;
    if let Some(database) = &database {
        waits_for_its_turn(&database.url).await?;
    }
    bare.is_empty().await?;
    assert!(other.is_running(), "it did not wait: {}", other.log());
    Signal::Continue.send(still.id());
    ended_well(&mut still)?;
    ended_well(&mut other)?;
    bare.is_whole().await?;
    remove(database).await
}

async fn remove(database: Option<PostgresDatabase>) -> Result<()> {
    match database {
        Some(database) => database.remove().await,
        None => Ok(()),
    }
}

async fn waits_for_its_turn(url: &str) -> Result<()> {
    let query = "SELECT COUNT(*) FROM pg_locks l JOIN pg_database d ON d.oid = l.database \
                 WHERE d.datname = current_database() AND l.locktype = 'advisory' AND NOT l.granted";
    let mut connection = PgConnection::connect(url).await?;
    let waiting = async {
        while sqlx::query_scalar::<_, i64>(query).fetch_one(&mut connection).await? == 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        anyhow::Ok(())
    };
    tokio::time::timeout(WITHIN, waiting).await.context("nobody waits for a lock")?
}

#[tokio::test(flavor = "multi_thread")]
async fn between_two_migrations_on_sqlite_nothing_is_left_half_done() -> Result<()> {
    between_two_migrations(async || Ok((Bare::on(None)?, None))).await
}

#[tokio::test(flavor = "multi_thread")]
async fn between_two_migrations_on_postgresql_nothing_is_left_half_done() -> Result<()> {
    between_two_migrations(async || {
        let database = PostgresDatabase::create().await?;
        Ok((Bare::on(Some(&database.url))?, Some(database)))
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_migration_that_is_ended_at_any_byte_on_sqlite_is_made_anew() -> Result<()> {
    let whole = Bare::on(None)?;
    whole.migrate()?;
    let longest = std::fs::metadata(whole.file())?.len();
    let mut ended_in_the_middle = 0;
    for part in 0..12 {
        let bare = Bare::on(None)?;
        let bytes = longest * part / 11 + 4096;
        let mut command = Command::new("prlimit");
        command.arg(format!("--fsize={bytes}")).arg(binary()?).arg("migrate");
        bare.dress(&mut command);
        // SIGXFSZ ends it in the middle of a write.
        let log = bare.dir.path().join("cut.log");
        let ended = Process::start("migrate", &mut command, &log)?.wait_for_end(WITHIN)?;
        ended_in_the_middle += usize::from(!ended.success());
        bare.migrate().with_context(|| format!("after an end at {bytes} bytes"))?;
        bare.is_whole().await?;
        assert_eq!(bare.count("SELECT COUNT(*) FROM pragma_integrity_check WHERE integrity_check <> 'ok'").await?, 0);
    }
    assert!(ended_in_the_middle > 5, "only {ended_in_the_middle} were ended");
    Ok(())
}

/// Makes PostgreSQL hold up whoever makes this table, until the lock 42 is free.
const HELD_UP: &str = "CREATE FUNCTION public.hold_up() RETURNS event_trigger LANGUAGE plpgsql AS $$ \
     BEGIN IF EXISTS (SELECT 1 FROM pg_event_trigger_ddl_commands() WHERE object_identity = 'public.contacts') \
     THEN PERFORM pg_advisory_xact_lock(42); END IF; END $$; \
     CREATE EVENT TRIGGER hold_up ON ddl_command_end WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION public.hold_up()";

#[tokio::test(flavor = "multi_thread")]
async fn inside_a_migration_on_postgresql_a_death_a_cut_and_a_long_wait_leave_nothing_half_done() -> Result<()> {
    for way in ["dies", "is cut", "waits"] {
        let database = PostgresDatabase::create().await?;
        let mut admin = PgConnection::connect(&database.url).await?;
        admin.execute(HELD_UP).await?;
        admin.execute("SELECT pg_advisory_lock(42)").await?;
        let (proxy, url) = ChaosProxy::before(&database.url).await?;
        let mut bare = Bare::on(Some(&url))?;
        let mut first = bare.start(None)?;
        waits_for_its_turn(&database.url).await?;
        bare.is_empty().await?;
        match way {
            "dies" => {
                first.signal(Signal::Kill);
                first.wait_for_end(WITHIN)?;
            }
            "is cut" => {
                proxy.set(Mode::Cut);
                let ended = first.wait_for_end(WITHIN)?;
                assert!(!ended.success(), "it is told that nothing came of it: {}", first.log());
                proxy.set(Mode::Pass);
            }
            _ => {}
        }
        let mut second = bare.start(None)?;
        admin.execute("SELECT pg_advisory_unlock(42)").await?;
        ended_well(&mut second).with_context(|| format!("where the first one {way}"))?;
        if way == "waits" {
            ended_well(&mut first)?;
        }
        bare.is_whole().await?;
        admin.close().await?;
        database.remove().await?;
    }
    Ok(())
}
