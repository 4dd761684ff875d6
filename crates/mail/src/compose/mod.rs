//! Builds the bytes of an outgoing mail. The same [`Outgoing`] gives the same bytes, so a retry sends the same mail.

pub(crate) mod address;
mod entity;
mod html_text;
mod markdown;
mod notice;

use base64::Engine;
use domain::message::attachment::safe_file_name;
use domain::{EmailAddress, Mailbox, Timestamp};
pub use html_text::html_to_text;
use mail_builder::MessageBuilder;
use mail_builder::headers::{content_type::ContentType, date::Date, message_id::MessageId, raw::Raw};
use mail_builder::mime::MimePart;
use mail_parser::MessageParser;
pub use markdown::{markdown_to_html, markdown_to_text};
pub use notice::{Notice, notice};
use std::fmt::Write;

/// Whose address stands in From of a mail that was built here.
pub fn author(bytes: &[u8]) -> Option<EmailAddress> {
    let mail = MessageParser::new().parse_headers(bytes)?;
    mail.from()?.first()?.address().and_then(EmailAddress::parse)
}

/// Everything a mail is made of.
#[derive(Clone, Debug)]
pub struct Outgoing {
    pub from: Mailbox,
    pub reply_to: Vec<Mailbox>,
    pub to: Vec<Mailbox>,
    pub cc: Vec<Mailbox>,
    /// Never in a header. Who gets the mail is not decided here, but in the envelope it is sent with.
    pub bcc: Vec<Mailbox>,
    pub subject: String,
    /// Ids without angle brackets.
    pub message_id: String,
    pub in_reply_to: Option<String>,
    pub references: Vec<String>,
    pub date: Timestamp,
    pub markdown: String,
    /// Replaces the HTML made from `markdown`; already sanitised.
    pub html: Option<String>,
    pub attachments: Vec<OutgoingAttachment>,
    /// A machine wrote it: `Auto-Submitted: auto-replied`.
    pub auto_submitted: bool,
}

#[derive(Clone, Debug)]
pub struct OutgoingAttachment {
    pub file_name: String,
    pub content_type: String,
    /// Without angle brackets; an attachment with one that the HTML shows (`cid:`) travels beside the HTML.
    pub content_id: Option<String>,
    pub bytes: Vec<u8>,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ComposeError {
    #[error("the mail has no recipient")]
    NoRecipients,
    #[error("the Message-ID cannot stand in a header")]
    BadMessageId,
    #[error("an address cannot stand in a header")]
    BadAddress,
}

/// Builds the mail: multipart/alternative of text and HTML, images that the HTML shows beside it, other files after it.
pub fn compose(mail: &Outgoing) -> Result<Vec<u8>, ComposeError> {
    if mail.to.is_empty() && mail.cc.is_empty() && mail.bcc.is_empty() {
        return Err(ComposeError::NoRecipients);
    }
    if !address::is_header_id(&mail.message_id) {
        return Err(ComposeError::BadMessageId);
    }
    let mut builder = MessageBuilder::new()
        .from(address::one(&mail.from)?)
        .subject(one_line(&mail.subject))
        .message_id(mail.message_id.as_str())
        .date(Date::new(mail.date.seconds()))
        .header("MIME-Version", Raw::new("1.0"));
    for (name, mailboxes) in [("To", &mail.to), ("Cc", &mail.cc), ("Reply-To", &mail.reply_to)] {
        if !mailboxes.is_empty() {
            builder = builder.header(name, address::list(mailboxes)?);
        }
    }
    if let Some(parent) = mail.in_reply_to.as_deref().filter(|id| address::is_header_id(id)) {
        builder = builder.in_reply_to(parent);
    }
    let references = within_limits(mail.references.iter().map(String::as_str));
    if !references.is_empty() {
        builder = builder.references(MessageId::new_list(references.into_iter()));
    }
    if mail.auto_submitted {
        builder = builder
            .header("Auto-Submitted", Raw::new("auto-replied"))
            .header("X-Auto-Response-Suppress", Raw::new("All"));
    }
    let bytes = builder.body(body(mail)).write_to_vec();
    Ok(bytes.expect("writing into memory cannot fail"))
}

fn body(mail: &Outgoing) -> MimePart<'_> {
    let html = match &mail.html {
        Some(html) => unix_lines(html),
        None => page(&markdown_to_html(&mail.markdown)),
    };
    let text = if mail.markdown.trim().is_empty() { html_to_text(&html) } else { markdown_to_text(&mail.markdown) };
    let cids = crate::parse::body::cids_in(&html);
    let shown = |a: &&OutgoingAttachment| {
        a.content_type.to_ascii_lowercase().starts_with("image/")
            && a.content_id.as_ref().is_some_and(|id| cids.contains(id))
    };
    let (images, files): (Vec<_>, Vec<_>) = mail.attachments.iter().partition(shown);

    let mut html_part = MimePart::new("text/html", html);
    if !images.is_empty() {
        let parts = std::iter::once(html_part).chain(images.into_iter().map(|image| file_part(image, true))).collect();
        html_part = multipart("related", mail, parts);
    }
    let alternative = multipart("alternative", mail, vec![MimePart::new("text/plain", unix_lines(&text)), html_part]);
    if files.is_empty() {
        return alternative;
    }
    let parts = std::iter::once(alternative).chain(files.into_iter().map(|file| file_part(file, false))).collect();
    multipart("mixed", mail, parts)
}

/// A text and the same as HTML.
fn body_of<'x>(message_id: &str, text: &str, html: &str) -> MimePart<'x> {
    let parts =
        vec![MimePart::new("text/plain", unix_lines(text)), MimePart::new("text/html", page(&unix_lines(html)))];
    parted("alternative", message_id, parts)
}

