//! The port to counts that several processes keep together: how often somebody tried to sign in, how often they called the API.
//!
//! Where nobody answers, whoever counts goes on alone: no count is ever a reason to refuse, and none is a reason to stop counting.

use std::time::Duration;

/// What is added to one count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lot {
    /// Holds neither an address nor an e-mail as it is.
    pub name: String,
    /// Negative: so many were counted that should not have been.
    pub calls: i64,
    /// A count begins with what is added first, and is forgotten so much later.
    pub lasts: Duration,
}

/// What a count has come to, all processes together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Total {
    pub calls: i64,
    /// How long it is still counted.
    pub left: Duration,
}

/// Counts outside of this process.
#[async_trait::async_trait]
pub trait SharedCounts: Send + Sync + std::fmt::Debug {
    /// One total for each lot, in their order. `None`: they cannot be asked at this moment, and it is not known whether they were added.
    async fn add(&self, lots: &[Lot]) -> Option<Vec<Total>>;
    async fn forget(&self, name: &str);
}
