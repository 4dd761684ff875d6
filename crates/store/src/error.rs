//! What can go wrong between us and the database, by what the caller can do about it.

/// The texts are for logs; none reaches a client.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database does not answer, is locked, is full, or gave up a transaction: the same call may work later.
    #[error("the database is not available: {0}")]
    Unavailable(String),
    /// Somebody else has it: a unique value is taken, or a row that is still referred to cannot go.
    #[error("conflict: {0}")]
    Conflict(String),
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
        matches!(self, Self::Unavailable(_))
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
                if passes(sqlx) {
                    Self::Unavailable(error.to_string())
                } else if sqlx
                    .as_database_error()
                    .and_then(sqlx::error::DatabaseError::code)
                    .is_some_and(|code| unstorable_code(&code))
                {
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

fn passing_code(code: &str) -> bool {
    match code.parse::<u32>() {
        // SQLite's primary codes BUSY, LOCKED, IOERR, FULL, CANTOPEN; extended ones carry them in the low byte. A SQLSTATE is five
        // characters long, so the two cannot be confused.
        Ok(sqlite) if code.len() < 5 => matches!(sqlite & 0xff, 5 | 6 | 10 | 13 | 14),
        // PostgreSQL (appendix "Error Codes"): connection, transaction rollback (serialisation, deadlock), resources (disk full),
        // lock not available, shutting down, I/O.
        _ => ["08", "40", "53", "55", "57", "58"].iter().any(|class| code.starts_with(class)),
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
    use super::passing_code;

    #[test]
    fn busy_and_deadlock_pass_and_a_broken_constraint_does_not() {
        for code in ["5", "517", "13", "40P01", "40001", "53100", "57P01", "08006"] {
            assert!(passing_code(code), "{code}");
        }
        for code in ["1", "19", "2067", "23505", "42601"] {
            assert!(!passing_code(code), "{code}");
        }
    }
}
