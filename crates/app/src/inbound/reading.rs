//! What a mail says, in the words of our rows. Pure: bytes and dates in, a [`Reading`] out; never fails.
//!
//! The visible reply becomes the message's content, everything else stays in `content_attributes.email`, under Chatwoot's names. HTML is
//! kept as it came: it is sanitised when somebody looks at it.

use domain::message::{MAX_CONTENT_CHARS, bodies};
use domain::{Mailbox, Timestamp};
use mail::compose::html_to_text;
use mail::parse::{self, Defect, InboundAttachment, InboundEmail, MailKind, Report};
use mail::quote::split_reply;
use ring::digest::{SHA256, digest};
use serde_json::{Value, json};
use std::fmt::Write as _;
use std::time::Duration;

/// The longest body kept in the row, in bytes; all of it stays in the raw mail.
const MAX_BODY_BYTES: usize = 1024 * 1024;
/// How much of what is no mail is shown.
const MAX_STRANGE_BYTES: usize = 64 * 1024;
/// The longest subject and name kept.
const MAX_LINE_CHARS: usize = 1000;
const MAX_NAME_CHARS: usize = 255;
/// The most addresses and references kept in the row; mails with thousands exist.
const MAX_LISTED: usize = 500;
/// How far a sender's clock may be ahead of the server's before we believe the server.
const CLOCK_SKEW: Duration = Duration::from_secs(5 * 60);
/// 1990-01-01: no mail that is fetched today was written before.
const EARLIEST: Timestamp = Timestamp::from_seconds(631_152_000);

/// A mail, ready to become a message.
#[derive(Debug)]
pub struct Reading {
    /// The Message-ID without angle brackets: the mail's own, or one made from what the mail is.
    pub message_id: String,
    pub fingerprint: String,
    /// From, as it is; `None` when there is none that could be an address.
    pub sender: Option<Mailbox>,
    pub subject: Option<String>,
    pub content: String,
    pub attributes: Value,
    pub kind: MailKind,
    /// What a delivery report is about.
    pub report: Option<Report>,
    pub auto_reply: bool,
    pub in_reply_to: Vec<String>,
    pub references: Vec<String>,
    /// Other names the mail goes by, such as the one it had before Outlook.com renamed it.
    pub other_ids: Vec<String>,
    pub sent_at: Timestamp,
    pub attachments: Vec<InboundAttachment>,
}

/// When a mail arrived.
#[derive(Clone, Copy, Debug)]
pub struct Arrival {
    /// As the server says it (INTERNALDATE), else when we got it; of one mail it is the same however often it is read.
    pub stated: Timestamp,
    /// The same, but never in our future.
    pub at: Timestamp,
}

impl Arrival {
    pub fn new(internal_date: Option<Timestamp>, received_at: Timestamp, now: Timestamp) -> Self {
        let stated = internal_date.unwrap_or(received_at);
        Self { stated, at: stated.min(now) }
    }
}

/// Reads a mail. `truncated`: these bytes are only its beginning.
pub fn read(raw: &[u8], arrival: Arrival, limit_bytes: usize, truncated: bool) -> Reading {
    let mut email = parse::parse(raw, limit_bytes);
    if truncated && !email.defects.contains(&Defect::Truncated) {
        email.defects.push(Defect::Truncated);
    }
    if says_nothing(&email) && !raw.trim_ascii().is_empty() {
        // Bytes that are no mail are shown as they are: somebody may make sense of them.
        email.text = Some(String::from_utf8_lossy(&raw[..raw.len().min(MAX_STRANGE_BYTES)]).into_owned());
    }
    let bodies = Bodies::of(&mut email);
    let fingerprint = parse::fingerprint(&email, bodies.words());
    let message_id = match email.message_id.take().map(|id| clean(&id)).filter(|id| !id.trim().is_empty()) {
        Some(id) => id,
        None => made_up_id(&fingerprint, email.date.is_none().then_some(arrival.stated)),
    };
    let attachments = std::mem::take(&mut email.attachments);
    let sender = email.from.first().or(email.original_sender.as_ref()).cloned().map(tidy);
    let (content, attributes) = body(&email, bodies, &message_id, attachments.len(), truncated);
    Reading {
        fingerprint,
        sender,
        subject: email.subject.as_deref().map(|s| cut_chars(&clean(s), MAX_LINE_CHARS)).filter(|s| !s.is_empty()),
        content,
        attributes,
        kind: email.kind,
        report: email.report.clone(),
        auto_reply: email.auto_reply,
        in_reply_to: email.in_reply_to.iter().map(clean).collect(),
        references: referred(&email),
        other_ids: email.original_message_id.iter().map(clean).filter(|id| *id != message_id).collect(),
        sent_at: plausible(email.date, arrival.at),
        attachments,
        message_id,
    }
}

