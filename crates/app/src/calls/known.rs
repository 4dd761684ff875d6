//! Which credentials were good a short while ago, and whose they are.
//!
//! It lets nobody in: the database is asked all the same. It says by whom a call is counted before the database is asked, so that a person
//! who calls too often costs nothing, and so that strangers at the same address do not use up what a person may do.
//!
//! What was shown is not thereby good: only the database's word is remembered, and only for a while. Many calls never ask the database whose
//! they are, and a token that was revoked would be counted by its former owner for as long as somebody shows it.

use domain::{Timestamp, UserId};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use store::TokenHash;

/// So many at least are remembered, and twice as many at most.
const KEPT: usize = 10_000;
/// How long the database's word is believed.
const BELIEVED_FOR: Duration = Duration::from_secs(60);
/// How long it is remembered that it was given: whoever comes back from a break is no stranger.
const REMEMBERED_FOR: Duration = Duration::from_secs(24 * 3600);

/// What is known of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Whose {
    Users(UserId),
    /// It was somebody's a while ago.
    SomebodysOnce,
    Nobodys,
}

#[derive(Clone, Copy, Debug)]
struct Known {
    user: UserId,
    believed_at: Timestamp,
}

/// Tokens by their hash. Those that were not good for long go first.
#[derive(Debug, Default)]
pub(super) struct KnownTokens(Mutex<Generations>);

#[derive(Debug, Default)]
struct Generations {
    young: HashMap<TokenHash, Known>,
    old: HashMap<TokenHash, Known>,
}

impl KnownTokens {
    pub(super) fn whose(&self, token: &TokenHash, now: Timestamp) -> Whose {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(found) = known.young.get(token).or_else(|| known.old.get(token)) else { return Whose::Nobodys };
        // A clock that was set back makes nothing believed for longer.
        match now.since(found.believed_at) {
            ago if now >= found.believed_at && ago < BELIEVED_FOR => Whose::Users(found.user),
            ago if ago < REMEMBERED_FOR => Whose::SomebodysOnce,
            _ => Whose::Nobodys,
        }
    }

    /// The database says so.
    pub(super) fn learn(&self, token: TokenHash, user: UserId, now: Timestamp) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.keep(token, Known { user, believed_at: now });
    }

    /// It was not believed.
    pub(super) fn forget(&self, token: &TokenHash) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.young.remove(token);
        known.old.remove(token);
    }
}

impl Generations {
    fn keep(&mut self, token: TokenHash, known: Known) {
        if self.young.len() >= KEPT && !self.young.contains_key(&token) {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(token, known);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_seconds(1_760_000_000);

    #[test]
    fn what_is_in_use_stays_and_no_more_is_kept_than_is_bounded() {
        let known = KnownTokens::default();
        let token = |n: usize| TokenHash::of(&n.to_string());
        known.learn(token(0), UserId(7), NOW);
        for n in 1..5 * KEPT {
            known.learn(token(n), UserId(8), NOW);
            if n % 1000 == 0 {
                assert_eq!(known.whose(&token(0), NOW), Whose::Users(UserId(7)), "after {n}");
                known.learn(token(0), UserId(7), NOW);
            }
        }
        assert_eq!(known.whose(&token(1), NOW), Whose::Nobodys);
        let kept = known.0.lock().expect("not poisoned");
        assert!(kept.young.len() + kept.old.len() <= 2 * KEPT);
    }

    #[test]
    fn a_token_is_believed_for_a_minute_after_the_database_believed_it_however_often_it_is_shown() {
        let known = KnownTokens::default();
        let token = TokenHash::of("a token");
        known.learn(token, UserId(7), NOW);
        let shown_after = |seconds| known.whose(&token, Timestamp::from_seconds(NOW.seconds() + seconds));
        assert!((0..60).all(|seconds| shown_after(seconds) == Whose::Users(UserId(7))));
        assert_eq!((shown_after(60), shown_after(-1)), (Whose::SomebodysOnce, Whose::SomebodysOnce));
        assert_eq!((shown_after(86_399), shown_after(86_400)), (Whose::SomebodysOnce, Whose::Nobodys));
        known.learn(token, UserId(7), Timestamp::from_seconds(NOW.seconds() + 59));
        assert_eq!(shown_after(118), Whose::Users(UserId(7)));
    }
}
