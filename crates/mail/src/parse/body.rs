//! Chooses what a person reads of a mail: its text and its HTML. Never sanitises and never cuts quotes.

use super::charset;
use super::prepare::Prepared;
use crate::compose::html_to_text;
use mail_parser::{Message, MessagePart, MimeHeaders, PartType};
use std::borrow::Cow;

/// What the bodies turned out to be.
#[derive(Default)]
pub(super) struct Bodies {
    pub text: Option<String>,
    pub html: Option<String>,
    /// Some text did not fit its declared charset.
    pub mislabelled: bool,
}

pub(super) fn bodies(message: &Message<'_>, prepared: &Prepared<'_>) -> Bodies {
    let mut bodies = Bodies::default();
    let parts = |ids: &[u32]| -> Vec<usize> {
        ids.iter().map(|id| *id as usize).filter(|id| *id < message.parts.len()).collect()
    };
    let is_html = |id: &usize| matches!(message.parts[*id].body, PartType::Html(_));
    let is_text = |id: &usize| matches!(message.parts[*id].body, PartType::Text(_));

    // A list's footer is a text part beside the HTML one: each version of the body takes every part that is shown, converted if need be.
    let text_ids = parts(&message.text_body);
    if text_ids.iter().any(is_text) {
        let mut text = String::new();
        for id in text_ids {
            let part = &message.parts[id];
            let Some(read) = read(part, prepared, &mut bodies.mislabelled) else { continue };
            append(&mut text, &if is_html(&id) { html_to_text(&read) } else { flowed(part, read) }, "\n");
        }
        bodies.text = Some(clean(text));
    }
    // A multipart without its boundary is one piece of text.
    if let (None, PartType::Text(_), true) = (&bodies.text, &message.root_part().body, message.parts.len() == 1)
        && is_broken_multipart(message)
        && let Some(text) = read(message.root_part(), prepared, &mut bodies.mislabelled)
    {
        bodies.text = Some(clean(text)).filter(|t| !t.is_empty());
    }
    let html_ids = parts(&message.html_body);
    if html_ids.iter().any(is_html) {
        let mut html = String::new();
        for id in html_ids {
            let part = &message.parts[id];
            let Some(read) = read(part, prepared, &mut bodies.mislabelled) else { continue };
            append(&mut html, &if is_html(&id) { read } else { as_html(&read) }, "\n");
        }
        bodies.html = Some(clean(html));
    }
    bodies
}

/// The mail says that it has parts, but none could be found.
pub(super) fn is_broken_multipart(message: &Message<'_>) -> bool {
    let root = message.root_part();
    !root.is_multipart() && root.content_type().is_some_and(|c| c.ctype() == "multipart")
}

fn append(to: &mut String, more: &str, between: &str) {
    if !to.is_empty() && !more.is_empty() {
        to.push_str(between);
    }
    to.push_str(more);
}

/// The text of a part, read with the charset it is really in; `None` for what is not text.
fn read(part: &MessagePart<'_>, prepared: &Prepared<'_>, mislabelled: &mut bool) -> Option<String> {
    let decoded: &Cow<'_, str> = match &part.body {
        PartType::Text(text) | PartType::Html(text) => text,
        PartType::Binary(_) | PartType::InlineBinary(_) | PartType::Message(_) | PartType::Multipart(_) => return None,
    };
    let label = part.content_type().and_then(|c| c.attribute("charset"));
    let text = match charset::better_reading(part, &prepared.bytes, label, decoded) {
        Some(better) => {
            *mislabelled = true;
            better
        }
        None => {
            *mislabelled |= decoded.contains('\u{fffd}');
            decoded.to_string()
        }
    };
    Some(prepared.restored(text))
}

/// RFC 3676: lines that end in a space go on in the next one, unless the quoting depth changes or it is the signature's "-- ".
fn flowed(part: &MessagePart<'_>, text: String) -> String {
    let attribute = |name| part.content_type().and_then(|c| c.attribute(name)).unwrap_or_default().to_ascii_lowercase();
    if attribute("format") != "flowed" {
        return text;
    }
    let delete_space = attribute("delsp") == "yes";
    let mut out = String::with_capacity(text.len());
    let mut open_depth = None;
    for line in text.lines() {
        let depth = line.bytes().take_while(|b| *b == b'>').count();
        let rest = &line[depth..];
        let words = rest.strip_prefix(' ').unwrap_or(rest);
        if open_depth == Some(depth) && words != "-- " {
            out.push_str(words);
        } else {
            if open_depth.is_some() {
                out.push('\n');
            }
            out.push_str(&line[..depth]);
            if depth > 0 {
                out.push(' ');
            }
            out.push_str(words);
        }
        if words.ends_with(' ') && words != "-- " {
            if delete_space {
                out.pop();
            }
            open_depth = Some(depth);
        } else {
            out.push('\n');
            open_depth = None;
        }
    }
    out
}

fn as_html(text: &str) -> String {
    let mut html = String::from("<pre style=\"white-space:pre-wrap\">");
    for c in text.chars() {
        match c {
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '&' => html.push_str("&amp;"),
            other => html.push(other),
        }
    }
    html.push_str("</pre>");
    html
}

/// No NUL (PostgreSQL takes none), one kind of line break, no white space at the end.
pub(super) fn clean(text: String) -> String {
    let text = if text.contains(['\0', '\r']) {
        text.replace('\0', "").replace("\r\n", "\n").replace('\r', "\n")
    } else {
        text
    };
    text.trim_end().to_owned()
}

/// The Content-IDs that a page shows, as they are written after `cid:`, percent-decoded.
pub(crate) fn cids_in(html: &str) -> Vec<String> {
    let mut cids = Vec::new();
    let bytes = html.as_bytes();
    let mut at = 0;
    while let Some(found) = bytes[at..].windows(4).position(|w| w.eq_ignore_ascii_case(b"cid:")) {
        let start = at + found + 4;
        let end = bytes[start..]
            .iter()
            .position(|b| matches!(b, b'"' | b'\'' | b'>' | b'<' | b')' | b' ' | b'\t' | b'\r' | b'\n'))
            .map_or(bytes.len(), |i| start + i);
        let cid = percent_decoded(&html[start..end]).replace("&amp;", "&");
        if !cid.is_empty() && cid.len() <= 500 && cids.len() < 1_000 && !cids.contains(&cid) {
            cids.push(cid);
        }
        at = end;
    }
    cids
}

fn percent_decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = (bytes[at] == b'%').then(|| text.get(at + 1..at + 3)).flatten();
        match hex.and_then(|h| u8::from_str_radix(h, 16).ok()) {
            Some(byte) => {
                out.push(byte);
                at += 3;
            }
            None => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}
