//! The schema's state, and bringing it up to date.

use super::sql::system;
use crate::connect::Inner;
use crate::error::corrupt;
use crate::{Backend, KillPoint, Result, SchemaState};

/// Any number will do, as long as nobody else locks it.
const MIGRATION_LOCK: i64 = 0x506f_7374_726f_6f6d;

pub(crate) fn known() -> u32 {
    migrations::known()
}

/// All pending migrations in one transaction: nobody ever sees half a schema.
pub(crate) async fn migrate(inner: &Inner) -> Result<()> {
    let tx = inner.begin().await?;
    if inner.backend == Backend::Postgres {
        system("SELECT pg_advisory_xact_lock(?)").bind(MIGRATION_LOCK).run(&tx).await?;
    }
    for _ in 0..migrations::pending(&tx).await? {
        migrations::up_one(&tx).await?;
        inner.passes(KillPoint::Migrating);
    }
    tx.commit().await?;
    Ok(())
}

pub(crate) async fn state(inner: &Inner) -> Result<SchemaState> {
    let table = match inner.backend {
        Backend::Sqlite => "SELECT COUNT(*) FROM sqlite_master WHERE type = 'table' AND name = 'seaql_migrations'",
        Backend::Postgres => {
            "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = current_schema() AND table_name = 'seaql_migrations'"
        }
    };
    if system(table).value::<i64, _>(&inner.read).await? != Some(1) {
        return Ok(SchemaState::Empty);
    }
    let found = system("SELECT COUNT(*) FROM seaql_migrations").value::<i64, _>(&inner.read).await?.unwrap_or(0);
    let found = u32::try_from(found).unwrap_or(u32::MAX);
    let known = known();
    Ok(match found.cmp(&known) {
        _ if found == 0 => SchemaState::Empty,
        std::cmp::Ordering::Less => SchemaState::TooOld { found, wanted: known },
        std::cmp::Ordering::Equal => SchemaState::Current,
        std::cmp::Ordering::Greater => {
            let oldest = system("SELECT oldest_compatible FROM schema_info").value::<i64, _>(&inner.read).await?;
            match oldest {
                Some(oldest) if oldest <= i64::from(known) => SchemaState::NewerCompatible { found },
                _ => SchemaState::TooNew { found, known },
            }
        }
    })
}

pub(crate) async fn installation(inner: &Inner) -> Result<String> {
    let id = system("SELECT id FROM installation").value(&inner.read).await?;
    id.ok_or_else(|| corrupt("installation", "it has no name"))
}

/// Writes what means nothing.
pub(crate) async fn try_writing(inner: &Inner) -> Result<()> {
    system(
        "INSERT INTO chores (name, begun_at) VALUES ('look whether it can be written', {now}) \
         ON CONFLICT (name) DO UPDATE SET begun_at = excluded.begun_at",
    )
    .run(&inner.write)
    .await?;
    Ok(())
}
