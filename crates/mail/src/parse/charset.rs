//! Text whose bytes do not fit their label: read as what they are.
//!
//! Outlook and many scripts label Windows-1252 as ISO-8859-1 or UTF-8, and UTF-8 as ISO-8859-1; both are told apart reliably, because
//! text in another encoding is practically never valid UTF-8 by accident.

use mail_parser::decoders::{base64::base64_decode, charsets::map::charset_decoder, quoted_printable};
use mail_parser::{Encoding, MessagePart, MimeHeaders};
use std::borrow::Cow;

/// What the bytes 0x80 to 0x9f mean in Windows-1252; the five that mean nothing stay controls.
const C1: [char; 32] = [
    '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8d}', 'Ž', '\u{8f}', '\u{90}', '‘', '’',
    '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9d}', 'ž', 'Ÿ',
];

pub(super) fn windows_1252(bytes: &[u8]) -> String {
    bytes.iter().map(|b| from_c1(char::from(*b))).collect()
}

fn from_c1(c: char) -> char {
    match c {
        '\u{80}'..='\u{9f}' => C1[(u32::from(c) - 0x80) as usize],
        other => other,
    }
}

/// The bytes of a part with its transfer encoding undone.
pub(super) fn transfer_decoded<'x>(part: &MessagePart<'_>, raw: &'x [u8]) -> Option<Cow<'x, [u8]>> {
    let body = raw.get(part.offset_body as usize..part.offset_end as usize)?;
    match part.encoding {
        Encoding::None => Some(Cow::Borrowed(body)),
        Encoding::Base64 => base64_decode(body).map(Cow::Owned),
        Encoding::QuotedPrintable => quoted_printable::quoted_printable_decode(body).map(Cow::Owned),
    }
}

/// A part whose transfer encoding is broken, mostly because it is cut off: as far as base64 can be decoded, else as it is.
pub(super) fn lenient_base64(part: &MessagePart<'_>, body: &[u8]) -> Vec<u8> {
    let encoding = part.content_transfer_encoding().unwrap_or_default();
    if !encoding.trim().eq_ignore_ascii_case("base64") {
        return body.to_vec();
    }
    let letters = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/');
    let mut letters: Vec<u8> = body.iter().copied().filter(letters).collect();
    letters.truncate(letters.len() / 4 * 4);
    base64_decode(&letters).unwrap_or_else(|| body.to_vec())
}

/// A better reading of a text part than `decoded`, when its label was wrong.
pub(super) fn better_reading(part: &MessagePart<'_>, raw: &[u8], label: Option<&str>, decoded: &str) -> Option<String> {
    let label = label.unwrap_or_default().trim().to_ascii_lowercase();
    let claims_unicode = matches!(label.as_str(), "" | "utf-8" | "utf8" | "us-ascii" | "ascii" | "unicode-1-1-utf-8")
        || charset_decoder(label.as_bytes()).is_none();
    let claims_latin = matches!(
        label.as_str(),
        "iso-8859-1" | "iso8859-1" | "iso_8859-1" | "latin1" | "iso-8859-15" | "windows-1252" | "cp1252"
    );
    if claims_unicode && decoded.contains('\u{fffd}') {
        let bytes = transfer_decoded(part, raw)?;
        if std::str::from_utf8(&bytes).is_ok() || bytes.windows(3).any(|w| w == "\u{fffd}".as_bytes()) {
            return None;
        }
        if let Some(decode) = label_in_html(&bytes).and_then(|named| charset_decoder(named.as_bytes())) {
            return Some(decode(&bytes));
        }
        return Some(windows_1252(&bytes));
    }
    if claims_latin && !decoded.is_ascii() {
        let bytes = transfer_decoded(part, raw)?;
        if let Ok(text) = std::str::from_utf8(&bytes) {
            return Some(text.to_owned());
        }
        if decoded.chars().any(|c| matches!(c, '\u{80}'..='\u{9f}')) {
            return Some(decoded.chars().map(from_c1).collect());
        }
    }
    None
}

/// `<meta charset=…>` within the first kilobyte of a page, unless it names UTF-8 (which it then is not).
fn label_in_html(bytes: &[u8]) -> Option<String> {
    let head = bytes[..bytes.len().min(1024)].to_ascii_lowercase();
    let at = head.windows(8).position(|w| w == b"charset=")? + 8;
    let name: String = head[at..]
        .iter()
        .skip_while(|b| matches!(b, b'"' | b'\'' | b' '))
        .take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
        .map(|b| char::from(*b))
        .collect();
    (!name.is_empty() && name != "utf-8").then_some(name)
}
