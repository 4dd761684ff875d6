//! What an agent wants to say, and whether it can be said. Everything that is wrong is named at once.

use domain::channel::Capabilities;
use domain::message::attachment::safe_file_name;
use domain::message::{MAX_ATTACHMENTS, MAX_CONTENT_CHARS};
use domain::{EmailAddress, Mailbox, TokenId};
use serde_json::Value;
use std::fmt::Write as _;
use std::time::Duration;
use store::TokenHash;

/// The longest client-made attributes and the longest HTML kept, in bytes.
const MAX_ATTRIBUTES_BYTES: usize = 64 * 1024;
const MAX_HTML_BYTES: usize = 1024 * 1024;
pub const MAX_KEY_BYTES: usize = 255;
/// The longest a reply may be told to wait: a year.
pub const MAX_DELAY: Duration = Duration::from_secs(365 * 24 * 3600);

/// A reply or note as the agent wrote it.
#[derive(Clone, Debug, Default)]
pub struct Draft {
    /// Markdown.
    pub content: String,
    /// A note: never leaves.
    pub private: bool,
    /// `None`: whoever wrote last, else the contact. Addresses as given; checked here.
    pub to: Option<Vec<String>>,
    pub cc: Option<Vec<String>>,
    pub bcc: Option<Vec<String>>,
    pub attachments: Vec<UploadedFile>,
    /// An object; our own keys in it are overwritten.
    pub content_attributes: Value,
    /// Replaces the HTML made from `content`; sanitised before it leaves.
    pub html: Option<String>,
    /// How long it waits before it leaves, so that it can be cancelled until then. A note is there at once.
    pub delay: Duration,
    /// What the client calls the message until it has an id; echoed in its event, nothing more.
    pub echo_id: Option<String>,
    pub idempotency: Option<IdempotencyKey>,
}

/// Holds per account and token for 24 hours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotencyKey {
    pub token_id: TokenId,
    pub key: String,
}

#[derive(Clone, Debug)]
pub struct UploadedFile {
    pub file_name: String,
    pub content_type: String,
    pub bytes: Vec<u8>,
}

/// One thing that is wrong with what was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalid {
    /// The API's name of the field.
    pub field: &'static str,
    /// For people.
    pub message: String,
}

/// To, Cc and Bcc as mailboxes. `None` in `to`: nobody was named.
#[derive(Clone, Debug, Default)]
pub(super) struct Recipients {
    pub to: Option<Vec<Mailbox>>,
    pub cc: Vec<Mailbox>,
    pub bcc: Vec<Mailbox>,
}

impl Draft {
    /// Everything that is wrong with it, or its recipients.
    pub(super) fn checked(&self, capabilities: &Capabilities) -> Result<Recipients, Vec<Invalid>> {
        let mut wrong = Vec::new();
        let mut say = |field: &'static str, message: String| wrong.push(Invalid { field, message });
        if self.content.trim().is_empty() && self.attachments.is_empty() && self.html.is_none() {
            say("content", "Content can't be blank".to_owned());
        }
        if self.content.chars().nth(MAX_CONTENT_CHARS).is_some() {
            say("content", format!("Content is too long (maximum is {MAX_CONTENT_CHARS} characters)"));
        }
        if self.html.as_ref().is_some_and(|html| html.len() > MAX_HTML_BYTES) {
            say("email_html_content", "HTML is too long (maximum is 1 MB)".to_owned());
        }
        let attributes = &self.content_attributes;
        if !(attributes.is_null() || attributes.is_object()) || attributes.to_string().len() > MAX_ATTRIBUTES_BYTES {
            say("content_attributes", "Content attributes must be an object of at most 64 kB".to_owned());
        }
        if self.attachments.len() > MAX_ATTACHMENTS {
            say("attachments", format!("Too many attachments (maximum is {MAX_ATTACHMENTS})"));
        }
        // As base64 in the mail a file grows by a third, and by its line ends.
        let carried: u64 = self.attachments.iter().map(|file| file.bytes.len() as u64).sum::<u64>() / 3 * 4 / 76 * 78;
        if !self.private && carried > capabilities.max_message_bytes {
            let most = capabilities.max_message_bytes / 78 * 76 / 4 * 3 / 1_000_000;
            say("attachments", format!("Attachments are too large for the mail server (about {most} MB in all)"));
        }
        if self.delay > MAX_DELAY {
            say("delay_seconds", "A message may wait for a year at most".to_owned());
        }
        if self.private && !self.delay.is_zero() {
            say("delay_seconds", "A note does not leave, so it cannot wait".to_owned());
        }
        if self.idempotency.as_ref().is_some_and(|key| key.key.is_empty() || key.key.len() > MAX_KEY_BYTES) {
            say("idempotency_key", "The idempotency key must be 1 to 255 bytes long".to_owned());
        }
        let mut recipients = Recipients::default();
        if !self.private {
            recipients.to =
                self.to.as_deref().map(|list| mailboxes("to_emails", list, &mut wrong)).filter(|to| !to.is_empty());
            recipients.cc = mailboxes("cc_emails", self.cc.as_deref().unwrap_or_default(), &mut wrong);
            recipients.bcc = mailboxes("bcc_emails", self.bcc.as_deref().unwrap_or_default(), &mut wrong);
            let named = recipients.to.as_ref().map_or(1, Vec::len) + recipients.cc.len() + recipients.bcc.len();
            if named > capabilities.recipients_per_message as usize {
                let message = format!("Too many recipients (maximum is {})", capabilities.recipients_per_message);
                wrong.push(Invalid { field: "to_emails", message });
            }
        }
        if wrong.is_empty() { Ok(recipients) } else { Err(wrong) }
    }

