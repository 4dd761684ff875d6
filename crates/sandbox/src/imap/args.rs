//! The grammar of commands (RFC 3501 §9), as much as clients use: atoms, strings, literals and lists.

/// One argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Arg {
    /// As it stands, brackets and what is in them included: `BODY.PEEK[HEADER.FIELDS (FROM)]<0.10>`.
    Atom(String),
    /// Quoted or literal.
    Text(Vec<u8>),
    List(Vec<Arg>),
}

impl Arg {
    /// The text of an atom or a string.
    pub(super) fn text(&self) -> Option<String> {
        match self {
            Self::Atom(text) => Some(text.clone()),
            Self::Text(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
            Self::List(_) => None,
        }
    }

    pub(super) fn list(&self) -> Option<&[Arg]> {
        match self {
            Self::List(items) => Some(items),
            Self::Atom(_) | Self::Text(_) => None,
        }
    }

    pub(super) fn is(&self, word: &str) -> bool {
        matches!(self, Self::Atom(text) if text.eq_ignore_ascii_case(word))
    }
}

/// A command that was not to be understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// Arguments being gathered from lines and literals.
#[derive(Default)]
pub(super) struct Gatherer {
    open: Vec<Vec<Arg>>,
    done: Vec<Arg>,
}

impl Gatherer {
    fn push(&mut self, arg: Arg) {
        self.open.last_mut().unwrap_or(&mut self.done).push(arg);
    }

    pub(super) fn literal(&mut self, bytes: Vec<u8>) {
        self.push(Arg::Text(bytes));
    }

    /// Adds the arguments of one piece of text (without the `{n}` of a literal that follows).
    pub(super) fn text(&mut self, text: &str) -> Result<(), Malformed> {
        let mut rest = text;
        loop {
            rest = rest.trim_start_matches(' ');
            let Some(first) = rest.chars().next() else { return Ok(()) };
            match first {
                '(' => {
                    self.open.push(Vec::new());
                    rest = &rest[1..];
                }
                ')' => {
                    let list = self.open.pop().ok_or(Malformed)?;
                    self.push(Arg::List(list));
                    rest = &rest[1..];
                }
                '"' => {
                    let (value, after) = quoted(&rest[1..])?;
                    self.push(Arg::Text(value.into_bytes()));
                    rest = after;
                }
                _ => {
                    let end = end_of_atom(rest)?;
                    self.push(Arg::Atom(rest[..end].to_owned()));
                    rest = &rest[end..];
                }
            }
        }
    }

    pub(super) fn finish(self) -> Result<Vec<Arg>, Malformed> {
        if self.open.is_empty() { Ok(self.done) } else { Err(Malformed) }
    }
}

fn quoted(text: &str) -> Result<(String, &str), Malformed> {
    let mut value = String::new();
    let mut characters = text.char_indices();
    while let Some((at, c)) = characters.next() {
        match c {
            '"' => return Ok((value, &text[at + 1..])),
            '\\' => value.push(characters.next().ok_or(Malformed)?.1),
            c => value.push(c),
        }
    }
    Err(Malformed)
}

fn end_of_atom(text: &str) -> Result<usize, Malformed> {
    let mut depth = 0usize;
    for (at, c) in text.char_indices() {
        match c {
            '[' => depth += 1,
            ']' => depth = depth.saturating_sub(1),
            ' ' | '(' | ')' | '"' if depth == 0 => return Ok(at),
            _ => {}
        }
    }
    if depth == 0 { Ok(text.len()) } else { Err(Malformed) }
}

/// The octets of a literal that a line announces, and whether it waits to be asked for (RFC 7888).
pub(super) fn announced_literal(line: &str) -> Option<(usize, usize, bool)> {
    let inner = line.strip_suffix('}')?;
    let open = inner.rfind('{')?;
    let digits = &inner[open + 1..];
    let (digits, waits) = digits.strip_suffix('+').map_or((digits, true), |digits| (digits, false));
    Some((digits.parse().ok()?, open, waits))
}

/// A set such as `1:4,9,12:*`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Set(Vec<(u32, u32)>);

impl Set {
    /// `*` is the largest number there is, so `n:*` always means at least that one (RFC 3501 §6.4.8).
    pub(super) fn parse(text: &str, largest: u32) -> Result<Self, Malformed> {
        let number = |text: &str| match text {
            "*" => Ok(largest),
            digits => digits.parse::<u32>().ok().filter(|number| *number > 0).ok_or(Malformed),
        };
        text.split(',')
            .map(|range| {
                let (low, high) = range.split_once(':').unwrap_or((range, range));
                let (low, high) = (number(low)?, number(high)?);
                Ok((low.min(high), low.max(high)))
            })
            .collect::<Result<Vec<_>, _>>()
            .map(Self)
    }

    pub(super) fn contains(&self, number: u32) -> bool {
        self.0.iter().any(|(low, high)| (*low..=*high).contains(&number))
    }
}
