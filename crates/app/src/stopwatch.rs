//! How long something took, also while this computer was suspended.
//!
//! The timers of a process stand still with the computer, so that whoever comes back from an hour's suspension believes to have been quick; the
//! clock goes on, and may be set. The longer of the two is what is believed: who thinks that a moment was an hour looks once more at what others
//! may have done meanwhile, and who thinks that an hour was a moment does it twice.

use crate::App;
use domain::Timestamp;
use std::time::Duration;
use tokio::time::Instant;

#[derive(Clone, Copy, Debug)]
pub struct Stopwatch {
    by_timer: Instant,
    /// This computer's own: what the database's clock has corrected in ours since is no time that passed.
    by_clock: Timestamp,
}

impl Stopwatch {
    pub fn start(app: &App) -> Self {
        Self { by_timer: Instant::now(), by_clock: app.clock().uncorrected() }
    }

    pub fn elapsed(&self, app: &App) -> Duration {
        self.by_timer.elapsed().max(app.clock().uncorrected().since(self.by_clock))
    }
}
