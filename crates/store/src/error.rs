//! What can go wrong between us and the database, by what the caller can do about it.

use crate::condition::{FULL, SHAPED_ANEW};

/// The texts are for logs; none reaches a client.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database does not answer, or is locked: the same call may work later.
    #[error("the database is not available: {0}")]
    Unavailable(String),
    /// Two transactions were in each other's way, and this one was taken back. The same call works at once.
    #[error("the database took a transaction back: {0}")]
    TakenBack(String),
    /// There is no room left: a full disk, or a quota. The same call works when somebody has made room.
    #[error("the database has no room left: {0}")]
    Full(String),
    /// It takes no writes: a hot standby, or a database that was made read-only. The same call works when that has changed.
    #[error("the database takes no writes: {0}")]
    ReadOnly(String),
    /// Somebody else has it: a unique value is taken, or a row that is still referred to cannot go.
    #[error("conflict: {0}")]
    Conflict(String),
    /// There are as many of these as there may be; nothing was written.
    #[error("there are as many {0} as there may be")]
    LimitReached(&'static str),
    /// The row is not there (any more), or belongs to another account.
    #[error("not found: {0}")]
    NotFound(&'static str),
    /// The lease or claim under which this was written is not held any more; nothing was written.
    #[error("the lease is lost")]
    LeaseLost,
    #[error(
        "the database's schema is older than this version needs: it has {found} migrations, {wanted} are needed; run `postroom migrate`"
    )]
    SchemaTooOld { found: u32, wanted: u32 },
    #[error(
        "the database's schema is newer than this version understands: it has {found} migrations, {known} are known"
    )]
    SchemaTooNew { found: u32, known: u32 },
    /// The database can keep no such text: a NUL, or what its encoding does not know. The same call never works.
    #[error("a text that the database cannot keep: {0}")]
    Unstorable(String),
    /// Another process serves from this SQLite file.
    #[error("another process serves from this database file already")]
    AlreadyServing,
    /// A sealed secret does not open with the keys of this installation.
    #[error("a stored secret could not be opened: {0}")]
    SecretUnreadable(String),
    /// A row holds what we never write.
    #[error("the database holds something unexpected: {0}")]
    Corrupt(String),
    /// The configuration cannot work.
    #[error("{0}")]
    Config(String),
}

impl StoreError {
    /// The same call may work if it is made again a little later.
    pub const fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::TakenBack(_) | Self::Full(_) | Self::ReadOnly(_))
    }

    /// The same for everybody whose ask was in the statement that failed.
    pub(crate) fn for_another(&self) -> Self {
        match self {
            Self::Unavailable(why) => Self::Unavailable(why.clone()),
            Self::TakenBack(why) => Self::TakenBack(why.clone()),
            Self::Full(why) => Self::Full(why.clone()),
            Self::ReadOnly(why) => Self::ReadOnly(why.clone()),
            // Nothing of the sort comes of a claim.
            other => Self::Corrupt(other.to_string()),
        }
    }
}

impl From<sea_orm::DbErr> for StoreError {
    fn from(error: sea_orm::DbErr) -> Self {
        use sea_orm::{DbErr, RuntimeErr, SqlErr};
        match error.sql_err() {
            Some(SqlErr::UniqueConstraintViolation(what)) => return Self::Conflict(what),
            Some(SqlErr::ForeignKeyConstraintViolation(what)) => return Self::Conflict(what),
            _ => {}
        }
        match &error {
            DbErr::ConnectionAcquire(_) | DbErr::Conn(_) => Self::Unavailable(error.to_string()),
            DbErr::Exec(RuntimeErr::SqlxError(sqlx)) | DbErr::Query(RuntimeErr::SqlxError(sqlx)) => {
                let code = sqlx.as_database_error().and_then(sqlx::error::DatabaseError::code);
                let code = code.as_deref().unwrap_or_default();
                if full_code(code) {
                    FULL.now();
                    return Self::Full(error.to_string());
                }
                if code == TRIGGER_CODE {
                    return Self::Conflict(error.to_string());
                }
                if code == READ_ONLY_CODE {
                    return Self::ReadOnly(error.to_string());
                }
                if code == SHAPED_ANEW_CODE {
                    SHAPED_ANEW.now();
                }
                if TAKEN_BACK_CODES.contains(&code) {
                    Self::TakenBack(error.to_string())
                } else if passes(sqlx) {
                    Self::Unavailable(error.to_string())
                } else if unstorable_code(code) {
                    Self::Unstorable(error.to_string())
                } else {
                    Self::Corrupt(error.to_string())
                }
            }
            _ => Self::Corrupt(error.to_string()),
        }
    }
}

