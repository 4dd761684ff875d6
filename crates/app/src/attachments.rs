//! Files of messages, reached by addresses that are signed and expire, so that a browser can show an image without a header.
//!
//! The address names account, attachment and end, and carries a MAC under the account's own key; nothing in it can be changed. Whoever
//! has it can read the file until it ends, as with any signed link; the API gives it only to members who see the conversation.

use crate::App;
use crate::accounts::Member;
use crate::conversations::{ReadError, show};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::message::Attachment;
use domain::{AccountId, AttachmentId, DisplayId, Timestamp};
use store::{AccountScope, LinkSigner, StoreError};

const VERSION: u8 = 1;
const BODY_BYTES: usize = 1 + 3 * 8;
const MAC_BYTES: usize = 32;
const DAY_SECONDS: i64 = 24 * 3600;

/// A file as it is handed out. The content type is the sender's claim: serve it as a download, without sniffing.
#[derive(Clone, Debug)]
pub struct File {
    pub file_name: String,
    pub content_type: String,
    pub bytes: Vec<u8>,
}

#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Not one of ours, expired, or the file is gone: the three look the same.
    #[error("the link is not valid any more")]
    NotFound,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Makes the addresses of one account's attachments.
#[derive(Clone, Debug)]
pub struct Signer {
    base: String,
    account: AccountId,
    signer: LinkSigner,
    expires_at_seconds: i64,
}

/// One for a whole answer: it reads the account's key once.
pub async fn signer(app: &App, scope: &AccountScope) -> Result<Signer, StoreError> {
    // The end is a midnight: the address of a file stays the same for a day, so that browsers can cache it.
    let today = app.now().seconds().div_euclid(DAY_SECONDS);
    Ok(Signer {
        base: app.settings().link("/attachments"),
        account: scope.account_id(),
        signer: scope.link_signer().await?,
        expires_at_seconds: (today + 2) * DAY_SECONDS,
    })
}

/// The address of one attachment, good for one to two days.
pub async fn url(app: &App, scope: &AccountScope, attachment: &Attachment) -> Result<String, StoreError> {
    Ok(signer(app, scope).await?.url(attachment))
}

impl Signer {
    pub fn url(&self, attachment: &Attachment) -> String {
        format!("{}/{}", self.base, self.token(attachment.id))
    }

    fn token(&self, attachment: AttachmentId) -> String {
        let mut bytes = body(self.account, attachment, self.expires_at_seconds);
        let mac = self.signer.sign(&bytes);
        bytes.extend_from_slice(&mac);
        URL_SAFE_NO_PAD.encode(bytes)
    }
}

fn body(account: AccountId, attachment: AttachmentId, expires_at_seconds: i64) -> Vec<u8> {
    let mut bytes = vec![VERSION];
    for number in [account.0, attachment.0, expires_at_seconds] {
        bytes.extend_from_slice(&number.to_be_bytes());
    }
    bytes
}

/// One page of a conversation's files, newest first, and how many there are in all.
pub async fn of_conversation(
    app: &App,
    member: &Member,
    conversation: DisplayId,
    page: u32,
) -> Result<(Vec<Attachment>, u64), ReadError> {
    let view = show(app, member, conversation).await?;
    Ok(member.scope.attachments_of_conversation(view.conversation.id, page.max(1)).await?)
}

/// What a token claims; worth nothing before its MAC was checked.
struct Claim {
    account: AccountId,
    attachment: AttachmentId,
    expires_at: Timestamp,
    body: Vec<u8>,
    mac: Vec<u8>,
}

fn claim(token: &str) -> Option<Claim> {
    let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
    if bytes.len() != BODY_BYTES + MAC_BYTES || bytes[0] != VERSION {
        return None;
    }
    let number = |at: usize| bytes[at..at + 8].try_into().ok().map(i64::from_be_bytes);
    Some(Claim {
        account: AccountId(number(1)?),
        attachment: AttachmentId(number(9)?),
        expires_at: Timestamp::from_seconds(number(17)?),
        body: bytes[..BODY_BYTES].to_vec(),
        mac: bytes[BODY_BYTES..].to_vec(),
    })
}

/// The file behind a token of ours.
pub async fn open(app: &App, token: &str) -> Result<File, OpenError> {
    let claim = claim(token).filter(|claim| claim.expires_at > app.now()).ok_or(OpenError::NotFound)?;
    // The link is the proof: only its MAC opens the account.
    let opened = app.store().attachment_links().open(claim.account, &claim.body, &claim.mac).await?;
    let scope = opened.ok_or(OpenError::NotFound)?;
    let attachment = scope.attachment(claim.attachment).await?.ok_or(OpenError::NotFound)?;
    let bytes = scope.read_blob(attachment.blob_id).await?.ok_or(OpenError::NotFound)?;
    Ok(File { file_name: attachment.file_name, content_type: attachment.content_type, bytes })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_says_what_was_signed() {
        let mut bytes = body(AccountId(7), AttachmentId(42), 1_760_000_000);
        bytes.extend_from_slice(&[5; MAC_BYTES]);
        let read = claim(&URL_SAFE_NO_PAD.encode(&bytes)).expect("a token");
        assert_eq!((read.account, read.attachment), (AccountId(7), AttachmentId(42)));
        assert_eq!((read.expires_at, read.body.len()), (Timestamp::from_seconds(1_760_000_000), BODY_BYTES));
        assert_eq!(read.mac, [5; MAC_BYTES]);
    }

    #[test]
    fn what_is_no_token_is_none() {
        for text in ["", "AAAA", "é", &"A".repeat(76)] {
            assert!(claim(text).is_none(), "{text}");
        }
    }
}
