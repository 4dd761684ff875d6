//! OAuth apps: mailboxes are signed in to, and stay so, through the app that they were given to; what is wrong with an app is said once.

use crate::support::{World, connected, failed, world};
use app::channels::connect::{Begin, BeginError, begin};
use app::channels::refresh;
use app::oauth_apps::check::{Outcome, Step, StepReport, verify};
use app::oauth_apps::expiry::warn_of_ending_credentials;
use app::oauth_apps::manage::{self, GivenApp, GivenCredential, OauthAppError};
use domain::channel::HealthState;
use domain::{Actor, FailureClass, InboxId, OauthAppId, Secret, Timestamp};
use oauth::Resource;
use sandbox::{AppRegistration, CONTOSO, Endpoint, EndpointFault, ImapFault, TestCertificate, TokenFault};
use std::time::Duration;

const SUPPORT: &str = "support@contoso.example";
const SALES: &str = "sales@contoso.example";
const TWO_HOURS: Duration = Duration::from_secs(2 * 3600);
const DAY: Duration = Duration::from_secs(24 * 3600);
const FIRST: &str = "the-first-secret-of-our-own-app";
const SECOND: &str = "the-second-secret-of-our-own-app";

fn secret(value: &str, expires_at: Option<Timestamp>) -> GivenCredential {
    GivenCredential { client_secret: Some(Secret::new(value)), expires_at, ..GivenCredential::default() }
}

async fn connect_through(world: &World, user: &str, app: Option<OauthAppId>, inbox: Option<InboxId>) -> InboxId {
    let ask = Begin { inbox_id: inbox, oauth_app_id: Some(app), ..Begin::default() };
    connected(&world.connect_with(user, ask).await)
}

async fn refreshed(world: &World, inbox: InboxId) -> Result<Secret, domain::Failure> {
    let grant = world.channel(inbox).await.grant_id.expect("a grant");
    refresh::access_token(&world.app, &world.admin().await.scope, grant, Resource::Outlook).await
}

#[tokio::test]
async fn a_mailbox_is_signed_in_to_and_refreshed_through_the_accounts_own_app() {
    let world = world().await;
    let (app, client_id) = world.own_app(FIRST).await;
    let inbox = connect_through(&world, SUPPORT, Some(app), None).await;
    let scope = world.admin().await.scope;
    let grant = world.channel(inbox).await.grant_id.expect("a grant");
    assert_eq!(scope.grant(grant).await.expect("the database").expect("a grant").oauth_app_id, Some(app));
    world.advance(TWO_HOURS);
    // The sandbox binds what it grants to the client: the installation's app would be refused.
    refreshed(&world, inbox).await.expect("a token");
    let shown = manage::show(&world.admin().await, app).await.expect("the app");
    assert_eq!((shown.in_use_by, shown.alarm, shown.client_id), (1, None, client_id));
    assert!(matches!(manage::delete(&world.admin().await, app).await, Err(OauthAppError::InUse)));

    // Signed in again through the installation's, the grant is that one's, and the app may go.
    assert_eq!(connect_through(&world, SUPPORT, None, Some(inbox)).await, inbox);
    world.advance(TWO_HOURS);
    refreshed(&world, inbox).await.expect("a token");
    manage::delete(&world.admin().await, app).await.expect("nobody uses it");
}

