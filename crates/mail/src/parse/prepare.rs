//! Makes the bytes of a mail safe and easy to parse: bounds their size, and neutralises what would make the parser recurse.
//!
//! The parser behind us reads nested mails (`message/rfc822`) into a tree whose destruction recurses; a mail of a few megabytes can nest
//! deep enough to overflow a stack. We keep attached mails as files anyway, so their media type is renamed, length for length, before
//! parsing and named back afterwards ([`Prepared::restore`]).

use super::Defect;
use memchr::memchr;
use std::borrow::Cow;

/// A header longer than this is cut. Exchange takes 256 kB from outside.
const MAX_HEADER_BYTES: usize = 512 * 1024;
/// Lines beyond this are not read: a million header lines already cost a hundred megabytes.
const MAX_LINES: usize = 1_000_000;
/// Lines beginning with `--` beyond this are not read: each may begin a part.
const MAX_BOUNDARY_LINES: usize = 50_000;

/// The media types that would be parsed recursively, and the names they carry meanwhile.
const RENAMED: [(&[u8; 6], &[u8; 6]); 3] = [(b"rfc822", b"rfc8~2"), (b"global", b"globa~"), (b"digest", b"diges~")];

pub(super) struct Prepared<'a> {
    pub bytes: Cow<'a, [u8]>,
    pub defects: Vec<Defect>,
    renamed: bool,
}

pub(super) fn prepare(raw: &[u8], limit_bytes: usize) -> Prepared<'_> {
    let mut defects = Vec::new();
    let mut bytes = raw;
    if bytes.len() > limit_bytes {
        bytes = &bytes[..limit_bytes];
        defects.push(Defect::Truncated);
    }
    if let Some((end, defect)) = too_many_lines(bytes) {
        bytes = &bytes[..end];
        if !defects.contains(&defect) {
            defects.push(defect);
        }
    }
    let header_end = header_end(bytes);
    let mut bytes = Cow::Borrowed(bytes);
    if header_end > MAX_HEADER_BYTES {
        let cut = bytes[..MAX_HEADER_BYTES].iter().rposition(|b| *b == b'\n').map_or(MAX_HEADER_BYTES, |at| at + 1);
        let mut shorter = bytes[..cut].to_vec();
        shorter.extend_from_slice(b"\r\n");
        shorter.extend_from_slice(&bytes[header_end..]);
        bytes = Cow::Owned(shorter);
        defects.push(Defect::HeadersTooLong);
    }
    if let Some(readable) = readable_header(&bytes, &mut defects) {
        bytes = Cow::Owned(readable);
    }
    let at = recursive_types(&bytes);
    let renamed = !at.is_empty();
    if renamed {
        let copy = bytes.to_mut();
        for (at, name) in at {
            copy[at..at + name.len()].copy_from_slice(name);
        }
    }
    Prepared { bytes, defects, renamed }
}

impl Prepared<'_> {
    /// Gives the renamed media types their names back.
    pub fn restore(&self, bytes: &mut [u8]) {
        if !self.renamed {
            return;
        }
        let mut at = 0;
        while let Some(found) = bytes[at..].iter().position(|b| *b == b'~').map(|i| at + i) {
            for (name, alias) in RENAMED {
                let tilde = alias.iter().position(|b| *b == b'~').unwrap_or_default();
                let Some(start) = found.checked_sub(tilde) else { continue };
                if bytes.get(start..start + 6) == Some(alias.as_slice()) {
                    bytes[start..start + 6].copy_from_slice(name);
                }
            }
            at = found + 1;
        }
    }

    pub fn restored(&self, text: String) -> String {
        if !self.renamed || !text.contains('~') {
            return text;
        }
        let mut bytes = text.into_bytes();
        self.restore(&mut bytes);
        String::from_utf8(bytes).expect("ASCII was replaced by ASCII")
    }
}

