//! The keys that sign id_tokens, by key id, each with the issuer it may sign for.
//!
//! Keys change without notice ("Signing key rollover", Microsoft identity platform): an unknown id asks for the list once more, at most
//! every five minutes. Keys of kinds we do not use are skipped, never an error.

use crate::{
    Microsoft,
    call::unreachable,
    discovery::{Document, Issuer},
    errors::classify_token_error,
};
use domain::{Failure, FailureClass};
use jsonwebtoken::DecodingKey;
use serde::Deserialize;
use std::{collections::HashMap, sync::Arc};

/// More keys than any provider publishes; what comes after them is not read.
const MAX_KEYS: usize = 200;

#[derive(Debug)]
pub struct KeySet {
    by_kid: HashMap<String, Arc<SigningKey>>,
}

#[derive(Debug)]
pub struct SigningKey {
    pub(crate) key: DecodingKey,
    pub(crate) issuer: Option<Issuer>,
    pub(crate) cloud_instance_name: Option<String>,
}

#[derive(Deserialize)]
struct RawSet {
    keys: Vec<serde_json::Value>,
}

#[derive(Deserialize)]
struct RawKey {
    kty: String,
    #[serde(default, rename = "use")]
    usage: Option<String>,
    #[serde(default)]
    alg: Option<String>,
    kid: String,
    n: String,
    e: String,
    #[serde(default)]
    issuer: Option<String>,
    #[serde(default)]
    cloud_instance_name: Option<String>,
}

impl KeySet {
    pub(crate) fn parse(json: &[u8]) -> Result<Self, Failure> {
        let raw: RawSet = serde_json::from_slice(json)
            .map_err(|_| Failure::new(FailureClass::SignInUnavailable).detail("the key list cannot be read"))?;
        let mut by_kid = HashMap::new();
        for value in raw.keys.into_iter().take(MAX_KEYS) {
            if let Some((kid, key)) = serde_json::from_value(value).ok().and_then(usable) {
                by_kid.insert(kid, Arc::new(key));
            }
        }
        Ok(Self { by_kid })
    }

    fn is_empty(&self) -> bool {
        self.by_kid.is_empty()
    }

    pub(crate) fn find(&self, kid: &str) -> Option<Arc<SigningKey>> {
        self.by_kid.get(kid).cloned()
    }
}

fn usable(raw: RawKey) -> Option<(String, SigningKey)> {
    let for_rs256 = raw.kty == "RSA"
        && raw.usage.is_none_or(|usage| usage == "sig")
        && raw.alg.is_none_or(|alg| alg == "RS256")
        && !raw.kid.is_empty();
    let key = DecodingKey::from_rsa_components(&raw.n, &raw.e).ok().filter(|_| for_rs256)?;
    let signing = SigningKey { key, issuer: raw.issuer.map(Issuer::new), cloud_instance_name: raw.cloud_instance_name };
    Some((raw.kid, signing))
}

impl Microsoft {
    /// The key called `kid`, or `None` when Microsoft does not publish it.
    pub(crate) async fn signing_key(&self, document: &Document, kid: &str) -> Result<Option<Arc<SigningKey>>, Failure> {
        let clock = self.inner.clock.as_ref();
        let held = self.inner.documents.keys.get(clock, self.fetch_keys(document)).await?;
        if let Some(key) = held.find(kid) {
            return Ok(Some(key));
        }
        let newer = self.inner.documents.keys.again(clock, &held, self.fetch_keys(document)).await?;
        Ok(newer.and_then(|keys| keys.find(kid)))
    }

    pub(crate) async fn fetch_keys(&self, document: &Document) -> Result<KeySet, Failure> {
        let answer = self.inner.connector.http().get(&document.jwks_uri).await.map_err(|error| unreachable(&error))?;
        if answer.status != 200 {
            return Err(classify_token_error(answer.status, answer.retry_after(), &answer.body));
        }
        let keys = KeySet::parse(&answer.body)?;
        // A list of nothing is a bad day of the service, and takes the place of no list that was good: else every token would be blamed for it.
        if keys.is_empty() {
            return Err(Failure::new(FailureClass::SignInUnavailable).detail("no key is published"));
        }
        Ok(keys)
    }
}
