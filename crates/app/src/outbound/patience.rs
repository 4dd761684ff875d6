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

/// `attempts`: that failed one after the other, this one included.
pub(super) fn wait_after(app: &App, failure: &Failure, attempts: u32) -> Duration {
    let own = match failure.class {
        FailureClass::SendingQuotaExceeded => QUOTA_WAIT,
        _ => backoff(attempts.max(1), FIRST_WAIT, LONGEST_WAIT, app.jitter()),
    };
    failure.retry_after().map_or(own, |asked| asked.max(own))
}

/// It has failed for so long that people must be told.
pub(super) fn is_too_old(app: &App, delivery: &Delivery) -> bool {
    delivery.failing_since.is_some_and(|since| app.now().since(since) >= Duration::from_secs(RETRY_FOR_SECONDS))
}

/// The mailbox is only slowed down: whoever waits for it does so without failing, however long it lasts. That a server states how long to wait
/// is not enough: a filter says "try again in five minutes" of one message, and may say so for ever.
pub(super) fn only_slows(failure: &Failure) -> bool {
    matches!(
        failure.class,
        FailureClass::SendingPaced
            | FailureClass::DailyRecipientsReached
            | FailureClass::TooManyConnections
            | FailureClass::HostBusy
    )
}
