//! Times as Chatwoot writes them: whole epoch seconds with 0 for "never", here and there a float or an ISO text.

use domain::Timestamp;

/// Epoch seconds, 0 for never.
pub fn seconds_or_zero(at: Option<Timestamp>) -> i64 {
    at.map_or(0, Timestamp::seconds)
}

/// Epoch seconds, absent for never: for what Chatwoot does not have.
pub fn seconds(at: Option<Timestamp>) -> Option<i64> {
    at.map(Timestamp::seconds)
}

/// Epoch seconds with their fraction: `updated_at` of a conversation.
#[expect(clippy::cast_precision_loss, reason = "microseconds since 1970 stay below 2^53 until the year 2255")]
pub fn float_seconds(at: Timestamp) -> f64 {
    at.micros() as f64 / 1_000_000.0
}

/// ISO 8601 in UTC, or null.
pub fn iso(at: Option<Timestamp>) -> Option<String> {
    at.map(Timestamp::to_iso)
}
