//! Which id_tokens are believed, and the one word with which each of the others is refused.

use crate::fake::{CLIENT_ID, CONSUMERS, CONTOSO, FABRIKAM, Fake, NONCE, NOW, encode, rsa_key, sign, token};
use domain::{Failure, FailureClass, Timestamp};
use oauth::Identity;
use rsa::pkcs8::{EncodePublicKey, LineEnding};
use serde_json::{Value, json};

pub async fn validated(fake: &Fake, raw: &str) -> Result<Identity, Failure> {
    fake.microsoft("common").validate_id_token(raw, NONCE, Timestamp::from_seconds(NOW)).await
}

/// The word with which `raw` is refused.
async fn refused(fake: &Fake, raw: &str) -> String {
    let failure = validated(fake, raw).await.expect_err("refused");
    assert_eq!(failure.class, FailureClass::IdTokenInvalid, "{failure}");
    assert_eq!(failure.server_said, None, "nothing of the token is repeated");
    failure.detail.expect("a word")
}

/// The word for a sound token in which one thing was changed. That the unchanged one is believed is checked too.
async fn refused_with(change: impl FnOnce(&Fake, &mut Value)) -> String {
    let fake = Fake::common().await;
    let mut claims = fake.claims();
    assert!(validated(&fake, &token("work", 0, &claims)).await.is_ok(), "the unchanged token is sound");
    change(&fake, &mut claims);
    refused(&fake, &token("work", 0, &claims)).await
}

pub fn personal(fake: &Fake) -> Value {
    let mut claims = fake.claims();
    claims["tid"] = json!(CONSUMERS);
    claims["iss"] = json!(fake.issuer(CONSUMERS));
    claims["oid"] = json!("00000000-0000-0000-66f3-3332eca7ea81");
    claims["sub"] = json!("AAAAAAAAAAAAAAAAAAAAAIkzqFVrSaSaFHy782bbtaQ");
    claims["preferred_username"] = json!("abeli@outlook.com");
    claims
}

#[tokio::test]
async fn a_sound_token_of_a_work_account_names_tenant_and_person() {
    let fake = Fake::common().await;
    let identity = validated(&fake, &token("work", 0, &fake.claims())).await.expect("believed");
    assert_eq!((identity.tid.as_str(), identity.oid.as_str()), (CONTOSO, "690222be-ff1a-4d56-abd1-7e4f7d38e474"));
    assert_eq!(identity.sub, "HKZpfaHyWadeOouYlitjrI-KffTm222X5rrV3xDqfKQ");
    assert_eq!(identity.xoauth2_user(), Some("support@contoso.com"));
    assert_eq!(identity.proposed_address().expect("an address").as_str(), "support@contoso.com");
    assert!(!identity.is_personal());
}

#[tokio::test]
async fn a_sound_token_of_a_personal_account_is_signed_by_the_key_of_personal_accounts() {
    let fake = Fake::common().await;
    let identity = validated(&fake, &token("personal", 1, &personal(&fake))).await.expect("believed");
    assert!(identity.is_personal());
}

#[tokio::test]
async fn an_unsigned_token_is_refused() {
    let fake = Fake::common().await;
    for alg in ["none", "None", "NONE", ""] {
        let header = encode(&json!({ "typ": "JWT", "alg": alg, "kid": "work" }));
        assert_eq!(refused(&fake, &format!("{header}.{}.", encode(&fake.claims()))).await, "alg");
    }
}

#[tokio::test]
async fn a_token_signed_with_the_public_key_as_a_shared_secret_is_refused() {
    let fake = Fake::common().await;
    let pem = rsa_key(0).to_public_key().to_public_key_pem(LineEnding::LF).expect("PEM");
    let header = encode(&json!({ "typ": "JWT", "alg": "HS256", "kid": "work" }));
    let signed = format!("{header}.{}", encode(&fake.claims()));
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, pem.as_bytes());
    let tag = ring::hmac::sign(&key, signed.as_bytes());
    let raw = format!("{signed}.{}", base64::Engine::encode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, tag));
    assert_eq!(refused(&fake, &raw).await, "alg");
}

