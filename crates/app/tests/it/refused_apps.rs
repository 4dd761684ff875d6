//! Apps that Microsoft does not know any more, has switched off, or that are not there: one alarm of the app; and organisations that do not let one
//! in, which are asked themselves.

use crate::support::{World, connected, world};
use app::channels::{HealthNotice, health, notices, refresh};
use app::oauth_apps::{expiry, installation_alarm};
use app::{App, AppParts};
use domain::channel::HealthState;
use domain::{Actor, Failure, FailureClass, InboxId, Secret};
use oauth::Resource;
use sandbox::{CONTOSO, Event, TokenFault};
use std::time::Duration;

const SUPPORT: &str = "support@contoso.example";
const SALES: &str = "sales@contoso.example";
const SHOP: &str = "corner.shop@outlook.example";
const TWO_HOURS: Duration = Duration::from_secs(2 * 3600);
const TEN_MINUTES: Duration = Duration::from_secs(600);

/// So many at once, of the inboxes in turn.
async fn refreshed(world: &World, inboxes: &[InboxId], times: usize) -> Vec<Result<Secret, Failure>> {
    let scope = world.admin().await.scope;
    let mut asking = tokio::task::JoinSet::new();
    for inbox in inboxes.iter().cycle().take(times) {
        let (app, scope) = (world.app.clone(), scope.clone());
        let grant = world.channel(*inbox).await.grant_id.expect("a grant");
        asking.spawn(async move { refresh::access_token(&app, &scope, grant, Resource::Outlook).await });
    }
    asking.join_all().await
}

async fn refused(world: &World, inbox: InboxId) -> Failure {
    refreshed(world, &[inbox], 1).await.pop().expect("an answer").expect_err("refused")
}

async fn works(world: &World, inbox: InboxId) {
    refreshed(world, &[inbox], 1).await.pop().expect("an answer").expect("a token");
}

/// The mailbox is tried for two hours, and fails like this each time: who is told of it.
async fn told_after_two_hours(world: &World, inboxes: &[InboxId], failure: &Failure) -> Vec<HealthNotice> {
    let scope = world.admin().await.scope;
    for _ in 0..12 {
        for inbox in inboxes {
            let channel = world.channel(*inbox).await.id;
            health::record_fetch(&world.app, &scope, channel, Err(failure), None).await.expect("the database");
        }
        world.advance(TEN_MINUTES);
        notices::look(&world.app).await.expect("looked");
    }
    notices::open(&world.app, &world.admin().await).await.expect("an administrator")
}

/// How often Microsoft was asked about the app with a code that nobody was given.
fn asked(world: &World) -> usize {
    let made_up = |event: &&Event| matches!(event, Event::TokenRequested { grant_type, answered: Err(_), .. } if grant_type == "authorization_code");
    world.sandbox.events().iter().filter(made_up).count()
}

#[tokio::test]
async fn an_app_that_microsoft_has_switched_off_is_one_alarm_and_no_mailboxs_notice() {
    let world = world().await;
    let (own, own_client) = world.own_app("a-secret-of-our-own-app").await;
    let ours = [connected(&world.connect(SUPPORT, None).await), connected(&world.connect(SHOP, None).await)];
    let ask = app::channels::connect::Begin { oauth_app_id: Some(Some(own)), ..Default::default() };
    let theirs = connected(&world.connect_with(SALES, ask).await);
    let client_id = world.sandbox.client_id().to_owned();
    for client in [&client_id, &own_client] {
        world.sandbox.update_app(client, |app| app.disabled = true);
    }
    world.advance(TWO_HOURS);
    for answer in refreshed(&world, &ours, 8).await {
        let failure = answer.expect_err("refused");
        assert_eq!((failure.class, failure.class.actor()), (FailureClass::AppUnusable, Actor::Operator));
        assert!(failure.detail.is_some_and(|detail| detail.contains("AADSTS7000112")));
    }
    assert_eq!(asked(&world), 1, "one asks for all");
    let alarm = installation_alarm(&world.app).await.expect("the database").expect("an alarm");
    assert_eq!(alarm.failure.class, FailureClass::AppUnusable);
    assert!(alarm.failure.correlation_id.is_some());

    for answer in refreshed(&world, &[theirs], 3).await {
        let failure = answer.expect_err("refused");
        assert_eq!((failure.class, failure.class.actor()), (FailureClass::OwnAppUnusable, Actor::TenantAdmin));
    }
    let told = world.events("oauth_app_health_changed").await;
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!((&told[0]["state"], &told[0]["failure"]["code"]), (&"failing".into(), &"own_app_unusable".into()));
    for (inboxes, class) in [(&ours[..], FailureClass::AppUnusable), (&[theirs][..], FailureClass::OwnAppUnusable)] {
        let told = told_after_two_hours(&world, inboxes, &class.into()).await;
        assert!(told.is_empty(), "no mailbox tells it as its own: {told:?}");
        for inbox in inboxes {
            assert_eq!(world.channel(*inbox).await.fetch_health.state, HealthState::Failing);
        }
    }

    for client in [&client_id, &own_client] {
        world.sandbox.update_app(client, |app| app.disabled = false);
    }
    world.advance(TWO_HOURS);
    works(&world, ours[0]).await;
    works(&world, theirs).await;
    assert_eq!(installation_alarm(&world.app).await.expect("the database"), None);
    assert_eq!(world.events("oauth_app_health_changed").await.last().expect("two")["state"], "working");
}

