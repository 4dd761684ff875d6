//! Where the head of a request ends, and until when it must.
//!
//! It understands nothing of HTTP but the empty line. What follows a head, up to the answer, is not looked at: a body may take its time, and
//! the idle limit is for that.

use std::time::Duration;
use tokio::time::Instant;

const END: &[u8] = b"\r\n\r\n";
/// An answer that asks for the body is not yet the answer.
const CONTINUE: &[u8] = b"HTTP/1.1 100";

#[derive(Debug)]
pub struct Head {
    patience: Duration,
    state: State,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// Of the empty line so many bytes were seen last.
    Coming { until: Instant, seen: usize },
    /// It is there, and not answered yet.
    There,
    /// The last one was answered.
    Answered,
}

impl Head {
    /// The first one is expected from the beginning on.
    pub fn begins(now: Instant, patience: Duration) -> Self {
        Self { patience, state: State::Coming { until: now + patience, seen: 0 } }
    }

    /// When it must be there, if it is expected.
    pub fn until(&self) -> Option<Instant> {
        match self.state {
            State::Coming { until, .. } => Some(until),
            State::There | State::Answered => None,
        }
    }

    pub fn read(&mut self, bytes: &[u8], now: Instant) {
        if bytes.is_empty() {
            return;
        }
        if matches!(self.state, State::Answered) {
            self.state = State::Coming { until: now + self.patience, seen: 0 };
        }
        let State::Coming { until, mut seen } = self.state else { return };
        for byte in bytes {
            // Only its first byte can begin it anew.
            seen = match END.get(seen) {
                Some(expected) if expected == byte => seen + 1,
                _ => usize::from(*byte == b'\r'),
            };
            if seen == END.len() {
                self.state = State::There;
                return;
            }
        }
        self.state = State::Coming { until, seen };
    }

    pub fn wrote(&mut self, bytes: &[u8]) {
        if !bytes.starts_with(CONTINUE) {
            self.state = State::Answered;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_ends_with_the_empty_line_wherever_its_bytes_are_parted() {
        let now = Instant::now();
        let text = b"GET / HTTP/1.1\r\nhost: a\r\r\n\r\n";
        for parted in 0..text.len() {
            let mut head = Head::begins(now, Duration::from_secs(1));
            head.read(&text[..parted], now);
            assert!(head.until().is_some(), "{parted}");
            head.read(&text[parted..], now);
            assert!(head.until().is_none(), "{parted}");
            head.read(b"a body", now);
            head.wrote(b"HTTP/1.1 100 Continue\r\n\r\n");
            head.read(b"more of it", now);
            assert!(head.until().is_none(), "a body is no head");
            head.wrote(b"HTTP/1.1 200 OK");
            assert!(head.until().is_none(), "nothing of the next one is there");
            head.read(b"G", now);
            assert!(head.until().is_some());
        }
    }
}