#[tokio::test]
async fn an_algorithm_that_microsoft_does_not_announce_is_refused_even_with_a_sound_signature() {
    let fake = Fake::common().await;
    for alg in ["RS384", "PS256", "rs256"] {
        let header = encode(&json!({ "alg": alg, "kid": "work" }));
        assert_eq!(refused(&fake, &sign(&header, &encode(&fake.claims()), 0)).await, "alg", "{alg}");
    }
}

#[tokio::test]
async fn an_unknown_key_is_refused() {
    let fake = Fake::common().await;
    assert_eq!(refused(&fake, &token("nobodys", 0, &fake.claims())).await, "kid_unknown");
}

#[tokio::test]
async fn a_token_without_a_key_id_is_refused() {
    let fake = Fake::common().await;
    for header in [json!({ "alg": "RS256" }), json!({ "alg": "RS256", "kid": "" }), json!({ "alg": "RS256", "kid": 7 })]
    {
        assert_eq!(refused(&fake, &sign(&encode(&header), &encode(&fake.claims()), 0)).await, "kid_missing");
    }
}

#[tokio::test]
async fn a_key_in_the_token_itself_is_not_looked_at() {
    let fake = Fake::common().await;
    let header = json!({
        "alg": "RS256", "kid": "nobodys", "jwk": fake.jwk("nobodys", 0, None), "jku": format!("{}/evil/keys", fake.base),
    });
    assert_eq!(refused(&fake, &sign(&encode(&header), &encode(&fake.claims()), 0)).await, "kid_unknown");
    assert_eq!(fake.asked("/evil/keys"), 0);
}

#[tokio::test]
async fn a_signature_by_another_key_is_refused() {
    let fake = Fake::common().await;
    assert_eq!(refused(&fake, &token("work", 1, &fake.claims())).await, "signature");
}

#[tokio::test]
async fn a_token_that_was_changed_after_signing_is_refused() {
    let fake = Fake::common().await;
    let raw = token("work", 0, &fake.claims());
    let (header, rest) = raw.split_once('.').expect("parts");
    let (_, signature) = rest.split_once('.').expect("parts");
    let mut claims = fake.claims();
    claims["oid"] = json!("00000000-0000-0000-0000-000000000001");
    assert_eq!(refused(&fake, &format!("{header}.{}.{signature}", encode(&claims))).await, "signature");
    assert_eq!(refused(&fake, &format!("{header}.{}.", encode(&fake.claims()))).await, "signature");
    assert_eq!(refused(&fake, &format!("{raw}!!")).await, "signature");
}

#[tokio::test]
async fn a_key_of_one_tenant_does_not_sign_for_another() {
    let fake = Fake::common().await;
    fake.publish(vec![fake.jwk("fabrikams", 0, Some(&fake.issuer(FABRIKAM)))]);
    assert_eq!(refused(&fake, &token("fabrikams", 0, &fake.claims())).await, "key_issuer");
}

#[tokio::test]
async fn the_key_of_personal_accounts_does_not_sign_for_a_work_tenant() {
    let fake = Fake::common().await;
    assert_eq!(refused(&fake, &token("personal", 1, &fake.claims())).await, "key_issuer");
}

#[tokio::test]
async fn a_key_of_another_cloud_does_not_sign_here() {
    let fake = Fake::common().await;
    let mut key = fake.jwk("work", 0, Some(&fake.issuer("{tenantid}")));
    key["cloud_instance_name"] = json!("microsoftonline.us");
    fake.publish(vec![key.clone()]);
    assert_eq!(refused(&fake, &token("work", 0, &fake.claims())).await, "key_issuer");
    key["cloud_instance_name"] = json!("microsoftonline.com");
    fake.publish(vec![key]);
    assert!(validated(&fake, &token("work", 0, &fake.claims())).await.is_ok());
}

#[tokio::test]
async fn a_key_that_names_no_issuer_counts_only_in_a_tenants_own_list() {
    let shared = Fake::common().await;
    shared.publish(vec![shared.jwk("work", 0, None)]);
    assert_eq!(refused(&shared, &token("work", 0, &shared.claims())).await, "key_issuer");
    let own = Fake::start(CONTOSO, CONTOSO).await;
    own.publish(vec![own.jwk("work", 0, None)]);
    let raw = token("work", 0, &own.claims());
    assert!(own.microsoft(CONTOSO).validate_id_token(&raw, NONCE, Timestamp::from_seconds(NOW)).await.is_ok());
}

