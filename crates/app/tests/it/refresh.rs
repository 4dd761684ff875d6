//! Access tokens stay fresh, one refresh at a time, and only a definitive answer asks anybody to sign in again.

use crate::support::{connected, world};
use app::channels::refresh;
use domain::FailureClass;
use domain::channel::{HealthState, ImportProgress, ImportState};
use oauth::Resource;
use sandbox::TokenFault;
use std::time::Duration;

const SUPPORT: &str = "support@contoso.example";
const TWO_HOURS: Duration = Duration::from_secs(2 * 3600);

#[tokio::test]
async fn many_who_need_a_token_at_once_make_one_refresh() {
    let world = world().await;
    let channel = world.channel(connected(&world.connect(SUPPORT, None).await)).await;
    let (scope, grant) = (world.admin().await.scope, channel.grant_id.expect("a grant"));
    let first = refresh::access_token(&world.app, &scope, grant, Resource::Outlook).await.expect("a token");
    assert_eq!(world.sandbox.refreshes(), 0, "the token of the sign-in is still good");

    world.advance(TWO_HOURS);
    let mut asking = tokio::task::JoinSet::new();
    for _ in 0..12 {
        let (app, scope) = (world.app.clone(), scope.clone());
        asking.spawn(async move { refresh::access_token(&app, &scope, grant, Resource::Outlook).await });
    }
    let tokens = asking.join_all().await;
    let fresh = tokens[0].clone().expect("a token");
    assert_ne!(fresh, first);
    assert!(tokens.iter().all(|token| token.as_ref() == Ok(&fresh)));
    assert_eq!(world.sandbox.refreshes(), 1);
}

#[tokio::test]
async fn a_revoked_grant_asks_its_owner_and_nobody_else_is_asked_again() {
    let world = world().await;
    let inbox = connected(&world.connect(SUPPORT, None).await);
    let channel_before = world.channel(inbox).await;
    let (scope, grant) = (world.admin().await.scope, channel_before.grant_id.expect("a grant"));
    world.sandbox.revoke_refresh_tokens(SUPPORT);
    world.advance(TWO_HOURS);
    for _ in 0..3 {
        let refused = refresh::access_token(&world.app, &scope, grant, Resource::Outlook).await;
        assert_eq!(refused.expect_err("refused").class, FailureClass::GrantRevoked);
    }
    assert_eq!(world.sandbox.refreshes(), 1, "a refused refresh token is not tried again");
    let now = world.channel(inbox).await;
    assert_eq!(now.fetch_health.state, HealthState::NeedsReauth);
    assert_eq!(now.send_health.state, HealthState::NeedsReauth);

    assert_eq!(connected(&world.connect(SUPPORT, Some(inbox)).await), inbox);
    let again = world.channel(inbox).await;
    assert_eq!((again.fetch_health.state, again.send_health.state), (HealthState::Connected, HealthState::Connected));
    refresh::access_token(&world.app, &scope, grant, Resource::Outlook).await.expect("a token");
}

#[tokio::test]
async fn a_wrong_secret_of_ours_or_a_bad_day_at_microsoft_leaves_the_mailbox_alone() {
    let world = world().await;
    let inbox = connected(&world.connect(SUPPORT, None).await);
    let (scope, grant) = (world.admin().await.scope, world.channel(inbox).await.grant_id.expect("a grant"));
    world.advance(TWO_HOURS);
    for (fault, class) in [
        (TokenFault::client_secret_expired(), FailureClass::AppCredentialExpired),
        (TokenFault::invalid_client_secret(), FailureClass::AppCredentialRefused),
        (TokenFault::AnswerLost, FailureClass::SignInUnavailable),
    ] {
        world.sandbox.faults().once(fault);
        let refused = refresh::access_token(&world.app, &scope, grant, Resource::Outlook).await;
        assert_eq!(refused.expect_err("refused").class, class);
        let now = world.channel(inbox).await;
        assert_eq!((now.fetch_health.state, now.send_health.state), (HealthState::Connected, HealthState::Connected));
    }
    refresh::access_token(&world.app, &scope, grant, Resource::Outlook).await.expect("a token");
}

#[tokio::test]
async fn after_a_refusal_the_token_is_a_new_one_once() {
    let world = world().await;
    let inbox = connected(&world.connect(SUPPORT, None).await);
    let (scope, grant) = (world.admin().await.scope, world.channel(inbox).await.grant_id.expect("a grant"));
    world.advance(Duration::from_secs(600));
    let stored = refresh::access_token(&world.app, &scope, grant, Resource::Outlook).await.expect("a token");
    let fresh = refresh::fresh_access_token(&world.app, &scope, grant, Resource::Outlook).await.expect("a token");
    assert_ne!(stored, fresh);
    let again = refresh::fresh_access_token(&world.app, &scope, grant, Resource::Outlook).await.expect("a token");
    assert_eq!(again, fresh, "refreshed a moment ago");
    assert_eq!(world.sandbox.refreshes(), 1);
}

#[tokio::test]
async fn an_idle_grant_that_is_refused_is_tried_once_a_day_and_kept_alive_when_that_is_over() {
    let world = world().await;
    connected(&world.connect(SUPPORT, None).await);
    world.advance(Duration::from_secs(15 * 24 * 3600));
    world.sandbox.faults().always(TokenFault::conditional_access());
    for _ in 0..3 {
        assert_eq!(app::tending::keep_grants_alive(&world.app).await.expect("the database"), 0);
    }
    assert_eq!(world.sandbox.refreshes(), 1);
    world.sandbox.faults().clear();
    world.advance(Duration::from_secs(25 * 3600));
    assert_eq!(app::tending::keep_grants_alive(&world.app).await.expect("the database"), 1);
    assert_eq!(world.sandbox.refreshes(), 2);
}

#[tokio::test]
async fn signing_in_again_takes_up_an_import_that_was_given_up_and_no_other() {
    let world = world().await;
    let inbox = connected(&world.connect(SUPPORT, None).await);
    let scope = world.admin().await.scope;
    let id = world.channel(inbox).await.id;
    let imports = async || {
        let rows = world.app.store().operator().owed_rows(10).await.expect("the database");
        rows.iter().filter(|row| row.kind == "import_window" && row.subject_id == id.0).count()
    };
    assert_eq!(connected(&world.connect(SUPPORT, Some(inbox)).await), inbox);
    assert_eq!(imports().await, 1, "the first one is under way");
    let failed = ImportProgress { state: ImportState::Failed, total: Some(9), done: 4 };
    let mut tx = scope.begin().await.expect("the database");
    tx.update_import(id, &failed).await.expect("the database");
    tx.commit().await.expect("the database");
    assert_eq!(connected(&world.connect(SUPPORT, Some(inbox)).await), inbox);
    assert_eq!(imports().await, 2);
    assert_eq!(world.channel(inbox).await.import, ImportProgress { state: ImportState::Waiting, ..failed });
}
