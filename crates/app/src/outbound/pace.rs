//! How fast a mailbox may send: what its provider asks for, counted over all processes. Pure.

use domain::channel::Capabilities;
use std::time::Duration;

/// The window that [`Capabilities::messages_per_minute`] is about.
pub const WINDOW: Duration = Duration::from_secs(60);

/// `None`: now. Else how long to wait, given how many messages the mailbox submitted within the last [`WINDOW`].
pub fn wait(capabilities: &Capabilities, sent_in_window: u64) -> Option<Duration> {
    let allowed = u64::from(capabilities.messages_per_minute.max(1));
    // One place frees on average each minute ÷ allowed; asking again then is soon enough and costs little.
    (sent_in_window >= allowed).then(|| WINDOW.div_f64(f64::from(capabilities.messages_per_minute.max(1))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::channel::Provider;

    #[test]
    fn the_thirty_first_message_of_a_minute_waits_for_a_place() {
        let exchange = Provider::Microsoft.capabilities();
        assert_eq!(wait(&exchange, 29), None);
        assert_eq!(wait(&exchange, 30), Some(Duration::from_secs(2)));
    }
}