#[tokio::test]
async fn an_issuer_of_another_tenant_than_the_tokens_is_refused() {
    assert_eq!(refused_with(|fake, claims| claims["iss"] = json!(fake.issuer(FABRIKAM))).await, "issuer");
}

#[tokio::test]
async fn an_issuer_that_the_key_allows_and_discovery_does_not_is_refused() {
    let fake = Fake::common().await;
    let elsewhere = "https://login.example/{tenantid}/v2.0";
    fake.publish(vec![fake.jwk("work", 0, Some(elsewhere))]);
    let mut claims = fake.claims();
    claims["iss"] = json!(elsewhere.replace("{tenantid}", CONTOSO));
    assert_eq!(refused(&fake, &token("work", 0, &claims)).await, "issuer");
}

#[tokio::test]
async fn a_token_without_an_issuer_is_refused() {
    assert_eq!(refused_with(|_, claims| claims["iss"] = Value::Null).await, "issuer");
}

#[tokio::test]
async fn the_issuer_of_the_first_version_is_refused() {
    let v1 = |_: &Fake, claims: &mut Value| claims["iss"] = json!(format!("https://sts.windows.net/{CONTOSO}/"));
    assert_eq!(refused_with(v1).await, "issuer");
}

#[tokio::test]
async fn an_issuer_that_merely_begins_like_the_right_one_is_refused() {
    let longer = |fake: &Fake, claims: &mut Value| claims["iss"] = json!(format!("{}/", fake.issuer(CONTOSO)));
    assert_eq!(refused_with(longer).await, "issuer");
}

#[tokio::test]
async fn a_token_without_a_tenant_is_refused() {
    let without = |_: &Fake, claims: &mut Value| {
        claims.as_object_mut().expect("an object").remove("tid");
    };
    assert_eq!(refused_with(without).await, "tid");
}

#[tokio::test]
async fn a_tenant_that_is_not_a_guid_is_refused() {
    for tid in
        [json!("common"), json!("../common"), json!("3338040d6c674c5bb11236a304b66dad"), json!(7), json!([CONTOSO])]
    {
        assert_eq!(refused_with(|_, claims| claims["tid"] = tid.clone()).await, "tid", "{tid}");
    }
}