/// Nothing that a person would see.
fn says_nothing(email: &InboundEmail) -> bool {
    let no_head = email.from.is_empty() && email.subject.is_none() && email.date.is_none();
    no_head && email.text.is_none() && email.html.is_none() && email.attachments.is_empty()
}

/// References; a report's own subject comes before them, so that it counts only when nothing else is known.
fn referred(email: &InboundEmail) -> Vec<String> {
    let about = email.report.iter().flat_map(|report| &report.about);
    about.chain(&email.references).map(clean).collect()
}

/// The Date when it can be true, else when the mail arrived: nobody writes a mail after it was received.
fn plausible(claimed: Option<Timestamp>, arrived_at: Timestamp) -> Timestamp {
    match claimed {
        Some(date) if date >= EARLIEST && date <= arrived_at.plus(CLOCK_SKEW) => date,
        Some(_) | None => arrived_at,
    }
}

/// The same mail gets the same id however often it is fetched, under whatever UID, and even when the mailbox was moved and its mail got new
/// dates of arrival: the Date tells equal mails apart, and it is in the fingerprint. Only where there is none does the arrival have to.
/// A form that says the same every day then makes a message every day; after a move that also loses the arrivals such a mail would be
/// there twice, which is better than one of two being lost.
fn made_up_id(fingerprint: &str, arrived_at: Option<Timestamp>) -> String {
    let arrived_at = arrived_at.map_or_else(String::new, |at| format!("\0{}", at.seconds()));
    let hash = digest(&SHA256, format!("{fingerprint}{arrived_at}").as_bytes());
    let hex = hash.as_ref()[..16].iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    });
    // RFC 6761: ".invalid" can never be anybody's.
    format!("{hex}@made-up.postroom.invalid")
}

fn tidy(sender: Mailbox) -> Mailbox {
    let name = sender.name.map(|name| cut_chars(clean(&name).trim(), MAX_NAME_CHARS)).filter(|name| !name.is_empty());
    Mailbox { name, address: sender.address }
}

/// What a mail says, as a row keeps it.
struct Bodies {
    text: Option<String>,
    html: Option<String>,
    html_text: Option<String>,
    /// A body was longer than what the row keeps.
    cut: bool,
}

impl Bodies {
    fn of(email: &mut InboundEmail) -> Self {
        let mut cut = false;
        let mut kept = |body: String| {
            let mut body = clean(body);
            if body.len() > MAX_BODY_BYTES {
                body.truncate(body.floor_char_boundary(MAX_BODY_BYTES));
                cut = true;
            }
            body
        };
        let (text, html) = (email.text.take().map(&mut kept), email.html.take().map(&mut kept));
        let html_text = html.as_deref().map(html_to_text);
        Self { text, html, html_text, cut }
    }

    /// Those of the HTML, where there is any, because Exchange makes the text version anew.
    fn words(&self) -> &str {
        self.html_text.as_deref().or(self.text.as_deref()).unwrap_or_default()
    }
}

/// What is said without the history below it.
fn visible(text: &str) -> String {
    let reply = split_reply(text).reply;
    // Nothing but quotes: better all of it than an empty message.
    if reply.trim().is_empty() { text.trim().to_owned() } else { reply.trim().to_owned() }
}

