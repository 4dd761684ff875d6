//! Connecting a mailbox from the link to the inbox, at the sandbox's Microsoft.

use crate::support::{Browser, awaits_yes, connected, failed, world};
use app::channels::callback::CallbackPage;
use app::channels::connect::{Begin, OpenLinkError};
use app::channels::{Part, connection_status, health, inboxes};
use domain::FailureClass;
use domain::channel::{ConnectionStatus, HealthState};
use sandbox::{Answer, IdTokenFault, ImapFault, SignedIn};
use url::Url;

#[tokio::test]
async fn an_administrator_connects_a_mailbox_and_its_past_is_owed() {
    let world = world().await;
    let attempt = world.begin(None).await;
    let back = attempt.sign_in("support@contoso.example").await;
    let page = attempt.come_back(&back, Some(&world.session().await)).await;

    let admin = world.admin().await;
    let inbox = inboxes::show(&world.app, &admin, connected(&page)).await.expect("the inbox");
    assert_eq!(inbox.name, "Contoso Support");
    assert_eq!(inbox.channel.mailbox_address.as_str(), "support@contoso.example");
    assert_eq!(inbox.channel.principal, "support@contoso.example");
    assert_eq!(inbox.channel.fetch_health.state, HealthState::Connected);
    assert_eq!(inbox.channel.send_health.state, HealthState::Connected);
    let status = connection_status(&world.app, &admin, attempt.id).await.expect("the attempt");
    assert_eq!(status.status, ConnectionStatus::Connected);
    assert_eq!(status.connection.result_inbox_id, Some(inbox.id));
    let owed = world.app.store().operator().owed_rows(10).await.expect("the database");
    let owed: Vec<_> = owed.iter().map(|row| (row.kind.as_str(), row.subject_id)).collect();
    assert_eq!(owed, [("import_window", inbox.channel.id.0)]);
}

#[tokio::test]
async fn a_browser_that_is_nobodys_here_is_asked_before_anything_is_proved() {
    let world = world().await;
    let attempt = world.begin(None).await;
    let back = attempt.sign_in("support@contoso.example").await;
    let page = attempt.come_back(&back, None).await;
    let CallbackPage::Confirm { token, account_name, mailbox, .. } = &page else { panic!("{page:?}") };
    assert_eq!((account_name.as_str(), mailbox.as_str()), ("Contoso", "support@contoso.example"));
    assert!(inboxes::list(&world.app, &world.admin().await).await.expect("the list").is_empty());
    assert!(world.app.store().operator().owed_rows(10).await.expect("the database").is_empty());

    // A reload asks again with the same token; the button works once, and pressed twice shows what came of it.
    let again = attempt.come_back(&back, None).await;
    assert!(matches!(&again, CallbackPage::Confirm { token: same, .. } if same == token));
    let inbox = connected(&attempt.confirm(token).await);
    assert_eq!(connected(&attempt.confirm(token).await), inbox);
    assert_eq!(inboxes::list(&world.app, &world.admin().await).await.expect("the list").len(), 1);
}

#[tokio::test]
async fn an_administrator_of_another_account_is_nobody_here() {
    let world = world().await;
    crate::support::new_account(&world.app, "Fabrikam", "other@fabrikam.example").await;
    let other = crate::support::signed_in(&world.app, "other@fabrikam.example").await;
    let attempt = world.begin(None).await;
    let back = attempt.sign_in("support@contoso.example").await;
    assert!(matches!(attempt.come_back(&back, Some(&other)).await, CallbackPage::Confirm { .. }));
}

#[tokio::test]
async fn a_sign_in_ends_only_in_the_browser_that_opened_the_link_first() {
    let world = world().await;
    let attempt = world.begin(None).await;
    let back = attempt.sign_in("support@contoso.example").await;
    let session = world.session().await;
    let other = Browser::default();
    assert_eq!(failed(&attempt.come_back_in(&other, &back, Some(&session)).await), FailureClass::OtherBrowser);
    match attempt.open_in(&other).await {
        Err(OpenLinkError::Refused(failure)) => assert_eq!(failure.class, FailureClass::OtherBrowser),
        other => panic!("{other:?}"),
    }
    // None of that used the state up.
    connected(&attempt.come_back(&back, Some(&session)).await);
}

