//! Answers of the sign-in service that are odd and no refusal, and a service whose documents cannot be had: nothing is lost by them, and nobody
//! is asked to do what would not help.

use crate::every_failure::Story;
use crate::support::{connected, failed, world};
use app::channels::refresh;
use domain::channel::HealthState;
use domain::{Actor, Failure, FailureClass, Secret};
use oauth::Resource;
use sandbox::{Endpoint, EndpointFault, Event, Fault, KeysFault, TokenFault};
use std::time::Duration;

const SUPPORT: &str = "support@contoso.example";
const SALES: &str = "sales@contoso.example";
const MINUTE: Duration = Duration::from_secs(60);
const TWO_HOURS: Duration = Duration::from_secs(2 * 3600);
/// Longer than what the service published is believed.
const TWO_DAYS: Duration = Duration::from_secs(48 * 3600);

async fn refreshed(story: &Story) -> Result<Secret, Failure> {
    let (scope, grant) = (story.world.admin().await.scope, story.channel().await.grant_id.expect("a grant"));
    refresh::access_token(&story.world.app, &scope, grant, Resource::Outlook).await
}

#[tokio::test]
async fn a_refresh_that_gives_no_new_refresh_token_or_the_same_one_keeps_the_one_that_is_there() {
    let story = Story::new().await;
    for fault in [TokenFault::NoRefreshToken, TokenFault::NoRotation] {
        story.world.sandbox.faults().times(3, fault.clone());
        for _ in 0..4 {
            story.world.advance(TWO_HOURS);
            refreshed(&story).await.unwrap_or_else(|failure| panic!("{fault:?}: {failure}"));
        }
        assert_eq!(story.world.sandbox.faults().armed(), [], "it was met");
    }
    assert_eq!(story.world.sandbox.refreshes(), 8);
    assert_eq!(story.channel().await.fetch_health.state, HealthState::Connected);
}

#[tokio::test]
async fn a_token_that_runs_out_in_a_second_is_not_used_and_asks_neither_anybody_nor_microsoft_again_and_again() {
    let story = Story::new().await;
    for seconds in [0, 1, 59] {
        story.world.advance(TWO_HOURS);
        story.world.sandbox.faults().always(TokenFault::ExpiresIn(seconds));
        let (refreshes, sign_ins) = (story.world.sandbox.refreshes(), imap_connections(&story));
        story.reads().await;
        assert_eq!(story.world.sandbox.refreshes(), refreshes + 1, "one try, one request");
        assert_eq!(imap_connections(&story), sign_ins, "no mail server is shown it");
        let health = story.channel().await.fetch_health;
        let failure = health.failure.expect("a failure");
        assert_eq!((failure.class, health.state), (FailureClass::SignInUnavailable, HealthState::Failing));
        assert_eq!(failure.detail, Some(format!("the access token is good for {seconds} s")));
        story.world.advance(MINUTE * 11);
        assert_eq!(story.open().await, [], "nobody can do anything about it");
        story.world.sandbox.faults().clear();
        story.gets_well().await;
    }
    // Whoever signs in does not notice it: what came with the code is not needed.
    story.world.sandbox.faults().once(TokenFault::ExpiresIn(1));
    connected(&story.world.connect(SALES, None).await);
    assert_eq!(story.world.sandbox.faults().armed(), []);
}

fn imap_connections(story: &Story) -> usize {
    story.world.sandbox.events().iter().filter(|event| matches!(event, Event::ImapConnected)).count()
}

#[tokio::test]
async fn a_lifetime_longer_than_any_is_believed_until_the_mail_server_says_otherwise() {
    let story = Story::new().await;
    story.world.advance(TWO_HOURS);
    story.world.sandbox.faults().once(TokenFault::ExpiresIn(u32::MAX));
    let first = refreshed(&story).await.expect("a token");
    story.world.advance(TWO_DAYS);
    assert_eq!(refreshed(&story).await.expect("a token"), first);
    let (scope, grant) = (story.world.admin().await.scope, story.channel().await.grant_id.expect("a grant"));
    let fresh = refresh::fresh_access_token(&story.world.app, &scope, grant, Resource::Outlook).await;
    assert_ne!(fresh.expect("a token"), first);
}