/// The message's content, and `content_attributes` with Chatwoot's names (docs/COMPATIBILITY.md).
fn body(
    email: &InboundEmail,
    bodies: Bodies,
    message_id: &str,
    attachments: usize,
    truncated: bool,
) -> (String, Value) {
    let cut = bodies.cut;
    let text_reply = bodies.text.as_deref().filter(|text| !text.trim().is_empty()).map(visible);
    let html_reply = bodies.html_text.as_deref().map(visible);
    let said = text_reply.as_ref().or(html_reply.as_ref());
    let content = said.map(|reply| cut_chars(reply, MAX_CONTENT_CHARS)).unwrap_or_default();
    let text_content = bodies.text.zip(text_reply).map(|(text, visible)| bodies::kept(text, None, visible));
    let html_content = bodies.html.zip(html_reply).map(|(html, visible)| bodies::kept(html, bodies.html_text, visible));
    let addresses =
        |list: &[Mailbox]| list.iter().take(MAX_LISTED).map(|m| m.address.as_str().to_owned()).collect::<Vec<_>>();
    let listed = |list: &[Mailbox]| if list.is_empty() { Value::Null } else { json!(addresses(list)) };
    let names = |list: &[Mailbox]| list.iter().take(MAX_LISTED).map(named).collect::<Vec<_>>();
    let mut attributes = json!({
        "email": {
            "from": addresses(&email.from),
            "to": listed(&email.to),
            "cc": listed(&email.cc),
            "bcc": listed(&email.bcc),
            "subject": email.subject.as_deref().map(|s| cut_chars(&clean(s), MAX_LINE_CHARS)),
            "date": email.date.map(Timestamp::to_iso),
            "message_id": message_id,
            "in_reply_to": email.in_reply_to.first().map(clean),
            "references": email.references.iter().rev().take(MAX_LISTED).rev().map(clean).collect::<Vec<_>>(),
            "content_type": clean(&email.content_type),
            "multipart": email.multipart,
            "number_of_attachments": attachments,
            "auto_reply": email.auto_reply,
            "headers": Value::Null,
            // Ours, beside Chatwoot's.
            "kind": email.kind.as_str(),
            "reply_to": addresses(&email.reply_to),
            "original_sender": email.original_sender.as_ref().map(|m| m.address.as_str()),
            "people": { "from": names(&email.from), "reply_to": names(&email.reply_to), "to": names(&email.to), "cc": names(&email.cc) },
            "answers_unwanted": email.answers_unwanted,
            "defects": defects(&email.defects, cut, truncated),
        },
        "cc_email": listed(&email.cc),
        "bcc_email": listed(&email.bcc),
    });
    // Moved in, for they are long.
    for (name, body) in bodies::BODIES.into_iter().zip([text_content, html_content]) {
        attributes["email"][name] = body.unwrap_or_default();
    }
    (content, attributes)
}

fn named(mailbox: &Mailbox) -> Value {
    json!({ "name": mailbox.name.as_deref().map(|n| cut_chars(&clean(n), MAX_NAME_CHARS)), "address": mailbox.address.as_str() })
}

/// `cut`: a body is longer than what the row keeps; `truncated`: the rest of the mail was not even fetched.
fn defects(defects: &[Defect], cut: bool, truncated: bool) -> Vec<String> {
    let mut words: Vec<String> = defects
        .iter()
        .take(50)
        .map(|defect| match defect {
            Defect::Truncated => "truncated".to_owned(),
            Defect::NoHeaders => "no_headers".to_owned(),
            Defect::NoFrom => "no_from".to_owned(),
            Defect::SeveralFrom => "several_from".to_owned(),
            Defect::NoMessageId => "no_message_id".to_owned(),
            Defect::NoDate => "no_date".to_owned(),
            Defect::UnusableAddress(written) => format!("unusable_address: {}", cut_chars(&clean(written), 200)),
            Defect::HeadersTooLong => "headers_too_long".to_owned(),
            Defect::TooManyParts => "too_many_parts".to_owned(),
            Defect::CharsetMismatch => "charset_mismatch".to_owned(),
            Defect::BrokenEncoding => "broken_encoding".to_owned(),
            Defect::Placeholder => "placeholder".to_owned(),
        })
        .collect();
    if cut {
        words.push("body_shortened".to_owned());
    }
    if truncated {
        words.push("not_fetched_whole".to_owned());
    }
    words
}

