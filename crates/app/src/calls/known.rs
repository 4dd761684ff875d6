//! Which credentials were good a short while ago, and whose they are.
//!
//! It lets nobody in: the database is asked all the same. It says by whom a call is counted before the database is asked, so that a person
//! who calls too often costs nothing, and so that strangers at the same address do not use up what a person may do.

use domain::UserId;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use store::TokenHash;

/// So many at least are remembered, and twice as many at most.
const KEPT: usize = 10_000;

/// Tokens by their hash. Those that nobody used for long go first.
#[derive(Debug, Default)]
pub(super) struct KnownTokens(Mutex<Generations>);

#[derive(Debug, Default)]
struct Generations {
    young: HashMap<TokenHash, UserId>,
    old: HashMap<TokenHash, UserId>,
}

impl KnownTokens {
    pub(super) fn user(&self, token: &TokenHash) -> Option<UserId> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(user) = known.young.get(token) {
            return Some(*user);
        }
        let user = known.old.remove(token)?;
        known.keep(*token, user);
        Some(user)
    }

    pub(super) fn learn(&self, token: TokenHash, user: UserId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).keep(token, user);
    }

    /// It was not believed.
    pub(super) fn forget(&self, token: &TokenHash) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.young.remove(token);
        known.old.remove(token);
    }
}

impl Generations {
    fn keep(&mut self, token: TokenHash, user: UserId) {
        if self.young.len() >= KEPT {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(token, user);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_use_stays_and_no_more_is_kept_than_is_bounded() {
        let known = KnownTokens::default();
        let token = |n: usize| TokenHash::of(&n.to_string());
        known.learn(token(0), UserId(7));
        for n in 1..5 * KEPT {
            known.learn(token(n), UserId(8));
            if n % 1000 == 0 {
                assert_eq!(known.user(&token(0)), Some(UserId(7)), "after {n}");
            }
        }
        assert_eq!(known.user(&token(1)), None);
        let kept = known.0.lock().expect("not poisoned");
        assert!(kept.young.len() + kept.old.len() <= 2 * KEPT);
    }
}
