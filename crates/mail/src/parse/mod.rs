//! Turns the bytes of a mail into an [`InboundEmail`] and a list of what was wrong with it.
//!
//! Never fails and never panics: what cannot be understood is left out and named as a [`Defect`]. It decides nothing: whether a Date is
//! plausible, which conversation a mail belongs to and what an auto-reply may do are the app's questions.

mod attachment;
pub(crate) mod body;
mod charset;
mod dsn;
mod headers;
mod kind;
mod prepare;

use domain::{EmailAddress, Mailbox, Timestamp};
use headers::Headers;
use mail_parser::{HeaderName, Message, MessageParser, MimeHeaders, PartType};
use prepare::Prepared;
use std::fmt::Write;

/// What could be read from a mail. Ids stand without angle brackets; no text holds a NUL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InboundEmail {
    pub message_id: Option<String>,
    /// `X-Microsoft-Original-Message-ID`: what the sender called it before Outlook.com renamed it.
    pub original_message_id: Option<String>,
    pub in_reply_to: Vec<String>,
    /// Oldest first.
    pub references: Vec<String>,
    pub from: Vec<Mailbox>,
    pub reply_to: Vec<Mailbox>,
    pub to: Vec<Mailbox>,
    pub cc: Vec<Mailbox>,
    pub bcc: Vec<Mailbox>,
    /// `X-Original-Sender`: who wrote it, when a group or list rewrote From.
    pub original_sender: Option<Mailbox>,
    pub subject: Option<String>,
    /// What the Date header claims, plausible or not.
    pub date: Option<Timestamp>,
    /// The text/plain body, when there is one.
    pub text: Option<String>,
    /// The text/html body, when there is one; not sanitised.
    pub html: Option<String>,
    pub attachments: Vec<InboundAttachment>,
    pub kind: MailKind,
    /// A machine wrote it (Chatwoot's word): never answer it automatically.
    pub auto_reply: bool,
    /// `X-Auto-Response-Suppress` asks not to be answered automatically. No proof that a machine wrote it.
    pub answers_unwanted: bool,
    /// What a delivery or feedback report is about.
    pub report: Option<Report>,
    pub thread_index: Option<String>,
    /// The top-level media type, lower case, without parameters.
    pub content_type: String,
    pub multipart: bool,
    pub defects: Vec<Defect>,
}

/// A file in a mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InboundAttachment {
    /// Safe to show and to save.
    pub file_name: String,
    pub content_type: String,
    /// Without angle brackets.
    pub content_id: Option<String>,
    /// The HTML body shows it (`cid:`).
    pub inline: bool,
    pub bytes: Vec<u8>,
}

/// Who or what wrote a mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailKind {
    Human,
    /// A machine: notifications, receipts, answering robots.
    AutoReply,
    OutOfOffice,
    List,
    /// A report that a mail could not be delivered.
    Bounce,
    /// An abuse report (ARF).
    Complaint,
}

impl MailKind {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Human => "human",
            Self::AutoReply => "auto_reply",
            Self::OutOfOffice => "out_of_office",
            Self::List => "list",
            Self::Bounce => "bounce",
            Self::Complaint => "complaint",
        }
    }
}

/// What a delivery status notification or feedback report says about a mail of ours.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Message-IDs of the mail it is about, from the copy or headers it carries.
    pub about: Vec<String>,
    /// Final-Recipient of each failed recipient.
    pub failed_recipients: Vec<String>,
    /// The first enhanced status code, such as `5.1.1`.
    pub status: Option<String>,
    /// The first Diagnostic-Code, without its type.
    pub diagnostic: Option<String>,
}

/// What was wrong with a mail. None of these stops it from being shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Defect {
    /// Longer than the limit: what is here comes from its beginning.
    Truncated,
    /// No header could be found.
    NoHeaders,
    NoFrom,
    SeveralFrom,
    NoMessageId,
    NoDate,
    /// An address that no server would take; what was written.
    UnusableAddress(String),
    /// More header bytes than are read.
    HeadersTooLong,
    /// More attachments than are kept.
    TooManyParts,
    /// A body's bytes did not fit its declared charset; another one was used or characters were lost.
    CharsetMismatch,
    /// A part's transfer encoding was broken.
    BrokenEncoding,
    /// Not the mail but Exchange's note that it could not be retrieved: fetch it again later.
    Placeholder,
}

/// Reads a mail; of one longer than `limit_bytes` only the beginning.
pub fn parse(raw: &[u8], limit_bytes: usize) -> InboundEmail {
    let mut prepared = prepare::prepare(raw, limit_bytes);
    let mut defects = std::mem::take(&mut prepared.defects);
    let Some(mut message) = MessageParser::default().parse(prepared.bytes.as_ref()).filter(|m| !m.parts.is_empty())
    else {
        defects.extend([Defect::NoHeaders, Defect::NoFrom, Defect::NoMessageId, Defect::NoDate]);
        return without_headers(raw, limit_bytes, defects);
    };
    let mut email = read(&message, &prepared, defects);
    let shown = email.html.as_deref().map(body::cids_in).unwrap_or_default();
    email.attachments = attachment::attachments(&mut message, &prepared, &shown, &mut email.defects);
    dismantle(message);
    email
}