/// PostgreSQL keeps no NUL in text or JSON.
fn clean(text: impl Into<String>) -> String {
    let mut text = text.into();
    if text.contains('\0') {
        text.retain(|c| c != '\0');
    }
    text
}

fn cut_chars(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        Some((end, _)) => text[..end].to_owned(),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ARRIVED: Timestamp = Timestamp::from_seconds(1_760_000_000);
    const LIMIT: usize = 1 << 20;

    fn reading(raw: &str) -> Reading {
        arrived(raw, ARRIVED)
    }

    fn arrived(raw: &str, at: Timestamp) -> Reading {
        read(raw.replace('\n', "\r\n").as_bytes(), Arrival { stated: at, at }, LIMIT, false)
    }

    #[test]
    fn a_date_that_cannot_be_true_is_replaced_by_the_arrival() {
        let hour = Duration::from_secs(3600);
        assert_eq!(plausible(Some(ARRIVED.minus(hour)), ARRIVED), ARRIVED.minus(hour));
        for wrong in [Some(ARRIVED.plus(hour)), Some(Timestamp::from_seconds(86_400)), None] {
            assert_eq!(plausible(wrong, ARRIVED), ARRIVED);
        }
    }

    #[test]
    fn a_mail_without_message_id_gets_the_same_one_each_time_and_another_mail_another() {
        let one = reading("From: a@x.example\nSubject: hello\n\nwords\n");
        assert_eq!(one.message_id, reading("From: a@x.example\nSubject: hello\n\nwords\n").message_id);
        assert_ne!(one.message_id, reading("From: a@x.example\nSubject: hello\n\nother words\n").message_id);
        assert!(one.message_id.ends_with(".invalid"));
    }

    #[test]
    fn a_date_makes_the_arrival_needless_for_telling_mails_apart() {
        let later = ARRIVED.plus(Duration::from_secs(3600));
        let dated = "From: a@x.example\nDate: Thu, 09 Oct 2025 08:00:00 +0000\n\nwords\n";
        assert_eq!(arrived(dated, ARRIVED).message_id, arrived(dated, later).message_id);
        let undated = "From: a@x.example\n\nwords\n";
        assert_ne!(arrived(undated, ARRIVED).message_id, arrived(undated, later).message_id);
    }

    #[test]
    fn a_server_whose_clock_is_ahead_changes_no_id_and_no_mail_is_of_the_future() {
        let now = ARRIVED.minus(Duration::from_secs(60));
        let early = Arrival::new(Some(ARRIVED), now, now);
        let again = Arrival::new(Some(ARRIVED), now, ARRIVED.plus(Duration::from_secs(60)));
        let raw = b"From: a@x.example\r\n\r\nwords\r\n";
        let (first, second) = (read(raw, early, LIMIT, false), read(raw, again, LIMIT, false));
        assert_eq!((first.message_id, first.sent_at), (second.message_id, now));
    }

    #[test]
    fn nothing_at_all_is_still_a_mail() {
        let empty = reading("");
        assert_eq!((empty.sender, empty.content.as_str(), empty.sent_at), (None, "", ARRIVED));
    }

    #[test]
    fn the_attributes_have_the_shapes_that_clients_read() {
        let mail = reading(
            "From: Ada <ada@x.example>\nTo: help@us.example\nSubject: Hi\nMessage-ID: <1@x.example>\nDate: Thu, 09 Oct 2025 08:00:00 +0000\n\nhello\n",
        );
        let email = &mail.attributes["email"];
        assert_eq!(email["from"], json!(["ada@x.example"]));
        assert_eq!(email["to"], json!(["help@us.example"]));
        assert_eq!(email["cc"], Value::Null);
        assert_eq!(email["message_id"], "1@x.example");
        assert_eq!(email["text_content"], json!({ "full": "hello" }));
        assert_eq!((mail.content.as_str(), mail.subject.as_deref()), ("hello", Some("Hi")));
    }
}