#[tokio::test]
async fn a_second_callback_shows_what_came_of_the_first() {
    let world = world().await;
    let attempt = world.begin(None).await;
    let back = attempt.sign_in("support@contoso.example").await;
    let session = world.session().await;
    let (first, second) =
        tokio::join!(attempt.come_back(&back, Some(&session)), attempt.come_back(&back, Some(&session)));
    assert_eq!(connected(&first), connected(&second));
    assert_eq!(connected(&attempt.come_back(&back, None).await), connected(&first));
}

#[tokio::test]
async fn a_foreign_or_old_state_opens_nothing() {
    let world = world().await;
    let attempt = world.begin(None).await;
    let back = attempt.sign_in("support@contoso.example").await;
    let mut forged = back.clone();
    forged.query_pairs_mut().clear().append_pair("code", "x").append_pair("state", "not-ours");
    assert_eq!(failed(&attempt.come_back(&forged, None).await), FailureClass::StateUnknown);
    world.advance(std::time::Duration::from_secs(16 * 60));
    assert_eq!(failed(&attempt.come_back(&back, None).await), FailureClass::StateExpired);
    let status = connection_status(&world.app, &world.admin().await, attempt.id).await.expect("the attempt");
    assert_eq!(status.status, ConnectionStatus::Expired);
}

#[tokio::test]
async fn a_cancelled_sign_in_offers_the_approval_page() {
    let world = world().await;
    let attempt = world.begin(None).await;
    let authorize = attempt.open_in(&attempt.browser).await.expect("a link that opens");
    let answered = world.sandbox.answer_sign_in(authorize.as_str(), "support@contoso.example", Answer::Cancel).await;
    let Ok(SignedIn::Redirect(back)) = answered else { panic!("{answered:?}") };
    let page = attempt.come_back(&Url::parse(&back).expect("a URL"), None).await;
    assert_eq!(failed(&page), FailureClass::SignInCancelled);
    assert!(matches!(page, CallbackPage::Failed { admin_consent_url: Some(_), .. }));
    let status = connection_status(&world.app, &world.admin().await, attempt.id).await.expect("the attempt");
    assert_eq!(status.status, ConnectionStatus::Failed);
    assert!(status.admin_consent_url.is_some());
}

#[tokio::test]
async fn what_the_approval_page_says_is_believed_in_nothing() {
    let world = world().await;
    let attempt = world.begin(None).await;
    let mut back = attempt.sign_in("support@contoso.example").await;
    back.query_pairs_mut().append_pair("admin_consent", "True").append_pair("tenant", sandbox::FABRIKAM);
    let page = attempt.come_back(&back, None).await;
    assert!(matches!(page, CallbackPage::ConsentReturned { declined: false }), "{page:?}");
    let status = connection_status(&world.app, &world.admin().await, attempt.id).await.expect("the attempt");
    assert_eq!(status.status, ConnectionStatus::Pending);
}

#[tokio::test]
async fn an_id_token_with_another_nonce_ends_the_attempt_with_its_reason() {
    let world = world().await;
    world.sandbox.faults().once(IdTokenFault::WrongNonce);
    let attempt = world.begin(None).await;
    let back = attempt.sign_in("support@contoso.example").await;
    assert_eq!(failed(&attempt.come_back(&back, Some(&world.session().await)).await), FailureClass::IdTokenInvalid);
    let status = connection_status(&world.app, &world.admin().await, attempt.id).await.expect("the attempt");
    assert_eq!(status.connection.failure.and_then(|f| f.detail).as_deref(), Some("nonce"));
}

#[tokio::test]
async fn signing_in_again_keeps_the_inbox_and_takes_nobody_else() {
    let world = world().await;
    let inbox = connected(&world.connect("support@contoso.example", None).await);
    let page = world.connect("sales@contoso.example", Some(inbox)).await;
    assert_eq!(awaits_yes(&page), FailureClass::OtherPrincipal);
    assert_eq!(connected(&world.connect("support@contoso.example", Some(inbox)).await), inbox);
    // Asked for as a new one, the same mailbox of the same person is the inbox that exists.
    assert_eq!(connected(&world.connect("support@contoso.example", None).await), inbox);
    let all = inboxes::list(&world.app, &world.admin().await).await.expect("the list");
    assert_eq!(all.len(), 1);
    assert_eq!(all[0].channel.principal, "support@contoso.example");
}