/// Everything but the files.
fn read(message: &Message<'_>, prepared: &Prepared<'_>, mut defects: Vec<Defect>) -> InboundEmail {
    let headers = Headers::of(message, &prepared.bytes);
    let from = headers.mailboxes(HeaderName::From, &mut defects);
    match from.len() {
        0 => defects.push(Defect::NoFrom),
        1 => {}
        _ => defects.push(Defect::SeveralFrom),
    }
    let message_id = headers.ids("Message-ID").into_iter().next();
    if message_id.is_none() {
        defects.push(Defect::NoMessageId);
    }
    let date = headers.date();
    if date.is_none() {
        defects.push(Defect::NoDate);
    }
    let subject = headers.text(HeaderName::Subject);
    if is_placeholder(&headers, subject.as_deref().unwrap_or_default()) {
        defects.push(Defect::Placeholder);
    }
    let root = message.root_part();
    let content_type = attachment::media_type(root, prepared);
    let report_type =
        root.content_type().and_then(|c| c.attribute("report-type")).unwrap_or_default().to_ascii_lowercase();
    let report = dsn::read(message, prepared);
    let judged = kind::judge(
        &headers,
        &content_type,
        &report_type,
        &from,
        subject.as_deref().unwrap_or_default(),
        report.as_ref(),
    );
    let bodies = body::bodies(message, prepared);
    if bodies.mislabelled && !defects.contains(&Defect::CharsetMismatch) {
        defects.push(Defect::CharsetMismatch);
    }
    InboundEmail {
        message_id,
        original_message_id: headers.ids("X-Microsoft-Original-Message-ID").into_iter().next(),
        in_reply_to: headers.ids("In-Reply-To"),
        references: headers.ids("References"),
        reply_to: headers.mailboxes(HeaderName::ReplyTo, &mut defects),
        to: headers.mailboxes(HeaderName::To, &mut defects),
        cc: headers.mailboxes(HeaderName::Cc, &mut defects),
        bcc: headers.mailboxes(HeaderName::Bcc, &mut defects),
        original_sender: headers.first("X-Original-Sender").and_then(|v| EmailAddress::parse(&v)).map(Mailbox::bare),
        from,
        subject,
        date,
        text: bodies.text,
        html: bodies.html,
        attachments: Vec::new(),
        kind: judged.kind,
        auto_reply: judged.auto_reply,
        answers_unwanted: judged.answers_unwanted,
        report: report.map(|r| r.report),
        thread_index: headers
            .first("Thread-Index")
            .map(|v| v.chars().filter(char::is_ascii_graphic).take(1_000).collect())
            .filter(|v: &String| !v.is_empty()),
        multipart: content_type.starts_with("multipart/"),
        content_type,
        defects,
    }
}

/// Exchange hands this out over IMAP for a mail that it cannot convert.
fn is_placeholder(headers: &Headers<'_>, subject: &str) -> bool {
    headers.lower("From").contains("microsoft@unknown")
        && subject.starts_with("Retrieval using the IMAP4 protocol failed")
}

/// What has no header at all is still shown: as text.
fn without_headers(raw: &[u8], limit_bytes: usize, defects: Vec<Defect>) -> InboundEmail {
    let text = body::clean(String::from_utf8_lossy(&raw[..raw.len().min(limit_bytes)]).into_owned());
    InboundEmail {
        message_id: None,
        original_message_id: None,
        in_reply_to: Vec::new(),
        references: Vec::new(),
        from: Vec::new(),
        reply_to: Vec::new(),
        to: Vec::new(),
        cc: Vec::new(),
        bcc: Vec::new(),
        original_sender: None,
        subject: None,
        date: None,
        text: Some(text).filter(|t| !t.is_empty()),
        html: None,
        attachments: Vec::new(),
        kind: MailKind::Human,
        auto_reply: false,
        answers_unwanted: false,
        report: None,
        thread_index: None,
        content_type: "text/plain".to_owned(),
        multipart: false,
        defects,
    }
}

/// Drops a message level by level: should one be nested in spite of [`prepare`], its own destruction would recurse.
fn dismantle(message: Message<'_>) {
    let mut waiting = vec![message];
    while let Some(message) = waiting.pop() {
        waiting.extend(message.parts.into_iter().filter_map(|part| match part.body {
            PartType::Message(inner) => Some(inner),
            PartType::Text(_)
            | PartType::Html(_)
            | PartType::Binary(_)
            | PartType::InlineBinary(_)
            | PartType::Multipart(_) => None,
        }));
    }
}

/// Of the words this much decides; the rest of a long mail says nothing new about its identity.
const FINGERPRINT_TEXT_CHARS: usize = 20_000;

fn letters(text: &str) -> String {
    let mut letters = String::with_capacity(text.len().min(FINGERPRINT_TEXT_CHARS));
    let mut left = FINGERPRINT_TEXT_CHARS;
    for c in text.chars().filter(|c| c.is_alphanumeric()) {
        if left == 0 {
            break;
        }
        // Nearly all of any text is ASCII, for which this is much less work.
        if c.is_ascii() {
            letters.push(c.to_ascii_lowercase());
            left -= 1;
        } else {
            let lower = c.to_lowercase().take(left);
            left -= lower.clone().count();
            letters.extend(lower);
        }
    }
    letters
}

/// What two copies of the same mail have in common even when Exchange has rebuilt the MIME around it: From, Date, Subject and the words of
/// its body: of the HTML where there is any, because Exchange makes the text version anew. Letters and digits only, without case, so that
/// re-wrapped lines and re-encoded punctuation make no difference.
pub fn fingerprint(email: &InboundEmail, body: &str) -> String {
    let mut from: Vec<String> = email.from.iter().map(|m| m.address.key()).collect();
    from.sort_unstable();
    let mut digest = ring::digest::Context::new(&ring::digest::SHA256);
    for field in [
        from.join(","),
        email.date.map_or_else(String::new, |d| d.seconds().to_string()),
        letters(email.subject.as_deref().unwrap_or_default()),
        letters(body),
    ] {
        digest.update(&(field.len() as u64).to_be_bytes());
        digest.update(field.as_bytes());
    }
    digest.finish().as_ref().iter().fold(String::with_capacity(64), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}
