//! UID FETCH: sizes, dates, whole mails, parts and headers.

use super::Wire;
use super::mailboxes::Mailbox;
use anyhow::{Context, Result};
use std::fmt::Write as _;
use tokio::io::{AsyncWriteExt, BufStream};

/// Ranges of UIDs, cut to what there is.
#[derive(Default)]
pub(super) struct Uids(Vec<(usize, usize)>);

impl Uids {
    /// `1:4,7,9:*`
    pub(super) fn parse(set: &str, last: usize) -> Self {
        let number = |text: &str| if text == "*" { last } else { text.parse().unwrap_or(0) };
        let ranges = set.split(',').map(|part| {
            let (from, to) = part.split_once(':').map_or((number(part), number(part)), |(f, t)| (number(f), number(t)));
            // `9:*` is `*:9` where there are fewer: the last mail is always among them (RFC 9051 §9).
            (from.min(to).max(1), from.max(to).min(last))
        });
        Self(ranges.collect())
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        self.0.iter().flat_map(|(from, to)| *from..=*to)
    }
}

/// What is asked of each mail.
struct Items {
    size: bool,
    date: bool,
    header: bool,
    body: bool,
    /// Offset and length of a part.
    part: Option<(usize, usize)>,
}

impl Items {
    fn parse(items: &str) -> Result<Self> {
        let part = match items.split_once("BODY.PEEK[]<") {
            Some((_, rest)) => {
                let (range, _) = rest.split_once('>').context("a part")?;
                let (offset, length) = range.split_once('.').context("offset and length")?;
                Some((offset.parse()?, length.parse()?))
            }
            None => None,
        };
        Ok(Self {
            size: items.contains("RFC822.SIZE"),
            date: items.contains("INTERNALDATE"),
            header: items.contains("BODY.PEEK[HEADER]"),
            body: part.is_none() && items.contains("BODY.PEEK[]"),
            part,
        })
    }
}

pub(super) async fn answer<S: Wire>(stream: &mut BufStream<S>, mailbox: &Mailbox, asked: &str) -> Result<()> {
    let (set, items) = asked.split_once(' ').context("a set and items")?;
    let items = Items::parse(items)?;
    for uid in Uids::parse(set, mailbox.len()).iter() {
        let Some(mail) = mailbox.get(uid) else { continue };
        let mut head = format!("* {uid} FETCH (UID {uid}");
        if items.size {
            let _ = write!(head, " RFC822.SIZE {}", mail.len());
        }
        if items.date {
            let now = chrono::DateTime::from_timestamp(1_793_606_400 + i64::try_from(uid)?, 0).unwrap_or_default();
            let _ = write!(head, " INTERNALDATE \"{}\"", now.format("%d-%b-%Y %H:%M:%S +0000"));
        }
        let (section, bytes) = if items.header {
            let end = mail.windows(4).position(|at| at == b"\r\n\r\n").map_or(mail.len(), |at| at + 4);
            ("BODY[HEADER]".to_owned(), &mail[..end])
        } else if let Some((offset, length)) = items.part {
            let from = offset.min(mail.len());
            (format!("BODY[]<{offset}>"), &mail[from..(from + length).min(mail.len())])
        } else if items.body {
            ("BODY[]".to_owned(), &mail[..])
        } else {
            head.push_str(")\r\n");
            stream.write_all(head.as_bytes()).await?;
            continue;
        };
        let _ = write!(head, " {section} {{{}}}\r\n", bytes.len());
        stream.write_all(head.as_bytes()).await?;
        stream.write_all(bytes).await?;
        stream.write_all(b")\r\n").await?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_of_uids_are_read_as_the_standard_says() {
        let of = |set: &str, last| Uids::parse(set, last).iter().collect::<Vec<_>>();
        assert_eq!(of("2:4,7", 9), [2, 3, 4, 7]);
        assert_eq!(of("8:*", 9), [8, 9]);
        // The last one is always among `n:*`.
        assert_eq!(of("12:*", 9), [9]);
        assert_eq!(of("1:*", 0), Vec::<usize>::new());
    }
}