#[tokio::test]
async fn who_names_no_app_signs_in_through_the_inboxs_then_the_default_then_the_installations() {
    let world = world().await;
    let through = async |ask: Begin| {
        let begun = begin(&world.app, &world.admin().await, ask).await.expect("a link");
        let connection = world.admin().await.scope.connection(begun.connection_id).await.expect("the database");
        connection.expect("an attempt").oauth_app_id
    };
    let (app, _) = world.own_app(FIRST).await;
    assert_eq!(through(Begin::default()).await, None);
    let default = GivenApp { is_default: Some(true), ..GivenApp::default() };
    manage::update(&world.app, &world.admin().await, app, default).await.expect("the app");
    assert_eq!(through(Begin::default()).await, Some(app));
    assert_eq!(through(Begin { oauth_app_id: Some(None), ..Begin::default() }).await, None);
    let inbox = connect_through(&world, SUPPORT, None, None).await;
    assert_eq!(through(Begin { inbox_id: Some(inbox), ..Begin::default() }).await, None, "as it was signed in");
    connect_through(&world, SUPPORT, Some(app), Some(inbox)).await;
    assert_eq!(through(Begin { inbox_id: Some(inbox), ..Begin::default() }).await, Some(app));
}

#[tokio::test]
async fn an_app_without_a_credential_or_of_another_account_sends_nobody_anywhere() {
    let world = world().await;
    let empty = GivenApp {
        name: Some("Empty".to_owned()),
        client_id: Some("6cb04018-a3f5-46a7-b995-940c78f5aef3".to_owned()),
        ..GivenApp::default()
    };
    let empty = manage::create(&world.app, &world.admin().await, empty).await.expect("an app").id;
    let ask = |app| Begin { oauth_app_id: Some(Some(app)), ..Begin::default() };
    let refused = begin(&world.app, &world.admin().await, ask(empty)).await;
    assert!(matches!(refused, Err(BeginError::OauthAppUnusable(_))), "{refused:?}");
    let refused = begin(&world.app, &world.admin().await, ask(OauthAppId(4711))).await;
    assert!(matches!(refused, Err(BeginError::OauthAppNotFound)), "{refused:?}");
}

#[tokio::test]
async fn a_second_credential_takes_over_without_a_failing_inbox_and_the_first_says_why_it_was_refused() {
    let world = world().await;
    let (app, client_id) = world.own_app(FIRST).await;
    let inbox = connect_through(&world, SUPPORT, Some(app), None).await;
    manage::add_credential(&world.app, &world.admin().await, app, secret(SECOND, None)).await.expect("a second");
    world.sandbox.update_app(&client_id, |app| {
        *app = app.clone().secret(SECOND);
        app.secrets[0].expires_at = Some(0);
    });
    world.advance(TWO_HOURS);
    refreshed(&world, inbox).await.expect("a token, in the same call");
    let shown = manage::show(&world.admin().await, app).await.expect("the app");
    let refusal = shown.credentials[0].refused.as_ref().expect("which one was refused").failure.clone();
    assert_eq!(refusal.class, FailureClass::AppCredentialExpired);
    assert!(refusal.correlation_id.is_some());
    assert_eq!((&shown.credentials[1].refused, &shown.alarm), (&None, &None));
    assert!(world.events("oauth_app_health_changed").await.is_empty());
    assert_eq!(world.channel(inbox).await.fetch_health.state, HealthState::Connected);

    let third = manage::add_credential(&world.app, &world.admin().await, app, secret("one-more-secret", None)).await;
    assert!(matches!(third, Err(OauthAppError::CredentialsFull)), "{third:?}");
    manage::delete_credential(&world.admin().await, app, shown.credentials[0].id).await.expect("not needed");
    let last = manage::delete_credential(&world.admin().await, app, shown.credentials[1].id).await;
    assert!(matches!(last, Err(OauthAppError::LastCredential)), "{last:?}");
    world.advance(TWO_HOURS);
    refreshed(&world, inbox).await.expect("a token");
}

