//! Whether an id_token can be trusted. Every check fails closed, and each refusal has a word of its own that never changes.
//!
//! The order is that of "Access tokens", "ID tokens" and "Secure applications by validating claims" (Microsoft identity platform): shape,
//! algorithm, key, signature, tenant, the token's issuer, the key's issuer, audience, version, time, nonce, and then who we accept.
//! Nothing in the token is believed before its signature is, except the key's id, which only chooses among keys we fetched ourselves;
//! `jku`, `jwk` and `x5u` are never looked at.

use crate::{
    Authority, CONSUMERS_TENANT, Microsoft,
    claims::{Claims, Identity},
    discovery::Document,
    jwks::SigningKey,
    provider::is_guid,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use domain::{Failure, FailureClass, Timestamp};
use jsonwebtoken::Algorithm;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::{Map, Value};
use std::time::Duration;

/// Real ones have one to two kilobytes.
pub const MAX_ID_TOKEN_BYTES: usize = 16 * 1024;

/// How far the two clocks may be apart: what Microsoft's own libraries allow.
pub const CLOCK_SKEW: Duration = Duration::from_secs(300);

/// Why a token was refused. The words are stable: they stand in failures, on pages and in docs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("too_large")]
    TooLarge,
    #[error("malformed")]
    Malformed,
    #[error("alg")]
    Algorithm,
    #[error("kid_missing")]
    KidMissing,
    #[error("kid_unknown")]
    KidUnknown,
    #[error("signature")]
    Signature,
    #[error("tid")]
    Tenant,
    #[error("key_issuer")]
    KeyIssuer,
    #[error("issuer")]
    Issuer,
    #[error("audience")]
    Audience,
    #[error("version")]
    Version,
    #[error("expired")]
    Expired,
    #[error("not_yet_valid")]
    NotYetValid,
    #[error("nonce")]
    Nonce,
    #[error("oid")]
    ObjectId,
    #[error("sub")]
    Subject,
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Failure::new(FailureClass::IdTokenInvalid).detail(refusal.to_string())
    }
}

impl Microsoft {
    /// Who signed in, when `raw` proves it: to this application, in answer to this `nonce`, now.
    pub async fn validate_id_token(&self, raw: &str, nonce: &str, now: Timestamp) -> Result<Identity, Failure> {
        let token = Token::read(raw)?;
        let document = self.discovery().await?;
        let Some(key) = self.signing_key(&document, &token.kid).await? else {
            return Err(Refusal::KidUnknown.into());
        };
        token.verify(&key)?;
        let expected = Expected { document: &document, key: &key, client_id: self.client_id(), nonce, now };
        let identity = expected.check(&token.claims)?;
        accepted(&self.inner.authority, &identity)?;
        Ok(identity)
    }
}

/// A token taken apart. Its claims are what somebody wrote, until [`verify`](Self::verify).
struct Token<'a> {
    kid: String,
    signed: &'a str,
    signature: &'a str,
    claims: Members,
}

impl<'a> Token<'a> {
    fn read(raw: &'a str) -> Result<Self, Refusal> {
        if raw.len() > MAX_ID_TOKEN_BYTES {
            return Err(Refusal::TooLarge);
        }
        let (signed, signature) = raw.rsplit_once('.').ok_or(Refusal::Malformed)?;
        let (header, payload) = signed.split_once('.').ok_or(Refusal::Malformed)?;
        if payload.contains('.') {
            return Err(Refusal::Malformed);
        }
        let header = Members::decode(header)?;
        // The one algorithm that Microsoft announces, whatever the token would like.
        if header.text("alg") != Some("RS256") {
            return Err(Refusal::Algorithm);
        }
        // Extensions that must be understood (RFC 7515 §4.1.11): there are none that we understand.
        if header.repeated.is_some() || header.members.contains_key("crit") {
            return Err(Refusal::Malformed);
        }
        let kid = header.text("kid").filter(|kid| !kid.is_empty()).ok_or(Refusal::KidMissing)?.to_owned();
        Ok(Self { kid, signed, signature, claims: Members::decode(payload)? })
    }

    fn verify(&self, key: &SigningKey) -> Result<(), Refusal> {
        let verified = jsonwebtoken::crypto::verify(self.signature, self.signed.as_bytes(), &key.key, Algorithm::RS256);
        if matches!(verified, Ok(true)) { Ok(()) } else { Err(Refusal::Signature) }
    }
}

struct Expected<'a> {
    document: &'a Document,
    key: &'a SigningKey,
    client_id: &'a str,
    nonce: &'a str,
    now: Timestamp,
}

