//! Sealing of secrets: XChaCha20-Poly1305 under a ring of keys.
//!
//! A sealed value carries the id of its key, so that keys can be rotated while we run: the first key of the ring seals, every key
//! opens. The associated data is the account, the purpose and a random uid stored beside the value (row ids are not known when
//! sealing), so a value copied into another row, column or account does not open. Never logs, never shows.

use crate::{Result, StoreError};
use base64::Engine as _;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use domain::{AccountId, Entropy, Secret};

const NONCE_BYTES: usize = 24;
/// The first byte of a sealed value: how the rest is laid out.
const LAYOUT: u8 = 1;

/// The keys that seal secrets: the first seals, all open.
#[derive(Clone)]
pub struct KeyRing {
    keys: Vec<(String, [u8; 32])>,
}

impl std::fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.keys.iter().map(|(id, _)| id)).finish()
    }
}

/// Says which part of the configuration is wrong, never what it holds.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{0}")]
pub struct KeyRingError(pub String);

impl KeyRing {
    /// `kid:base64,kid2:base64`; the first seals. A bare base64 key is the key `default`. Each key is 32 bytes.
    pub fn parse(text: &Secret) -> Result<Self, KeyRingError> {
        let mut keys: Vec<(String, [u8; 32])> = Vec::new();
        for (index, part) in text.expose().split(',').map(str::trim).filter(|p| !p.is_empty()).enumerate() {
            let (id, encoded) = part.split_once(':').unwrap_or(("default", part));
            if id.is_empty() || id.len() > 64 || !id.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
            {
                return Err(KeyRingError(format!("key {}: its id may hold letters, digits, - and _ only", index + 1)));
            }
            let engine = if encoded.contains(['-', '_']) {
                base64::engine::general_purpose::URL_SAFE_NO_PAD
            } else {
                base64::engine::general_purpose::STANDARD_NO_PAD
            };
            let bytes = engine
                .decode(encoded.trim_end_matches('='))
                .map_err(|_| KeyRingError(format!("key {}: it is not base64", index + 1)))?;
            let key = <[u8; 32]>::try_from(bytes)
                .map_err(|b| KeyRingError(format!("key {}: it has {} bytes, 32 are needed", index + 1, b.len())))?;
            if keys.iter().any(|(known, _)| known == id) {
                return Err(KeyRingError(format!("key {}: the id {id} is used twice", index + 1)));
            }
            keys.push((id.to_owned(), key));
        }
        if keys.is_empty() { Err(KeyRingError("no key is given".to_owned())) } else { Ok(Self { keys }) }
    }

    /// For tests and the demo: one key named `default`.
    pub fn single(key: [u8; 32]) -> Self {
        Self { keys: vec![("default".to_owned(), key)] }
    }

    /// In the ring's order: the first seals.
    pub(crate) fn ids(&self) -> impl Iterator<Item = &str> {
        self.keys.iter().map(|(id, _)| id.as_str())
    }

    /// What everything begins with that the first key sealed.
    pub(crate) fn first_prefix(&self) -> Vec<u8> {
        let (id, _) = self.keys.first().expect("parse refuses an empty ring");
        prefix(id)
    }

    pub(crate) fn seal(&self, place: &SealedPlace<'_>, entropy: &dyn Entropy, plain: &[u8]) -> Vec<u8> {
        let (id, key) = self.keys.first().expect("parse refuses an empty ring");
        let mut nonce = [0; NONCE_BYTES];
        entropy.fill(&mut nonce);
        let sealed = XChaCha20Poly1305::new(Key::from_slice(key))
            .encrypt(XNonce::from_slice(&nonce), Payload { msg: plain, aad: &place.associated_data() })
            .expect("encryption fails only beyond 256 GB");
        [prefix(id).as_slice(), &nonce, &sealed].concat()
    }