#[tokio::test]
async fn many_inboxes_that_fail_at_once_are_one_alarm_of_their_app_until_it_works_again() {
    let world = world().await;
    let (app, client_id) = world.own_app(FIRST).await;
    let mut inboxes = Vec::new();
    for user in [SUPPORT, SALES, "admin@contoso.example"] {
        inboxes.push(connect_through(&world, user, Some(app), None).await);
    }
    let expire = |at: Option<i64>| world.sandbox.update_app(&client_id, |app| app.secrets[0].expires_at = at);
    expire(Some(0));
    world.advance(TWO_HOURS);
    let scope = world.admin().await.scope;
    let mut grants = Vec::new();
    for inbox in &inboxes {
        grants.push(world.channel(*inbox).await.grant_id.expect("a grant"));
    }
    for _ in 0..2 {
        let mut asking = tokio::task::JoinSet::new();
        for grant in grants.iter().cycle().take(9).copied() {
            let (app, scope) = (world.app.clone(), scope.clone());
            asking.spawn(async move { refresh::access_token(&app, &scope, grant, Resource::Outlook).await });
        }
        for answer in asking.join_all().await {
            let failure = answer.expect_err("refused");
            assert_eq!(failure.class, FailureClass::OwnAppCredentialExpired);
            assert_eq!(failure.class.actor(), Actor::TenantAdmin, "not the operator");
            let detail = failure.detail.unwrap_or_default();
            assert!(detail.contains("Contoso's own") && detail.contains("AADSTS7000222"), "{detail}");
        }
    }
    let told = world.events("oauth_app_health_changed").await;
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!((&told[0]["state"], &told[0]["failure"]["actor"]), (&"failing".into(), &"tenant_admin".into()));
    let alarm = manage::show(&world.admin().await, app).await.expect("the app").alarm.expect("an alarm");
    assert!(alarm.failure.correlation_id.is_some());
    for inbox in &inboxes {
        let health = world.channel(*inbox).await.fetch_health;
        assert_ne!(health.state, HealthState::NeedsReauth, "nobody is asked to sign in");
    }

    expire(None);
    for inbox in &inboxes {
        refreshed(&world, *inbox).await.expect("a token");
    }
    let told = world.events("oauth_app_health_changed").await;
    assert_eq!((told.len(), &told[1]["state"]), (2, &"working".into()));
    assert_eq!(manage::show(&world.admin().await, app).await.expect("the app").alarm, None);
    expire(Some(0));
    world.advance(TWO_HOURS);
    for inbox in &inboxes {
        refreshed(&world, *inbox).await.expect_err("refused");
    }
    assert_eq!(world.events("oauth_app_health_changed").await.len(), 3, "it broke again");
}

#[tokio::test]
async fn the_installations_app_has_one_alarm_as_well_and_no_account_is_told() {
    let world = world().await;
    let inbox = connected(&world.connect(SUPPORT, None).await);
    let alarm = async || world.app.store().app_alarms().of(world.sandbox.client_id()).await.expect("the database");
    world.advance(TWO_HOURS);
    world.sandbox.faults().always(TokenFault::invalid_client_secret());
    assert_eq!(refreshed(&world, inbox).await.expect_err("refused").class, FailureClass::AppCredentialRefused);
    assert_eq!(alarm().await.expect("an alarm").failure.class, FailureClass::AppCredentialRefused);
    assert_eq!(failed(&world.connect(SALES, None).await), FailureClass::AppCredentialRefused);
    assert!(world.events("oauth_app_health_changed").await.is_empty());
    world.sandbox.faults().clear();
    refreshed(&world, inbox).await.expect("a token");
    assert_eq!(alarm().await, None);
}

