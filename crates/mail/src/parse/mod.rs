//! Turns the bytes of a mail into an [`InboundEmail`] and a list of what was wrong with it.
//!
//! Never fails and never panics: what cannot be understood is left out and named as a [`Defect`]. It decides nothing: whether a Date is
//! plausible, which conversation a mail belongs to and what an auto-reply may do are the app's questions.

use domain::{Mailbox, Timestamp};

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
}

/// Reads a mail; of one longer than `limit_bytes` only the beginning.
pub fn parse(raw: &[u8], limit_bytes: usize) -> InboundEmail {
    let _ = (raw, limit_bytes);
    todo!()
}

/// What two copies of the same mail have in common even when Exchange has rebuilt the MIME around it: From, Date, Subject and the words.
pub fn fingerprint(email: &InboundEmail) -> String {
    let _ = email;
    todo!()
}