/// Whether the same statement may work a little later.
fn passes(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => true,
        sqlx::Error::Database(database) => database.code().is_some_and(|code| passing_code(&code)),
        _ => false,
    }
}

/// serialization_failure and deadlock_detected.
const TAKEN_BACK_CODES: [&str; 2] = ["40001", "40P01"];

/// "cached plan must not change result type": a column was added to a table while we had a statement prepared for it.
const SHAPED_ANEW_CODE: &str = "0A000";

/// SQLite's CONSTRAINT_TRIGGER: a trigger of ours that stands for a foreign key.
const TRIGGER_CODE: &str = "1811";

/// read_only_sql_transaction.
const READ_ONLY_CODE: &str = "25006";

/// SQLite's FULL, and PostgreSQL's disk_full. (The blob folder's errors are read in `blob.rs`.)
fn full_code(code: &str) -> bool {
    code == "53100" || (code.len() < 5 && code.parse::<u32>().is_ok_and(|sqlite| sqlite & 0xff == 13))
}

fn passing_code(code: &str) -> bool {
    match code.parse::<u32>() {
        // SQLite's primary codes BUSY, LOCKED, IOERR, CANTOPEN; extended ones carry them in the low byte. A SQLSTATE is five
        // characters long, so the two cannot be confused.
        Ok(sqlite) if code.len() < 5 => matches!(sqlite & 0xff, 5 | 6 | 10 | 14),
        // PostgreSQL (appendix "Error Codes"): connection, refused sign-in, transaction rollback (serialisation, deadlock), resources,
        // lock not available, shutting down, I/O; a transaction that stood still for too long. Our statements are tried against our schema, so
        // where a table, a column, a schema or the database itself is missing, the database is not the one we know at the moment: the
        // statement is right, and works when that is mended.
        _ => {
            ["08", "28", "40", "53", "55", "57", "58"].iter().any(|class| code.starts_with(class))
                || ["25P03", "42P01", "42703", "3D000", "3F000", SHAPED_ANEW_CODE].contains(&code)
        }
    }
}

/// PostgreSQL's character_not_in_repertoire (a NUL in text) and untranslatable_character (`\u0000` in JSON). SQLite keeps both.
fn unstorable_code(code: &str) -> bool {
    matches!(code, "22021" | "22P05")
}

/// A stored code, number or JSON that we never write.
pub(crate) fn corrupt(what: &'static str, found: impl std::fmt::Display) -> StoreError {
    StoreError::Corrupt(format!("{what}: {found}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn busy_and_deadlock_pass_and_a_broken_constraint_does_not() {
        for code in ["5", "517", "40P01", "40001", "53300", "57P01", "08006", "42P01", "0A000"] {
            assert!(passing_code(code), "{code}");
        }
        for code in ["1", "19", "2067", "23505", "42601"] {
            assert!(!passing_code(code) && !full_code(code), "{code}");
        }
    }

    #[test]
    fn a_full_disk_is_told_apart_on_both_databases() {
        assert!(full_code("13") && full_code("53100"));
        for code in ["53200", "53300", "266", "5", "00013", ""] {
            assert!(!full_code(code), "{code}");
        }
    }
}