#[tokio::test]
async fn an_app_proves_itself_by_a_certificate_in_its_own_tenant() {
    let world = world().await;
    let now = world.app.now();
    let made = TestCertificate::make(2048, now.seconds(), (1, 100));
    let registration = AppRegistration::any().certificate(&made.certificate).for_tenant(CONTOSO);
    let client_id = registration.client_id.clone();
    world.sandbox.register_app(registration);
    let credential = GivenCredential {
        certificate: Some(made.certificate.clone()),
        private_key: Some(Secret::new(made.private_key)),
        ..GivenCredential::default()
    };
    let given = GivenApp {
        name: Some("By certificate".to_owned()),
        client_id: Some(client_id),
        authority: Some(CONTOSO.to_owned()),
        credential: Some(credential),
        ..GivenApp::default()
    };
    let app = manage::create(&world.app, &world.admin().await, given).await.expect("an app");
    let ends = app.credentials[0].expires_at.expect("the certificate says so");
    assert!(ends > now.plus(DAY * 98) && ends < now.plus(DAY * 101));
    let inbox = connect_through(&world, SUPPORT, Some(app.id), None).await;
    world.advance(TWO_HOURS);
    refreshed(&world, inbox).await.expect("a token");
    // The same app through the shared authority is no app at all.
    let common = GivenApp { authority: Some("common".to_owned()), ..GivenApp::default() };
    manage::update(&world.app, &world.admin().await, app.id, common).await.expect("the app");
    world.advance(TWO_HOURS);
    let refused = refreshed(&world, inbox).await.expect_err("refused");
    assert_eq!(refused.class, FailureClass::OwnAppMisconfigured);
    assert!(refused.detail.is_some_and(|detail| detail.contains("AADSTS50194")));
}

#[tokio::test]
async fn what_is_given_of_an_app_must_be_usable_and_its_secrets_go_to_no_host_of_an_accounts_choice() {
    let world = world().await;
    let made = TestCertificate::make(2048, world.app.now().seconds(), (60, -30));
    let expired = GivenCredential {
        certificate: Some(made.certificate),
        private_key: Some(Secret::new(made.private_key)),
        ..GivenCredential::default()
    };
    let both = GivenCredential { certificate: Some("x".to_owned()), ..secret(FIRST, None) };
    let good = || GivenApp {
        name: Some("An app".to_owned()),
        client_id: Some("6cb04018-a3f5-46a7-b995-940c78f5aef3".to_owned()),
        ..GivenApp::default()
    };
    let text = |text: &str| Some(text.to_owned());
    let guid = "11111111-2222-4333-8444-555555555555";
    for (field, given) in [
        ("name", GivenApp { name: text(" "), ..good() }),
        ("client_id", GivenApp { client_id: text("common"), ..good() }),
        ("authority", GivenApp { authority: text("https://evil.example"), ..good() }),
        ("authority", GivenApp { authority: text("../evil"), ..good() }),
        ("authority", GivenApp { authority: text("127.0.0.1"), ..good() }),
        ("cloud", GivenApp { cloud: text("china"), ..good() }),
        ("cloud", GivenApp { cloud: text("https://evil.example"), ..good() }),
        ("client_secret", GivenApp { credential: Some(secret("short", None)), ..good() }),
        ("client_secret", GivenApp { credential: Some(secret(guid, None)), ..good() }),
        ("client_secret", GivenApp { credential: Some(both), ..good() }),
        ("client_secret", GivenApp { credential: Some(GivenCredential::default()), ..good() }),
        ("expires_at", GivenApp { credential: Some(secret(FIRST, Some(Timestamp(0)))), ..good() }),
        ("certificate", GivenApp { credential: Some(expired), ..good() }),
    ] {
        match manage::create(&world.app, &world.admin().await, given).await {
            Err(OauthAppError::Invalid(said, _)) => assert_eq!(said, field),
            other => panic!("{field}: {other:?}"),
        }
    }
    assert!(manage::list(&world.admin().await).await.expect("none").is_empty());
    // A domain is a name in a path of the installation's own sign-in host, never a host.
    let domain = GivenApp { authority: text("evil.example"), credential: Some(secret(FIRST, None)), ..good() };
    let app = manage::create(&world.app, &world.admin().await, domain).await.expect("an app").id;
    let ask = Begin { oauth_app_id: Some(Some(app)), ..Begin::default() };
    let attempt = world.begin_with(ask).await;
    let url = attempt.open_in(&attempt.browser).await.expect("a link that opens");
    assert!(url.as_str().starts_with(&format!("{}/evil.example/", world.sandbox.login_url())), "{url}");
}