#[tokio::test]
async fn an_address_that_now_belongs_to_somebody_else_does_not_take_over_the_inbox() {
    let world = world().await;
    let inbox = connected(&world.connect("support@contoso.example", None).await);
    world.sandbox.update_user("support@contoso.example", |user| {
        "0b6f2c3e-9d5a-4c1b-8e7f-2a3b4c5d6e7f".clone_into(&mut user.oid);
    });
    assert_eq!(failed(&world.connect("support@contoso.example", None).await), FailureClass::MailboxAlreadyConnected);
    assert_eq!(awaits_yes(&world.connect("support@contoso.example", Some(inbox)).await), FailureClass::OtherPrincipal);
}

#[tokio::test]
async fn the_same_mailbox_may_be_connected_in_two_accounts() {
    let world = world().await;
    let first = connected(&world.connect("support@contoso.example", None).await);
    let account = crate::support::new_account(&world.app, "Fabrikam", "other@fabrikam.example").await;
    let other = crate::support::signed_in(&world.app, "other@fabrikam.example").await;
    let member = app::accounts::enter(&world.app, &other, account).await.expect("a member");
    let begun = app::channels::connect::begin(&world.app, &member, Default::default()).await.expect("a link");
    let link = begun.url.rsplit('/').next().expect("a token").to_owned();
    let attempt = crate::support::Attempt { world: &world, link, id: begun.connection_id, browser: Browser::default() };
    let back = attempt.sign_in("support@contoso.example").await;
    let second = connected(&attempt.come_back(&back, Some(&other)).await);
    assert_ne!(first, second);
    assert!(matches!(inboxes::show(&world.app, &member, first).await, Err(inboxes::InboxError::NotFound)));
}

#[tokio::test]
async fn where_sending_is_switched_off_the_inbox_exists_and_says_so_until_somebody_tries_again() {
    let world = world().await;
    world.sandbox.update_user("support@contoso.example", |user| user.smtp_auth_enabled = false);
    let page = world.connect("support@contoso.example", None).await;
    let CallbackPage::Connected { inbox, .. } = &page else { panic!("{page:?}") };
    let (inbox_id, told) = (&inbox.id, inbox.channel.send_health.failure.as_ref().map(|failure| failure.class));
    assert_eq!(told, Some(FailureClass::SmtpAuthDisabled));
    let admin = world.admin().await;
    let health = world.channel(*inbox_id).await;
    assert_eq!(health.fetch_health.state, HealthState::Connected);
    assert_eq!(health.send_health.state, HealthState::Blocked);

    let still = health::try_again(&world.app, &admin, *inbox_id, Part::Send).await.expect("tried").channel.send_health;
    assert_eq!(
        (still.state, still.failure.map(|f| f.class)),
        (HealthState::Blocked, Some(FailureClass::SmtpAuthDisabled))
    );
    world.sandbox.update_user("support@contoso.example", |user| user.smtp_auth_enabled = true);
    let now = health::try_again(&world.app, &admin, *inbox_id, Part::Send).await.expect("tried").channel.send_health;
    assert_eq!((now.state, now.failure), (HealthState::Connected, None));
}

#[tokio::test]
async fn a_deleted_inbox_is_gone_and_its_mailbox_can_be_connected_anew() {
    let world = world().await;
    let inbox = connected(&world.connect("support@contoso.example", None).await);
    let admin = world.admin().await;
    let grant = inboxes::health(&world.app, &admin, inbox).await.expect("the inbox").grant.expect("a grant");
    inboxes::delete(&world.app, &admin, inbox).await.expect("deleted");
    assert!(admin.scope.grant(grant.id).await.expect("the database").is_none(), "its tokens are not kept");
    assert!(matches!(inboxes::show(&world.app, &admin, inbox).await, Err(inboxes::InboxError::NotFound)));
    assert_ne!(connected(&world.connect("support@contoso.example", None).await), inbox);
}

/// What the status page ends with.
pub async fn followed_to_the_end(attempt: &crate::support::Attempt<'_>, mut page: CallbackPage) -> CallbackPage {
    let ended = async {
        while let CallbackPage::Proving { follow, .. } = &page {
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            page = attempt.follow(follow).await;
        }
        page
    };
    tokio::time::timeout(std::time::Duration::from_secs(60), ended).await.expect("an end")
}

#[tokio::test]
async fn trouble_that_passes_is_tried_again_by_itself() {
    let world = world().await;
    world.sandbox.faults().once(ImapFault::ServerUnavailable);
    let attempt = world.begin(None).await;
    let back = attempt.sign_in("support@contoso.example").await;
    let page = attempt.come_back(&back, Some(&world.session().await)).await;
    connected(&followed_to_the_end(&attempt, page).await);
    assert_eq!(world.sandbox.faults().armed(), [], "the fault was met");
}

