//! Connect links, approvals and handovers over days, and one permission that serves several mailboxes. Time is moved by hand.

use crate::support::{Attempt, Browser, PASSWORD, World, awaits_yes, connected, failed, shared_of, signed_in, world};
use app::accounts::{self, AgentChange, NewAgent};
use app::channels::agree::{self, LinkPageError};
use app::channels::callback::CallbackPage;
use app::channels::links::{self, LinkError, NewLink};
use app::channels::{ConnectionView, accept, connection_status, consent, handover, inboxes, refresh};
use domain::account::{AccountStatus, Role};
use domain::channel::{ConnectLinkStatus, ConnectionStatus};
use domain::{ConnectLinkId, ConnectionId, FailureClass, Secret};
use oauth::Resource;
use sandbox::{Answer, SignedIn, TokenFault};
use std::time::Duration;
use url::Url;

const HOUR: Duration = Duration::from_secs(3600);
const SUPPORT: &str = "support@contoso.example";
const SALES: &str = "sales@contoso.example";
/// Of Frieda, who has an address that her sign-in name is not, and for which nobody vouches.
const SIGN_IN_NAME: &str = "frieda@contoso.onmicrosoft.example";
const ADDRESS: &str = "frieda@contoso.example";

async fn link(world: &World, new: NewLink) -> (String, ConnectLinkId) {
    let made = links::create(&world.app, &world.admin().await, new).await.expect("a link");
    (made.url.rsplit('/').next().expect("a token").to_owned(), made.link.id)
}

async fn agreed<'a>(world: &'a World, token: &str) -> Attempt<'a> {
    let agreed = agree::agree(&world.app, token).await.expect("a link that can be used");
    let mut attempt = Attempt { world, link: String::new(), id: ConnectionId(0), browser: Browser::default() };
    attempt.goes_on(&agreed.go, &agreed.cookies);
    attempt
}

async fn shown(world: &World, id: ConnectLinkId) -> links::Link {
    links::show(&world.app, &world.admin().await, id).await.expect("the link")
}

async fn viewed(world: &World, id: ConnectionId) -> ConnectionView {
    connection_status(&world.app, &world.admin().await, id).await.expect("the attempt")
}

