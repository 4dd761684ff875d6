//! Reads the header fields of a mail: ids, addresses, subject, date. Tolerates what senders write; keeps nothing that could not be
//! written back into a header.

use super::Defect;
use domain::{EmailAddress, Mailbox, Timestamp};
use mail_parser::{Address, HeaderName, HeaderValue, Message};

/// More ids than this are a loop or a mailing list's history; the first and the newest say it all.
const MAX_IDS: usize = 200;
/// RFC 5322 §2.1.1: a line has at most 998 characters, so no id can be longer.
const MAX_ID_BYTES: usize = 990;
const MAX_NAME_CHARS: usize = 255;
const MAX_SUBJECT_CHARS: usize = 2_000;
const MAX_ADDRESSES: usize = 1_000;

/// The header fields of one mail.
pub(super) struct Headers<'m> {
    message: &'m Message<'m>,
    raw: &'m [u8],
}

impl<'m> Headers<'m> {
    pub fn of(message: &'m Message<'m>, raw: &'m [u8]) -> Self {
        Self { message, raw }
    }

    /// The values of all fields of that name, unfolded, undecoded.
    pub fn all<'s>(&'s self, name: &'s str) -> impl Iterator<Item = String> + 's {
        self.message.headers().iter().filter(move |h| h.name().eq_ignore_ascii_case(name)).map(|h| {
            let value = self.raw.get(h.offset_start() as usize..h.offset_end() as usize).unwrap_or_default();
            let text: String =
                String::from_utf8_lossy(value).chars().filter(|c| !matches!(c, '\r' | '\n' | '\0')).collect();
            text.trim().to_owned()
        })
    }

    pub fn first(&self, name: &str) -> Option<String> {
        self.all(name).next()
    }

    pub fn has(&self, name: &str) -> bool {
        self.message.headers().iter().any(|h| h.name().eq_ignore_ascii_case(name))
    }

    /// The value in lower case; empty when there is none.
    pub fn lower(&self, name: &str) -> String {
        self.first(name).unwrap_or_default().to_lowercase()
    }

    pub fn ids(&self, name: &str) -> Vec<String> {
        let mut ids = Vec::new();
        for id in self.all(name).flat_map(|value| ids_in(&value)) {
            if !ids.contains(&id) {
                ids.push(id);
            }
            if ids.len() > MAX_IDS {
                ids.remove(1);
            }
        }
        ids
    }

    /// A text field, decoded.
    pub fn text(&self, name: HeaderName<'static>) -> Option<String> {
        let text = self.message.header_values(name).find_map(|value| match value {
            HeaderValue::Text(text) => Some(text.to_string()),
            HeaderValue::TextList(list) => Some(list.join(" ")),
            HeaderValue::Address(_)
            | HeaderValue::DateTime(_)
            | HeaderValue::ContentType(_)
            | HeaderValue::Received(_)
            | HeaderValue::Empty => None,
        })?;
        Some(one_line(&text, MAX_SUBJECT_CHARS)).filter(|t| !t.is_empty())
    }

    pub fn mailboxes(&self, name: HeaderName<'static>, defects: &mut Vec<Defect>) -> Vec<Mailbox> {
        let mut mailboxes = Vec::new();
        for value in self.message.header_values(name) {
            if let HeaderValue::Address(addresses) = value {
                collect(addresses, &mut mailboxes, defects);
            }
        }
        mailboxes
    }

    pub fn date(&self) -> Option<Timestamp> {
        let date = self.message.date()?;
        date.is_valid().then(|| Timestamp::from_seconds(date.to_timestamp()))
    }
}

fn collect(addresses: &Address<'_>, into: &mut Vec<Mailbox>, defects: &mut Vec<Defect>) {
    for addr in addresses.iter() {
        if into.len() >= MAX_ADDRESSES {
            return;
        }
        let name = addr.name().map(|n| one_line(n, MAX_NAME_CHARS)).filter(|n| !n.is_empty());
        let written = addr.address().unwrap_or_default();
        match EmailAddress::parse(written) {
            Some(address) => into.push(Mailbox { name: name.filter(|n| n != address.as_str()), address }),
            // `From: Ada` and `From: "ada@example.com"` hold the address where the name belongs.
            None => match name.as_deref().and_then(EmailAddress::parse) {
                Some(address) => into.push(Mailbox::bare(address)),
                None if written.is_empty() && name.is_none() => {}
                None => defects
                    .push(Defect::UnusableAddress(one_line(&format!("{} {written}", name.unwrap_or_default()), 100))),
            },
        }
    }
}

/// Without line breaks and other control characters, cut to `max_chars`.
pub(super) fn one_line(text: &str, max_chars: usize) -> String {
    let clean: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(max_chars).collect();
    clean.trim().to_owned()
}

/// The ids in an unfolded Message-ID, In-Reply-To or References, without angle brackets. Some servers fold inside an id, so white space
/// within brackets is dropped; without any brackets, words with an `@` are taken.
pub(super) fn ids_in(value: &str) -> Vec<String> {
    let acceptable = |id: &str| !id.is_empty() && id.len() <= MAX_ID_BYTES && !id.contains(['<', '>']);
    let mut ids = Vec::new();
    let mut rest = value;
    while let Some((_, after)) = rest.split_once('<') {
        let Some((inside, next)) = after.split_once('>') else { break };
        let inside = inside.rsplit('<').next().unwrap_or_default();
        let id: String = inside.chars().filter(|c| !c.is_whitespace() && !c.is_control()).collect();
        if acceptable(&id) {
            ids.push(id);
        }
        rest = next;
    }
    if ids.is_empty() {
        let words = value.split(|c: char| c.is_whitespace() || c == ',');
        ids.extend(
            words.map(|w| w.trim_matches(['<', '>'])).filter(|w| w.contains('@') && acceptable(w)).map(str::to_owned),
        );
    }
    ids
}

#[cfg(test)]
mod tests {
    use super::ids_in;

    #[test]
    fn ids_lose_their_brackets_and_their_folding() {
        assert_eq!(ids_in("<a@x> <b\t@x>,(c)<d@x>"), ["a@x", "b@x", "d@x"]);
        assert_eq!(ids_in("a@x b@x words"), ["a@x", "b@x"]);
        assert_eq!(ids_in("<unfinished@x"), ["unfinished@x"]);
        assert!(ids_in("your mail of Tuesday").is_empty());
    }
}
