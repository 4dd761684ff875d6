//! id_tokens: the claims Microsoft puts in them, signed, and every way a token can be wrong, on demand.
//!
//! Claims are a list and not a map, because one of the wrong tokens has a claim twice.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use serde_json::{Value, json};

use super::grants::{AccessGrant, Principal};
use super::keys::{ANOTHER_TENANT, KeyMaterial};
use crate::ambient::{random_guid, random_token, stable_guid};
use crate::directory::TenantUser;
use crate::faults::IdTokenFault;
use crate::state::State;

/// Claims that are in a v2.0 id_token only where the registration asks for them (Microsoft's documentation, optional claims reference).
const OPTIONAL_CLAIMS: [&str; 9] = [
    "upn",
    "verified_primary_email",
    "verified_secondary_email",
    "xms_edov",
    "login_hint",
    "acct",
    "sid",
    "tenant_ctry",
    "tenant_region_scope",
];

/// A tenant with which everything would be in order, were it the one expected.
const ELSEWHERE: &str = "b3c0f2aa-61de-4d7e-8c55-9f10d2a4e7c3";

struct Claims(Vec<(&'static str, Value)>);

impl Claims {
    fn set(&mut self, name: &'static str, value: impl Into<Value>) {
        let value = value.into();
        match self.0.iter_mut().find(|(held, _)| *held == name) {
            Some(entry) => entry.1 = value,
            None => self.0.push((name, value)),
        }
    }

    fn remove(&mut self, name: &str) {
        self.0.retain(|(held, _)| *held != name);
    }

    fn text(&self) -> String {
        let members: Vec<String> = self.0.iter().map(|(name, value)| format!("{}:{value}", json!(name))).collect();
        format!("{{{}}}", members.join(","))
    }
}

/// The id_token for a user, wrong in the way asked for.
pub(crate) fn issue(
    state: &State,
    user: &TenantUser,
    client_id: &str,
    nonce: Option<&str>,
    fault: Option<IdTokenFault>,
) -> String {
    let now = state.clock.now();
    let mut claims = proper_claims(state, user, client_id, nonce, now);
    let mut signer = state.keys.signer(user.is_personal());
    let mut kid = Some(signer.kid.clone());
    match fault {
        None
        | Some(
            IdTokenFault::AlgNone | IdTokenFault::Hs256WithPublicKey | IdTokenFault::NoKid | IdTokenFault::Malformed,
        ) => {}
        Some(IdTokenFault::BadSignature) => signer = state.keys.unpublished(),
        Some(IdTokenFault::UnknownKid) => {
            signer = state.keys.unpublished();
            kid = Some(signer.kid.clone());
        }
        Some(IdTokenFault::SameOidOtherTid) => {
            // Consistent in itself: the organisations' key, the other tenant's `tid` and `iss`.
            signer = state.keys.signer(false);
            kid = Some(signer.kid.clone());
            claims.set("tid", ELSEWHERE);
            claims.set("iss", state.issuer(ELSEWHERE));
        }
        Some(IdTokenFault::KeyOfAnotherIssuer) => {
            signer = state.keys.foreign();
            kid = Some(signer.kid.clone());
        }
        Some(other) => spoil(state, user, &mut claims, other, now),
    }
    match fault {
        Some(IdTokenFault::AlgNone) => unsigned(&claims),
        Some(IdTokenFault::Hs256WithPublicKey) => forged_with_public_key(&claims, &signer),
        Some(IdTokenFault::NoKid) => signed(&claims, &signer, None),
        Some(IdTokenFault::Malformed) => {
            let token = signed(&claims, &signer, kid.as_deref());
            token.rsplit_once('.').map_or(token.clone(), |(two_parts, _)| two_parts.to_owned())
        }
        _ => signed(&claims, &signer, kid.as_deref()),
    }
}

/// The claims of a v2.0 id_token (Microsoft's documentation, id token and optional claims references).
fn proper_claims(state: &State, user: &TenantUser, client_id: &str, nonce: Option<&str>, now: i64) -> Claims {
    // Observed lives: 3900 seconds for work accounts, 86 700 for personal ones.
    let lifetime = if user.is_personal() { 86_700 } else { 3900 };
    let mut claims = Claims(Vec::new());
    claims.set("ver", "2.0");
    claims.set("aud", client_id);
    claims.set("iss", state.issuer(&user.tid));
    claims.set("iat", now - 300);
    claims.set("nbf", now - 300);
    claims.set("exp", now - 300 + lifetime);
    claims.set("aio", format!("AWQAm/8ZAAAA{}", random_token(60)));
    claims.set("name", user.display_name.as_str());
    claims.set("oid", user.oid.as_str());
    claims.set("preferred_username", user.address.as_str());
    claims.set("sub", user.subject_for(client_id));
    claims.set("tid", user.tid.as_str());
    if let Some(nonce) = nonce {
        claims.set("nonce", nonce);
    }
    if let Some(email) = &user.email {
        claims.set("email", email.as_str());
        if let Some(verified) = user.email_domain_owner_verified {
            claims.set("xms_edov", verified);
        }
    }
    claims.set("login_hint", format!("O.{}", random_token(90)));
    if !user.is_personal() {
        claims.set("acct", u8::from(user.guest));
        claims.set("rh", format!("1.{}", random_token(45)));
        claims.set("sid", random_guid());
        claims.set("upn", user.address.as_str());
        claims.set("uti", random_token(16));
        claims.set("tenant_ctry", "US");
        claims.set("tenant_region_scope", "NA");
        claims.set("verified_primary_email", json!([user.primary_address()]));
        claims.set("verified_secondary_email", json!(user.aliases));
    }
    if user.guest {
        claims.set("idp", format!("https://sts.windows.net/{ANOTHER_TENANT}/"));
    }
    if !state.app(client_id).is_some_and(|app| app.optional_claims) {
        // `email` comes with the scope of that name all the same (optional claims reference, v2.0 tokens).
        for name in OPTIONAL_CLAIMS {
            claims.remove(name);
        }
    }
    claims
}

fn spoil(state: &State, user: &TenantUser, claims: &mut Claims, fault: IdTokenFault, now: i64) {
    match fault {
        IdTokenFault::IssuerOfAnotherTenant => claims.set("iss", state.issuer(ANOTHER_TENANT)),
        IdTokenFault::V1Issuer => claims.set("iss", format!("https://sts.windows.net/{}/", user.tid)),
        IdTokenFault::IssuerWithSuffix => claims.set("iss", format!("{}.evil.example", state.issuer(&user.tid))),
        IdTokenFault::TidMissing => claims.remove("tid"),
        IdTokenFault::TidNotGuid => {
            claims.set("tid", "contoso.example");
            claims.set("iss", state.issuer("contoso.example"));
        }
        // The wrong one first: a reader that lets the last one win would see nothing wrong.
        IdTokenFault::TidTwice => claims.0.insert(0, ("tid", json!(ANOTHER_TENANT))),
        IdTokenFault::AudienceOfAnotherApp => claims.set("aud", "11111111-2222-4333-8444-555555555555"),
        IdTokenFault::WrongNonce => claims.set("nonce", random_token(16)),
        IdTokenFault::NoNonce => claims.remove("nonce"),
        IdTokenFault::Expired => {
            claims.set("iat", now - 4500);
            claims.set("nbf", now - 4500);
            claims.set("exp", now - 600);
        }
        IdTokenFault::NotYetValid => {
            claims.set("iat", now);
            claims.set("nbf", now + 600);
            claims.set("exp", now + 4500);
        }
        IdTokenFault::Version1 => claims.set("ver", "1.0"),
        IdTokenFault::OidMissing => claims.remove("oid"),
        IdTokenFault::Huge => claims.set("groups", json!(many_groups())),
        IdTokenFault::EmailUnverified => {
            claims.set("email", user.address.as_str());
            claims.set("xms_edov", false);
        }
        IdTokenFault::EdovAbsent => {
            claims.set("email", user.address.as_str());
            claims.remove("xms_edov");
        }
        IdTokenFault::EdovText => {
            claims.set("email", user.address.as_str());
            claims.set("xms_edov", "1");
        }
        IdTokenFault::EmailOfAnotherTenant => {
            claims.set("email", "ceo@another-tenant.example");
            claims.remove("xms_edov");
        }
        IdTokenFault::NoEmail => without_email(claims),
        IdTokenFault::NoPreferredUsername => without_username(claims),
        IdTokenFault::NoAddressAtAll => {
            without_email(claims);
            without_username(claims);
        }
        IdTokenFault::Guest => {
            claims.set("acct", 1);
            claims.set("idp", format!("https://sts.windows.net/{ANOTHER_TENANT}/"));
            claims.set("upn", guest_name(user));
        }
        IdTokenFault::SameEmailOtherOid => {
            let oid = stable_guid(&format!("somebody else at {}", user.address));
            claims.set("sub", random_token(32));
            claims.set("oid", oid);
        }
        IdTokenFault::AlgNone
        | IdTokenFault::Hs256WithPublicKey
        | IdTokenFault::UnknownKid
        | IdTokenFault::NoKid
        | IdTokenFault::BadSignature
        | IdTokenFault::KeyOfAnotherIssuer
        | IdTokenFault::SameOidOtherTid
        | IdTokenFault::Malformed => {}
    }
}

fn without_email(claims: &mut Claims) {
    for name in ["email", "xms_edov", "verified_primary_email", "verified_secondary_email"] {
        claims.remove(name);
    }
}

fn without_username(claims: &mut Claims) {
    claims.remove("preferred_username");
    claims.remove("upn");
}

/// `user_home.com#EXT#@resource.onmicrosoft.com`, the UPN of a guest.
fn guest_name(user: &TenantUser) -> String {
    format!("{}#EXT#@contoso.onmicrosoft.com", user.address.replace('@', "_"))
}

/// Twenty kilobytes of group ids.
fn many_groups() -> Vec<String> {
    (0..540).map(|at| stable_guid(&format!("group {at}"))).collect()
}

fn encoded(header: &Value, claims: &Claims) -> String {
    format!("{}.{}", URL_SAFE_NO_PAD.encode(header.to_string()), URL_SAFE_NO_PAD.encode(claims.text()))
}

fn signed(claims: &Claims, key: &KeyMaterial, kid: Option<&str>) -> String {
    let mut header = json!({"typ": "JWT", "alg": "RS256"});
    if let Some(kid) = kid {
        header["kid"] = json!(kid);
    }
    let message = encoded(&header, claims);
    let signature = URL_SAFE_NO_PAD.encode(key.sign(message.as_bytes()));
    format!("{message}.{signature}")
}

/// An access token with these rights: opaque, or a JWT where the configuration wants one.
pub(crate) fn access_token_for(state: &State, user: &TenantUser, rights: Vec<String>, expires_at: i64) -> String {
    let principal = Principal::User { tid: user.tid.clone(), oid: user.oid.clone() };
    match &state.config.jwt_access_tokens {
        Some(issuer) => {
            let token = access_token(state, user, issuer, expires_at);
            state.grants.keep_access_token(token, AccessGrant { principal, scopes: rights, expires_at })
        }
        None => state.grants.issue_access_token(principal, rights, expires_at),
    }
}

/// An access token as a JWT, as long as Microsoft's are, for mail servers that validate RS256 tokens by themselves (Dovecot with
/// local validation). Outlook's own access tokens are opaque.
fn access_token(state: &State, user: &TenantUser, issuer: &str, expires_at: i64) -> String {
    let now = state.clock.now();
    let mut claims = Claims(Vec::new());
    claims.set("iss", issuer);
    claims.set("sub", user.oid.as_str());
    claims.set("tid", user.tid.as_str());
    claims.set("upn", user.address.as_str());
    claims.set("scp", "IMAP.AccessAsUser.All SMTP.Send");
    claims.set("iat", now);
    claims.set("nbf", now);
    claims.set("exp", expires_at);
    claims.set("xms_padding", crate::ambient::random_base64(1200));
    let key = state.keys.signer(user.is_personal());
    signed(&claims, &key, Some(&key.kid))
}

fn unsigned(claims: &Claims) -> String {
    format!("{}.", encoded(&json!({"typ": "JWT", "alg": "none"}), claims))
}

/// The confusion of algorithms: an HMAC whose secret is the RSA public key, which everybody knows.
fn forged_with_public_key(claims: &Claims, key: &KeyMaterial) -> String {
    let message = encoded(&json!({"typ": "JWT", "alg": "HS256", "kid": key.kid}), claims);
    let secret = hmac::Key::new(hmac::HMAC_SHA256, key.public_pem().as_bytes());
    let tag = hmac::sign(&secret, message.as_bytes());
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(tag.as_ref()))
}
