//! SEARCH (RFC 3501 §6.4.4): dates are days of INTERNALDATE, texts are compared without case.

use chrono::NaiveDate;

use super::args::{Arg, Set};
use super::session::{ARGUMENTS, Flow, Session};
use crate::faults::ImapFault;
use crate::mailbox::StoredMail;
use crate::mime::{Part, words};

#[derive(Debug)]
enum Key {
    All,
    Never,
    Numbers(Set),
    Uids(Set),
    Flag(&'static str),
    Before(i64),
    On(i64),
    Since(i64),
    SentBefore(i64),
    SentOn(i64),
    SentSince(i64),
    Header(String, String),
    Anywhere(String),
    InBody(String),
    Larger(usize),
    Smaller(usize),
    Not(Box<Key>),
    Or(Box<Key>, Box<Key>),
    Each(Vec<Key>),
}

impl Session {
    pub(super) async fn search(&mut self, tag: &str, verb: &str, args: &[Arg]) -> Flow {
        if let Some(every) = self.searches_hang {
            loop {
                self.wire.line("* OK Still here").await?;
                tokio::time::sleep(every).await;
            }
        }
        let by_uid = verb == "UID SEARCH";
        if args.first().is_some_and(|arg| arg.is("CHARSET")) {
            return self.tagged(tag, "NO [BADCHARSET (US-ASCII)] The specified charset is not supported.").await;
        }
        let limits = Limits { number: self.largest(false), uid: self.largest(true) };
        let mut rest = args;
        let mut keys = Vec::new();
        while !rest.is_empty() {
            match key(&mut rest, limits) {
                Some(key) => keys.push(key),
                None => return self.tagged(tag, ARGUMENTS).await,
            }
        }
        let folder = self.folder_now();
        let (Some(folder), Some(view), false) = (folder, &self.view, keys.is_empty()) else {
            return self.tagged(tag, ARGUMENTS).await;
        };
        let criteria = Key::Each(keys);
        let mut found = String::new();
        for (number, uid) in view.numbered() {
            let Some(mail) = folder.mail(uid) else { continue };
            if holds(&criteria, number, mail) {
                found.push_str(&format!(" {}", if by_uid { uid } else { number }));
            }
        }
        if self.take(|fault| (*fault == ImapFault::EmptySearch).then_some(())).is_some() {
            found.clear();
        }
        self.wire.line(&format!("* SEARCH{found}")).await?;
        if by_uid {
            self.report().await?;
        }
        self.done(tag, verb).await
    }
}

#[derive(Clone, Copy)]
struct Limits {
    number: u32,
    uid: u32,
}

fn key(rest: &mut &[Arg], limits: Limits) -> Option<Key> {
    let (first, tail) = rest.split_first()?;
    *rest = tail;
    let word = match first {
        Arg::List(items) => {
            let mut inner = items.as_slice();
            let mut keys = Vec::new();
            while !inner.is_empty() {
                keys.push(key(&mut inner, limits)?);
            }
            return Some(Key::Each(keys));
        }
        Arg::Atom(word) => word.to_ascii_uppercase(),
        Arg::Text(_) => return None,
    };
    let mut text = || {
        let (value, tail) = rest.split_first()?;
        *rest = tail;
        value.text()
    };
    Some(match word.as_str() {
        "ALL" => Key::All,
        "NEW" | "RECENT" => Key::Never,
        "OLD" | "UNKEYWORD" => Key::All,
        "SEEN" => Key::Flag("\\Seen"),
        "ANSWERED" => Key::Flag("\\Answered"),
        "FLAGGED" => Key::Flag("\\Flagged"),
        "DELETED" => Key::Flag("\\Deleted"),
        "DRAFT" => Key::Flag("\\Draft"),
        "UNSEEN" => Key::Not(Box::new(Key::Flag("\\Seen"))),
        "UNANSWERED" => Key::Not(Box::new(Key::Flag("\\Answered"))),
        "UNFLAGGED" => Key::Not(Box::new(Key::Flag("\\Flagged"))),
        "UNDELETED" => Key::Not(Box::new(Key::Flag("\\Deleted"))),
        "UNDRAFT" => Key::Not(Box::new(Key::Flag("\\Draft"))),
        "UID" => Key::Uids(Set::parse(&text()?, limits.uid).ok()?),
        "BEFORE" => Key::Before(day(&text()?)?),
        "ON" => Key::On(day(&text()?)?),
        "SINCE" => Key::Since(day(&text()?)?),
        "SENTBEFORE" => Key::SentBefore(day(&text()?)?),
        "SENTON" => Key::SentOn(day(&text()?)?),
        "SENTSINCE" => Key::SentSince(day(&text()?)?),
        "HEADER" => Key::Header(text()?, text()?.to_lowercase()),
        "FROM" | "TO" | "CC" | "BCC" | "SUBJECT" => Key::Header(word, text()?.to_lowercase()),
        "TEXT" => Key::Anywhere(text()?.to_lowercase()),
        "BODY" => Key::InBody(text()?.to_lowercase()),
        "LARGER" => Key::Larger(text()?.parse().ok()?),
        "SMALLER" => Key::Smaller(text()?.parse().ok()?),
        "NOT" => Key::Not(Box::new(key(rest, limits)?)),
        "OR" => Key::Or(Box::new(key(rest, limits)?), Box::new(key(rest, limits)?)),
        set => Key::Numbers(Set::parse(set, limits.number).ok()?),
    })
}

/// `1-Feb-2026` as a number of days.
fn day(text: &str) -> Option<i64> {
    let date = NaiveDate::parse_from_str(text, "%d-%b-%Y").ok()?;
    Some(date.and_hms_opt(0, 0, 0)?.and_utc().timestamp().div_euclid(86_400))
}

fn sent_day(mail: &StoredMail) -> Option<i64> {
    let part = Part::parse(&mail.bytes);
    let date = chrono::DateTime::parse_from_rfc2822(part.field("Date")?).ok()?;
    Some(date.naive_local().and_utc().timestamp().div_euclid(86_400))
}

fn holds(key: &Key, number: u32, mail: &StoredMail) -> bool {
    let arrived = mail.internal_date.div_euclid(86_400);
    match key {
        Key::All => true,
        Key::Never => false,
        Key::Numbers(set) => set.contains(number),
        Key::Uids(set) => set.contains(mail.uid),
        Key::Flag(flag) => mail.has_flag(flag),
        Key::Before(day) => arrived < *day,
        Key::On(day) => arrived == *day,
        Key::Since(day) => arrived >= *day,
        Key::SentBefore(day) => sent_day(mail).is_some_and(|sent| sent < *day),
        Key::SentOn(day) => sent_day(mail) == Some(*day),
        Key::SentSince(day) => sent_day(mail).is_some_and(|sent| sent >= *day),
        Key::Header(name, wanted) => Part::parse(&mail.bytes)
            .fields
            .iter()
            .any(|(held, value)| held.eq_ignore_ascii_case(name) && words(value).to_lowercase().contains(wanted)),
        Key::Anywhere(wanted) => String::from_utf8_lossy(&mail.bytes).to_lowercase().contains(wanted),
        Key::InBody(wanted) => Part::parse(&mail.bytes).readable().to_lowercase().contains(wanted),
        Key::Larger(size) => mail.bytes.len() > *size,
        Key::Smaller(size) => mail.bytes.len() < *size,
        Key::Not(inner) => !holds(inner, number, mail),
        Key::Or(left, right) => holds(left, number, mail) || holds(right, number, mail),
        Key::Each(keys) => keys.iter().all(|key| holds(key, number, mail)),
    }
}
