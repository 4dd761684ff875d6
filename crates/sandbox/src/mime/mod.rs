//! As much MIME as IMAP answers and the customer's page need (RFC 5322, 2045, 2047); written here, for an oracle that
//! borrowed the product's parser would make the product's mistakes.
//!
//! It never fails: what cannot be understood is shown as it is.

mod decode;

pub(crate) use decode::{encode_header, encode_lines, words};

/// A mail or a part of one, taken apart at its first empty line.
#[derive(Clone, Debug)]
pub(crate) struct Part<'a> {
    pub(crate) header: &'a [u8],
    pub(crate) body: &'a [u8],
    pub(crate) fields: Vec<(String, String)>,
}

/// A file that came with a mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Attachment {
    pub(crate) name: String,
    pub(crate) content_type: String,
    pub(crate) bytes: Vec<u8>,
}

/// Nesting deeper than this is not looked into.
const DEEPEST: usize = 12;

impl<'a> Part<'a> {
    pub(crate) fn parse(raw: &'a [u8]) -> Self {
        let (header, body) = split_at_empty_line(raw);
        Self { header, body, fields: fields_of(header) }
    }

    /// The unfolded value of the first field of this name, as it stands.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(held, _)| held.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The value with its encoded words decoded.
    pub(crate) fn text_field(&self, name: &str) -> Option<String> {
        self.field(name).map(words)
    }

    /// `type/subtype` in lower case; text/plain when nothing is said (RFC 2045 §5.2).
    pub(crate) fn content_type(&self) -> String {
        let value = self.field("Content-Type").unwrap_or("text/plain");
        value.split(';').next().unwrap_or(value).trim().to_ascii_lowercase()
    }

    fn charset(&self) -> String {
        self.field("Content-Type").and_then(|value| parameter(value, "charset")).unwrap_or_default()
    }

    fn file_name(&self) -> Option<String> {
        let disposition = self.field("Content-Disposition").and_then(|value| parameter(value, "filename"));
        disposition.or_else(|| self.field("Content-Type").and_then(|value| parameter(value, "name")))
    }

    fn is_attachment(&self) -> bool {
        let disposition = self.field("Content-Disposition").unwrap_or_default().trim().to_ascii_lowercase();
        disposition.starts_with("attachment")
            || self.file_name().is_some()
            || !(self.content_type().starts_with("text/") || self.content_type().starts_with("multipart/"))
    }

    /// The body without its transfer encoding.
    pub(crate) fn decoded(&self) -> Vec<u8> {
        decode::transfer(self.field("Content-Transfer-Encoding").unwrap_or_default(), self.body)
    }

    /// The parts of a multipart body; empty when it is none.
    pub(crate) fn children(&self) -> Vec<Part<'a>> {
        let value = self.field("Content-Type").unwrap_or_default();
        if !self.content_type().starts_with("multipart/") {
            return Vec::new();
        }
        let Some(boundary) = parameter(value, "boundary") else { return Vec::new() };
        split_multipart(self.body, boundary.as_bytes()).into_iter().map(Part::parse).collect()
    }

    /// What a person reads: the plain text, or the HTML with its tags taken out.
    pub(crate) fn readable(&self) -> String {
        self.find_text("text/plain", 0)
            .or_else(|| self.find_text("text/html", 0).map(|html| strip_tags(&html)))
            .unwrap_or_default()
    }

    fn find_text(&self, wanted: &str, depth: usize) -> Option<String> {
        if self.content_type() == wanted && !self.is_attachment() {
            return Some(decode::charset(&self.charset(), &self.decoded()));
        }
        if depth >= DEEPEST {
            return None;
        }
        self.children().iter().find_map(|part| part.find_text(wanted, depth + 1))
    }

    pub(crate) fn attachments(&self) -> Vec<Attachment> {
        let mut found = Vec::new();
        self.collect_attachments(&mut found, 0);
        found
    }

    fn collect_attachments(&self, found: &mut Vec<Attachment>, depth: usize) {
        let children = self.children();
        if children.is_empty() {
            if self.is_attachment() {
                let name = self.file_name().map_or_else(|| format!("part-{}", found.len() + 1), |name| words(&name));
                found.push(Attachment { name, content_type: self.content_type(), bytes: self.decoded() });
            }
        } else if depth < DEEPEST {
            for child in &children {
                child.collect_attachments(found, depth + 1);
            }
        }
    }
}

/// The message id without its angle brackets, and where it was folded to another line.
pub(crate) fn message_id(raw: &[u8]) -> Option<String> {
    let part = Part::parse(raw);
    let value = part.field("Message-ID")?;
    let id = value.trim().trim_start_matches('<').trim_end_matches('>').trim();
    (!id.is_empty()).then(|| id.to_owned())
}

