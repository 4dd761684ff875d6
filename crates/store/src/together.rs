//! Asks of one kind that come while others are being answered are answered together: one statement and one commit for all of them.
//!
//! Nobody waits for company: the first ask is answered at once, and whoever comes meanwhile is in the next round. Each has its own answer, as
//! if it had asked alone. Whoever stops waiting is answered all the same.

use crate::{Result, StoreError};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;

/// Asks of one round at most.
const MOST: usize = 64;

pub(crate) struct Together<A, R>(Mutex<State<A, R>>);

struct State<A, R> {
    waiting: VecDeque<(A, oneshot::Sender<Result<R>>)>,
    /// Somebody answers, and will look again.
    answering: bool,
}

impl<A, R> Default for Together<A, R> {
    fn default() -> Self {
        Self(Mutex::new(State { waiting: VecDeque::new(), answering: false }))
    }
}

impl<A: Send + 'static, R: Send + 'static> Together<A, R> {
    /// `answer` answers many asks, each in its place.
    pub(crate) async fn ask<F>(self: &Arc<Self>, ask: A, answer: impl FnOnce() -> F) -> Result<R>
    where
        F: AsyncAnswer<A, R>,
    {
        let (tell, told) = oneshot::channel();
        let first = {
            let mut state = self.state();
            state.waiting.push_back((ask, tell));
            !std::mem::replace(&mut state.answering, true)
        };
        if first {
            let (turn, answer) = (Turn { together: Arc::clone(self), over: false }, answer());
            tokio::spawn(turn.answer(answer));
        }
        told.await.unwrap_or_else(|_| Err(StoreError::Unavailable("whoever asked for all of us broke off".to_owned())))
    }

    /// No code panics while it holds the state, so a poisoned lock holds a good one.
    fn state(&self) -> MutexGuard<'_, State<A, R>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Answers many asks at once, each in its place.
pub(crate) trait AsyncAnswer<A, R>: Send + 'static {
    fn answer(&self, asks: Vec<A>) -> impl Future<Output = Vec<Result<R>>> + Send;
}

struct Turn<A: Send + 'static, R: Send + 'static> {
    together: Arc<Together<A, R>>,
    over: bool,
}

impl<A: Send + 'static, R: Send + 'static> Turn<A, R> {
    async fn answer(mut self, answer: impl AsyncAnswer<A, R>) {
        loop {
            let (asks, tells): (Vec<A>, Vec<_>) = {
                let mut state = self.together.state();
                let some = state.waiting.len().min(MOST);
                if some == 0 {
                    state.answering = false;
                    self.over = true;
                    return;
                }
                state.waiting.drain(..some).unzip()
            };
            for (tell, said) in tells.into_iter().zip(answer.answer(asks).await) {
                let _ = tell.send(said);
            }
        }
    }
}

impl<A: Send + 'static, R: Send + 'static> Drop for Turn<A, R> {
    /// Answering broke off: whoever waits is told so, and the next ask begins anew.
    fn drop(&mut self) {
        if !self.over {
            let mut state = self.together.state();
            state.answering = false;
            state.waiting.clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use tokio::sync::Semaphore;

    /// Doubles numbers, as soon as it may; breaks off at a zero.
    struct Doubling {
        may: Arc<Semaphore>,
        rounds: Arc<AtomicUsize>,
    }

    impl AsyncAnswer<u32, u32> for Doubling {
        async fn answer(&self, asks: Vec<u32>) -> Vec<Result<u32>> {
            self.rounds.fetch_add(1, Ordering::SeqCst);
            self.may.acquire().await.expect("open").forget();
            assert!(!asks.contains(&0), "a bug of the test's");
            asks.into_iter().map(|n| Ok(n * 2)).collect()
        }
    }

    #[tokio::test]
    async fn whoever_asks_meanwhile_is_answered_in_one_round_and_each_gets_its_own_answer() {
        let together: Arc<Together<u32, u32>> = Arc::default();
        let (may, rounds) = (Arc::new(Semaphore::new(0)), Arc::new(AtomicUsize::new(0)));
        let ask = |n: u32| {
            let (together, may, rounds) = (together.clone(), may.clone(), rounds.clone());
            tokio::spawn(async move { together.ask(n, || Doubling { may, rounds }).await })
        };
        let first = ask(1);
        while rounds.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
        let others: Vec<_> = (2..50).map(&ask).collect();
        // One that stops waiting takes nobody else's answer.
        others[3].abort();
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        may.add_permits(2);
        assert_eq!(first.await.expect("runs").expect("answered"), 2);
        for (n, other) in (2u32..).zip(others) {
            if let Ok(said) = other.await {
                assert_eq!(said.expect("answered"), n * 2);
            }
        }
        assert_eq!(rounds.load(Ordering::SeqCst), 2);
        // Whoever comes later is not left waiting because one round broke off.
        may.add_permits(2);
        assert!(ask(0).await.expect("runs").is_err());
        assert_eq!(ask(7).await.expect("runs").expect("answered"), 14);
    }
}
