//! Builds the bytes of an outgoing mail. The same [`Outgoing`] gives the same bytes, so a retry sends the same mail.

use domain::{EmailAddress, Mailbox, Timestamp};

/// Everything a mail is made of.
#[derive(Clone, Debug)]
pub struct Outgoing {
    pub from: Mailbox,
    pub reply_to: Vec<Mailbox>,
    pub to: Vec<Mailbox>,
    pub cc: Vec<Mailbox>,
    /// Recipients of the envelope only: never in a header.
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

impl Outgoing {
    /// To, Cc and Bcc, each address once.
    pub fn recipients(&self) -> Vec<EmailAddress> {
        todo!()
    }
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

pub fn compose(mail: &Outgoing) -> Result<Vec<u8>, ComposeError> {
    let _ = mail;
    todo!()
}

/// "Re: " before the subject, once.
pub fn reply_subject(subject: &str) -> String {
    let _ = subject;
    todo!()
}

/// The References of a reply: the parent's, then the parent.
pub fn references_for(parent_references: &[String], parent_id: Option<&str>) -> Vec<String> {
    let _ = (parent_references, parent_id);
    todo!()
}

/// Markdown → HTML for a mail; raw HTML in it is shown as text.
pub fn markdown_to_html(markdown: &str) -> String {
    let _ = markdown;
    todo!()
}

/// Markdown → the text/plain alternative.
pub fn markdown_to_text(markdown: &str) -> String {
    let _ = markdown;
    todo!()
}

/// HTML → readable text; linear, and harmless with any input.
pub fn html_to_text(html: &str) -> String {
    let _ = html;
    todo!()
}