/// The first address of a header such as From.
pub(crate) fn first_address(value: &str) -> Option<String> {
    addresses(value).into_iter().next().map(|(_, address)| address)
}

/// `(name, address)` of each mailbox in a header, as far as it looks like one.
pub(crate) fn addresses(value: &str) -> Vec<(Option<String>, String)> {
    split_commas(value).iter().filter_map(|entry| one_address(entry)).collect()
}

fn one_address(entry: &str) -> Option<(Option<String>, String)> {
    let entry = entry.trim();
    match (entry.rfind('<'), entry.rfind('>')) {
        (Some(open), Some(close)) if open < close => {
            let name = words(entry[..open].trim().trim_matches('"'));
            Some(((!name.is_empty()).then_some(name), entry[open + 1..close].trim().to_owned()))
        }
        _ => entry.contains('@').then(|| (None, entry.to_owned())),
    }
}

fn split_commas(value: &str) -> Vec<String> {
    let mut entries = vec![String::new()];
    let mut quoted = false;
    for c in value.chars() {
        match c {
            '"' => quoted = !quoted,
            ',' if !quoted => {
                entries.push(String::new());
                continue;
            }
            _ => {}
        }
        entries.last_mut().expect("there is always one entry").push(c);
    }
    entries
}

fn split_at_empty_line(raw: &[u8]) -> (&[u8], &[u8]) {
    let mut at = 0;
    while at < raw.len() {
        let end = raw[at..].iter().position(|byte| *byte == b'\n').map_or(raw.len(), |found| at + found + 1);
        let line = &raw[at..end];
        if line == b"\r\n" || line == b"\n" {
            return (&raw[..at], &raw[end..]);
        }
        at = end;
    }
    (raw, &[])
}

fn fields_of(header: &[u8]) -> Vec<(String, String)> {
    let text = String::from_utf8_lossy(header);
    let mut fields: Vec<(String, String)> = Vec::new();
    for line in text.lines() {
        if line.starts_with([' ', '\t']) {
            if let Some((_, value)) = fields.last_mut() {
                value.push(' ');
                value.push_str(line.trim());
            }
        } else if let Some((name, value)) = line.split_once(':') {
            fields.push((name.trim().to_owned(), value.trim().to_owned()));
        }
    }
    for (_, value) in &mut fields {
        *value = value.trim().to_owned();
    }
    fields
}

/// The value of `name=` among the parameters of a field, plain or in RFC 2231's percent form.
fn parameter(value: &str, name: &str) -> Option<String> {
    let mut rest = value.split_once(';')?.1;
    let mut found = None;
    while !rest.is_empty() {
        let (key, after) = rest.split_once('=')?;
        let key = key.trim().trim_start_matches(';').trim().to_ascii_lowercase();
        let after = after.trim_start();
        let (raw, next) = if let Some(quoted) = after.strip_prefix('"') {
            let end = quoted.find('"').unwrap_or(quoted.len());
            (&quoted[..end], quoted[end..].trim_start_matches('"'))
        } else {
            let end = after.find(';').unwrap_or(after.len());
            (after[..end].trim(), &after[end..])
        };
        if key == name {
            found = Some(raw.to_owned());
        } else if key.strip_suffix('*') == Some(name) {
            let encoded = raw.splitn(3, '\'').nth(2).unwrap_or(raw);
            return Some(decode::percent(encoded));
        }
        rest = next.trim_start().trim_start_matches(';');
    }
    found
}

fn split_multipart<'a>(body: &'a [u8], boundary: &[u8]) -> Vec<&'a [u8]> {
    let mut parts = Vec::new();
    let mut start = None;
    let mut at = 0;
    while at < body.len() {
        let end = body[at..].iter().position(|byte| *byte == b'\n').map_or(body.len(), |found| at + found + 1);
        let line = &body[at..end];
        if let Some(rest) = line.strip_prefix(b"--").and_then(|rest| rest.strip_prefix(boundary)) {
            if let Some(start) = start {
                // The line break before a boundary belongs to the boundary (RFC 2046 §5.1.1).
                let mut stop: usize = at;
                if stop > start && body[stop - 1] == b'\n' {
                    stop -= 1;
                    if stop > start && body[stop - 1] == b'\r' {
                        stop -= 1;
                    }
                }
                parts.push(&body[start..stop]);
            }
            start = (!rest.starts_with(b"--")).then_some(end);
            if start.is_none() {
                return parts;
            }
        }
        at = end;
    }
    parts.extend(start.map(|start| &body[start..]));
    parts
}

fn strip_tags(html: &str) -> String {
    let mut text = String::new();
    let mut inside = false;
    for c in html.chars() {
        match c {
            '<' => inside = true,
            '>' => inside = false,
            c if !inside => text.push(c),
            _ => {}
        }
    }
    text.replace("&nbsp;", " ").replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
}