async fn refused(world: &World, token: &str) -> FailureClass {
    match agree::agree(&world.app, token).await {
        Err(LinkPageError::Refused(failure)) => failure.class,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_link_ends_with_its_time_and_who_was_on_the_way_by_then_may_finish() {
    let world = world().await;
    let hour = NewLink { expires_in_hours: Some(1), ..NewLink::default() };
    let (late, late_id) = link(&world, hour.clone()).await;
    let (in_time, in_time_id) = link(&world, hour).await;
    world.advance(HOUR - Duration::from_secs(60));
    let attempt = agreed(&world, &in_time).await;
    let back = attempt.sign_in(SUPPORT).await;
    world.advance(Duration::from_secs(120));
    assert_eq!(refused(&world, &late).await, FailureClass::ConnectLinkOver);
    assert_eq!(refused(&world, &in_time).await, FailureClass::ConnectLinkOver);
    // Before anybody wrote it down, and after.
    let now = world.app.now();
    let late_link = shown(&world, late_id).await;
    assert_eq!((late_link.status, late_link.status_at(now)), (ConnectLinkStatus::Open, ConnectLinkStatus::Expired));
    app::tending::end_overdue_attempts(&world.app).await.expect("the database");
    assert_eq!(shown(&world, late_id).await.status, ConnectLinkStatus::Expired);

    let inbox = connected(&attempt.come_back(&back, None).await);
    let used = shown(&world, in_time_id).await;
    assert_eq!((used.status, used.result_inbox_id), (ConnectLinkStatus::Connected, Some(inbox)));
}

#[tokio::test]
async fn a_link_says_that_nobody_came_back_and_can_be_used_again() {
    let world = world().await;
    let (token, id) = link(&world, NewLink::default()).await;
    agreed(&world, &token).await;
    assert_eq!(shown(&world, id).await.status, ConnectLinkStatus::SigningIn);
    world.advance(Duration::from_secs(16 * 60));
    assert_eq!(app::tending::end_overdue_attempts(&world.app).await.expect("the database"), 1);
    assert_eq!(app::tending::end_overdue_attempts(&world.app).await.expect("the database"), 0, "each is told once");
    assert_eq!(shown(&world, id).await.status, ConnectLinkStatus::Opened);
    let attempt = agreed(&world, &token).await;
    let back = attempt.sign_in(SUPPORT).await;
    connected(&attempt.come_back(&back, None).await);
}

#[tokio::test]
async fn a_link_goes_with_the_rights_of_whoever_made_it_and_with_a_suspended_account() {
    let world = world().await;
    let (token, _) = link(&world, NewLink::default()).await;
    let operator = world.app.store().operator();
    operator.set_account_status(world.account, AccountStatus::Suspended).await.expect("suspended");
    assert_eq!(refused(&world, &token).await, FailureClass::AccountSuspended);
    operator.set_account_status(world.account, AccountStatus::Active).await.expect("active");
    agreed(&world, &token).await;

    let admin = world.admin().await;
    let eve = NewAgent {
        name: "Eve".to_owned(),
        email: "eve@contoso.example".to_owned(),
        role: Role::Administrator,
        availability: None,
        auto_offline: None,
        password: Some(Secret::new(PASSWORD)),
    };
    accounts::create_agent(&world.app, &admin, eve).await.expect("another administrator");
    let session = signed_in(&world.app, "eve@contoso.example").await;
    let eve = accounts::enter(&world.app, &session, world.account).await.expect("a member");
    let change = AgentChange { role: Some(Role::Agent), ..AgentChange::default() };
    accounts::update_agent(&world.app, &eve, admin.agent.user.id, change).await.expect("changed");
    assert_eq!(refused(&world, &token).await, FailureClass::ConnectLinkOver);
}

#[tokio::test]
async fn no_more_links_than_may_be_can_be_used_at_once_and_ended_ones_count_no_more() {
    let world = world().await;
    let admin = world.admin().await;
    let hour = NewLink { expires_in_hours: Some(1), ..NewLink::default() };
    for _ in 0..links::MAX_OPEN_LINKS {
        links::create(&world.app, &admin, hour.clone()).await.expect("a link");
    }
    assert!(matches!(links::create(&world.app, &admin, hour.clone()).await, Err(LinkError::TooManyOpen)));
    world.advance(HOUR);
    links::create(&world.app, &world.admin().await, hour).await.expect("room again");
}

#[tokio::test]
async fn who_is_at_microsoft_for_a_minute_is_offered_the_approval_page() {
    let world = world().await;
    let attempt = world.begin(None).await;
    world.advance(Duration::from_secs(120));
    assert_eq!(viewed(&world, attempt.id).await.admin_consent_url, None, "nobody has opened the link");
    attempt.open_in(&attempt.browser).await.expect("a link that opens");
    world.advance(Duration::from_secs(59));
    assert_eq!(viewed(&world, attempt.id).await.admin_consent_url, None);
    world.advance(Duration::from_secs(2));
    let url = viewed(&world, attempt.id).await.admin_consent_url.expect("the approval page");
    assert!(url.path().ends_with("/adminconsent"), "{url}");
    let other = world.begin(None).await;
    other.open_in(&other.browser).await.expect("a link that opens");
    world.advance(Duration::from_secs(61));
    let theirs = viewed(&world, other.id).await.admin_consent_url.expect("the approval page");
    assert_ne!(theirs, url, "each attempt has a state of its own there");
}

/// An attempt that waits for an approval.
async fn waiting<'a>(world: &'a World) -> (Attempt<'a>, Secret) {
    let attempt = world.begin(None).await;
    world.sandbox.faults().once(TokenFault::consent_required());
    let back = attempt.sign_in(SUPPORT).await;
    let page = attempt.come_back(&back, Some(&world.session().await)).await;
    let CallbackPage::AwaitingApproval { token, .. } = page else { panic!("{page:?}") };
    (attempt, token)
}

#[tokio::test]
async fn an_approval_is_waited_for_a_week_whatever_was_tried_in_between() {
    let world = world().await;
    let (mut attempt, token) = waiting(&world).await;
    let until = viewed(&world, attempt.id).await.connection.expires_at;
    world.advance(3 * 24 * HOUR);
    app::tending::end_overdue_attempts(&world.app).await.expect("the database");
    assert_eq!(viewed(&world, attempt.id).await.status, ConnectionStatus::AwaitingAdminConsent);

    // Taken up, and left alone: a quarter of an hour later it waits as before, until the same day.
    let cookies = |name: &str| attempt.browser.cookie(name);
    let resumed = consent::go_on(&world.app, token.expose(), &cookies).await.expect("the database").expect("resumed");
    attempt.goes_on(&resumed.go, &[resumed.cookie]);
    assert_eq!(viewed(&world, attempt.id).await.status, ConnectionStatus::Pending);
    world.advance(Duration::from_secs(16 * 60));
    assert_eq!(
        viewed(&world, attempt.id).await.status,
        ConnectionStatus::AwaitingAdminConsent,
        "whether or not it was written down"
    );
    app::tending::end_overdue_attempts(&world.app).await.expect("the database");
    let again = viewed(&world, attempt.id).await.connection;
    assert_eq!((again.status, again.expires_at), (ConnectionStatus::AwaitingAdminConsent, until));

    // Taken up and cancelled: the same.
    let resumed = consent::resume(&world.app, &world.admin().await, attempt.id).await.expect("a link");
    attempt.goes_on(&resumed.url, &[]);
    let authorize = attempt.open_in(&attempt.browser).await.expect("a link that opens");
    let answered = world.sandbox.answer_sign_in(authorize.as_str(), SUPPORT, Answer::Cancel).await;
    let Ok(SignedIn::Redirect(back)) = answered else { panic!("{answered:?}") };
    let page = attempt.come_back(&Url::parse(&back).expect("a URL"), None).await;
    assert!(matches!(page, CallbackPage::AwaitingApproval { .. }), "{page:?}");

    world.advance(4 * 24 * HOUR);
    let ended = consent::resume(&world.app, &world.admin().await, attempt.id).await;
    assert!(matches!(ended, Err(consent::ResumeError::NotWaiting)), "{ended:?}");
    app::tending::end_overdue_attempts(&world.app).await.expect("the database");
    assert_eq!(viewed(&world, attempt.id).await.status, ConnectionStatus::Expired);
}

#[tokio::test]
async fn what_was_resumed_is_signed_in_with_a_new_handshake_only() {
    let world = world().await;
    let (mut attempt, token) = waiting(&world).await;
    let old_link = attempt.link.clone();
    assert!(attempt.open_in(&attempt.browser).await.is_err(), "the old link was used");
    let cookies = |name: &str| attempt.browser.cookie(name);
    let stranger = Browser::default();
    let foreign = |name: &str| stranger.cookie(name);
    let other = consent::go_on(&world.app, token.expose(), &foreign).await.expect("the database");
    assert_eq!(failed(&other.expect_err("another browser")), FailureClass::OtherBrowser);
    let forged = format!("{}x", token.expose());
    let other = consent::go_on(&world.app, &forged, &cookies).await.expect("the database");
    assert_eq!(failed(&other.expect_err("a made-up token")), FailureClass::StateUnknown);
    let (one, two) = tokio::join!(
        consent::go_on(&world.app, token.expose(), &cookies),
        consent::go_on(&world.app, token.expose(), &cookies)
    );
    let mut gone_on: Vec<_> = [one, two].into_iter().filter_map(|went| went.expect("the database").ok()).collect();
    assert_eq!(gone_on.len(), 1, "two presses begin one handshake");
    let resumed = gone_on.remove(0);
    attempt.goes_on(&resumed.go, &[resumed.cookie]);
    assert_ne!(attempt.link, old_link);
    let back = attempt.sign_in(SUPPORT).await;
    connected(&attempt.come_back(&back, Some(&world.session().await)).await);
}

#[tokio::test]
async fn a_handover_that_nobody_confirms_in_a_week_is_over_and_its_permission_forgotten() {
    let world = world().await;
    let inbox = connected(&world.connect(SUPPORT, None).await);
    let attempt = world.begin(Some(inbox)).await;
    let back = attempt.sign_in(SALES).await;
    assert_eq!(awaits_yes(&attempt.come_back(&back, Some(&world.session().await)).await), FailureClass::OtherPrincipal);
    world.advance(6 * 24 * HOUR);
    app::tending::keep_grants_alive(&world.app).await.expect("the database");
    let waits = viewed(&world, attempt.id).await;
    let grant = waits.connection.grant_id.expect("kept while it waits");
    assert_eq!(waits.status, ConnectionStatus::AwaitingHandover);
    world.advance(2 * 24 * HOUR);
    let late = handover::confirm(&world.app, &world.admin().await, attempt.id).await;
    assert!(matches!(late, Err(handover::HandoverError::NotWaiting)), "{late:?}");
    app::tending::keep_grants_alive(&world.app).await.expect("the database");
    let admin = world.admin().await;
    assert!(admin.scope.grant(grant).await.expect("the database").is_none());
    let kept = inboxes::health(&world.app, &admin, inbox).await.expect("the inbox");
    assert_eq!(kept.channel.principal, SUPPORT);
}

#[tokio::test]
async fn somebody_whom_nobody_accepts_in_a_week_has_connected_nothing_and_their_permission_is_forgotten() {
    let world = world().await;
    add_frieda(&world);
    let asked = NewLink { expected_email: Some(ADDRESS.to_owned()), ..NewLink::default() };
    let (token, id) = link(&world, asked).await;
    let attempt = agreed(&world, &token).await;
    let back = attempt.sign_in(SIGN_IN_NAME).await;
    assert_eq!(awaits_yes(&attempt.come_back(&back, None).await), FailureClass::AddressUnvouched);
    let made = shown(&world, id).await.connection_id.expect("the attempt");
    world.advance(6 * 24 * HOUR);
    app::tending::keep_grants_alive(&world.app).await.expect("the database");
    let waits = viewed(&world, made).await;
    let grant = waits.connection.grant_id.expect("kept while it waits");
    assert_eq!(waits.status, ConnectionStatus::AwaitingAcceptance);
    world.advance(2 * 24 * HOUR);
    let admin = world.admin().await;
    let late = accept::accept(&world.app, &admin, made).await;
    assert!(matches!(late, Err(accept::AcceptError::NotWaiting)), "{late:?}");
    app::tending::keep_grants_alive(&world.app).await.expect("the database");
    assert!(admin.scope.grant(grant).await.expect("the database").is_none());
    assert!(inboxes::list(&world.app, &admin).await.expect("the database").is_empty());
}

/// Through the link as somebody who only claims the address that it was made for, where their organisation had to approve first and an
/// administrator of the account went on with it: whoever comes then was shown no page of the link, and says yes on the page of the sign-in.
#[tokio::test]
async fn who_claims_a_links_address_is_accepted_also_where_an_approval_was_waited_for_in_between() {
    let world = world().await;
    add_frieda(&world);
    let asked = NewLink { expected_email: Some(ADDRESS.to_owned()), ..NewLink::default() };
    let (token, id) = link(&world, asked).await;
    let mut attempt = agreed(&world, &token).await;
    world.sandbox.faults().once(TokenFault::consent_required());
    let back = attempt.sign_in(SIGN_IN_NAME).await;
    let page = attempt.come_back(&back, None).await;
    assert!(matches!(page, CallbackPage::AwaitingApproval { .. }), "{page:?}");
    let made = shown(&world, id).await.connection_id.expect("the attempt");

    let resumed = consent::resume(&world.app, &world.admin().await, made).await.expect("a link");
    attempt.goes_on(&resumed.url, &[]);
    let back = attempt.sign_in(SIGN_IN_NAME).await;
    let page = attempt.come_back(&back, None).await;
    let CallbackPage::Confirm { token, .. } = page else { panic!("{page:?}") };
    assert_eq!(awaits_yes(&attempt.confirm(&token).await), FailureClass::AddressUnvouched);
    assert_eq!(viewed(&world, made).await.status, ConnectionStatus::AwaitingAcceptance);
    accept::accept(&world.app, &world.admin().await, made).await.expect("accepted");
    world.works().await;
    let ended = viewed(&world, made).await;
    assert_eq!((ended.status, ended.connection.failure), (ConnectionStatus::Connected, None));
}

#[tokio::test]
async fn who_claims_a_links_address_and_is_handed_an_inbox_over_is_asked_about_once() {
    let world = world().await;
    add_frieda(&world);
    world.sandbox.update_user(SIGN_IN_NAME, |user| {
        user.full_access.push(SUPPORT.to_owned());
        user.send_as.push(SUPPORT.to_owned());
    });
    let inbox = connected(&world.connect(SUPPORT, None).await);
    let asked = NewLink { expected_email: Some(ADDRESS.to_owned()), inbox_id: Some(inbox), ..NewLink::default() };
    let (token, id) = link(&world, asked).await;
    let attempt = agreed(&world, &token).await;
    let back = attempt.sign_in(SIGN_IN_NAME).await;
    assert_eq!(awaits_yes(&attempt.come_back(&back, None).await), FailureClass::OtherPrincipal);
    let made = shown(&world, id).await.connection_id.expect("the attempt");
    handover::confirm(&world.app, &world.admin().await, made).await.expect("handed over");
    world.works().await;
    let ended = viewed(&world, made).await;
    assert_eq!((ended.status, ended.connection.failure), (ConnectionStatus::Connected, None));
    assert_eq!(world.channel(inbox).await.principal, SIGN_IN_NAME);
}

/// Frieda's sign-in, for a link to the address that only she says is hers.
async fn frieda<'a>(world: &'a World, token: &str) -> (Attempt<'a>, CallbackPage) {
    let attempt = agreed(world, token).await;
    let back = attempt.sign_in(SIGN_IN_NAME).await;
    let page = attempt.come_back(&back, None).await;
    (attempt, page)
}

