//! How long a message waits between two tries, and when it has waited long enough.

use crate::App;
use domain::failure::backoff;
use domain::message::Delivery;
use domain::message::delivery::RETRY_FOR_SECONDS;
use domain::{Failure, FailureClass};
use std::time::Duration;

/// How soon to look again whether somebody mended what only a person can mend.
pub(super) const UNTIL_MENDED: Duration = Duration::from_secs(30);
pub(super) const LONGEST_WAIT: Duration = Duration::from_secs(30 * 60);
const FIRST_WAIT: Duration = Duration::from_secs(15);
/// A used-up quota has a window of hours.
const QUOTA_WAIT: Duration = Duration::from_secs(3600);

pub(super) fn wait_after(app: &App, failure: &Failure, attempts: u32) -> Duration {
    let own = match failure.class {
        FailureClass::SendingQuotaExceeded => QUOTA_WAIT,
        _ => backoff(attempts.max(1), FIRST_WAIT, LONGEST_WAIT, app.jitter()),
    };
    failure.retry_after().map_or(own, |asked| asked.max(own))
}

/// People have waited long enough to be told.
pub(super) fn is_too_old(app: &App, delivery: &Delivery) -> bool {
    app.now().since(delivery.queued_at) >= Duration::from_secs(RETRY_FOR_SECONDS)
}
