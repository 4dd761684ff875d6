//! A Microsoft that takes a code apart before it looks at the secret: a made-up one proves nothing there, and a mailbox's own refresh does.

use crate::support::{World, connected, world_with};
use app::channels::connect::Begin;
use app::channels::refresh;
use app::oauth_apps::check::{Outcome, verify};
use app::oauth_apps::{installation_alarm, manage};
use domain::{Failure, FailureClass, InboxId, OauthAppId, Secret};
use oauth::Resource;
use sandbox::{CONTOSO, SandboxConfig};
use std::time::Duration;

const SUPPORT: &str = "support@contoso.example";
const SECRET: &str = "a-secret-of-our-own-app";
const TWO_HOURS: Duration = Duration::from_secs(2 * 3600);

async fn world() -> World {
    world_with(SandboxConfig { reads_codes_first: true, ..SandboxConfig::default() }).await
}

async fn refreshed(world: &World, inbox: InboxId) -> Result<Secret, Failure> {
    world.advance(TWO_HOURS);
    let grant = world.channel(inbox).await.grant_id.expect("a grant");
    refresh::access_token(&world.app, &world.admin().await.scope, grant, Resource::Outlook).await
}

/// What the step of the credentials and that of the mailbox say.
async fn verified(world: &World, app: OauthAppId) -> [&'static str; 2] {
    let steps = verify(&world.app, &world.admin().await, app).await.expect("the database");
    [&steps[2], &steps[3]].map(|step| match &step.outcome {
        Outcome::Ok => "ok",
        Outcome::Failed(failure) => failure.class.code(),
        Outcome::Skipped(_) => "skipped",
    })
}

async fn alarm(world: &World, app: OauthAppId) -> Option<FailureClass> {
    let shown = manage::show(&world.admin().await, app).await.expect("the app");
    shown.alarm.map(|alarm| alarm.failure.class)
}

#[tokio::test]
async fn without_a_mailbox_it_is_neither_said_that_a_secret_is_taken_nor_that_it_is_not() {
    let world = world().await;
    let (app, client_id) = world.own_app(SECRET).await;
    assert_eq!(verified(&world, app).await, ["skipped", "skipped"]);
    world.sandbox.update_app(&client_id, |app| app.secrets[0].value = "another".to_owned());
    assert_eq!(verified(&world, app).await, ["skipped", "skipped"]);
    assert_eq!(alarm(&world, app).await, None);
}

#[tokio::test]
async fn a_mailboxs_refresh_says_whether_the_secret_is_taken_however_young_its_token_is() {
    let world = world().await;
    let (app, client_id) = world.own_app(SECRET).await;
    let inbox =
        connected(&world.connect_with(SUPPORT, Begin { oauth_app_id: Some(Some(app)), ..Begin::default() }).await);
    for _ in 0..2 {
        let before = world.sandbox.refreshes();
        assert_eq!(verified(&world, app).await, ["ok", "ok"]);
        assert_eq!(world.sandbox.refreshes(), before + 1, "it was asked");
    }
    let secret = |value: &str| world.sandbox.update_app(&client_id, |app| app.secrets[0].value = value.to_owned());
    secret("another");
    assert_eq!(verified(&world, app).await[0], "own_app_credential_refused");
    assert_eq!(alarm(&world, app).await, Some(FailureClass::OwnAppCredentialRefused));
    assert_eq!(refreshed(&world, inbox).await.expect_err("refused").class, FailureClass::OwnAppCredentialRefused);
    secret(SECRET);
    assert_eq!(verified(&world, app).await, ["ok", "ok"]);
    assert_eq!(alarm(&world, app).await, None);
}

#[tokio::test]
async fn a_made_up_code_that_is_not_read_ends_no_alarm() {
    let world = world().await;
    let (app, client_id) = world.own_app(SECRET).await;
    let inbox =
        connected(&world.connect_with(SUPPORT, Begin { oauth_app_id: Some(Some(app)), ..Begin::default() }).await);
    world.sandbox.revoke_refresh_tokens(SUPPORT);
    assert_eq!(verified(&world, app).await[0], "ok", "a permission that is over says nothing against the app");
    let class = refreshed(&world, inbox).await.expect_err("refused").class;
    assert_eq!(class, FailureClass::GrantRevoked);

    let inbox = connected(&world.connect_with(SUPPORT, Begin { inbox_id: Some(inbox), ..Begin::default() }).await);
    world.sandbox.update_app(&client_id, |app| app.secrets[0].value = "another".to_owned());
    refreshed(&world, inbox).await.expect_err("refused");
    assert_eq!(alarm(&world, app).await, Some(FailureClass::OwnAppCredentialRefused));
    // The mailbox goes, and nobody is left to ask for.
    app::channels::inboxes::delete(&world.app, &world.admin().await, inbox).await.expect("deleted");
    assert_eq!(verified(&world, app).await, ["skipped", "skipped"]);
    assert_eq!(alarm(&world, app).await, Some(FailureClass::OwnAppCredentialRefused), "it stands");
}

#[tokio::test]
async fn whose_trouble_a_refused_app_is_stays_open_and_no_alarm_is_raised_for_one_organisation() {
    let world = world().await;
    let inbox = connected(&world.connect(SUPPORT, None).await);
    let client_id = world.sandbox.client_id().to_owned();
    world.sandbox.update_app(&client_id, |app| app.disabled_in = vec![CONTOSO.to_owned()]);
    assert_eq!(refreshed(&world, inbox).await.expect_err("refused").class, FailureClass::AppMisconfigured);
    assert_eq!(installation_alarm(&world.app).await.expect("the database"), None);
}