#[tokio::test]
async fn an_organisation_that_has_switched_the_app_off_is_asked_itself_and_raises_no_alarm() {
    let world = world().await;
    let theirs = connected(&world.connect(SUPPORT, None).await);
    let elsewhere = connected(&world.connect(SHOP, None).await);
    let client_id = world.sandbox.client_id().to_owned();
    world.sandbox.update_app(&client_id, |app| app.disabled_in = vec![CONTOSO.to_owned()]);
    world.advance(TWO_HOURS);
    let failure = refused(&world, theirs).await;
    assert_eq!((failure.class, failure.class.actor()), (FailureClass::AppBlockedByTenant, Actor::TenantAdmin));
    assert!(failure.correlation_id.is_some() && failure.detail.as_ref().is_some_and(|it| it.contains("AADSTS7000112")));
    works(&world, elsewhere).await;
    assert_eq!(installation_alarm(&world.app).await.expect("the database"), None);
    let told = told_after_two_hours(&world, &[theirs], &failure).await;
    let told: Vec<_> = told.iter().map(|notice| (notice.standing.actor, notice.standing.failure.class)).collect();
    assert_eq!(told, [(Actor::TenantAdmin, FailureClass::AppBlockedByTenant)]);

    world.sandbox.update_app(&client_id, |app| app.disabled_in.clear());
    works(&world, theirs).await;
}

#[tokio::test]
async fn whether_microsoft_knows_an_app_is_asked_once_for_many_and_again_while_nobody_knows() {
    let world = world().await;
    let inbox = connected(&world.connect(SUPPORT, None).await);
    let unknown = || TokenFault::Error {
        status: 400,
        error: "unauthorized_client".to_owned(),
        suberror: None,
        code: 700_016,
        text: "Application was not found in the directory.".to_owned(),
        claims: None,
    };
    world.advance(TWO_HOURS);
    // Of the mailbox's own refusal Microsoft is sure, and of nothing else.
    world.sandbox.faults().always_for(SUPPORT, unknown());
    world.sandbox.faults().always(TokenFault::temporarily_unavailable());
    for answer in refreshed(&world, &[inbox], 6).await {
        assert_eq!(answer.expect_err("refused").class, FailureClass::AppMisconfigured);
    }
    assert_eq!(asked(&world), 1, "one asks for all");
    assert_eq!(installation_alarm(&world.app).await.expect("the database"), None, "neither yes nor no");
    world.sandbox.faults().clear();
    world.sandbox.faults().always_for(SUPPORT, unknown());
    world.advance(TEN_MINUTES);
    assert_eq!(refused(&world, inbox).await.class, FailureClass::AppBlockedByTenant);
    assert_eq!(asked(&world), 2);
    // And when Microsoft does not know it anywhere.
    world.sandbox.faults().clear();
    world.sandbox.faults().always(unknown());
    world.advance(TEN_MINUTES);
    assert_eq!(refused(&world, inbox).await.class, FailureClass::AppUnusable);
    assert!(installation_alarm(&world.app).await.expect("the database").is_some());
}

#[tokio::test]
async fn an_installation_whose_app_was_taken_out_says_so_once() {
    let world = world().await;
    let inbox = connected(&world.connect(SUPPORT, None).await);
    let grant = world.channel(inbox).await.grant_id.expect("a grant");
    let without = App::new(AppParts { microsoft: None, ..world.parts() });
    assert_eq!(installation_alarm(&without).await.expect("the database"), None, "it may be meant so");
    world.advance(TWO_HOURS);
    let scope = world.admin().await.scope;
    let mut since = Vec::new();
    for _ in 0..3 {
        world.advance(TEN_MINUTES);
        let refused = refresh::access_token(&without, &scope, grant, Resource::Outlook).await;
        assert_eq!(refused.expect_err("refused").class, FailureClass::AppUnusable);
        since.push(installation_alarm(&without).await.expect("the database").expect("an alarm").since);
    }
    assert!(since.iter().all(|at| *at == since[0]), "it is one alarm: {since:?}");
    let alarm = installation_alarm(&without).await.expect("the database").expect("an alarm");
    assert_eq!(alarm.failure.detail.as_deref(), Some("not configured"));
    assert_eq!(
        installation_alarm(&world.app).await.expect("the database"),
        None,
        "where it is configured, it is not so"
    );
    // It is put back, and the day's look at what ends forgets it.
    expiry::warn_of_ending_credentials(&world.app).await.expect("the database");
    assert_eq!(installation_alarm(&without).await.expect("the database"), None);
}

/// What does not fit one mailbox's request may fit every other one: a mailbox that works must not take back what another one says, again and again.
#[tokio::test]
async fn a_registration_that_does_not_fit_one_mailbox_is_that_mailboxs_and_no_alarm_of_the_app() {
    let world = world().await;
    let fails = connected(&world.connect(SUPPORT, None).await);
    let well = connected(&world.connect(SHOP, None).await);
    let fault = TokenFault::Error {
        status: 400,
        error: "invalid_grant".to_owned(),
        suberror: None,
        code: 65_005,
        text: "The app asks for access to a resource that is not in its registration.".to_owned(),
        claims: None,
    };
    world.sandbox.faults().always_for(SUPPORT, fault);
    for _ in 0..3 {
        world.advance(TWO_HOURS);
        let failure = refused(&world, fails).await;
        assert_eq!((failure.class, failure.class.actor()), (FailureClass::AppMisconfigured, Actor::Operator));
        works(&world, well).await;
        assert_eq!(installation_alarm(&world.app).await.expect("the database"), None);
    }
    let told = told_after_two_hours(&world, &[fails], &FailureClass::AppMisconfigured.into()).await;
    let told: Vec<_> = told.iter().map(|notice| (notice.standing.actor, notice.standing.failure.class)).collect();
    assert_eq!(told, [(Actor::Operator, FailureClass::AppMisconfigured)]);
}
