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
