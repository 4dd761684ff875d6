//! Where the head of a request ends, and until when it must.
//!
//! It understands nothing of HTTP/1 but the empty line, and of HTTP/2 that it begins otherwise: there the idle limit is all. What follows a
//! head, up to the answer, may take its time, as a body does: the idle limit is for that. Where another empty line stands in it, the next
//! request may have begun before the answer to this one (RFC 9112 §9.3.2), and nobody knows here where a head ends any more.

use std::time::Duration;
use tokio::time::Instant;

/// What an HTTP/2 connection begins with (RFC 9113 §3.4), as far as no HTTP/1 request does.
const PREFACE: &[u8] = b"PRI * HTTP/2.0";
const END: &[u8] = b"\r\n\r\n";
/// An answer that asks for the body is not yet the answer.
const CONTINUE: &[u8] = b"HTTP/1.1 100";

#[derive(Debug)]
pub struct Head {
    patience: Duration,
    state: State,
    /// So many bytes of the connection were those of the preface, as long as all were.
    preface: Option<usize>,
}

#[derive(Clone, Copy, Debug)]
enum State {
    /// Of the empty line so many bytes were seen last. Empty lines before a request are no part of it (RFC 9112 §2.2).
    Coming { until: Instant, begun: bool, seen: usize },
    /// It is there, and not answered yet. Of an empty line in what follows it so many bytes were seen last.
    There { seen: usize },
    /// The last one was answered.
    Answered,
    /// HTTP/2, or requests that may be sent before the answers to those before them.
    None,
}

impl Head {
    /// The first one is expected from the beginning on.
    pub fn begins(now: Instant, patience: Duration) -> Self {
        Self { patience, state: State::Coming { until: now + patience, begun: false, seen: 0 }, preface: Some(0) }
    }

    /// When it must be there, if it is expected.
    pub fn until(&self) -> Option<Instant> {
        match self.state {
            State::Coming { until, .. } => Some(until),
            State::There { .. } | State::Answered | State::None => None,
        }
    }

    pub fn read(&mut self, bytes: &[u8], now: Instant) {
        if bytes.is_empty() {
            return;
        }
        if matches!(self.state, State::Answered) {
            self.state = State::Coming { until: now + self.patience, begun: false, seen: 0 };
        }
        let State::Coming { until, mut begun, mut seen } = self.state else { return self.follows(bytes) };
        for (at, byte) in bytes.iter().enumerate() {
            self.preface = self.preface.filter(|at| PREFACE.get(*at) == Some(byte)).map(|at| at + 1);
            if self.preface == Some(PREFACE.len()) {
                self.state = State::None;
                return;
            }
            begun |= !matches!(byte, b'\r' | b'\n');
            if !begun {
                continue;
            }
            seen = further(seen, *byte);
            if seen == END.len() {
                self.state = State::There { seen: 0 };
                return self.follows(&bytes[at + 1..]);
            }
        }
        self.state = State::Coming { until, begun, seen };
    }

    /// A body, or the next request.
    fn follows(&mut self, bytes: &[u8]) {
        let State::There { mut seen } = self.state else { return };
        for byte in bytes {
            seen = further(seen, *byte);
            if seen == END.len() {
                self.state = State::None;
                return;
            }
        }
        self.state = State::There { seen };
    }

    pub fn wrote(&mut self, bytes: &[u8]) {
        if !bytes.starts_with(CONTINUE) && !matches!(self.state, State::None) {
            self.state = State::Answered;
        }
    }
}

/// How much of the empty line was seen last. Only its first byte can begin it anew.
fn further(seen: usize, byte: u8) -> usize {
    match END.get(seen) {
        Some(expected) if *expected == byte => seen + 1,
        _ => usize::from(byte == b'\r'),
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

    #[test]
    fn where_a_request_may_have_begun_before_the_last_ones_answer_its_body_is_taken_for_no_head() {
        let now = Instant::now();
        let text = b"GET /1 HTTP/1.1\r\n\r\nPUT /2 HTTP/1.1\r\ncontent-length: 9\r\n\r\nslow";
        for parted in 0..text.len() {
            let mut head = Head::begins(now, Duration::from_secs(1));
            head.read(&text[..parted], now);
            head.read(&text[parted..], now);
            head.wrote(b"HTTP/1.1 200 OK");
            head.read(b" body", now);
            assert!(head.until().is_none(), "{parted}");
        }
    }

    #[test]
    fn empty_lines_before_a_request_are_no_head_and_http_2_has_none() {
        let now = Instant::now();
        let mut head = Head::begins(now, Duration::from_secs(1));
        for _ in 0..3 {
            head.read(b"\r\n\r\n", now);
            assert!(head.until().is_some(), "nothing was asked");
        }
        head.read(b"GET / HTTP/1.1\r\n\r\n", now);
        assert!(head.until().is_none());

        let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
        for parted in 0..preface.len() {
            let mut head = Head::begins(now, Duration::from_secs(1));
            head.read(&preface[..parted], now);
            head.read(&preface[parted..], now);
            head.wrote(b"settings");
            head.read(b"frames without an empty line", now);
            assert!(head.until().is_none(), "{parted}");
        }
    }
}
