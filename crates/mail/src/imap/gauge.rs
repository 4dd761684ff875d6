//! Measures what a server says before anything of it is kept: how long a line is, how many bytes a literal announces, how deep lists nest.
//!
//! The library behind us keeps a response until it is whole, makes room for a literal as soon as it is announced, and reads nested lists by
//! recursion. A server that lies or is broken could have all our memory, or overflow a stack, with a few bytes. This understands just enough of
//! the grammar (RFC 9051 §9) to stop that; what a response says is not its business.

/// A response without its literals. Our searches ask for so many UIDs at a time that every answer fits (`walk.rs`), and nothing else that we
/// ask for comes near it.
pub(super) const MAX_LINE_BYTES: usize = 256 * 1024;
/// What we ask for nests four deep; what nobody asked for (BODYSTRUCTURE) is read by recursion.
const MAX_DEPTH: u32 = 32;
/// Enough to tell a status response, whose text may hold anything, from data.
const HEAD_BYTES: usize = 9;

/// Why a server is not listened to any further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TooMuch {
    /// All in all, for one command.
    Bytes,
    Line,
    Literal {
        announced: u64,
    },
    Nesting,
}

impl std::fmt::Display for TooMuch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Bytes => f.write_str("the server sent more than it had announced"),
            Self::Line => f.write_str("the server sent a line that does not end"),
            Self::Literal { announced } => {
                write!(f, "the server announced {announced} bytes, which is more than was asked for")
            }
            Self::Nesting => f.write_str("the server sent lists within lists without end"),
        }
    }
}

/// What may become `{123}` and the end of the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Announcing {
    Nothing,
    Digits(u64),
    Closed(u64),
    LineEnds(u64),
}

#[derive(Debug)]
pub(super) struct Gauge {
    /// Bytes of a literal that are still to come.
    literal: u64,
    /// Of this response, its literals left out.
    line_bytes: usize,
    head: [u8; HEAD_BYTES],
    depth: u32,
    quoted: bool,
    escaped: bool,
    announcing: Announcing,
}

impl Gauge {
    pub fn new() -> Self {
        Self {
            literal: 0,
            line_bytes: 0,
            head: [0; HEAD_BYTES],
            depth: 0,
            quoted: false,
            escaped: false,
            announcing: Announcing::Nothing,
        }
    }

    /// Takes note of what came. `room`: how many bytes a literal may announce.
    pub fn take(&mut self, mut bytes: &[u8], room: u64) -> Result<(), TooMuch> {
        while !bytes.is_empty() {
            if self.literal > 0 {
                let skipped = usize::try_from(self.literal).unwrap_or(usize::MAX).min(bytes.len());
                self.literal -= skipped as u64;
                bytes = &bytes[skipped..];
            } else {
                let (byte, rest) = (bytes[0], &bytes[1..]);
                bytes = rest;
                self.byte(byte, room)?;
            }
        }
        Ok(())
    }

