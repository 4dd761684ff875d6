//! What is known of the database's condition beside what a statement says: whether it is still ours, full, or shaped anew.
//!
//! **Ours.** A process remembers which installation's database it began with ([`crate::Store::recognise`]), and every connection that is
//! opened to PostgreSQL later is asked. Behind the same URL there may suddenly be another database: an empty standby, yesterday's copy on
//! another server, a mistake in a proxy. Such a connection is fenced: it finds none of our tables and may not write, so that nothing is
//! read from it or written to it; and none is used twice, so that the right database is noticed when it is back.
//!
//! **Full** and **shaped anew** are noticed where errors are read, which is far from any store, so they are the process's own.

use sqlx::{Connection as _, Executor as _, PgConnection};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};
use tracing::{error, info};

/// A process that stands still in the middle of a transaction, or whose machine is gone, holds its rows no longer than this: whoever takes
/// over waits for them. Between two statements of a transaction lies no network and no waiting.
const IDLE_IN_TRANSACTION: &str = "SET idle_in_transaction_session_timeout = '30s'";

/// For so long after a statement found no room the database counts as full; whoever writes meanwhile finds out anew.
const FULL_FOR: Duration = Duration::from_secs(20);

/// Of one store.
#[derive(Debug, Default)]
pub(crate) struct Condition {
    ours: OnceLock<String>,
    /// The connection that was opened last leads to a database that is not ours.
    elsewhere: AtomicBool,
}

impl Condition {
    /// What was remembered first stays.
    pub(crate) fn remember(&self, installation: &str) {
        let _ = self.ours.set(installation.to_owned());
    }

    pub(crate) fn is_elsewhere(&self) -> bool {
        self.elsewhere.load(Ordering::SeqCst)
    }

    /// Whether a connection that was opened so long ago may be used again.
    pub(crate) fn may_use(&self, age: Duration) -> bool {
        !self.is_elsewhere() && !SHAPED_ANEW.is_within(age)
    }

    /// What every new connection to PostgreSQL goes through.
    pub(crate) async fn begin(&self, connection: &mut PgConnection) -> Result<(), sqlx::Error> {
        // Our locks are made for this level, whatever the role or the database has as its default: under a stricter one statements fail
        // for reasons that do not exist here.
        connection.execute("SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL READ COMMITTED").await?;
        connection.execute(IDLE_IN_TRANSACTION).await?;
        let Some(ours) = self.ours.get() else { return Ok(()) };
        let found = sqlx::query_scalar("SELECT id FROM installation").persistent(false);
        let found: Option<String> = match found.fetch_optional(&mut *connection).await {
            Ok(found) => found,
            // No such table: an empty database, or one from before there were names.
            Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some("42P01") => None,
            Err(error) => return Err(error),
        };
        let is_ours = found.as_ref() == Some(ours);
        if !is_ours {
            connection
                .execute("SELECT set_config('search_path', '', false), set_config('default_transaction_read_only', 'on', false)")
                .await?;
        }
        match (is_ours, self.elsewhere.swap(!is_ours, Ordering::SeqCst)) {
            (false, false) => error!(
                installation = ours,
                found, "the database is not the one this process began with; nothing is read from it or written to it"
            ),
            (true, true) => info!("the database is the one this process began with again"),
            (false, true) | (true, false) => {}
        }
        // Where the server has gone meanwhile, the statement that follows says so.
        connection.ping().await
    }
}

/// When something was noticed last.
#[derive(Debug)]
pub(crate) struct Noticed(Mutex<Option<Instant>>);

/// A statement or a file found no room.
pub(crate) static FULL: Noticed = Noticed(Mutex::new(None));
/// A statement was prepared for tables of another shape: somebody has migrated. Connections from before then prepared the others as well.
pub(crate) static SHAPED_ANEW: Noticed = Noticed(Mutex::new(None));

impl Noticed {
    pub(crate) fn now(&self) {
        *self.0.lock().expect("nothing panics with it") = Some(Instant::now());
    }

    fn is_within(&self, past: Duration) -> bool {
        self.0.lock().expect("nothing panics with it").is_some_and(|at| at.elapsed() < past)
    }
}

pub(crate) fn was_full_lately() -> bool {
    FULL.is_within(FULL_FOR)
}
