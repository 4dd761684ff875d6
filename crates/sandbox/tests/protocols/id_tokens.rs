//! id_tokens: the good one verifies against the published keys, and each bad one is bad in exactly its way.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};
use sandbox::{CONTOSO, IdTokenFault, PERSONAL_TENANT, Sandbox};
use serde_json::Value;

use crate::support::*;

struct Read {
    header: Value,
    claims: Value,
    claims_text: String,
    /// The issuer of the published key that verifies it.
    verified_by: Option<String>,
    raw: String,
}

async fn read(sandbox: &Sandbox, user: &str) -> Read {
    let raw = text(&tokens_for(sandbox, user).await, "id_token").to_owned();
    let parts: Vec<&str> = raw.split('.').collect();
    let part = |at: usize| URL_SAFE_NO_PAD.decode(parts.get(at).copied().unwrap_or_default()).unwrap();
    let header: Value = serde_json::from_slice(&part(0)).unwrap();
    let claims_text = String::from_utf8(part(1)).unwrap();
    let keys = get(&format!("{}/common/discovery/v2.0/keys", sandbox.login_url())).await.json();
    let signed = format!("{}.{}", parts[0], parts[1]);
    let verified_by = keys["keys"].as_array().unwrap().iter().find_map(|key| {
        let number = |name| URL_SAFE_NO_PAD.decode(text(key, name)).unwrap();
        let public = RsaPublicKeyComponents { n: number("n"), e: number("e") };
        let verifies = public.verify(&RSA_PKCS1_2048_8192_SHA256, signed.as_bytes(), &part(2)).is_ok();
        (verifies && key["kid"] == header["kid"]).then(|| text(key, "issuer").to_owned())
    });
    Read { header, claims: serde_json::from_str(&claims_text).unwrap(), claims_text, verified_by, raw }
}

async fn spoilt(sandbox: &Sandbox, fault: IdTokenFault) -> Read {
    sandbox.faults().once(fault);
    let read = read(sandbox, SUPPORT).await;
    assert!(sandbox.faults().armed().is_empty(), "{fault:?} was used up");
    read
}

#[tokio::test]
async fn a_work_accounts_token_verifies_and_says_who_signed_in() {
    let sandbox = start().await;
    let token = read(&sandbox, SUPPORT).await;
    assert_eq!(token.verified_by, Some(format!("{}/{{tenantid}}/v2.0", sandbox.login_url())));
    assert_eq!(token.header["alg"], "RS256");
    let claims = &token.claims;
    assert_eq!(text(claims, "iss"), format!("{}/{CONTOSO}/v2.0", sandbox.login_url()));
    assert_eq!(text(claims, "aud"), sandbox.client_id());
    assert_eq!((text(claims, "tid"), text(claims, "ver"), text(claims, "nonce")), (CONTOSO, "2.0", NONCE));
    assert_eq!(
        (text(claims, "email"), text(claims, "preferred_username"), text(claims, "upn")),
        (SUPPORT, SUPPORT, SUPPORT)
    );
    assert_eq!(claims["xms_edov"], true);
    assert_eq!(claims["acct"], 0);
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 3900);
    assert_eq!(text(claims, "oid"), sandbox.user(SUPPORT).unwrap().oid);
}

#[tokio::test]
async fn a_personal_accounts_token_has_the_personal_tenant_and_the_personal_key() {
    let sandbox = start().await;
    let token = read(&sandbox, PERSONAL).await;
    let issuer = format!("{}/{PERSONAL_TENANT}/v2.0", sandbox.login_url());
    assert_eq!(token.verified_by.as_deref(), Some(issuer.as_str()));
    assert_eq!(text(&token.claims, "iss"), issuer);
    assert!(text(&token.claims, "oid").starts_with("00000000-0000-0000-"));
    assert!(text(&token.claims, "sub").starts_with("AAAAAAAAAAAAAAAAAAAAA"));
    assert!(token.claims.get("upn").is_none() && token.claims.get("acct").is_none());
}

#[tokio::test]
async fn each_wrong_signature_is_wrong_in_its_way() {
    let sandbox = start().await;
    let none = spoilt(&sandbox, IdTokenFault::AlgNone).await;
    assert_eq!(none.header["alg"], "none");
    assert!(none.raw.ends_with('.') && none.verified_by.is_none());
    let forged = spoilt(&sandbox, IdTokenFault::Hs256WithPublicKey).await;
    assert_eq!(forged.header["alg"], "HS256");
    assert!(forged.verified_by.is_none() && forged.header["kid"].is_string());
    let keys = get(&format!("{}/common/discovery/v2.0/keys", sandbox.login_url())).await.body;
    let unknown = spoilt(&sandbox, IdTokenFault::UnknownKid).await;
    assert!(!keys.contains(text(&unknown.header, "kid")));
    assert!(spoilt(&sandbox, IdTokenFault::NoKid).await.header.get("kid").is_none());
    let bad = spoilt(&sandbox, IdTokenFault::BadSignature).await;
    assert!(keys.contains(text(&bad.header, "kid")) && bad.verified_by.is_none());
    let foreign = spoilt(&sandbox, IdTokenFault::KeyOfAnotherIssuer).await;
    let issuer = foreign.verified_by.expect("the signature itself is good");
    assert!(
        !issuer.contains(CONTOSO) && !issuer.contains("{tenantid}") && text(&foreign.claims, "iss").contains(CONTOSO)
    );
}

