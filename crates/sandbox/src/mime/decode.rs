//! Transfer encodings, charsets and encoded words, as far as the sandbox's readers need them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// A body without its transfer encoding.
pub(super) fn transfer(encoding: &str, body: &[u8]) -> Vec<u8> {
    match encoding.trim().to_ascii_lowercase().as_str() {
        "base64" => base64_lenient(body),
        "quoted-printable" => quoted_printable(body, false),
        _ => body.to_vec(),
    }
}

fn base64_lenient(body: &[u8]) -> Vec<u8> {
    let kept: Vec<u8> =
        body.iter().copied().filter(|byte| byte.is_ascii_alphanumeric() || b"+/".contains(byte)).collect();
    let whole = kept.len() - usize::from(kept.len() % 4 == 1);
    base64::engine::general_purpose::STANDARD_NO_PAD.decode(&kept[..whole]).unwrap_or_else(|_| body.to_vec())
}

fn quoted_printable(body: &[u8], underscores: bool) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(body.len());
    let mut at = 0;
    while at < body.len() {
        let rest = &body[at..];
        match rest[0] {
            b'=' if rest.starts_with(b"=\r\n") => at += 3,
            b'=' if rest.starts_with(b"=\n") => at += 2,
            b'=' => {
                let hex = rest.get(1..3).and_then(|hex| std::str::from_utf8(hex).ok());
                match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
                    Some(byte) => {
                        decoded.push(byte);
                        at += 3;
                    }
                    None => {
                        decoded.push(b'=');
                        at += 1;
                    }
                }
            }
            b'_' if underscores => {
                decoded.push(b' ');
                at += 1;
            }
            byte => {
                decoded.push(byte);
                at += 1;
            }
        }
    }
    decoded
}

/// Text of a charset; what is neither UTF-8 nor Latin-1 is read as UTF-8 with replacements.
pub(super) fn charset(name: &str, bytes: &[u8]) -> String {
    match name.to_ascii_lowercase().as_str() {
        "iso-8859-1" | "latin1" | "windows-1252" => bytes.iter().map(|byte| char::from(*byte)).collect(),
        _ => String::from_utf8_lossy(bytes).into_owned(),
    }
}

pub(super) fn percent(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let hex = (*first == b'%').then(|| tail.get(..2)).flatten().and_then(|hex| std::str::from_utf8(hex).ok());
        if let Some(byte) = hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            bytes.push(byte);
            rest = &tail[2..];
        } else {
            bytes.push(*first);
            rest = tail;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Decodes the encoded words of a header value (RFC 2047); blanks between two of them vanish.
pub(crate) fn words(value: &str) -> String {
    let mut text = String::new();
    let mut rest = value;
    let mut after_word = false;
    while let Some(start) = rest.find("=?") {
        let (before, candidate) = rest.split_at(start);
        let Some((decoded, length)) = one_word(candidate) else {
            text.push_str(before);
            text.push_str("=?");
            rest = &candidate[2..];
            after_word = false;
            continue;
        };
        if !(after_word && before.trim().is_empty()) {
            text.push_str(before);
        }
        text.push_str(&decoded);
        rest = &candidate[length..];
        after_word = true;
    }
    text.push_str(rest);
    text
}

fn one_word(candidate: &str) -> Option<(String, usize)> {
    let mut parts = candidate[2..].splitn(3, '?');
    let (name, encoding, tail) = (parts.next()?, parts.next()?, parts.next()?);
    let end = tail.find("?=")?;
    let payload = &tail.as_bytes()[..end];
    let bytes = match encoding {
        "B" | "b" => base64_lenient(payload),
        "Q" | "q" => quoted_printable(payload, true),
        _ => return None,
    };
    let length = 2 + name.len() + 1 + encoding.len() + 1 + end + 2;
    Some((charset(name, &bytes), length))
}

/// A header value that any mail program can read: encoded words when it is not ASCII, and no line breaks ever.
pub(crate) fn encode_header(value: &str) -> String {
    let value: String = value.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if value.is_ascii() {
        return value;
    }
    let mut words = Vec::new();
    let mut chunk = String::new();
    for c in value.chars() {
        // An encoded word is at most 75 characters long (RFC 2047 §2).
        if chunk.len() + c.len_utf8() > 42 {
            words.push(std::mem::take(&mut chunk));
        }
        chunk.push(c);
    }
    words.push(chunk);
    let encoded: Vec<String> = words.iter().map(|word| format!("=?utf-8?B?{}?=", STANDARD.encode(word))).collect();
    encoded.join("\r\n ")
}

/// base64 in lines of 76 characters.
pub(crate) fn encode_lines(bytes: &[u8]) -> String {
    let encoded = STANDARD.encode(bytes);
    let mut lines = String::with_capacity(encoded.len() + encoded.len() / 38);
    for line in encoded.as_bytes().chunks(76) {
        lines.push_str(std::str::from_utf8(line).expect("base64 is ASCII"));
        lines.push_str("\r\n");
    }
    lines
}
