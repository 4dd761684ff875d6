//! Who signed in, under which name: people who are renamed, guests, accounts whose names are no addresses, suspended accounts.

use crate::connect::followed_to_the_end;
use crate::support::{Attempt, HOST_CONNECTIONS, World, connected, failed, query, world};
use app::channels::callback::{AskAddress, CallbackPage};
use app::channels::{connection_status, inboxes};
use domain::FailureClass;
use domain::account::AccountStatus;
use domain::channel::{ConnectionStatus, HealthState};
use sandbox::{Event, IdTokenFault};
use std::time::Duration;
use store::{ClaimedWork, OwedKind, Rooms};

/// What the inbox's channel goes by: principal, mailbox, From, SMTP user.
async fn names(world: &World, inbox: domain::InboxId) -> [String; 4] {
    let channel = world.channel(inbox).await;
    [channel.principal, channel.mailbox_address.to_string(), channel.from_address.to_string(), channel.smtp_user]
}

#[tokio::test]
async fn somebody_who_was_renamed_keeps_their_inbox_under_the_new_name() {
    let world = world().await;
    let inbox = connected(&world.connect("support@contoso.example", None).await);
    world.sandbox.rename_user("support@contoso.example", "care@contoso.example");
    assert_eq!(connected(&world.connect("care@contoso.example", Some(inbox)).await), inbox);
    assert_eq!(names(&world, inbox).await, ["care@contoso.example"; 4]);
    // Whoever asks for a new inbox instead is the same person with the same mailbox.
    world.sandbox.rename_user("care@contoso.example", "help@contoso.example");
    assert_eq!(connected(&world.connect("help@contoso.example", None).await), inbox);
    assert_eq!(names(&world, inbox).await, ["help@contoso.example"; 4]);
}

#[tokio::test]
async fn a_from_address_that_was_chosen_stays_when_its_owner_is_renamed() {
    let world = world().await;
    world.sandbox.update_user("support@contoso.example", |user| {
        user.email = Some("info@contoso.example".to_owned());
        user.aliases.push("info@contoso.example".to_owned());
    });
    let inbox = connected(&world.connect("support@contoso.example", None).await);
    let [before, info, after] = ["support@contoso.example", "info@contoso.example", "care@contoso.example"];
    assert_eq!(names(&world, inbox).await, [before, before, info, before]);
    world.sandbox.rename_user(before, after);
    connected(&world.connect(after, Some(inbox)).await);
    assert_eq!(names(&world, inbox).await, [after, after, info, after]);
}

#[tokio::test]
async fn a_new_name_counts_only_when_the_mailbox_opens_under_it_and_is_nobody_elses() {
    let world = world().await;
    let inbox = connected(&world.connect("support@contoso.example", None).await);
    connected(&world.connect("sales@contoso.example", None).await);
    world.sandbox.remove_user("sales@contoso.example");
    world.sandbox.rename_user("support@contoso.example", "sales@contoso.example");
    assert_eq!(
        failed(&world.connect("sales@contoso.example", Some(inbox)).await),
        FailureClass::MailboxAlreadyConnected
    );
    world.sandbox.rename_user("sales@contoso.example", "care@contoso.example");
    world.sandbox.update_user("care@contoso.example", |user| user.imap_enabled = false);
    let attempt = world.begin(Some(inbox)).await;
    let back = attempt.sign_in("care@contoso.example").await;
    let page = attempt.come_back(&back, Some(&world.session().await)).await;
    failed(&followed_to_the_end(&attempt, page).await);
    assert_eq!(names(&world, inbox).await, ["support@contoso.example"; 4]);
}

