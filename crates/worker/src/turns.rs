//! Turns at signing in, so that a thousand mailboxes do not arrive at a server together.
//!
//! A turn is about arriving, not about being served: a server that takes minutes to answer keeps its own mailboxes waiting and nobody else's.
//! Mailboxes that have just failed have a line of their own, so that however many of them try again, the others get in.
//!
//! A person who has more mailboxes than may be kept open for them has the rest read one after the other: there a turn lasts as long as the
//! connection.

use domain::GrantId;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;
use tokio::sync::Semaphore;

const SIGN_INS_AT_ONCE: usize = 20;
/// A turn is over after this, even when the server has not answered yet.
const A_TURN_LASTS: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(crate) struct Turns {
    well: Semaphore,
    failing: Semaphore,
    lasts: Duration,
    persons: Mutex<HashMap<GrantId, Weak<Semaphore>>>,
}

impl Turns {
    pub fn new() -> Self {
        Self::lasting(A_TURN_LASTS)
    }

    fn lasting(lasts: Duration) -> Self {
        Self {
            well: Semaphore::new(SIGN_INS_AT_ONCE),
            failing: Semaphore::new(SIGN_INS_AT_ONCE),
            lasts,
            persons: Mutex::default(),
        }
    }

    /// One at a time of those that take turns at this person's sessions, in this process.
    pub fn of_person(&self, grant: GrantId) -> Arc<Semaphore> {
        // No code panics while it holds this, so a poisoned lock holds a good state.
        let mut persons = self.persons.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = persons.get(&grant).and_then(Weak::upgrade) {
            return known;
        }
        persons.retain(|_, turns| turns.strong_count() > 0);
        let turns = Arc::new(Semaphore::new(1));
        persons.insert(grant, Arc::downgrade(&turns));
        turns
    }

    /// Begins `sign_in` when it is its turn.
    pub async fn take<T>(&self, is_failing: bool, sign_in: impl Future<Output = T>) -> T {
        let line = if is_failing { &self.failing } else { &self.well };
        let turn = line.acquire().await;
        let mut sign_in = std::pin::pin!(sign_in);
        if let Ok(signed_in) = tokio::time::timeout(self.lasts, &mut sign_in).await {
            return signed_in;
        }
        drop(turn);
        sign_in.await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;
    use std::future::{pending, ready};
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// As many sign-ins as there are turns, at a server that never answers.
    async fn hang(turns: &Arc<Turns>, is_failing: bool) {
        for _ in 0..SIGN_INS_AT_ONCE {
            let turns = turns.clone();
            tokio::spawn(async move { turns.take(is_failing, pending::<()>()).await });
        }
        let line = if is_failing { &turns.failing } else { &turns.well };
        while line.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn no_more_than_twenty_mailboxes_arrive_at_a_server_at_a_time() {
        let turns = Turns::lasting(Duration::from_secs(3600));
        let (now, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let arrivals = (0..100).map(|_| {
            turns.take(false, async {
                most.fetch_max(now.fetch_add(1, Ordering::Relaxed) + 1, Ordering::Relaxed);
                tokio::task::yield_now().await;
                now.fetch_sub(1, Ordering::Relaxed);
            })
        });
        futures_util::future::join_all(arrivals).await;
        assert_eq!(most.into_inner(), SIGN_INS_AT_ONCE);
    }

    #[tokio::test]
    async fn mailboxes_that_fail_keep_none_waiting_that_is_well() {
        let turns = Arc::new(Turns::lasting(Duration::from_secs(3600)));
        hang(&turns, true).await;
        assert!(turns.take(true, ready(())).now_or_never().is_none(), "their own line is full");
        assert!(turns.take(false, ready(())).now_or_never().is_some());
    }

    #[tokio::test]
    async fn a_server_that_never_answers_keeps_the_others_waiting_for_one_turn_at_most() {
        let turns = Arc::new(Turns::lasting(Duration::from_millis(20)));
        hang(&turns, false).await;
        let next = tokio::time::timeout(Duration::from_secs(60), turns.take(false, ready(7))).await;
        assert_eq!(next, Ok(7), "the turns are over, and the sign-ins go on");
    }
}