#[tokio::test]
async fn a_mailbox_that_does_not_open_ends_the_attempt_with_who_must_act() {
    let world = world().await;
    world.sandbox.update_user("support@contoso.example", |user| user.imap_enabled = false);
    let attempt = world.begin(None).await;
    let back = attempt.sign_in("support@contoso.example").await;
    let page = attempt.come_back(&back, Some(&world.session().await)).await;
    let class = failed(&followed_to_the_end(&attempt, page).await);
    assert!(matches!(class, FailureClass::AuthenticationRefused | FailureClass::MailboxNotConnected), "{class:?}");
    assert!(inboxes::list(&world.app, &world.admin().await).await.expect("the list").is_empty());
    assert!(world.app.store().operator().owed_rows(10).await.expect("the database").is_empty());
}

#[tokio::test]
async fn a_person_whose_organisation_wants_an_administrator_gets_the_link_for_one() {
    let world = world().await;
    let attempt = world.begin(None).await;
    let authorize = attempt.open_in(&attempt.browser).await.expect("a link that opens");
    let (url, user) = (authorize.as_str(), "help@fabrikam.example");
    let answered = world.sandbox.answer_sign_in(url, user, Answer::ReturnWithoutConsent).await;
    let Ok(SignedIn::Redirect(back)) = answered else { panic!("{answered:?}") };
    let page = attempt.come_back(&Url::parse(&back).expect("a URL"), None).await;
    let CallbackPage::Failed { admin_consent_url: Some(consent), .. } = page else { panic!("{page:?}") };
    let approved =
        world.sandbox.answer_sign_in(consent.as_str(), "admin@fabrikam.example", Answer::AcceptForOrganization).await;
    let Ok(SignedIn::Redirect(back)) = approved else { panic!("{approved:?}") };
    let page = attempt.come_back(&Url::parse(&back).expect("a URL"), None).await;
    assert!(matches!(page, CallbackPage::ConsentReturned { declined: false }), "{page:?}");
    connected(&world.connect("help@fabrikam.example", None).await);
}

#[tokio::test]
async fn a_sign_in_that_nobody_confirmed_is_forgotten_with_its_tokens() {
    let world = world().await;
    let attempt = world.begin(None).await;
    let back = attempt.sign_in("support@contoso.example").await;
    let CallbackPage::Confirm { token, .. } = attempt.come_back(&back, None).await else { panic!("not asked") };
    let admin = world.admin().await;
    let now = async || {
        let mut tx = admin.scope.begin().await.expect("the database");
        let held = tx.held_tokens(attempt.id).await.expect("the database");
        tx.rollback().await.expect("the database");
        let attempt = admin.scope.connection(attempt.id).await.expect("the database").expect("the attempt");
        (attempt.status, attempt.grant_id, held.is_some())
    };
    app::tending::keep_grants_alive(&world.app).await.expect("the database");
    assert_eq!(now().await, (ConnectionStatus::AwaitingConfirmation, None, true));

    world.advance(std::time::Duration::from_secs(16 * 60));
    app::tending::keep_grants_alive(&world.app).await.expect("the database");
    assert_eq!(now().await, (ConnectionStatus::Expired, None, false));
    assert_eq!(failed(&attempt.confirm(&token).await), FailureClass::StateExpired);
}

#[tokio::test]
async fn a_sign_in_that_nobody_confirmed_changes_nothing_of_a_permission_that_is_in_use() {
    let world = world().await;
    let inbox = connected(&world.connect("support@contoso.example", None).await);
    let (own, _) = world.own_app("a-secret-of-our-own-app").await;
    let (scope, in_use) = (world.admin().await.scope, world.channel(inbox).await.grant_id.expect("a grant"));
    let grant = async || scope.grant(in_use).await.expect("the database").expect("a grant");
    let before = grant().await;
    let attempt = world.begin_with(Begin { oauth_app_id: Some(Some(own)), ..Begin::default() }).await;
    let back = attempt.sign_in("support@contoso.example").await;
    let CallbackPage::Confirm { token, .. } = attempt.come_back(&back, None).await else { panic!("not asked") };
    assert_eq!(grant().await, before);
    assert_eq!(connected(&attempt.confirm(&token).await), inbox);
    let after = grant().await;
    assert_eq!((after.oauth_app_id, after.version), (Some(own), before.version + 1));
}