    fn byte(&mut self, byte: u8, room: u64) -> Result<(), TooMuch> {
        if self.line_bytes >= MAX_LINE_BYTES {
            return Err(TooMuch::Line);
        }
        if let Some(place) = self.head.get_mut(self.line_bytes) {
            *place = byte.to_ascii_uppercase();
        }
        self.line_bytes += 1;
        let announcing = std::mem::replace(&mut self.announcing, Announcing::Nothing);
        match (byte, announcing) {
            (b'\n', Announcing::LineEnds(announced)) => {
                if announced > room {
                    return Err(TooMuch::Literal { announced });
                }
                self.literal = announced;
            }
            (b'\n', _) => *self = Self::new(),
            (b'\r', Announcing::Closed(announced)) => self.announcing = Announcing::LineEnds(announced),
            _ if self.escaped => self.escaped = false,
            (b'\\', _) if self.quoted => self.escaped = true,
            (b'"', _) => self.quoted = !self.quoted,
            _ if self.quoted => {}
            (b'{', _) if self.is_data() => self.announcing = Announcing::Digits(0),
            (b'0'..=b'9', Announcing::Digits(so_far)) => {
                let digit = u64::from(byte - b'0');
                self.announcing = Announcing::Digits(so_far.saturating_mul(10).saturating_add(digit));
            }
            // RFC 7888's `{5+}` is for clients; who says it all the same means it so.
            (b'+', Announcing::Digits(so_far)) => self.announcing = Announcing::Digits(so_far),
            (b'}', Announcing::Digits(announced)) => self.announcing = Announcing::Closed(announced),
            (b'(', _) if self.is_data() => {
                self.depth += 1;
                if self.depth > MAX_DEPTH {
                    return Err(TooMuch::Nesting);
                }
            }
            (b')', _) => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
        Ok(())
    }

    /// `* LIST …`, `* 1 FETCH …`: not a tagged answer, not a `+`, and none of the responses that end in free text.
    fn is_data(&self) -> bool {
        const TEXTS: [&[u8]; 5] = [b"* OK ", b"* NO ", b"* BAD ", b"* BYE ", b"* PREAUTH"];
        self.head.starts_with(b"* ") && !TEXTS.iter().any(|text| self.head.starts_with(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str, room: u64) -> Result<(), TooMuch> {
        let mut whole = Gauge::new();
        let at_once = whole.take(text.as_bytes(), room);
        // However it is cut into pieces, it means the same.
        let mut piecewise = Gauge::new();
        let in_pieces = text.as_bytes().chunks(1).try_for_each(|piece| piecewise.take(piece, room));
        assert_eq!(at_once, in_pieces);
        at_once
    }

    #[test]
    fn what_servers_say_every_day_passes() {
        let mail = "((((((((((((((((((((((((((((((((((((((((((((((((((((((".repeat(10_000);
        let literal = mail.len();
        let fetch = format!("* 1 FETCH (UID 4 BODY[] {{{literal}}}\r\n{mail})\r\n");
        assert_eq!(said(&fetch.repeat(3), literal as u64), Ok(()));
        let list = "* LIST (\\HasNoChildren) \"/\" \"odd {500} \\\" (((((((((((((((((((((((((((((((((((((((name\"\r\n";
        assert_eq!(said(&list.repeat(100), 10), Ok(()));
        let text = format!("* OK [ALERT] pay {{4294967295}}\r\n{}A1 OK done {{77}}\r\n", "* OK :-(((((\r\n".repeat(50));
        assert_eq!(said(&text, 10), Ok(()));
    }

    #[test]
    fn a_literal_is_judged_by_what_it_announces() {
        assert_eq!(
            said("* 1 FETCH (UID 4 BODY[] {4294967295}\r\n", 1 << 20),
            Err(TooMuch::Literal { announced: u64::from(u32::MAX) })
        );
        assert_eq!(
            said("* 1 FETCH (BODY[] {99999999999999999999999}\r\n", 1 << 20),
            Err(TooMuch::Literal { announced: u64::MAX })
        );
        assert_eq!(said("* 1 FETCH (BODY[] {11+}\r\n", 10), Err(TooMuch::Literal { announced: 11 }));
        assert_eq!(said("* 1 FETCH (BODY[] {10}\r\n", 10), Ok(()));
    }

    #[test]
    fn lines_and_lists_without_end_are_noticed() {
        assert_eq!(said(&"* OK x".repeat(MAX_LINE_BYTES), 10), Err(TooMuch::Line));
        // Empty literals do not make a new line of it.
        assert_eq!(said(&"* X {0}\r\n ".repeat(MAX_LINE_BYTES), 10), Err(TooMuch::Line));
        assert_eq!(said(&format!("* 1 FETCH (BODYSTRUCTURE {}", "(".repeat(40)), 10), Err(TooMuch::Nesting));
        assert_eq!(said(&format!("* 1 FETCH (BODYSTRUCTURE {}", "()".repeat(400)), 10), Ok(()));
    }
}
