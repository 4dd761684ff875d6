//! The clock that all processes of an installation go by: this computer's, corrected to the database's when the two differ.
//!
//! Leases are judged by the database's clock anyway. But when a retry is due, when a token or a sign-in runs out and when a server may be
//! asked again are times that one process writes and another reads, so they must be of one clock too: with computers an hour apart a reply
//! would leave an hour late, and a token be used for an hour after its end. Which of two clocks is right nobody here can know; that they
//! are the same is what counts. It never stops anything: while the database cannot be asked, what was learnt last holds.

use domain::{Clock, Timestamp};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;
use store::{Backend, Store};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// Computers whose clocks are kept differ by less, and go by their own.
const TOLERATED: Duration = Duration::from_secs(1);
/// How often the clocks are compared: as often as a worker's heart beats.
const COMPARE_EVERY: Duration = Duration::from_secs(5);
/// An answer that took longer says too little: the process or the database stood still in between.
const LONGEST_ANSWER: Duration = Duration::from_secs(5);

/// This computer's clock with a correction.
#[derive(Debug)]
pub struct SharedClock {
    own: Arc<dyn Clock>,
    correction_micros: AtomicI64,
}

impl SharedClock {
    /// Not corrected yet.
    pub fn over(own: Arc<dyn Clock>) -> Self {
        Self { own, correction_micros: AtomicI64::new(0) }
    }

    /// How far ahead of the other clock this computer's is, in microseconds, as far as it is corrected for.
    pub fn ahead_micros(&self) -> i64 {
        -self.correction_micros.load(Ordering::Relaxed)
    }

    /// The other clock said `theirs` somewhere between `asked_at`, by this computer's clock, and `took` later. `true`: the correction is
    /// another one now.
    pub fn compare(&self, asked_at: Timestamp, took: Duration, theirs: Timestamp) -> bool {
        if took > LONGEST_ANSWER {
            return false;
        }
        let difference = theirs.micros().saturating_sub(asked_at.plus(took / 2).micros());
        let known = self.correction_micros.load(Ordering::Relaxed);
        // What is uncertain of the answer is no difference.
        let tolerated = micros(TOLERATED + took / 2);
        let correction = if difference.saturating_abs() <= tolerated { 0 } else { difference };
        let changed = correction.saturating_sub(known).saturating_abs() > tolerated;
        if changed {
            self.correction_micros.store(correction, Ordering::Relaxed);
        }
        changed
    }
}

impl Clock for SharedClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.own.now().micros().saturating_add(self.correction_micros.load(Ordering::Relaxed)))
    }

    fn uncorrected(&self) -> Timestamp {
        self.own.now()
    }
}

/// Compares with the database's clock once. An SQLite file has no other clock than ours.
pub async fn compare(store: &Store, clock: &SharedClock) {
    if store.backend() == Backend::Sqlite {
        return;
    }
    let (asked_at, begun) = (clock.uncorrected(), Instant::now());
    // A database that is away is told of by whoever needs it.
    let Ok(theirs) = store.sync().time().await else { return };
    // A computer that was suspended meanwhile does not know it by its timers.
    let took = begun.elapsed().max(clock.uncorrected().since(asked_at));
    if clock.compare(asked_at, took, theirs) {
        match clock.ahead_micros() {
            0 => info!("this computer's clock and the database's agree again"),
            ahead => warn!(
                ahead_s = ahead / 1_000_000,
                "this computer's clock and the database's differ; the database's counts, and one of them must be set"
            ),
        }
    }
}

/// Compares again and again, until `stop`.
pub async fn keep(store: Store, clock: Arc<SharedClock>, stop: CancellationToken) {
    while tokio::time::timeout(COMPARE_EVERY, stop.cancelled()).await.is_err() {
        tokio::select! {
            () = stop.cancelled() => return,
            () = compare(&store, &clock) => {}
        }
    }
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: Timestamp = Timestamp::from_seconds(1_760_000_000);
    const AT_ONCE: Duration = Duration::from_millis(4);

    #[derive(Debug)]
    struct Noon;

    impl Clock for Noon {
        fn now(&self) -> Timestamp {
            NOON
        }
    }

    fn clock() -> SharedClock {
        SharedClock::over(Arc::new(Noon))
    }

    #[test]
    fn a_clock_that_is_an_hour_off_is_corrected_and_believed_again_when_it_is_set() {
        for hour in [3600, -3600] {
            let clock = clock();
            let theirs = Timestamp::from_seconds(NOON.seconds() + hour);
            assert!(clock.compare(NOON, AT_ONCE, theirs));
            let off = clock.now().micros() - theirs.micros();
            assert!(off.abs() <= micros(AT_ONCE), "{off}");
            assert_eq!(clock.uncorrected(), NOON);
            assert!(!clock.compare(NOON, AT_ONCE, theirs), "nothing is different from before");
            assert!(clock.compare(NOON, AT_ONCE, NOON));
            assert_eq!((clock.now(), clock.ahead_micros()), (NOON, 0));
        }
    }

    #[test]
    fn clocks_that_are_kept_go_by_themselves() {
        let clock = clock();
        for off in [-900, -3, 0, 250, 990] {
            assert!(!clock.compare(NOON, AT_ONCE, Timestamp(NOON.micros() + off * 1000)));
        }
        assert_eq!(clock.now(), NOON);
    }

    #[test]
    fn an_answer_that_took_long_corrects_by_no_more_than_it_says() {
        let clock = clock();
        // Three seconds on the way: up to half of them may be the way's.
        assert!(!clock.compare(NOON, Duration::from_secs(3), NOON.plus(Duration::from_secs(3))));
        // The process was stopped for an hour between question and answer.
        assert!(!clock.compare(NOON, Duration::from_secs(3600), NOON.plus(Duration::from_secs(3600))));
        assert_eq!(clock.now(), NOON);
    }
}
