//! The items of a FETCH and how each is written (RFC 3501 §7.4.2).

use chrono::DateTime;

use super::args::Arg;
use crate::mailbox::StoredMail;
use crate::mime::{Part, addresses};

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Item {
    Uid,
    Flags,
    InternalDate,
    Size,
    Envelope,
    /// With the extension data of BODYSTRUCTURE, or without, as BODY.
    Structure {
        extended: bool,
    },
    Section {
        section: Section,
        label: String,
        peek: bool,
        partial: Option<(usize, usize)>,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Section {
    Whole,
    Header,
    Text,
    Fields {
        names: Vec<String>,
        except: bool,
    },
    /// A part by its numbers, and what of it.
    Part {
        numbers: Vec<usize>,
        of: PartOf,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PartOf {
    Body,
    Mime,
}

/// What is to be wrong with an answer.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Distortion {
    pub(super) size_off_by: i64,
    pub(super) body_structure: bool,
    pub(super) internal_date: bool,
}

impl Item {
    pub(super) fn rank(&self) -> u8 {
        match self {
            Self::Flags => 0,
            Self::InternalDate => 1,
            Self::Size => 2,
            Self::Envelope => 3,
            Self::Structure { .. } => 4,
            Self::Uid => 5,
            Self::Section { .. } => 6,
        }
    }

    pub(super) fn is_section(&self) -> bool {
        matches!(self, Self::Section { .. })
    }

    pub(super) fn marks_seen(&self) -> bool {
        matches!(self, Self::Section { peek: false, .. })
    }
}

/// The items of a request, a single one, a list, or a macro.
pub(super) fn parse(arg: &Arg) -> Option<Vec<Item>> {
    match arg {
        Arg::List(items) => items.iter().map(|item| one(&item.text()?)).collect(),
        Arg::Atom(word) => match word.to_ascii_uppercase().as_str() {
            "FAST" => Some(vec![Item::Flags, Item::InternalDate, Item::Size]),
            "ALL" => Some(vec![Item::Flags, Item::InternalDate, Item::Size, Item::Envelope]),
            "FULL" => Some(vec![
                Item::Flags,
                Item::InternalDate,
                Item::Size,
                Item::Envelope,
                Item::Structure { extended: false },
            ]),
            _ => one(word).map(|item| vec![item]),
        },
        Arg::Text(_) => None,
    }
}

fn one(word: &str) -> Option<Item> {
    let upper = word.to_ascii_uppercase();
    let section = |section, label: &str, peek| Item::Section { section, label: label.into(), peek, partial: None };
    Some(match upper.as_str() {
        "UID" => Item::Uid,
        "FLAGS" => Item::Flags,
        "INTERNALDATE" => Item::InternalDate,
        "RFC822.SIZE" => Item::Size,
        "ENVELOPE" => Item::Envelope,
        "BODYSTRUCTURE" => Item::Structure { extended: true },
        "BODY" => Item::Structure { extended: false },
        "RFC822" => section(Section::Whole, "RFC822", false),
        "RFC822.HEADER" => section(Section::Header, "RFC822.HEADER", true),
        "RFC822.TEXT" => section(Section::Text, "RFC822.TEXT", false),
        _ => return body_section(&upper),
    })
}

fn body_section(upper: &str) -> Option<Item> {
    let peek = upper.starts_with("BODY.PEEK[");
    let inner = upper.strip_prefix("BODY.PEEK[").or_else(|| upper.strip_prefix("BODY["))?;
    let (spec, after) = inner.rsplit_once(']')?;
    let partial = if after.is_empty() {
        None
    } else {
        let (offset, count) = after.strip_prefix('<')?.strip_suffix('>')?.split_once('.')?;
        Some((offset.parse().ok()?, count.parse().ok()?))
    };
    let section = match spec {
        "" => Section::Whole,
        "HEADER" => Section::Header,
        "TEXT" => Section::Text,
        _ => fields_section(spec).or_else(|| part_section(spec))?,
    };
    let origin = partial.map(|(offset, _): (usize, usize)| format!("<{offset}>")).unwrap_or_default();
    Some(Item::Section { section, label: format!("BODY[{spec}]{origin}"), peek, partial })
}

fn fields_section(spec: &str) -> Option<Section> {
    let except = spec.starts_with("HEADER.FIELDS.NOT");
    let list = spec.strip_prefix("HEADER.FIELDS.NOT").or_else(|| spec.strip_prefix("HEADER.FIELDS"))?;
    let names = list.trim().strip_prefix('(')?.strip_suffix(')')?;
    Some(Section::Fields {
        names: names.split_whitespace().map(|name| name.trim_matches('"').to_owned()).collect(),
        except,
    })
}

fn part_section(spec: &str) -> Option<Section> {
    let (numbers, of) = spec.strip_suffix(".MIME").map_or((spec, PartOf::Body), |numbers| (numbers, PartOf::Mime));
    let numbers = numbers.split('.').map(|number| number.parse().ok().filter(|number| *number > 0));
    Some(Section::Part { numbers: numbers.collect::<Option<_>>()?, of })
}

/// `* n FETCH (…)` with its line end. `flags` are those the reading itself has set.
pub(super) fn render(
    number: u32,
    mail: &StoredMail,
    items: &[Item],
    flags: Option<&[String]>,
    wrong: &Distortion,
) -> Vec<u8> {
    let mut answer = format!("* {number} FETCH (").into_bytes();
    let asked_flags = items.contains(&Item::Flags);
    let mut first = true;
    let mut space = |answer: &mut Vec<u8>| {
        if !std::mem::take(&mut first) {
            answer.push(b' ');
        }
    };
    if !asked_flags && let Some(flags) = flags {
        space(&mut answer);
        answer.extend(format!("FLAGS ({})", flags.join(" ")).bytes());
    }
    for item in items {
        space(&mut answer);
        match item {
            Item::Uid => answer.extend(format!("UID {}", mail.uid).bytes()),
            Item::Flags => {
                answer.extend(format!("FLAGS ({})", flags.unwrap_or(&mail.flags).join(" ")).bytes());
            }
            Item::InternalDate if wrong.internal_date => answer.extend(b"INTERNALDATE \"yesterday, or so\""),
            Item::InternalDate => {
                let date = DateTime::from_timestamp(mail.internal_date, 0).unwrap_or_default();
                answer.extend(format!("INTERNALDATE \"{}\"", date.format("%d-%b-%Y %H:%M:%S +0000")).bytes());
            }
            Item::Size => {
                let size = i64::try_from(mail.bytes.len()).unwrap_or(i64::MAX).saturating_add(wrong.size_off_by).max(0);
                answer.extend(format!("RFC822.SIZE {size}").bytes());
            }
            Item::Envelope => {
                answer.extend(b"ENVELOPE ");
                answer.extend(envelope(&mail.bytes));
            }
            Item::Structure { extended } => {
                answer.extend_from_slice(if *extended { b"BODYSTRUCTURE " } else { b"BODY " });
                if wrong.body_structure {
                    answer.extend(b"(NIL NIL)");
                } else {
                    answer.extend(structure(&Part::parse(&mail.bytes), 0));
                }
            }
            Item::Section { section, label, partial, .. } => {
                answer.extend(label.bytes());
                answer.push(b' ');
                match cut(section, &mail.bytes) {
                    None => answer.extend(b"NIL"),
                    Some(bytes) => literal(&mut answer, window(&bytes, *partial)),
                }
            }
        }
    }
    answer.extend(b")\r\n");
    answer
}

fn window(bytes: &[u8], partial: Option<(usize, usize)>) -> &[u8] {
    let Some((offset, count)) = partial else { return bytes };
    let start = offset.min(bytes.len());
    &bytes[start..start.saturating_add(count).min(bytes.len())]
}

fn literal(answer: &mut Vec<u8>, bytes: &[u8]) {
    answer.extend(format!("{{{}}}\r\n", bytes.len()).bytes());
    answer.extend(bytes);
}

fn cut<'a>(section: &Section, raw: &'a [u8]) -> Option<std::borrow::Cow<'a, [u8]>> {
    let part = Part::parse(raw);
    let header_end = raw.len() - part.body.len();
    Some(match section {
        Section::Whole => raw.into(),
        Section::Header => (&raw[..header_end]).into(),
        Section::Text => part.body.into(),
        Section::Fields { names, except } => {
            let mut kept = Vec::new();
            let mut keep = false;
            for line in part.header.split_inclusive(|byte| *byte == b'\n') {
                if !line.starts_with(b" ") && !line.starts_with(b"\t") {
                    let name = line.split(|byte| *byte == b':').next().unwrap_or_default();
                    let name = String::from_utf8_lossy(name);
                    keep = names.iter().any(|wanted| wanted.eq_ignore_ascii_case(name.trim())) != *except;
                }
                if keep {
                    kept.extend_from_slice(line);
                }
            }
            kept.extend(b"\r\n");
            kept.into()
        }
        Section::Part { numbers, of } => {
            let mut current = part;
            for number in numbers {
                let children = current.children();
                if children.is_empty() && *number == 1 {
                    continue;
                }
                current = children.into_iter().nth(number - 1)?;
            }
            match of {
                PartOf::Body => current.body.to_vec().into(),
                PartOf::Mime => [current.header, b"\r\n"].concat().into(),
            }
        }
    })
}

/// A string that may be absent; a literal where quotes would not do.
fn nstring(value: Option<&str>) -> Vec<u8> {
    let Some(value) = value else { return b"NIL".to_vec() };
    let mut written = Vec::new();
    if value.bytes().all(|byte| (b' '..0x7f).contains(&byte) && byte != b'"' && byte != b'\\') {
        written.extend(format!("\"{value}\"").bytes());
    } else {
        literal(&mut written, value.as_bytes());
    }
    written
}

fn envelope(raw: &[u8]) -> Vec<u8> {
    let part = Part::parse(raw);
    let list = |name: &str| {
        let found = part.field(name).map(addresses).unwrap_or_default();
        if found.is_empty() {
            return b"NIL".to_vec();
        }
        let mut written = vec![b'('];
        for (name, address) in found {
            let (local, host) = address.rsplit_once('@').unwrap_or((&address, ".MISSING-HOST-NAME."));
            written.push(b'(');
            written.extend(nstring(name.as_deref()));
            written.extend(b" NIL ");
            written.extend(nstring(Some(local)));
            written.push(b' ');
            written.extend(nstring(Some(host)));
            written.push(b')');
        }
        written.push(b')');
        written
    };
    let from = list("From");
    let or_from = |name: &str| if part.field(name).is_some() { list(name) } else { from.clone() };
    let fields = [
        nstring(part.field("Date")),
        nstring(part.field("Subject")),
        from.clone(),
        or_from("Sender"),
        or_from("Reply-To"),
        list("To"),
        list("Cc"),
        list("Bcc"),
        nstring(part.field("In-Reply-To")),
        nstring(part.field("Message-ID")),
    ];
    [b"(".to_vec(), fields.join(&b' '), b")".to_vec()].concat()
}

/// The structure without extension data; a client that trusts more than this at Exchange is mistaken anyway.
fn structure(part: &Part<'_>, depth: usize) -> Vec<u8> {
    let kind = part.content_type();
    let (main, sub) = kind.split_once('/').unwrap_or((&kind, "plain"));
    let children = if depth < 20 { part.children() } else { Vec::new() };
    if !children.is_empty() {
        let inner: Vec<u8> = children.iter().flat_map(|child| structure(child, depth + 1)).collect();
        return [b"(".to_vec(), inner, format!(" \"{sub}\")").into_bytes()].concat();
    }
    let encoding = part.field("Content-Transfer-Encoding").unwrap_or("7BIT").to_owned();
    let mut written = format!("(\"{main}\" \"{sub}\" NIL NIL NIL \"{encoding}\" {}", part.body.len()).into_bytes();
    if main == "text" {
        let lines = part.body.iter().filter(|byte| **byte == b'\n').count();
        written.extend(format!(" {lines}").bytes());
    }
    written.push(b')');
    written
}
