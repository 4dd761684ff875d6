//! Who a sound token names, and whose accounts are taken.

use crate::{
    fake::{CONSUMERS, CONTOSO, FABRIKAM, Fake, NONCE, NOW, token},
    id_token::{personal, validated},
};
use domain::{Failure, FailureClass, Timestamp};
use oauth::Identity;
use serde_json::{Value, json};

#[tokio::test]
async fn a_token_without_any_address_is_sound_and_proposes_none() {
    let fake = Fake::common().await;
    let mut claims = fake.claims();
    for name in ["email", "preferred_username", "xms_edov"] {
        claims.as_object_mut().expect("an object").remove(name);
    }
    let identity = validated(&fake, &token("work", 0, &claims)).await.expect("believed");
    assert_eq!((identity.proposed_address(), identity.xoauth2_user()), (None, None));
}

#[tokio::test]
async fn the_owner_of_an_emails_domain_is_read_however_it_is_encoded_and_absent_is_not_yes() {
    let fake = Fake::common().await;
    for (encoded, read) in [
        (json!("1"), Some(true)),
        (json!(1), Some(true)),
        (json!("true"), Some(true)),
        (json!(false), Some(false)),
        (Value::Null, None),
    ] {
        let mut claims = fake.claims();
        claims["xms_edov"] = encoded.clone();
        let identity = validated(&fake, &token("work", 0, &claims)).await.expect("believed");
        assert_eq!(identity.claims.email_domain_owner_verified, read, "{encoded}");
    }
}

#[tokio::test]
async fn an_email_in_somebody_elses_domain_makes_nobody_else_of_the_person() {
    let fake = Fake::common().await;
    let mut claims = fake.claims();
    claims["email"] = json!("ceo@victim.example");
    claims["xms_edov"] = json!(false);
    let identity = validated(&fake, &token("work", 0, &claims)).await.expect("believed");
    assert_eq!((identity.tid.as_str(), identity.oid.as_str()), (CONTOSO, "690222be-ff1a-4d56-abd1-7e4f7d38e474"));
    assert_eq!(identity.proposed_address().expect("an address").as_str(), "support@contoso.com");
    assert_eq!(identity.xoauth2_user(), Some("support@contoso.com"));
}

#[tokio::test]
async fn an_address_that_was_given_to_another_person_is_another_identity() {
    let fake = Fake::common().await;
    let before = validated(&fake, &token("work", 0, &fake.claims())).await.expect("believed");
    let mut claims = fake.claims();
    claims["oid"] = json!("11111111-ff1a-4d56-abd1-7e4f7d38e474");
    let after = validated(&fake, &token("work", 0, &claims)).await.expect("believed");
    assert_ne!((before.tid, before.oid), (after.tid, after.oid));
}

#[tokio::test]
async fn the_same_person_id_in_another_tenant_is_another_identity() {
    let fake = Fake::common().await;
    let here = validated(&fake, &token("work", 0, &fake.claims())).await.expect("believed");
    let mut claims = fake.claims();
    claims["tid"] = json!(FABRIKAM);
    claims["iss"] = json!(fake.issuer(FABRIKAM));
    let there = validated(&fake, &token("work", 0, &claims)).await.expect("believed");
    assert_eq!(here.oid, there.oid);
    assert_ne!(here.tid, there.tid);
}

#[tokio::test]
async fn a_guest_is_known_as_one_and_its_invented_name_is_no_address() {
    let fake = Fake::common().await;
    let mut claims = fake.claims();
    claims["acct"] = json!(1);
    claims["idp"] = json!(format!("https://sts.windows.net/{FABRIKAM}/"));
    claims["preferred_username"] = json!("ada_fabrikam.com#EXT#@contoso.onmicrosoft.com");
    let identity = validated(&fake, &token("work", 0, &claims)).await.expect("believed");
    assert!(identity.claims.is_guest && identity.claims.idp.is_some());
    assert_eq!(identity.xoauth2_user(), None);
}

async fn accepted_by(
    authority: &str,
    issuer_tenant: &str,
    claims: fn(&Fake) -> Value,
    key: (&str, usize),
) -> Result<Identity, Failure> {
    let fake = Fake::start(authority, issuer_tenant).await;
    let raw = token(key.0, key.1, &claims(&fake));
    fake.microsoft(authority).validate_id_token(&raw, NONCE, Timestamp::from_seconds(NOW)).await
}

#[tokio::test]
async fn a_personal_account_is_refused_where_only_work_accounts_are_taken() {
    let refused = accepted_by("organizations", "{tenantid}", personal, ("personal", 1)).await.expect_err("refused");
    assert_eq!((refused.class, refused.detail.as_deref()), (FailureClass::WrongAccount, Some("personal_account")));
    assert!(accepted_by("organizations", "{tenantid}", Fake::claims, ("work", 0)).await.is_ok());
}

#[tokio::test]
async fn a_work_account_is_refused_where_only_personal_ones_are_taken() {
    let refused = accepted_by("consumers", "{tenantid}", Fake::claims, ("work", 0)).await.expect_err("refused");
    assert_eq!((refused.class, refused.detail.as_deref()), (FailureClass::WrongAccount, Some("work_account")));
    assert!(accepted_by("consumers", CONSUMERS, personal, ("personal", 1)).await.is_ok());
}

#[tokio::test]
async fn another_tenants_account_is_refused_where_one_tenant_is_configured() {
    // Whether discovery names the tenant, as Microsoft's does, or a template.
    let refused = accepted_by(FABRIKAM, FABRIKAM, Fake::claims, ("work", 0)).await.expect_err("refused");
    assert_eq!((refused.class, refused.detail.as_deref()), (FailureClass::IdTokenInvalid, Some("issuer")));
    let refused = accepted_by(FABRIKAM, "{tenantid}", Fake::claims, ("work", 0)).await.expect_err("refused");
    assert_eq!((refused.class, refused.detail.as_deref()), (FailureClass::WrongAccount, Some("other_tenant")));
    assert!(accepted_by(CONTOSO, CONTOSO, Fake::claims, ("work", 0)).await.is_ok());
    assert!(accepted_by("contoso.com", CONTOSO, Fake::claims, ("work", 0)).await.is_ok());
}
