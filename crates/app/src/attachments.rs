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
use domain::{AccountId, AttachmentId, DisplayId, Secret, Timestamp};
use ring::hmac;
use store::{AccountScope, StoreError};

const VERSION: u8 = 1;
const BODY_BYTES: usize = 1 + 3 * 8;
const MAC_BYTES: usize = 32;
const DAY_SECONDS: i64 = 24 * 3600;
/// Keeps a MAC made here from ever being one made for a Message-ID.
const PURPOSE: &[u8] = b"postroom attachment link\0";

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
    key: hmac::Key,
    expires_at_seconds: i64,
}

/// One for a whole answer: it reads the account's key once.
pub async fn signer(app: &App, scope: &AccountScope) -> Result<Signer, StoreError> {
    let keys = scope.message_id_keys().await?;
    let (_, key) = keys.first().ok_or_else(|| StoreError::Corrupt("the account has no signing key".to_owned()))?;
    // The end is a midnight: the address of a file stays the same for a day, so that browsers can cache it.
    let today = app.now().seconds().div_euclid(DAY_SECONDS);
    Ok(Signer {
        base: app.settings().link("/attachments"),
        account: scope.account_id(),
        key: mac_key(key),
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
        let mut bytes = vec![VERSION];
        for number in [self.account.0, attachment.0, self.expires_at_seconds] {
            bytes.extend_from_slice(&number.to_be_bytes());
        }
        let mac = hmac::sign(&self.key, &bytes);
        bytes.extend_from_slice(mac.as_ref());
        URL_SAFE_NO_PAD.encode(bytes)
    }
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
    // The link is the proof, and its key is the account's: the scope is used for nothing else until the MAC holds.
    let scope = app.store().operator().account(claim.account).await?.ok_or(OpenError::NotFound)?;
    let keys = scope.message_id_keys().await?;
    if !keys.iter().any(|(_, key)| hmac::verify(&mac_key(key), &claim.body, &claim.mac).is_ok()) {
        return Err(OpenError::NotFound);
    }
    let attachment = scope.attachment(claim.attachment).await?.ok_or(OpenError::NotFound)?;
    let bytes = scope.read_blob(attachment.blob_id).await?.ok_or(OpenError::NotFound)?;
    Ok(File { file_name: attachment.file_name, content_type: attachment.content_type, bytes })
}

fn mac_key(account_key: &Secret) -> hmac::Key {
    let root = hmac::Key::new(hmac::HMAC_SHA256, account_key.expose().as_bytes());
    hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(&root, PURPOSE).as_ref())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signer() -> Signer {
        Signer {
            base: "https://desk.example/attachments".to_owned(),
            account: AccountId(7),
            key: mac_key(&Secret::new("k")),
            expires_at_seconds: 1_760_000_000,
        }
    }

    #[test]
    fn a_token_says_what_was_signed_and_a_changed_one_has_another_mac() {
        let token = signer().token(AttachmentId(42));
        let read = claim(&token).expect("ours");
        assert_eq!((read.account, read.attachment), (AccountId(7), AttachmentId(42)));
        let key = mac_key(&Secret::new("k"));
        assert!(hmac::verify(&key, &read.body, &read.mac).is_ok());
        let mut other = read.body.clone();
        other[16] ^= 1;
        assert!(hmac::verify(&key, &other, &read.mac).is_err());
        assert!(hmac::verify(&mac_key(&Secret::new("another account's")), &read.body, &read.mac).is_err());
    }

    #[test]
    fn what_is_no_token_is_none() {
        for text in ["", "AAAA", "é", &"A".repeat(76)] {
            assert!(claim(text).is_none(), "{text}");
        }
    }
}