/// Work that was put back, when it is due.
async fn comes_again(claim: impl AsyncFn() -> Option<ClaimedWork>) -> ClaimedWork {
    let due = async {
        loop {
            match claim().await {
                Some(work) => return work,
                None => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(30), due).await.expect("it comes again")
}

#[tokio::test]
async fn no_mailbox_of_a_suspended_account_is_signed_in_to_and_it_is_when_the_suspension_ends() {
    let world = world().await;
    let attempt = world.begin(None).await;
    let back = attempt.sign_in("support@contoso.example").await;
    let state = query(&back).state.expect("a state");
    let CallbackPage::Confirm { token, .. } = attempt.come_back(&back, None).await else { panic!("not asked") };
    world.stop_proving();
    let confirming = tokio::time::timeout(Duration::from_millis(500), attempt.confirm(&token)).await;
    assert!(confirming.is_err(), "nobody proves it");

    // Claimed just before the account was suspended.
    let relay = world.app.store().relay();
    let due = relay.hand_over(Rooms::of_each(1), &[], Duration::ZERO).await.expect("the relay").remove(0);
    let lease = Duration::from_secs(60);
    let claim = async || relay.claim(due.account_id, due.kind, due.owed_id, "test", lease).await.expect("the relay");
    let work = claim().await.expect("the proof");
    let operator = world.app.store().operator();
    operator.set_account_status(world.account, AccountStatus::Suspended).await.expect("suspended");
    app::channels::verify::prove(&world.app, &work).await.expect("the database");
    assert!(claim().await.is_none(), "nothing of a suspended account is claimed");
    let signed_in = |event: &Event| matches!(event, Event::ImapCommand { .. } | Event::SmtpAuthenticated { .. });
    assert!(!world.sandbox.events().iter().any(signed_in), "a mailbox was signed in to: {:?}", world.sandbox.events());
    assert_eq!(failed(&attempt.follow(&state).await), FailureClass::AccountSuspended);

    operator.set_account_status(world.account, AccountStatus::Active).await.expect("resumed");
    app::channels::verify::prove(&world.app, &comes_again(claim).await).await.expect("the database");
    connected(&attempt.follow(&state).await);
}

#[tokio::test]
async fn a_sign_in_for_which_no_connection_to_a_mail_server_is_free_waits_for_one_and_its_inbox_is_well() {
    let world = world().await;
    let settings = world.app.settings().clone();
    for (host, address) in [(settings.imap, "support@contoso.example"), (settings.smtp, "sales@contoso.example")] {
        let attempt = world.begin(None).await;
        let back = attempt.sign_in(address).await;
        let state = query(&back).state.expect("a state");
        let CallbackPage::Confirm { token, .. } = attempt.come_back(&back, None).await else { panic!("not asked") };
        world.stop_proving();
        let confirming = tokio::time::timeout(Duration::from_millis(500), attempt.confirm(&token)).await;
        assert!(confirming.is_err(), "nobody proves it");
        let one = || world.app.connector().slot(&host);
        let taken = futures_util::future::join_all((0..HOST_CONNECTIONS.get()).map(|_| one())).await;

        let relay = world.app.store().relay();
        let due = relay.hand_over(Rooms::of_each(1), &[], Duration::ZERO).await.expect("the relay").remove(0);
        assert_eq!(due.kind, OwedKind::ProveConnection);
        let lease = Duration::from_secs(60);
        let claim = async || relay.claim(due.account_id, due.kind, due.owed_id, "test", lease).await.expect("answers");
        let work = claim().await.expect("the proof");
        // Longer than trouble that passes is tried again.
        world.advance(Duration::from_secs(20 * 60));
        app::channels::verify::prove(&world.app, &work).await.expect("the database");
        let status = connection_status(&world.app, &world.admin().await, attempt.id).await.expect("the attempt");
        assert_eq!((status.status, status.connection.failure), (ConnectionStatus::Proving, None));
        assert!(claim().await.is_none(), "it is not asked for at once");
        drop(taken);
        let work = comes_again(claim).await;
        app::channels::verify::prove(&world.app, &work).await.expect("the database");
        let inbox = connected(&attempt.follow(&state).await);
        let inbox = inboxes::show(&world.app, &world.admin().await, inbox).await.expect("the inbox");
        assert!(inbox.channel.send_health.failure.is_none() && inbox.channel.fetch_health.failure.is_none());
        assert_eq!(inbox.channel.send_health.state, HealthState::Connected);
    }
}

/// Back from a sign-in whose token names no address: the page that asks for one.
async fn asked(attempt: &Attempt<'_>) -> AskAddress {
    attempt.world.sandbox.faults().once(IdTokenFault::NoAddressAtAll);
    let back = attempt.sign_in("support@contoso.example").await;
    match attempt.come_back(&back, Some(&attempt.world.session().await)).await {
        CallbackPage::AskAddress(ask) => ask,
        other => panic!("not asked: {other:?}"),
    }
}

#[tokio::test]
async fn an_account_whose_names_are_no_addresses_is_asked_and_may_be_wrong_until_the_mailbox_opens() {
    let world = world().await;
    let attempt = world.begin(None).await;
    let ask = asked(&attempt).await;
    assert_eq!((ask.account_name.as_str(), &ask.proposed), ("Contoso", &None));
    let status = connection_status(&world.app, &world.admin().await, attempt.id).await.expect("the attempt");
    assert_eq!(status.status, ConnectionStatus::AwaitingAddress);

    let CallbackPage::AskAddress(again) = attempt.tell_address(&ask.token, "support at contoso").await else {
        panic!("not asked again")
    };
    assert_eq!(again.proposed.as_deref(), Some("support at contoso"));
    assert_eq!(again.trouble.map(|trouble| trouble.class), Some(FailureClass::AddressUnknown));

    let proving = attempt.tell_address(&ask.token, "sales@contoso.example").await;
    let CallbackPage::AskAddress(again) = followed_to_the_end(&attempt, proving).await else {
        panic!("not asked again")
    };
    assert_eq!(again.proposed.as_deref(), Some("sales@contoso.example"));
    assert_eq!(again.trouble.map(|trouble| trouble.class), Some(FailureClass::MailboxNotConnected));

    let told = attempt.tell_address(&again.token, "support@contoso.example").await;
    let inbox = connected(&followed_to_the_end(&attempt, told).await);
    assert_eq!(names(&world, inbox).await, ["support@contoso.example"; 4]);
}

#[tokio::test]
async fn the_address_is_asked_until_it_has_taken_too_long_and_only_in_its_own_browser() {
    let world = world().await;
    let attempt = world.begin(None).await;
    let ask = asked(&attempt).await;
    let stranger = Attempt { world: &world, link: String::new(), id: attempt.id, browser: Default::default() };
    let told = stranger.tell_address(&ask.token, "support@contoso.example").await;
    assert_eq!(failed(&told), FailureClass::OtherBrowser);
    world.advance(Duration::from_secs(16 * 60));
    assert_eq!(failed(&attempt.tell_address(&ask.token, "support@contoso.example").await), FailureClass::StateExpired);
    app::tending::keep_grants_alive(&world.app).await.expect("the database");
    let attempt = world.admin().await.scope.connection(attempt.id).await.expect("the database").expect("the attempt");
    assert_eq!((attempt.status, attempt.grant_id), (ConnectionStatus::Expired, None), "its tokens are not kept");
}

#[tokio::test]
async fn an_email_claim_is_proposed_to_whom_is_asked() {
    let world = world().await;
    world.sandbox.faults().once(IdTokenFault::NoPreferredUsername);
    let attempt = world.begin(None).await;
    let back = attempt.sign_in("support@contoso.example").await;
    let page = attempt.come_back(&back, None).await;
    let CallbackPage::AskAddress(ask) = page else { panic!("{page:?}") };
    assert_eq!(ask.proposed.as_deref(), Some("support@contoso.example"));
}

#[tokio::test]
async fn a_guest_without_a_mailbox_here_is_told_to_use_another_account() {
    let world = world().await;
    world.sandbox.update_user("support@contoso.example", |user| {
        user.guest = true;
        user.has_mailbox = false;
    });
    let attempt = world.begin(None).await;
    let back = attempt.sign_in("support@contoso.example").await;
    let page = attempt.come_back(&back, Some(&world.session().await)).await;
    let page = followed_to_the_end(&attempt, page).await;
    let CallbackPage::Failed { failure, .. } = &page else { panic!("{page:?}") };
    assert_eq!((failure.class, failure.detail.as_deref()), (FailureClass::WrongAccount, Some("guest")));
    assert!(failure.server_said.is_some(), "what the server said is kept");
}