/// The boundary follows from the Message-ID, so that the same mail is the same bytes whenever it is built.
fn multipart<'x>(subtype: &str, mail: &Outgoing, parts: Vec<MimePart<'x>>) -> MimePart<'x> {
    parted(subtype, &mail.message_id, parts)
}

fn parted<'x>(subtype: &str, message_id: &str, parts: Vec<MimePart<'x>>) -> MimePart<'x> {
    let digest = ring::digest::digest(&ring::digest::SHA256, format!("{subtype} {message_id}").as_bytes());
    let boundary = digest.as_ref()[..15].iter().fold(String::from("=_"), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    });
    MimePart::new(ContentType::new(format!("multipart/{subtype}")).attribute("boundary", boundary), parts)
}

/// Every file travels as base64: some relays change line ends in anything else, and Exchange refuses bare line feeds (5.6.11).
fn file_part(file: &OutgoingAttachment, inline: bool) -> MimePart<'_> {
    let name = safe_file_name(&file.file_name, "attachment.bin");
    let encoded = base64_lines(&file.bytes);
    let disposition = if inline { "inline" } else { "attachment" };
    let mut part =
        MimePart::new(ContentType::new(safe_media_type(&file.content_type)).attribute("name", name.clone()), encoded)
            .header("Content-Disposition", ContentType::new(disposition).attribute("filename", name))
            .transfer_encoding("base64");
    if let Some(id) = file.content_id.as_deref().filter(|id| address::is_header_id(id)) {
        part = part.cid(id);
    }
    part
}

/// The media type when it may stand in a header. A mail or multipart must not travel as base64 (RFC 2045 §6.4), so it becomes a file.
fn safe_media_type(claimed: &str) -> String {
    let essence = claimed.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let token = |t: &str| {
        !t.is_empty() && t.len() <= 100 && t.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$&^_.+-".contains(&b))
    };
    match essence.split_once('/') {
        Some((main, sub)) if token(main) && token(sub) && !matches!(main, "multipart" | "message") => essence,
        _ => "application/octet-stream".to_owned(),
    }
}

fn base64_lines(bytes: &[u8]) -> Vec<u8> {
    const LINE: usize = 57;
    let mut out = Vec::with_capacity(bytes.len() * 4 / 3 + bytes.len() / LINE * 2 + 8);
    for line in bytes.chunks(LINE) {
        out.extend_from_slice(base64::engine::general_purpose::STANDARD.encode(line).as_bytes());
        out.extend_from_slice(b"\r\n");
    }
    out
}

fn page(body: &str) -> String {
    format!(
        "<!DOCTYPE html>\n<html>\n<head><meta charset=\"utf-8\"></head>\n<body>\n{}\n</body>\n</html>\n",
        body.trim_end()
    )
}

/// Line feeds only, and no other control characters than tabs: the encoder makes CRLF of them.
fn unix_lines(text: &str) -> String {
    text.replace("\r\n", "\n")
        .chars()
        .filter_map(|c| if c == '\r' { Some('\n') } else { (!c.is_control() || matches!(c, '\n' | '\t')).then_some(c) })
        .collect()
}

const MAX_SUBJECT_CHARS: usize = 900;

fn one_line(text: &str) -> String {
    let clean: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(MAX_SUBJECT_CHARS).collect();
    clean.trim().to_owned()
}

/// Prefixes that mail programs put before the subject of an answer, in the languages they speak, lower case.
const REPLY_PREFIXES: [&str; 12] = ["re", "aw", "antw", "sv", "vs", "odp", "res", "rif", "ynt", "回复", "答复", "回覆"];

/// "Re: " before the subject, once, whatever was there before (`AW:`, `Re[2]:`, `RE: Re:`).
pub fn reply_subject(subject: &str) -> String {
    let mut rest = subject.trim();
    while let Some((before, after)) = rest.split_once([':', '：']) {
        let word = before.trim().to_lowercase();
        let word = word.split_once('[').map_or(word.as_str(), |(w, n)| {
            if n.trim_end_matches(']').chars().all(|c| c.is_ascii_digit()) { w } else { "" }
        });
        if !REPLY_PREFIXES.contains(&word.trim()) {
            break;
        }
        rest = after.trim_start();
    }
    one_line(&format!("Re: {rest}"))
}

/// Some relays refuse header fields of more than 4 kB.
const MAX_REFERENCES_BYTES: usize = 3_500;

/// The References of a reply: the parent's, then the parent; the first and the newest when that would be too long (RFC 5322 §3.6.4 lets
/// mail programs thread by any of them).
pub fn references_for(parent_references: &[String], parent_id: Option<&str>) -> Vec<String> {
    let parent = parent_id.into_iter();
    // Each id once, at its newest place.
    let mut newest_first: Vec<&str> = Vec::new();
    for id in parent.chain(parent_references.iter().rev().map(String::as_str)) {
        if !newest_first.contains(&id) {
            newest_first.push(id);
        }
        if newest_first.len() > 500 {
            break;
        }
    }
    within_limits(newest_first.into_iter().rev()).into_iter().map(str::to_owned).collect()
}

fn within_limits<'a>(ids: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let ids: Vec<&str> = ids.filter(|id| address::is_header_id(id)).collect();
    let Some((first, rest)) = ids.split_first() else { return Vec::new() };
    let cost = |id: &str| id.len() + 4;
    let mut room = MAX_REFERENCES_BYTES - cost(first);
    let mut kept: Vec<&str> = rest
        .iter()
        .rev()
        .copied()
        .take_while(|id| {
            let fits = cost(id) <= room;
            room = room.saturating_sub(cost(id));
            fits
        })
        .collect();
    kept.push(first);
    kept.reverse();
    kept
}

#[cfg(test)]
mod tests;
