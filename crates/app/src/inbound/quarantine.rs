//! Mails that are no messages: those that could not be understood, and those that were left out on purpose, each with its reason.
//!
//! The bytes are kept as they came. An administrator reads what can be read of them, takes them as a download, has them tried again, or lets
//! them be. Nothing here shows a mail's HTML.

use super::reasons::Reason;
use crate::accounts::Member;
use crate::{App, Hint};
use domain::{RawEmailId, Timestamp};
use mail::parse::{self, InboundEmail};
use store::StoreError;
pub use store::{LeftOutFilter, LeftOutState, RawEmail, RawEmailState};

/// Of a mail that is shown, so much is read at most; nothing more than its head and its first words is shown.
const READ_BYTES: usize = 256 * 1024;
const EXCERPT_CHARS: usize = 1000;

#[derive(Debug, thiserror::Error)]
pub enum QuarantineError {
    #[error("only administrators look into the quarantine")]
    Forbidden,
    #[error("no such mail")]
    NotFound,
    /// The row is there, its bytes are not.
    #[error("the mail's bytes are missing")]
    BytesLost,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A mail with what can be read of it.
#[derive(Clone, Debug)]
pub struct Examined {
    pub email: RawEmail,
    /// `None`: nothing can be read, or the bytes are lost.
    pub read: Option<Glimpse>,
}

/// What a mail says about itself; all of it is a stranger's word.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Glimpse {
    pub from: Vec<String>,
    pub to: Vec<String>,
    pub subject: Option<String>,
    pub date: Option<Timestamp>,
    pub excerpt: Option<String>,
}

/// Why it is no message: a stable code, and words for people.
pub fn reason(email: &RawEmail) -> Option<(String, String)> {
    let text = email.reason.as_deref()?;
    let is_code = |code: &str| !code.is_empty() && code.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    Some(match text.split_once(": ").filter(|(code, _)| is_code(code)) {
        Some((code, words)) => (code.to_owned(), words.to_owned()),
        // What broke down again and again says so in a failure's words.
        None => (Reason::Unreadable.code().to_owned(), text.to_owned()),
    })
}

/// One page, newest first, and how many there are in all.
pub async fn list(
    _app: &App,
    member: &Member,
    filter: &LeftOutFilter,
) -> Result<(Vec<RawEmail>, u64), QuarantineError> {
    administrator(member)?;
    Ok(member.scope.left_out(filter).await?)
}

pub async fn show(_app: &App, member: &Member, id: RawEmailId) -> Result<Examined, QuarantineError> {
    let email = found(member, id).await?;
    let read = match bytes_of(member, &email).await {
        Ok(bytes) => glimpse(bytes).await,
        Err(QuarantineError::Store(error)) if error.is_transient() => return Err(error.into()),
        Err(_) => None,
    };
    Ok(Examined { email, read })
}

/// The mail as it came.
pub async fn raw(_app: &App, member: &Member, id: RawEmailId) -> Result<Vec<u8>, QuarantineError> {
    let email = found(member, id).await?;
    bytes_of(member, &email).await
}

/// Has it tried again. Asked twice, it is tried once; what is a message already stays one.
pub async fn reprocess(app: &App, member: &Member, id: RawEmailId) -> Result<RawEmail, QuarantineError> {
    found(member, id).await?;
    if member.scope.reprocess_raw_email(id).await? {
        tracing::info!(raw_email.id = %id, account.id = %member.account.id, "somebody asked to try a mail again");
        app.wake(Hint::Owed);
    }
    found(member, id).await
}

/// Keeps it, and lists it no more.
pub async fn dismiss(_app: &App, member: &Member, id: RawEmailId) -> Result<RawEmail, QuarantineError> {
    found(member, id).await?;
    member.scope.dismiss_raw_email(id).await?;
    found(member, id).await
}

fn administrator(member: &Member) -> Result<(), QuarantineError> {
    if member.may_manage_inboxes() { Ok(()) } else { Err(QuarantineError::Forbidden) }
}

async fn found(member: &Member, id: RawEmailId) -> Result<RawEmail, QuarantineError> {
    administrator(member)?;
    member.scope.raw_email(id).await?.ok_or(QuarantineError::NotFound)
}

async fn bytes_of(member: &Member, email: &RawEmail) -> Result<Vec<u8>, QuarantineError> {
    match member.scope.read_blob(email.blob_id).await {
        Ok(Some(bytes)) => Ok(bytes),
        Ok(None) => Err(QuarantineError::BytesLost),
        Err(error) if error.is_transient() => Err(error.into()),
        Err(_) => Err(QuarantineError::BytesLost),
    }
}

/// What breaks the reader over this mail must not break whoever looks at it.
async fn glimpse(bytes: Vec<u8>) -> Option<Glimpse> {
    let reading = tokio::task::spawn_blocking(move || {
        let email = parse::parse(&bytes[..bytes.len().min(READ_BYTES)], READ_BYTES);
        seen(&email)
    });
    reading.await.ok()
}

fn seen(email: &InboundEmail) -> Glimpse {
    let shown = |people: &[domain::Mailbox]| people.iter().take(50).map(|one| one.address.to_string()).collect();
    let words = email.text.as_deref().map(|text| text.trim().chars().take(EXCERPT_CHARS).collect::<String>());
    Glimpse {
        from: shown(&email.from),
        to: shown(&email.to),
        subject: email.subject.clone(),
        date: email.date,
        excerpt: words.filter(|words| !words.is_empty()),
    }
}
