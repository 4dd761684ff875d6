//! How often the API may be called, and by whom a call is counted.
//!
//! Whoever is known is counted as a person, whichever of their tokens and sessions they call with; everybody else by the address they call
//! from, and much earlier told to stop. A call with a credential that was not good within the last minute is nobody's until the database has said
//! whose it is: then what it was counted as is given back. Until then it is counted as a stranger's, or, where the credential was good within
//! the last day, by that alone: whoever comes back from a break does not wait for strangers at the same address, and whoever shows a credential
//! that was withdrawn takes nothing from its former owner. So a flood of tokens asks the database no more often than a stranger may call.

mod address;
mod counts;
mod known;

pub use address::{Address, TrustedProxies};

use crate::shared_counts::SharedCounts;
use counts::{Counts, Key};
use domain::{Clock, UserId};
use known::{KnownTokens, Whose};
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
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
    counted: As,
    is_known: AtomicBool,
}

#[derive(Clone, Copy, Debug)]
enum As {
    User,
    Stranger(Address),
    Token(u64),
}

#[derive(Debug)]
pub struct CallLimits {
    users: Counts<UserId>,
    strangers: Counts<Address>,
    /// Credentials that were good once, in this process alone.
    tokens: Counts<u64>,
    /// Which count a credential has: nobody outside can know.
    count_of: RandomState,
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
            tokens: Counts::new("token", strangers, clock, None),
            count_of: RandomState::new(),
            files: Counts::new("files", per_minute, clock, shared),
            known: KnownTokens::default(),
            clock: clock.clone(),
        }
    }

    /// Before anything is done for a call. `token`: what it shows to say whose it is, believed or not.
    pub async fn admit(&self, token: Option<&str>, from: Address) -> Result<Admitted, TooManyCalls> {
        let known = hash(token).map(|token| (token, self.known.whose(&token, self.clock.now())));
        let counted = match known {
            Some((_, Whose::Users(user))) => {
                count(&self.users, user, Per::User).await?;
                As::User
            }
            Some((token, Whose::SomebodysOnce)) => {
                let token = self.count_of.hash_one(token);
                count(&self.tokens, token, Per::User).await?;
                As::Token(token)
            }
            Some((_, Whose::Nobodys)) | None => {
                count(&self.strangers, from, Per::Address).await?;
                As::Stranger(from)
            }
        };
        Ok(Admitted { counted, is_known: AtomicBool::new(matches!(counted, As::User)) })
    }

    /// A file's signed link shows nothing of who follows it, and one conversation may hold a hundred: they have a count of their own.
    pub async fn admit_file(&self, from: Address) -> Result<Admitted, TooManyCalls> {
        count(&self.files, from, Per::Address).await?;
        Ok(Admitted { counted: As::User, is_known: AtomicBool::new(true) })
    }

    /// The token that the call came with is this user's: it was no stranger's call.
    pub async fn recognised(&self, admitted: &Admitted, token: &str, user: UserId) -> Result<(), TooManyCalls> {
        if let Some(token) = hash(Some(token)) {
            self.known.learn(token, user, self.clock.now());
        }
        if admitted.is_known.swap(true, Ordering::Relaxed) {
            return Ok(());
        }
        match admitted.counted {
            As::User => {}
            As::Stranger(from) => self.strangers.give_back(from),
            As::Token(token) => self.tokens.give_back(token),
        }
        count(&self.users, user, Per::User).await
    }

    /// The token that the call came with is nobody's, or no longer.
    pub fn not_recognised(&self, token: &str) {
        if let Some(token) = hash(Some(token)) {
            self.known.forget(&token);
        }
    }
}

async fn count<K: Key>(counts: &Counts<K>, key: K, per: Per) -> Result<(), TooManyCalls> {
    counts.take(key).await.map_err(|retry_after| TooManyCalls { limit: counts.limit(), per, retry_after })
}

fn hash(token: Option<&str>) -> Option<TokenHash> {
    token.filter(|token| !token.is_empty() && token.len() <= MAX_TOKEN_BYTES).map(TokenHash::of)
}