#[tokio::test]
async fn a_token_that_names_its_tenant_twice_is_refused() {
    let fake = Fake::common().await;
    let claims = fake.claims().to_string();
    for second in [format!(r#""tid":"{FABRIKAM}""#), format!(r#""tid":"{CONTOSO}""#), format!(r#""TID":"{FABRIKAM}""#)]
    {
        let doubled = format!("{},{second}}}", claims.strip_suffix('}').expect("an object"));
        let payload = base64::Engine::encode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, doubled);
        let header = encode(&json!({ "alg": "RS256", "kid": "work" }));
        assert_eq!(refused(&fake, &sign(&header, &payload, 0)).await, "tid", "{second}");
    }
}

#[tokio::test]
async fn any_other_claim_that_is_there_twice_is_refused_too() {
    let fake = Fake::common().await;
    let doubled = fake.claims().to_string().replacen('{', &format!(r#"{{"oid":"{FABRIKAM}","#), 1);
    let payload = base64::Engine::encode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, doubled);
    let header = encode(&json!({ "alg": "RS256", "kid": "work" }));
    assert_eq!(refused(&fake, &sign(&header, &payload, 0)).await, "malformed");
}

#[tokio::test]
async fn a_token_for_another_application_is_refused() {
    for aud in [json!("00000003-0000-0000-c000-000000000000"), json!([CLIENT_ID]), json!(null), json!("")] {
        assert_eq!(refused_with(|_, claims| claims["aud"] = aud.clone()).await, "audience", "{aud}");
    }
}

#[tokio::test]
async fn a_wrong_or_missing_nonce_is_refused() {
    assert_eq!(refused_with(|_, claims| claims["nonce"] = json!("another")).await, "nonce");
    assert_eq!(refused_with(|_, claims| claims["nonce"] = Value::Null).await, "nonce");
}

#[tokio::test]
async fn an_empty_nonce_is_nobodys() {
    let fake = Fake::common().await;
    let mut claims = fake.claims();
    claims["nonce"] = json!("");
    let raw = token("work", 0, &claims);
    let refused = fake.microsoft("common").validate_id_token(&raw, "", Timestamp::from_seconds(NOW)).await;
    assert_eq!(refused.expect_err("refused").detail.as_deref(), Some("nonce"));
}

#[tokio::test]
async fn a_token_that_expired_longer_ago_than_clocks_differ_is_refused() {
    assert_eq!(refused_with(|_, claims| claims["exp"] = json!(NOW - 301)).await, "expired");
    assert_eq!(refused_with(|_, claims| claims["exp"] = Value::Null).await, "malformed");
    let without = |_: &Fake, claims: &mut Value| {
        claims.as_object_mut().expect("an object").remove("exp");
    };
    assert_eq!(refused_with(without).await, "expired");
}

#[tokio::test]
async fn five_minutes_between_two_clocks_are_forgiven() {
    let fake = Fake::common().await;
    let mut claims = fake.claims();
    claims["exp"] = json!(NOW - 299);
    assert!(validated(&fake, &token("work", 0, &claims)).await.is_ok());
    let mut claims = fake.claims();
    (claims["nbf"], claims["iat"]) = (json!(NOW + 299), json!(NOW + 299));
    assert!(validated(&fake, &token("work", 0, &claims)).await.is_ok());
}

#[tokio::test]
async fn a_token_from_the_future_is_refused() {
    assert_eq!(refused_with(|_, claims| claims["nbf"] = json!(NOW + 301)).await, "not_yet_valid");
    assert_eq!(refused_with(|_, claims| claims["iat"] = json!(NOW + 301)).await, "not_yet_valid");
}

#[tokio::test]
async fn times_that_are_not_numbers_are_refused() {
    for name in ["exp", "nbf", "iat"] {
        assert_eq!(refused_with(|_, claims| claims[name] = json!("1795219200")).await, "malformed", "{name}");
    }
}

#[tokio::test]
async fn a_token_of_the_first_version_is_refused() {
    for ver in [json!("1.0"), json!(2.0), Value::Null] {
        assert_eq!(refused_with(|_, claims| claims["ver"] = ver.clone()).await, "version", "{ver}");
    }
}

#[tokio::test]
async fn a_token_without_a_person_is_refused() {
    assert_eq!(refused_with(|_, claims| claims["oid"] = Value::Null).await, "oid");
    assert_eq!(refused_with(|_, claims| claims["sub"] = json!(" ")).await, "sub");
}

#[tokio::test]
async fn a_token_of_twenty_kilobytes_is_refused_unread() {
    let fake = Fake::common().await;
    let mut claims = fake.claims();
    claims["groups"] = json!("g".repeat(20 * 1024));
    assert_eq!(refused(&fake, &token("work", 0, &claims)).await, "too_large");
    assert_eq!(fake.asked("/openid-configuration"), 0, "nothing was fetched for it");
}

#[tokio::test]
async fn what_is_no_token_at_all_is_refused() {
    let fake = Fake::common().await;
    let sound = token("work", 0, &fake.claims());
    let header = encode(&json!({ "alg": "RS256", "kid": "work" }));
    for raw in [
        "",
        ".",
        "..",
        "a.b",
        "a.b.c",
        "ä.ö.ü",
        &format!("{sound}.x"),
        &format!("{header}.bm90IGpzb24.c2ln"),
        &format!("{header}.WzFd.c2ln"),
    ] {
        assert_eq!(refused(&fake, raw).await, "malformed", "{raw}");
    }
}

#[tokio::test]
async fn an_extension_that_must_be_understood_is_refused() {
    let fake = Fake::common().await;
    let header = encode(&json!({ "alg": "RS256", "kid": "work", "crit": ["b64"], "b64": false }));
    assert_eq!(refused(&fake, &sign(&header, &encode(&fake.claims()), 0)).await, "malformed");
}
