//! How often the API may be called, and by whom a call is counted.
//!
//! Whoever is known is counted as a person, whichever of their tokens and sessions they call with; everybody else by the address they call
//! from, and much earlier told to stop. A call with a credential that was not good within the last minute is a stranger's until the database
//! has said whose it is: then the stranger's count is given back. So a flood of made-up tokens asks the database no more often than a stranger may call.

mod address;
mod counts;
mod known;

pub use address::{Address, TrustedProxies};

use crate::shared_counts::SharedCounts;
use counts::Counts;
use domain::{Clock, UserId};
use known::KnownTokens;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use store::TokenHash;

/// What strangers may do is so much less.
const STRANGERS_SHARE: u32 = 10;

/// Ours have 43 characters: longer ones are nobody's, and are not hashed.
pub(crate) const MAX_TOKEN_BYTES: usize = 512;

/// Whom a limit is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Per {
    User,
    Address,
}

/// The call is one too many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooManyCalls {
    /// Calls within a minute.
    pub limit: u32,
    pub per: Per,
    pub retry_after: Duration,
}

/// A call that was let in, and what it was counted as.
#[derive(Debug)]
pub struct Admitted {
    from: Address,
    as_stranger: AtomicBool,
}

#[derive(Debug)]
pub struct CallLimits {
    users: Counts<UserId>,
    strangers: Counts<Address>,
    files: Counts<Address>,
    known: KnownTokens,
    clock: Arc<dyn Clock>,
}

impl CallLimits {
    /// `per_minute`: what one person may do.
    pub(crate) fn new(per_minute: u32, clock: &Arc<dyn Clock>, shared: Option<&Arc<dyn SharedCounts>>) -> Self {
        let strangers = (per_minute / STRANGERS_SHARE).max(1);
        Self {
            users: Counts::new("user", per_minute, clock, shared),
            strangers: Counts::new("address", strangers, clock, shared),
            files: Counts::new("files", per_minute, clock, shared),
            known: KnownTokens::default(),
            clock: clock.clone(),
        }
    }

    /// Before anything is done for a call. `token`: what it shows to say whose it is, believed or not.
    pub async fn admit(&self, token: Option<&str>, from: Address) -> Result<Admitted, TooManyCalls> {
        let user = hash(token).and_then(|token| self.known.user(&token, self.clock.now()));
        match user {
            Some(user) => self.count_user(user).await?,
            None => self.strangers.take(from).await.map_err(|retry_after| TooManyCalls {
                limit: self.strangers.limit(),
                per: Per::Address,
                retry_after,
            })?,
        }
        Ok(Admitted { from, as_stranger: AtomicBool::new(user.is_none()) })
    }

    /// A file's signed link shows nothing of who follows it, and one conversation may hold a hundred: they have a count of their own.
    pub async fn admit_file(&self, from: Address) -> Result<Admitted, TooManyCalls> {
        let per_address = |retry_after| TooManyCalls { limit: self.files.limit(), per: Per::Address, retry_after };
        self.files.take(from).await.map_err(per_address)?;
        Ok(Admitted { from, as_stranger: AtomicBool::new(false) })
    }

    /// The token that the call came with is this user's: it was no stranger's call.
    pub async fn recognised(&self, admitted: &Admitted, token: &str, user: UserId) -> Result<(), TooManyCalls> {
        if let Some(token) = hash(Some(token)) {
            self.known.learn(token, user, self.clock.now());
        }
        if !admitted.as_stranger.swap(false, Ordering::Relaxed) {
            return Ok(());
        }
        self.strangers.give_back(admitted.from);
        self.count_user(user).await
    }

    /// The token that the call came with is nobody's, or no longer.
    pub fn not_recognised(&self, token: &str) {
        if let Some(token) = hash(Some(token)) {
            self.known.forget(&token);
        }
    }

    async fn count_user(&self, user: UserId) -> Result<(), TooManyCalls> {
        self.users.take(user).await.map_err(|retry_after| TooManyCalls {
            limit: self.users.limit(),
            per: Per::User,
            retry_after,
        })
    }
}

fn hash(token: Option<&str>) -> Option<TokenHash> {
    token.filter(|token| !token.is_empty() && token.len() <= MAX_TOKEN_BYTES).map(TokenHash::of)
}