fn too_many_lines(bytes: &[u8]) -> Option<(usize, Defect)> {
    let (mut lines, mut boundaries, mut start) = (0, 0, 0);
    while let Some(length) = memchr(b'\n', &bytes[start..]) {
        lines += 1;
        boundaries += usize::from(bytes[start..].starts_with(b"--"));
        start += length + 1;
        if lines > MAX_LINES {
            return Some((start, Defect::Truncated));
        }
        if boundaries > MAX_BOUNDARY_LINES {
            return Some((start, Defect::TooManyParts));
        }
    }
    None
}

/// Where the body begins: after the first empty line, or at the end.
fn header_end(bytes: &[u8]) -> usize {
    let mut start = 0;
    while let Some(length) = memchr(b'\n', &bytes[start..]) {
        let line = &bytes[start..start + length];
        start += length + 1;
        if line.is_empty() || line == b"\r" {
            return start;
        }
    }
    bytes.len()
}

/// The mail without NULs in its header, and with header lines that are not UTF-8 read as Windows-1252, which is what unlabelled 8-bit
/// headers mostly are; `None` when the header needs no help.
fn readable_header(bytes: &[u8], defects: &mut Vec<Defect>) -> Option<Vec<u8>> {
    let end = header_end(bytes);
    let header = &bytes[..end];
    let is_text = std::str::from_utf8(header).is_ok();
    if is_text && !header.contains(&0) {
        return None;
    }
    if !is_text {
        defects.push(Defect::CharsetMismatch);
    }
    let mut readable = Vec::with_capacity(bytes.len() + 64);
    for line in header.split_inclusive(|b| *b == b'\n') {
        if std::str::from_utf8(line).is_ok() {
            readable.extend(line.iter().filter(|b| **b != 0));
        } else {
            readable.extend_from_slice(super::charset::windows_1252(line).as_bytes());
        }
    }
    readable.extend_from_slice(&bytes[end..]);
    Some(readable)
}

/// Where a Content-Type field, at any depth, names a type that would be parsed recursively.
fn recursive_types(bytes: &[u8]) -> Vec<(usize, &'static [u8])> {
    const FIELD: &[u8] = b"content-type";
    let mut found = Vec::new();
    let mut in_field = false;
    let mut start = 0;
    while start < bytes.len() {
        let end = memchr(b'\n', &bytes[start..]).map_or(bytes.len(), |i| start + i + 1);
        let line = &bytes[start..end];
        let text = line.iter().position(|b| !matches!(b, b' ' | b'\t')).map_or(&line[..0], |i| &line[i..]);
        let begins = text.len() >= FIELD.len() && text[..FIELD.len()].eq_ignore_ascii_case(FIELD);
        let continues = in_field && matches!(line.first(), Some(b' ' | b'\t'));
        in_field = begins || continues;
        if in_field {
            for (offset, window) in line.windows(6).enumerate() {
                if let Some((_, alias)) = RENAMED.iter().find(|(name, _)| window.eq_ignore_ascii_case(*name)) {
                    found.push((start + offset, alias.as_slice()));
                }
            }
        }
        start = end;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attached_mails_are_renamed_and_named_back() {
        let raw = b"Content-Type: Message/RFC822\r\n\r\nbody rfc822";
        let prepared = prepare(raw, 1000);
        assert!(prepared.bytes.starts_with(b"Content-Type: Message/rfc8~2\r\n"));
        let mut back = prepared.bytes.to_vec();
        prepared.restore(&mut back);
        assert_eq!(back, b"Content-Type: Message/rfc822\r\n\r\nbody rfc822");
    }

    #[test]
    fn a_folded_type_is_renamed_too() {
        let prepared = prepare(b"Content-Type:\r\n\tmultipart/digest;\r\n boundary=x\r\n\r\n", 1000);
        assert!(prepared.bytes.windows(6).any(|w| w == b"diges~"));
    }

    #[test]
    fn a_header_without_end_is_cut() {
        let raw = b"X: y\r\n".repeat(200_000);
        let prepared = prepare(&raw, usize::MAX);
        assert!(prepared.bytes.len() <= MAX_HEADER_BYTES + 2);
        assert_eq!(prepared.defects, [Defect::HeadersTooLong]);
    }
}