#[tokio::test]
async fn each_wrong_claim_is_signed_properly_and_wrong() {
    let sandbox = start().await;
    let now = sandbox_now(&sandbox).await;
    let claims = |fault| {
        let sandbox = &sandbox;
        async move {
            let read = spoilt(sandbox, fault).await;
            assert!(read.verified_by.is_some(), "{fault:?} has a good signature");
            read
        }
    };
    assert!(!text(&claims(IdTokenFault::IssuerOfAnotherTenant).await.claims, "iss").contains(CONTOSO));
    assert_eq!(
        text(&claims(IdTokenFault::V1Issuer).await.claims, "iss"),
        format!("https://sts.windows.net/{CONTOSO}/")
    );
    assert!(text(&claims(IdTokenFault::IssuerWithSuffix).await.claims, "iss").ends_with(".evil.example"));
    assert!(claims(IdTokenFault::TidMissing).await.claims.get("tid").is_none());
    assert_eq!(text(&claims(IdTokenFault::TidNotGuid).await.claims, "tid"), "contoso.example");
    let twice = claims(IdTokenFault::TidTwice).await;
    assert_eq!(twice.claims_text.matches("\"tid\":").count(), 2);
    assert_eq!(text(&twice.claims, "tid"), CONTOSO, "a reader that lets the last one win sees nothing");
    assert_ne!(text(&claims(IdTokenFault::AudienceOfAnotherApp).await.claims, "aud"), sandbox.client_id());
    assert_ne!(text(&claims(IdTokenFault::WrongNonce).await.claims, "nonce"), NONCE);
    assert!(claims(IdTokenFault::NoNonce).await.claims.get("nonce").is_none());
    assert!(claims(IdTokenFault::Expired).await.claims["exp"].as_i64().unwrap() <= now - 300);
    assert!(claims(IdTokenFault::NotYetValid).await.claims["nbf"].as_i64().unwrap() >= now + 300);
    assert_eq!(text(&claims(IdTokenFault::Version1).await.claims, "ver"), "1.0");
    assert!(claims(IdTokenFault::OidMissing).await.claims.get("oid").is_none());
    assert!(claims(IdTokenFault::Huge).await.raw.len() > 20_000);
}

/// By the `iat` of a good token, which is five minutes old at birth.
async fn sandbox_now(sandbox: &Sandbox) -> i64 {
    read(sandbox, SUPPORT).await.claims["iat"].as_i64().unwrap() + 300
}

#[tokio::test]
async fn the_tokens_that_are_valid_and_say_little_or_something_else() {
    let sandbox = start().await;
    assert_eq!(spoilt(&sandbox, IdTokenFault::EmailUnverified).await.claims["xms_edov"], false);
    assert!(spoilt(&sandbox, IdTokenFault::EdovAbsent).await.claims.get("xms_edov").is_none());
    assert_eq!(spoilt(&sandbox, IdTokenFault::EdovText).await.claims["xms_edov"], "1");
    assert!(
        !text(&spoilt(&sandbox, IdTokenFault::EmailOfAnotherTenant).await.claims, "email")
            .ends_with("@contoso.example")
    );
    assert!(spoilt(&sandbox, IdTokenFault::NoEmail).await.claims.get("email").is_none());
    let nameless = spoilt(&sandbox, IdTokenFault::NoPreferredUsername).await;
    assert!(nameless.claims.get("preferred_username").is_none() && nameless.claims.get("upn").is_none());
    let guest = spoilt(&sandbox, IdTokenFault::Guest).await;
    assert_eq!(guest.claims["acct"], 1);
    assert!(text(&guest.claims, "upn").contains("#EXT#") && guest.claims["idp"].is_string());
    let user = sandbox.user(SUPPORT).unwrap();
    let reassigned = spoilt(&sandbox, IdTokenFault::SameEmailOtherOid).await;
    assert_ne!(text(&reassigned.claims, "oid"), user.oid);
    assert_eq!(text(&reassigned.claims, "email"), SUPPORT);
    let elsewhere = spoilt(&sandbox, IdTokenFault::SameOidOtherTid).await;
    assert_eq!(text(&elsewhere.claims, "oid"), user.oid);
    assert!(!text(&elsewhere.claims, "iss").contains(CONTOSO) && elsewhere.verified_by.is_some());
}

#[tokio::test]
async fn two_parts_are_not_a_token() {
    let sandbox = start().await;
    sandbox.faults().once(IdTokenFault::Malformed);
    let tokens = tokens_for(&sandbox, SUPPORT).await;
    assert_eq!(text(&tokens, "id_token").split('.').count(), 2);
}