fn add_frieda(world: &World) {
    world.sandbox.update_app(world.sandbox.client_id(), |app| app.optional_claims = false);
    let frieda = sandbox::TenantUser::work(sandbox::CONTOSO, SIGN_IN_NAME, "Frieda").with_primary_address(ADDRESS);
    world.sandbox.add_user(frieda);
}

#[tokio::test]
async fn one_who_was_accepted_signs_in_to_their_inbox_again_without_being_asked_about() {
    let world = world().await;
    add_frieda(&world);
    let (token, id) = link(&world, NewLink { expected_email: Some(ADDRESS.to_owned()), ..NewLink::default() }).await;
    assert_eq!(awaits_yes(&frieda(&world, &token).await.1), FailureClass::AddressUnvouched);
    let made = shown(&world, id).await.connection_id.expect("the attempt");
    accept::accept(&world.app, &world.admin().await, made).await.expect("accepted");
    world.works().await;
    let inbox = viewed(&world, made).await.connection.result_inbox_id.expect("an inbox");
    let again = NewLink { expected_email: Some(ADDRESS.to_owned()), inbox_id: Some(inbox), ..NewLink::default() };
    let (token, _) = link(&world, again).await;
    assert_eq!(connected(&frieda(&world, &token).await.1), inbox);
}

