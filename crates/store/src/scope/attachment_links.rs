//! Signed links to attachments: who holds one may read that file, and proves it by a MAC under a key of the account.
//!
//! The key is made from the account's signing key for this purpose alone and leaves this file only to sign. A link opens the account's
//! scope only when its MAC was right; before that, nothing of the account is read but its keys.

use crate::connect::Inner;
use crate::*;
use domain::{AccountId, Secret};
use ring::hmac;
use std::sync::Arc;

/// Keeps a MAC made here from ever being one made for a Message-ID.
const PURPOSE: &[u8] = b"postroom attachment link\0";

fn mac_key(account_key: &Secret) -> hmac::Key {
    let root = hmac::Key::new(hmac::HMAC_SHA256, account_key.expose().as_bytes());
    hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(&root, PURPOSE).as_ref())
}

/// Signs links for one account. Its `Debug` says nothing.
#[derive(Clone)]
pub struct LinkSigner(hmac::Key);

impl std::fmt::Debug for LinkSigner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LinkSigner(…)")
    }
}

impl LinkSigner {
    pub fn sign(&self, body: &[u8]) -> Vec<u8> {
        hmac::sign(&self.0, body).as_ref().to_vec()
    }
}

impl AccountScope {
    pub async fn link_signer(&self) -> Result<LinkSigner> {
        Ok(LinkSigner(mac_key(&self.signing_key().await?)))
    }
}

/// The scope of links to attachments, before anybody is known.
#[derive(Clone, Debug)]
pub struct AttachmentLinks {
    pub(crate) inner: Arc<Inner>,
}

impl AttachmentLinks {
    /// The account whose key made `mac` for `body`. `None`: there is no such account, or the MAC is not of any of its keys.
    pub async fn open(&self, account: AccountId, body: &[u8], mac: &[u8]) -> Result<Option<AccountScope>> {
        let scope = self.inner.scope(account);
        let keys = scope.message_id_keys().await?;
        let ours = keys.iter().any(|(_, key)| hmac::verify(&mac_key(key), body, mac).is_ok());
        Ok(ours.then_some(scope))
    }
}