#[tokio::test]
async fn a_token_of_another_audience_is_refused_by_the_mail_server_and_is_not_used_again() {
    let story = Story::new().await;
    story.world.advance(TWO_HOURS);
    story.world.sandbox.faults().once(TokenFault::WrongAudience);
    story.reads().await;
    assert_eq!(story.world.sandbox.faults().armed(), []);
    let health = story.channel().await.fetch_health;
    let class = health.failure.map(|failure| failure.class);
    assert_eq!((class, health.state), (Some(FailureClass::AuthenticationRefused), HealthState::Failing));
    let refreshes = story.world.sandbox.refreshes();
    story.world.advance(MINUTE);
    story.reads().await;
    assert_eq!(story.world.sandbox.refreshes(), refreshes + 1, "a fresh one took its place");
    assert_eq!(story.channel().await.fetch_health.state, HealthState::Connected);
    story.world.advance(MINUTE * 11);
    assert_eq!(story.open().await, [], "nobody was asked");
}

/// What an endpoint does on a bad day.
fn bad_days(at: Endpoint) -> [EndpointFault; 5] {
    [
        EndpointFault::HtmlUnavailable(at),
        EndpointFault::TooManyRequests { at, retry_after_seconds: 7 },
        EndpointFault::Unavailable { at, retry_after_seconds: 7 },
        EndpointFault::Truncated(at),
        EndpointFault::RedirectElsewhere(at),
    ]
}

#[tokio::test]
async fn a_discovery_document_that_cannot_be_had_asks_nobody_to_sign_in_again() {
    let story = Story::new().await;
    for fault in bad_days(Endpoint::Discovery) {
        // The one that is kept is believed no more, and the token has run out.
        story.world.advance(TWO_DAYS);
        story.world.sandbox.faults().always(fault);
        let refreshes = story.world.sandbox.refreshes();
        story.reads().await;
        let channel = story.channel().await;
        let failure = channel.fetch_health.failure.unwrap_or_else(|| panic!("{fault:?}"));
        assert_eq!(failure.class, FailureClass::SignInUnavailable, "{fault:?}");
        assert_eq!((channel.fetch_health.state, failure.class.actor()), (HealthState::Failing, Actor::Nobody));
        assert_eq!(channel.send_health.state, HealthState::Connected, "{fault:?}");
        story.world.advance(MINUTE * 11);
        assert_eq!(story.open().await, [], "{fault:?}");
        assert_eq!(story.world.sandbox.refreshes(), refreshes, "no refresh token is sent to where nobody knows");
        story.world.sandbox.faults().clear();
        story.gets_well().await;
    }
}

#[tokio::test]
async fn a_document_that_is_not_a_day_old_goes_on_without_the_service_that_published_it() {
    let story = Story::new().await;
    story.world.sandbox.faults().always(EndpointFault::HtmlUnavailable(Endpoint::Discovery));
    for _ in 0..3 {
        story.world.advance(TWO_HOURS);
        refreshed(&story).await.expect("a token");
    }
}

#[tokio::test]
async fn keys_that_cannot_be_had_blame_no_token_and_leave_the_inbox_that_signs_in_again_as_it_was() {
    let story = Story::new().await;
    let empty = Fault::from(KeysFault::Empty);
    for fault in bad_days(Endpoint::Keys).map(Fault::from).into_iter().chain([empty]) {
        story.world.advance(TWO_DAYS);
        story.world.sandbox.faults().always(fault.clone());
        // They are needed to sign in, and for nothing else.
        story.reads().await;
        assert_eq!(story.channel().await.fetch_health.state, HealthState::Connected, "{fault:?}");
        let before = story.channel().await;
        for inbox in [None, Some(story.inbox)] {
            let page = story.world.connect(SUPPORT, inbox).await;
            assert_eq!(failed(&page), FailureClass::SignInUnavailable, "{fault:?}");
        }
        assert_eq!(story.channel().await, before, "{fault:?}");
        refreshed(&story).await.expect("its permission stands");
        story.world.sandbox.faults().clear();
        assert_eq!(connected(&story.world.connect(SUPPORT, Some(story.inbox)).await), story.inbox, "{fault:?}");
    }
}

#[tokio::test]
async fn a_list_of_no_keys_takes_the_place_of_none_that_was_good() {
    let world = world().await;
    connected(&world.connect(SUPPORT, None).await);
    world.sandbox.faults().always(KeysFault::Empty);
    for _ in 0..3 {
        world.advance(TWO_HOURS);
        connected(&world.connect(SALES, None).await);
    }
}

#[tokio::test]
async fn keys_of_kinds_that_nobody_knows_keep_nobody_from_signing_in() {
    let world = world().await;
    world.sandbox.faults().always(KeysFault::Strange);
    connected(&world.connect(SUPPORT, None).await);
    connected(&world.connect("corner.shop@outlook.example", None).await);
    assert!(world.sandbox.faults().fired().contains(&Fault::from(KeysFault::Strange)));
}
