//! What Microsoft wants of the next sign-in (Conditional Access) is brought along by it, so that nobody is sent round in a circle.

use crate::every_failure::Story;
use app::channels::connect::Begin;
use domain::channel::{HealthState, SendTransport};
use domain::{FailureClass, InboxId};
use sandbox::TokenFault;
use std::time::Duration;
use url::Url;

const SUPPORT: &str = "support@contoso.example";
const SALES: &str = "sales@contoso.example";
const TWO_HOURS: Duration = Duration::from_secs(2 * 3600);
const WANTED: &str = r#"{"access_token":{"capolids":{"essential":true,"values":["5d1c-ä & \"b\""]}}}"#;

fn wants(story: &Story, claims: Option<&str>) {
    assert!(story.world.sandbox.update_user(SUPPORT, |user| user.wanted_claims = claims.map(str::to_owned)));
}

/// What the sign-in page is asked for, when the inbox signs in again.
async fn authorize(story: &Story, inbox_id: Option<InboxId>) -> Url {
    let attempt = story.world.begin_with(Begin { inbox_id, ..Begin::default() }).await;
    attempt.open_in(&attempt.browser).await.expect("a link that opens")
}

fn claims(url: &Url) -> Option<String> {
    url.query_pairs().find(|(name, _)| name == "claims").map(|(_, value)| value.into_owned())
}

#[tokio::test]
async fn what_a_refused_refresh_asks_for_is_brought_along_by_the_next_sign_in_of_that_inbox_and_no_other() {
    let story = Story::new().await;
    let others = crate::support::connected(&story.world.connect(SALES, None).await);
    assert_eq!(claims(&authorize(&story, Some(story.inbox)).await), None, "nobody asked for anything");
    wants(&story, Some(WANTED));
    story.world.advance(TWO_HOURS);
    story.reads().await;
    let channel = story.channel().await;
    let class = channel.fetch_health.failure.as_ref().map(|failure| failure.class);
    assert_eq!(
        (class, channel.fetch_health.state),
        (Some(FailureClass::InteractionRequired), HealthState::NeedsReauth)
    );

    assert_eq!(claims(&authorize(&story, Some(story.inbox)).await).as_deref(), Some(WANTED));
    assert_eq!(claims(&authorize(&story, Some(others)).await), None);
    assert_eq!(claims(&authorize(&story, None).await), None);
    // Whoever begins and does not come back has not signed in: it is wanted still.
    assert_eq!(claims(&authorize(&story, Some(story.inbox)).await).as_deref(), Some(WANTED));

    // Once round, and the mailbox works for as long as it is refreshed.
    story.gets_well().await;
    for _ in 0..3 {
        story.world.advance(TWO_HOURS);
        story.reads().await;
        assert_eq!(story.channel().await.fetch_health.state, HealthState::Connected);
    }
    assert_eq!(claims(&authorize(&story, Some(story.inbox)).await), None, "it has been given");
}

#[tokio::test]
async fn a_policy_that_changes_its_mind_is_followed_and_one_that_blocks_may_ask_as_well() {
    let story = Story::new().await;
    for claims_now in [r#"{"access_token":{"acrs":{"essential":true,"value":"c1"}}}"#, WANTED] {
        wants(&story, Some(claims_now));
        story.world.advance(TWO_HOURS);
        story.reads().await;
        assert_eq!(claims(&authorize(&story, Some(story.inbox)).await).as_deref(), Some(claims_now));
        story.gets_well().await;
    }
    let mut blocked = TokenFault::conditional_access();
    if let TokenFault::Error { claims, .. } = &mut blocked {
        *claims = Some(WANTED.to_owned());
    }
    story.world.advance(TWO_HOURS);
    story.world.sandbox.faults().once(blocked);
    story.reads().await;
    assert_eq!(story.channel().await.fetch_health.state, HealthState::Blocked);
    assert_eq!(claims(&authorize(&story, Some(story.inbox)).await).as_deref(), Some(WANTED));
}

#[tokio::test]
async fn what_is_wanted_for_sending_through_graph_alone_is_brought_along_too() {
    let story = Story::new().await;
    let inbox = crate::support::connected(&story.world.connect_by_graph(SALES, None).await);
    let grant = story.world.channel(inbox).await.grant_id.expect("a grant");
    assert_eq!(story.world.channel(inbox).await.send_transport, SendTransport::Graph);
    story.world.advance(TWO_HOURS);
    let mut fault = TokenFault::mfa_required();
    if let TokenFault::Error { claims, .. } = &mut fault {
        *claims = Some(WANTED.to_owned());
    }
    story.world.sandbox.faults().once(fault);
    let admin = story.world.admin().await;
    let refused =
        app::channels::refresh::access_token(&story.world.app, &admin.scope, grant, oauth::Resource::Graph).await;
    let failure = refused.expect_err("refused");
    assert_eq!(failure.class, FailureClass::GraphConsentMissing);
    let channel = story.world.channel(inbox).await.id;
    app::channels::health::record_send(&story.world.app, &admin.scope, channel, Err(&failure), None)
        .await
        .expect("the database");
    assert_eq!(claims(&authorize(&story, Some(inbox)).await).as_deref(), Some(WANTED));
}

#[tokio::test]
async fn claims_that_are_none_or_too_long_are_left_out_and_the_sign_in_goes_on_without() {
    let story = Story::new().await;
    let long = format!(r#"{{"a":"{}"}}"#, "x".repeat(3000));
    for nonsense in ["[]", "no JSON", "{", &long] {
        let mut fault = TokenFault::mfa_required();
        if let TokenFault::Error { claims, .. } = &mut fault {
            *claims = Some(nonsense.to_owned());
        }
        story.world.advance(TWO_HOURS);
        story.world.sandbox.faults().once(fault);
        story.reads().await;
        assert_eq!(story.channel().await.fetch_health.state, HealthState::NeedsReauth);
        assert_eq!(claims(&authorize(&story, Some(story.inbox)).await), None);
        story.gets_well().await;
    }
}
