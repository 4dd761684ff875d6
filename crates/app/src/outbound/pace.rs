//! How fast a mailbox may send: what its provider asks for, counted over all processes. Pure.

use domain::channel::Capabilities;
use std::time::Duration;

/// The window that [`Capabilities::messages_per_minute`] is about.
pub const WINDOW: Duration = Duration::from_secs(60);

/// However long the line is, nobody waits longer than this without asking: the line may have become shorter.
const LONGEST: Duration = Duration::from_secs(60);

/// `None`: now. Else how often a place frees, on average, given how many messages the mailbox submitted within the last [`WINDOW`].
pub fn each(capabilities: &Capabilities, sent_in_window: u64) -> Option<Duration> {
    let allowed = capabilities.messages_per_minute.max(1);
    (sent_in_window >= u64::from(allowed)).then(|| WINDOW.div_f64(f64::from(allowed)))
}

/// How soon to ask again in a line that moves on by one every `each`: when it is this one's turn. Were all to ask at every step, a line of
/// five hundred would cost five hundred questions a step.
pub fn in_line(each: Duration, ahead: u64) -> Duration {
    each.saturating_mul(u32::try_from(ahead.saturating_add(1)).unwrap_or(u32::MAX)).min(LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::channel::Provider;

    #[test]
    fn the_thirty_first_message_of_a_minute_waits_for_a_place() {
        let exchange = Provider::Microsoft.capabilities();
        assert_eq!(each(&exchange, 29), None);
        let step = each(&exchange, 30).expect("a wait");
        assert_eq!((step, in_line(step, 0)), (Duration::from_secs(2), Duration::from_secs(2)));
    }

    #[test]
    fn who_stands_far_behind_in_the_line_asks_rarely_and_not_never() {
        let exchange = Provider::Microsoft.capabilities();
        let step = each(&exchange, 30).expect("a wait");
        assert_eq!(in_line(step, 4), Duration::from_secs(10));
        assert_eq!(in_line(step, 500), Duration::from_secs(60));
        assert_eq!(in_line(Duration::from_secs(1), u64::MAX), Duration::from_secs(60));
    }
}