#[tokio::test]
async fn whoever_can_replace_a_credential_is_reminded_at_each_threshold_once() {
    let world = world().await;
    let (app, _) = world.own_app(FIRST).await;
    let first = manage::show(&world.admin().await, app).await.expect("the app").credentials[0].id;
    let ends = world.app.now().plus(DAY * 40);
    manage::add_credential(&world.app, &world.admin().await, app, secret(SECOND, Some(ends))).await.expect("a second");
    let reminded = async || {
        let (one, other) = tokio::join!(warn_of_ending_credentials(&world.app), warn_of_ending_credentials(&world.app));
        one.expect("the database") + other.expect("the database")
    };
    world.advance(DAY * 11);
    assert_eq!(reminded().await, 0, "the first one's end is not known, and it is believed to last");
    manage::delete_credential(&world.admin().await, app, first).await.expect("two are there");
    let mut days = Vec::new();
    for _ in 0..30 {
        assert!(reminded().await <= 1);
        world.advance(DAY);
    }
    for told in world.events("oauth_app_credential_ending").await {
        assert_eq!(told["oauth_app_id"], serde_json::json!(app.0));
        days.push(told["days"].as_i64().expect("days"));
    }
    assert_eq!(days, [30, 14, 7, 1]);
}

fn outcomes(steps: &[StepReport]) -> Vec<&'static str> {
    assert_eq!(steps.iter().map(|step| step.step).collect::<Vec<_>>(), Step::ALL);
    let said = |step: &StepReport| match &step.outcome {
        Outcome::Ok => "ok",
        Outcome::Failed(failure) => failure.class.code(),
        Outcome::Skipped(_) => "skipped",
    };
    steps.iter().map(said).collect()
}

#[tokio::test]
async fn verifying_an_app_says_which_step_fails_and_blames_no_other() {
    let world = world().await;
    let (app, client_id) = world.own_app(FIRST).await;
    let admin = world.admin().await;
    let verified = async || outcomes(&verify(&world.app, &admin, app).await.expect("the database"));
    assert_eq!(verified().await, ["ok", "ok", "ok", "skipped"], "no inbox uses it");
    let inbox = connect_through(&world, SUPPORT, Some(app), None).await;
    let steps = verify(&world.app, &admin, app).await.expect("the database");
    assert_eq!((outcomes(&steps), steps[3].inbox), (vec!["ok"; 4], Some(inbox)));

    world.sandbox.update_app(&client_id, |app| app.secrets[0].value = "changed there".to_owned());
    assert_eq!(verified().await, ["ok", "ok", "own_app_credential_refused", "skipped"]);
    let alarm = manage::show(&admin, app).await.expect("the app").alarm.expect("an alarm");
    assert_eq!(alarm.failure.class, FailureClass::OwnAppCredentialRefused);
    world.sandbox.update_app(&client_id, |app| app.secrets[0].value = FIRST.to_owned());
    assert_eq!(verified().await, ["ok"; 4]);
    assert_eq!(manage::show(&admin, app).await.expect("the app").alarm, None, "verifying it is a success as well");

    world.sandbox.faults().once(ImapFault::AuthenticateFailed);
    assert_eq!(verified().await[..3], ["ok"; 3]);
    world.sandbox.faults().clear();
    world.sandbox.faults().always(EndpointFault::HtmlUnavailable(Endpoint::Token));
    assert_eq!(
        verified().await,
        ["ok", "ok", "sign_in_unavailable", "skipped"],
        "neither a wrong secret nor a right one"
    );
    world.sandbox.faults().clear();
    let wrong = GivenApp { authority: Some("nobody.example".to_owned()), ..GivenApp::default() };
    manage::update(&world.app, &admin, app, wrong).await.expect("the app");
    assert_eq!(verified().await, ["ok", "own_app_misconfigured", "skipped", "skipped"]);
}
