//! How often Microsoft is asked for its documents: enough to follow a key that changes, never enough to be a flood.

use crate::fake::{Fake, NONCE, token};
use domain::{Clock, FailureClass};
use oauth::Microsoft;
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);

async fn word(fake: &Fake, microsoft: &Microsoft, kid: &str) -> Option<String> {
    let mut claims = fake.claims();
    // Sound at whatever time it is now.
    for (name, offset) in [("iat", -5), ("nbf", -5), ("exp", 3900)] {
        claims[name] = serde_json::json!(fake.clock.now().seconds() + offset);
    }
    let raw = token(kid, 0, &claims);
    microsoft.validate_id_token(&raw, NONCE, fake.clock.now()).await.err().map(|f| f.detail.unwrap_or_default())
}

#[tokio::test]
async fn documents_are_fetched_once_for_many_tokens() {
    let fake = Fake::common().await;
    let microsoft = fake.microsoft("common");
    for _ in 0..10 {
        assert_eq!(word(&fake, &microsoft.clone(), "work").await, None);
    }
    assert_eq!((fake.asked("/openid-configuration"), fake.asked("/keys")), (1, 1));
}

#[tokio::test]
async fn a_hundred_made_up_key_ids_cause_one_fetch_beyond_the_first() {
    let fake = Fake::common().await;
    let microsoft = fake.microsoft("common");
    assert_eq!(word(&fake, &microsoft, "work").await, None);
    let (fake, microsoft) = (std::sync::Arc::new(fake), microsoft);
    let mut asking = tokio::task::JoinSet::new();
    for number in 0..100 {
        let (fake, microsoft) = (fake.clone(), microsoft.clone());
        asking.spawn(async move { word(&fake, &microsoft, &format!("made-up-{number}")).await });
    }
    while let Some(ended) = asking.join_next().await {
        assert_eq!(ended.expect("no panic").as_deref(), Some("kid_unknown"));
    }
    assert_eq!(fake.asked("/keys"), 2);
    assert_eq!(word(&fake, &microsoft, "work").await, None, "known keys are not held up");
}

#[tokio::test]
async fn a_new_key_is_picked_up_at_once() {
    let fake = Fake::common().await;
    let microsoft = fake.microsoft("common");
    assert_eq!(word(&fake, &microsoft, "work").await, None);
    fake.publish(vec![fake.jwk("rolled", 0, Some(&fake.issuer("{tenantid}")))]);
    assert_eq!(word(&fake, &microsoft, "rolled").await, None);
    assert_eq!(
        word(&fake, &microsoft, "work").await.as_deref(),
        Some("kid_unknown"),
        "a withdrawn key is gone with it"
    );
    assert_eq!(fake.asked("/keys"), 2);
}

#[tokio::test]
async fn after_five_minutes_an_unknown_key_is_worth_a_fetch_again() {
    let fake = Fake::common().await;
    let microsoft = fake.microsoft("common");
    assert_eq!(word(&fake, &microsoft, "unknown").await.as_deref(), Some("kid_unknown"));
    fake.publish(vec![fake.jwk("rolled", 0, Some(&fake.issuer("{tenantid}")))]);
    fake.clock.advance(4 * MINUTE);
    assert_eq!(word(&fake, &microsoft, "rolled").await.as_deref(), Some("kid_unknown"));
    fake.clock.advance(MINUTE);
    assert_eq!(word(&fake, &microsoft, "rolled").await, None);
}

#[tokio::test]
async fn an_hour_old_list_is_fetched_again_and_a_failing_fetch_leaves_the_old_one() {
    let fake = Fake::common().await;
    let microsoft = fake.microsoft("common");
    assert_eq!(word(&fake, &microsoft, "work").await, None);
    fake.clock.advance(61 * MINUTE);
    assert_eq!(word(&fake, &microsoft, "work").await, None);
    assert_eq!((fake.asked("/openid-configuration"), fake.asked("/keys")), (2, 2));
    fake.keys_fail_with(503);
    fake.clock.advance(61 * MINUTE);
    for _ in 0..5 {
        assert_eq!(word(&fake, &microsoft, "work").await, None);
    }
    assert_eq!(fake.asked("/keys"), 3, "a failure is not repeated for every token");
}

#[tokio::test]
async fn a_list_is_not_believed_for_longer_than_a_day() {
    let fake = Fake::common().await;
    let microsoft = fake.microsoft("common");
    assert_eq!(word(&fake, &microsoft, "work").await, None);
    fake.keys_fail_with(503);
    fake.clock.advance(25 * 60 * MINUTE);
    let raw = token("work", 0, &fake.claims());
    let failure = microsoft.validate_id_token(&raw, NONCE, fake.clock.now()).await.expect_err("nothing to check with");
    assert_eq!(failure.class, FailureClass::SignInUnavailable);
}

#[tokio::test]
async fn a_discovery_document_that_points_elsewhere_gets_nothing() {
    let fake = Fake::common().await;
    fake.change_discovery(|document| document["jwks_uri"] = serde_json::json!("http://evil.example/keys"));
    let raw = token("work", 0, &fake.claims());
    let failure = fake.microsoft("common").validate_id_token(&raw, NONCE, fake.clock.now()).await.expect_err("refused");
    assert_eq!(failure.class, FailureClass::AppMisconfigured);
    assert_eq!(fake.asked("/keys"), 0);
}