    /// The files, with names that can be shown and saved.
    pub(super) fn take_files(&mut self) -> Vec<UploadedFile> {
        let files = std::mem::take(&mut self.attachments);
        files
            .into_iter()
            .enumerate()
            .map(|(at, file)| UploadedFile {
                file_name: safe_file_name(&file.file_name.replace('\0', ""), &format!("attachment-{}", at + 1)),
                content_type: plain_type(&file.content_type),
                bytes: file.bytes,
            })
            .collect()
    }

    /// What makes two requests the same request: everything but the echo.
    pub(super) fn request_hash(&self, conversation: i64) -> TokenHash {
        let mut text = format!("{conversation}\0{}\0{}", self.private, self.content);
        for list in [&self.to, &self.cc, &self.bcc] {
            let _ = write!(text, "\0{list:?}");
        }
        let _ = write!(text, "\0{}\0{:?}", self.content_attributes, self.html);
        if !self.delay.is_zero() {
            let _ = write!(text, "\0{}", self.delay.as_secs());
        }
        let mut bytes = text.into_bytes();
        for file in &self.attachments {
            bytes.extend_from_slice(
                format!("\0{}\0{}\0{}\0", file.file_name, file.content_type, file.bytes.len()).as_bytes(),
            );
            bytes.extend_from_slice(&file.bytes);
        }
        TokenHash::of_bytes(&bytes)
    }
}

/// One address per entry; entries may also hold several, separated by commas, as Chatwoot's clients send them.
fn mailboxes(field: &'static str, list: &[String], wrong: &mut Vec<Invalid>) -> Vec<Mailbox> {
    let mut found: Vec<Mailbox> = Vec::new();
    for text in list.iter().flat_map(|entry| entry.split(',')).map(str::trim).filter(|text| !text.is_empty()) {
        match EmailAddress::parse(text) {
            Some(address) if found.iter().any(|known| known.address.same_as(&address)) => {}
            Some(address) => found.push(Mailbox::bare(address)),
            None => {
                let shown: String = text.chars().filter(|c| !c.is_control()).take(100).collect();
                wrong.push(Invalid { field, message: format!("Invalid email address: {shown}") });
            }
        }
    }
    found
}

/// A media type that can stand in a header; anything else is just bytes.
fn plain_type(claimed: &str) -> String {
    let plain = claimed.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let word = |text: &str| {
        !text.is_empty()
            && text.len() <= 127
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&b))
    };
    match plain.split_once('/') {
        Some((kind, sub)) if word(kind) && word(sub) => plain,
        Some(_) | None => "application/octet-stream".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::channel::Provider;

    fn checked(draft: &Draft) -> Result<Recipients, Vec<Invalid>> {
        draft.checked(&Provider::Microsoft.capabilities())
    }

    #[test]
    fn every_bad_address_is_named() {
        let draft = Draft {
            content: "hi".to_owned(),
            to: Some(vec!["ada@x.example, nobody".to_owned()]),
            cc: Some(vec!["also wrong".to_owned()]),
            ..Draft::default()
        };
        let wrong = checked(&draft).expect_err("two are wrong");
        let named: Vec<_> = wrong.iter().map(|w| (w.field, w.message.as_str())).collect();
        assert_eq!(
            named,
            [("to_emails", "Invalid email address: nobody"), ("cc_emails", "Invalid email address: also wrong")]
        );
    }

    #[test]
    fn a_blank_message_and_one_too_long_and_too_many_files_are_refused() {
        assert_eq!(checked(&Draft::default()).expect_err("blank")[0].field, "content");
        let long = Draft { content: "é".repeat(MAX_CONTENT_CHARS + 1), ..Draft::default() };
        assert_eq!(checked(&long).expect_err("long")[0].field, "content");
        let file = UploadedFile { file_name: "a".to_owned(), content_type: "x/y".to_owned(), bytes: vec![0] };
        let many = Draft { attachments: vec![file; 16], ..Draft::default() };
        assert_eq!(checked(&many).expect_err("many")[0].field, "attachments");
    }

    #[test]
    fn an_uploaded_file_loses_its_path_and_a_strange_type() {
        let file = |name: &str, kind: &str| UploadedFile {
            file_name: name.to_owned(),
            content_type: kind.to_owned(),
            bytes: Vec::new(),
        };
        let mut draft = Draft {
            attachments: vec![file("../../x.pdf", "application/pdf; name=x"), file("", "text/html\r\nX: y")],
            ..Draft::default()
        };
        let files = draft.take_files();
        assert_eq!((files[0].file_name.as_str(), files[0].content_type.as_str()), ("x.pdf", "application/pdf"));
        assert_eq!(
            (files[1].file_name.as_str(), files[1].content_type.as_str()),
            ("attachment-2", "application/octet-stream")
        );
    }

    #[test]
    fn the_same_request_hashes_alike_and_another_body_does_not() {
        let draft = |content: &str, echo: &str| Draft {
            content: content.to_owned(),
            echo_id: Some(echo.to_owned()),
            ..Draft::default()
        };
        assert_eq!(draft("a", "1").request_hash(1), draft("a", "2").request_hash(1));
        assert_ne!(draft("a", "1").request_hash(1), draft("b", "1").request_hash(1));
        assert_ne!(draft("a", "1").request_hash(1), draft("a", "1").request_hash(2));
    }
}