#[tokio::test]
async fn a_link_that_has_connected_a_mailbox_leaves_nobody_waiting_for_an_administrator() {
    let world = world().await;
    add_frieda(&world);
    let (token, id) = link(&world, NewLink { expected_email: Some(ADDRESS.to_owned()), ..NewLink::default() }).await;
    let mut made = Vec::new();
    for _ in 0..2 {
        frieda(&world, &token).await;
        made.push(shown(&world, id).await.connection_id.expect("the attempt"));
    }
    accept::accept(&world.app, &world.admin().await, made[0]).await.expect("accepted");
    world.works().await;
    assert_eq!(viewed(&world, made[0]).await.status, ConnectionStatus::Connected);
    let other = viewed(&world, made[1]).await;
    let why = other.connection.failure.map(|failure| failure.class);
    assert_eq!((other.status, why), (ConnectionStatus::Failed, Some(FailureClass::ConnectLinkOver)));
    let late = accept::accept(&world.app, &world.admin().await, made[1]).await;
    assert!(matches!(late, Err(accept::AcceptError::NotWaiting)), "{late:?}");
}

#[tokio::test]
async fn no_sign_in_that_waits_for_an_administrator_makes_room_for_another() {
    let world = world().await;
    add_frieda(&world);
    let (token, id) = link(&world, NewLink { expected_email: Some(ADDRESS.to_owned()), ..NewLink::default() }).await;
    frieda(&world, &token).await;
    let first = shown(&world, id).await.connection_id.expect("the attempt");
    for _ in 1..5 {
        frieda(&world, &token).await;
    }
    assert_eq!(refused(&world, &token).await, FailureClass::AddressUnvouched);
    assert_eq!(viewed(&world, first).await.status, ConnectionStatus::AwaitingAcceptance);
}