    pub(crate) fn open(&self, place: &SealedPlace<'_>, sealed: &[u8]) -> Result<Vec<u8>> {
        let unreadable = |why: &str| StoreError::SecretUnreadable(format!("{}: {why}", place.purpose));
        let [LAYOUT, id_length, rest @ ..] = sealed else {
            return Err(unreadable("unknown layout"));
        };
        let (id, rest) = rest.split_at_checked(usize::from(*id_length)).ok_or_else(|| unreadable("cut short"))?;
        let (nonce, body) = rest.split_at_checked(NONCE_BYTES).ok_or_else(|| unreadable("cut short"))?;
        let (_, key) = self
            .keys
            .iter()
            .find(|(known, _)| known.as_bytes() == id)
            .ok_or_else(|| unreadable(&format!("sealed with the key {:?}", String::from_utf8_lossy(id))))?;
        XChaCha20Poly1305::new(Key::from_slice(key))
            .decrypt(XNonce::from_slice(nonce), Payload { msg: body, aad: &place.associated_data() })
            .map_err(|_| unreadable("it was changed, or belongs elsewhere"))
    }

    pub(crate) fn open_text(&self, place: &SealedPlace<'_>, sealed: &[u8]) -> Result<Secret> {
        String::from_utf8(self.open(place, sealed)?)
            .map(Secret::new)
            .map_err(|_| StoreError::SecretUnreadable(format!("{}: not text", place.purpose)))
    }
}

/// What everything begins with that the key of this id sealed.
pub(crate) fn prefix(id: &str) -> Vec<u8> {
    let id_length = u8::try_from(id.len()).expect("parse bounds the id");
    [&[LAYOUT, id_length], id.as_bytes()].concat()
}

/// Which key sealed it, as far as it says so.
pub(crate) fn key_id_of(sealed: &[u8]) -> Option<&str> {
    let [LAYOUT, id_length, rest @ ..] = sealed else { return None };
    let (id, _) = rest.split_at_checked(usize::from(*id_length))?;
    std::str::from_utf8(id).ok()
}

/// Where a sealed value belongs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SealedPlace<'a> {
    pub(crate) account: AccountId,
    pub(crate) purpose: &'a str,
    pub(crate) uid: &'a str,
}

impl SealedPlace<'_> {
    fn associated_data(&self) -> Vec<u8> {
        format!("postroom\0{}\0{}\0{}", self.account, self.purpose, self.uid).into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Sevens;
    impl Entropy for Sevens {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(7);
        }
    }

    fn ring(text: &str) -> KeyRing {
        KeyRing::parse(&Secret::new(text)).unwrap()
    }

    const OLD: &str = "old:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    const NEW: &str = "new:AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE=";
    const HERE: SealedPlace<'static> = SealedPlace { account: AccountId(1), purpose: "grant.refresh_token", uid: "u1" };

    #[test]
    fn a_secret_opens_only_where_it_was_sealed() {
        let keys = ring(OLD);
        let sealed = keys.seal(&HERE, &Sevens, b"token");
        assert_eq!(keys.open(&HERE, &sealed).unwrap(), b"token");
        for elsewhere in [
            SealedPlace { account: AccountId(2), ..HERE },
            SealedPlace { purpose: "connection.handshake", ..HERE },
            SealedPlace { uid: "u2", ..HERE },
        ] {
            assert!(matches!(keys.open(&elsewhere, &sealed), Err(StoreError::SecretUnreadable(_))));
        }
        let mut changed = sealed;
        *changed.last_mut().unwrap() ^= 1;
        assert!(keys.open(&HERE, &changed).is_err());
    }

    #[test]
    fn a_rotated_ring_opens_what_the_old_key_sealed_and_seals_with_the_new() {
        let sealed = ring(OLD).seal(&HERE, &Sevens, b"token");
        let rotated = ring(&format!("{NEW},{OLD}"));
        assert_eq!(rotated.open(&HERE, &sealed).unwrap(), b"token");
        let again = rotated.seal(&HERE, &Sevens, b"token");
        assert!(ring(OLD).open(&HERE, &again).is_err());
    }

    #[test]
    fn cut_values_and_bad_rings_are_errors_that_show_nothing() {
        let keys = ring(OLD);
        let sealed = keys.seal(&HERE, &Sevens, b"token");
        for length in 0..sealed.len() {
            assert!(keys.open(&HERE, &sealed[..length]).is_err());
        }
        for bad in ["", "a:short", "a b:AAAA", "x:!!!!", &format!("{OLD},{OLD}")] {
            let error = KeyRing::parse(&Secret::new(bad)).unwrap_err();
            assert!(!error.to_string().contains("AAAA"));
        }
        assert_eq!(format!("{keys:?}"), "[\"old\"]");
    }
}