impl Expected<'_> {
    fn check(&self, claims: &Members) -> Result<Identity, Refusal> {
        let tid = tenant(claims)?;
        let iss = claims.text("iss").ok_or(Refusal::Issuer)?;
        if self.document.issuer.of(tid).as_deref() != Some(iss) {
            return Err(Refusal::Issuer);
        }
        self.key_may_sign_for(tid, iss)?;
        if claims.text("aud") != Some(self.client_id) {
            return Err(Refusal::Audience);
        }
        if claims.text("ver") != Some("2.0") {
            return Err(Refusal::Version);
        }
        self.in_time(claims)?;
        if self.nonce.is_empty() || claims.text("nonce") != Some(self.nonce) {
            return Err(Refusal::Nonce);
        }
        let named = |claim: &str| claims.text(claim).map(str::trim).filter(|id| !id.is_empty());
        Ok(Identity {
            tid: tid.to_ascii_lowercase(),
            oid: named("oid").ok_or(Refusal::ObjectId)?.to_ascii_lowercase(),
            sub: named("sub").ok_or(Refusal::Subject)?.to_owned(),
            claims: Claims::read(&claims.members),
        })
    }

    /// A key that belongs to one issuer must not sign for another: keys of personal accounts are published beside everybody's.
    fn key_may_sign_for(&self, tid: &str, iss: &str) -> Result<(), Refusal> {
        let fits = match &self.key.issuer {
            Some(issuer) => issuer.of(tid).as_deref() == Some(iss),
            // A key that does not say is believed only where the whole list is one tenant's.
            None => !self.document.issuer.is_template(),
        };
        let same_cloud = match (&self.key.cloud_instance_name, &self.document.cloud_instance_name) {
            (Some(key), Some(document)) => key == document,
            _ => true,
        };
        if fits && same_cloud { Ok(()) } else { Err(Refusal::KeyIssuer) }
    }

    fn in_time(&self, claims: &Members) -> Result<(), Refusal> {
        let latest = self.now.plus(CLOCK_SKEW).seconds();
        let expires = claims.seconds("exp")?.ok_or(Refusal::Expired)?;
        if expires <= self.now.minus(CLOCK_SKEW).seconds() {
            return Err(Refusal::Expired);
        }
        let issued = claims.seconds("iat")?.ok_or(Refusal::Malformed)?;
        let begins = claims.seconds("nbf")?.unwrap_or(issued);
        if issued > latest || begins > latest {
            return Err(Refusal::NotYetValid);
        }
        Ok(())
    }
}

/// The tenant, which must be there once, in one spelling of the claim's name, and be a GUID.
fn tenant(claims: &Members) -> Result<&str, Refusal> {
    let spellings = claims.members.keys().filter(|name| name.eq_ignore_ascii_case("tid")).count();
    if claims.repeated.as_deref().is_some_and(|name| name.eq_ignore_ascii_case("tid")) || spellings != 1 {
        return Err(Refusal::Tenant);
    }
    // RFC 7519 §4: names are unique. Which of two values a reader takes is how one token comes to mean two things.
    if claims.repeated.is_some() {
        return Err(Refusal::Malformed);
    }
    claims.text("tid").filter(|tid| is_guid(tid)).ok_or(Refusal::Tenant)
}

/// Whose accounts this installation takes. The token is sound; the person is merely in the wrong place.
fn accepted(authority: &Authority, identity: &Identity) -> Result<(), Failure> {
    let wrong = |why: &str| Err(Failure::new(FailureClass::WrongAccount).detail(why));
    let personal = identity.tid == CONSUMERS_TENANT;
    match authority {
        Authority::Organizations if personal => wrong("personal_account"),
        Authority::Consumers if !personal => wrong("work_account"),
        Authority::Tenant(tenant) if *tenant != identity.tid => wrong("other_tenant"),
        // A domain's document names its one issuer, which was compared.
        Authority::Common
        | Authority::Organizations
        | Authority::Consumers
        | Authority::Tenant(_)
        | Authority::Domain(_) => Ok(()),
    }
}

/// A JSON object that remembers whether one of its names came twice; `serde_json` alone takes the last and says nothing.
struct Members {
    members: Map<String, Value>,
    repeated: Option<String>,
}

impl Members {
    fn decode(part: &str) -> Result<Self, Refusal> {
        let json = URL_SAFE_NO_PAD.decode(part).map_err(|_| Refusal::Malformed)?;
        serde_json::from_slice(&json).map_err(|_| Refusal::Malformed)
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.members.get(name).and_then(Value::as_str)
    }

    /// A NumericDate (RFC 7519 §2), whole seconds. `None` when it is absent; anything but a number is refused.
    fn seconds(&self, name: &str) -> Result<Option<i64>, Refusal> {
        match self.members.get(name) {
            None => Ok(None),
            Some(Value::Number(number)) => {
                let whole = number.as_i64().or_else(|| {
                    let seconds = number.as_f64().filter(|s| s.is_finite() && s.abs() < 1e15)?;
                    #[expect(clippy::cast_possible_truncation, reason = "below 1e15, a whole second fits")]
                    Some(seconds.floor() as i64)
                });
                whole.map(Some).ok_or(Refusal::Malformed)
            }
            Some(_) => Err(Refusal::Malformed),
        }
    }
}

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Members;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut found = Members { members: Map::new(), repeated: None };
                while let Some((name, value)) = map.next_entry::<String, Value>()? {
                    if found.members.insert(name.clone(), value).is_some()
                        // A repeated tenant is the more telling word, whichever name was repeated first.
                        && !found.repeated.as_deref().is_some_and(|earlier| earlier.eq_ignore_ascii_case("tid"))
                    {
                        found.repeated = Some(name);
                    }
                }
                Ok(found)
            }
        }
        deserializer.deserialize_map(Object)
    }
}