/// Whose token names no address signs in under the one that the link is for, until the mail server says that it is not theirs.
#[tokio::test]
async fn who_types_another_address_than_the_links_is_not_whom_it_was_made_for() {
    let world = world().await;
    let inbox = connected(&world.connect(SUPPORT, None).await);
    for inbox_id in [None, Some(inbox)] {
        let asked = NewLink { expected_email: Some(SALES.to_owned()), inbox_id, ..NewLink::default() };
        let (token, id) = link(&world, asked).await;
        let attempt = agreed(&world, &token).await;
        world.sandbox.faults().once(sandbox::IdTokenFault::NoAddressAtAll);
        let back = attempt.sign_in(SUPPORT).await;
        let CallbackPage::AskAddress(ask) = attempt.come_back(&back, None).await else { panic!("not asked") };
        assert_eq!(failed(&attempt.tell_address(&ask.token, SUPPORT).await), FailureClass::UnexpectedAccount);
        assert_eq!(shown(&world, id).await.status, ConnectLinkStatus::Failed);
    }
    assert_eq!(world.channel(inbox).await.mailbox_address.as_str(), SUPPORT);
}

#[tokio::test]
async fn two_administrators_who_confirm_at_once_hand_over_once() {
    let world = world().await;
    let inbox = connected(&world.connect(SUPPORT, None).await);
    world.sandbox.update_user(SALES, |user| user.full_access.push(SUPPORT.to_owned()));
    let attempt = world.begin(Some(inbox)).await;
    let back = attempt.sign_in(SALES).await;
    attempt.come_back(&back, Some(&world.session().await)).await;
    let admin = world.admin().await;
    let (one, two) = tokio::join!(
        handover::confirm(&world.app, &admin, attempt.id),
        handover::confirm(&world.app, &admin, attempt.id)
    );
    assert_eq!([one.is_ok(), two.is_ok()].iter().filter(|ok| **ok).count(), 1);
    let ended = async {
        while viewed(&world, attempt.id).await.status == ConnectionStatus::Proving {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), ended).await.expect("an end");
    let moved = world.channel(inbox).await;
    assert_eq!((moved.principal.as_str(), moved.mailbox_address.as_str()), (SALES, SUPPORT));
}

#[tokio::test]
async fn one_permission_of_two_inboxes_is_refreshed_once_for_both() {
    let world = world().await;
    let inbox = connected(&world.connect(SUPPORT, None).await);
    let admin = world.admin().await;
    let made = shared_of(&world, inbox, "info@contoso.example").await;
    let other = world.channel(made).await;
    let first = world.channel(inbox).await;
    assert_eq!(first.grant_id, other.grant_id);
    let grant = first.grant_id.expect("a grant");
    let before = world.sandbox.refreshes();
    world.advance(2 * HOUR);
    let token =
        async || refresh::access_token(&world.app, &admin.scope, grant, Resource::Outlook).await.expect("a token");
    let (one, two, three) = tokio::join!(token(), token(), token());
    assert!(one == two && two == three);
    assert_eq!(world.sandbox.refreshes() - before, 1);
}
