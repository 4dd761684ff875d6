//! Signing in, agents, inbox members.

use crate::world::{START, address, each, new_token};
use domain::account::{AccountStatus, Availability, Role};
use domain::{Timestamp, TokenId};
use store::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_token_opens_what_its_user_may_enter_until_it_expires_or_is_revoked() {
    each(async |w| {
        let sign_in = w.store.sign_in();
        let (user, hash) = sign_in.user_by_email(&address("ADA@ours.example").key()).await.unwrap().unwrap();
        assert_eq!((user.id, hash), (w.ours.admin.id, Some(PasswordHash("hash".to_owned()))));
        let hash = TokenHash::of("token");
        let new = NewToken {
            user_id: user.id,
            kind: TokenKind::Client,
            hash,
            account_id: None,
            client_id: Some("client".to_owned()),
            name: None,
            expires_at: Some(Timestamp(START.0 + 1_000_000_000)),
            device: Device::default(),
        };
        let id = sign_in.create_token(&new, 1000).await.unwrap();
        assert!(matches!(sign_in.create_token(&new, 1000).await, Err(StoreError::Conflict(_))));
        let known = sign_in.authenticate_token(&hash, START).await.unwrap().unwrap();
        assert_eq!((known.user.id, known.token_id, known.kind), (user.id, id, TokenKind::Client));
        assert_eq!(known.client_id.as_deref(), Some("client"));
        assert!(sign_in.authenticate_token(&TokenHash::of("another"), START).await.unwrap().is_none());
        assert!(sign_in.authenticate_token(&hash, Timestamp(START.0 + 1_000_000_000)).await.unwrap().is_none());
        assert_eq!(sign_in.tokens(user.id, START).await.unwrap().len(), 1);
        assert!(!sign_in.revoke_token(w.theirs.admin.id, id, START).await.unwrap());
        assert!(sign_in.revoke_token(user.id, id, START).await.unwrap());
        assert!(sign_in.authenticate_token(&hash, START).await.unwrap().is_none());
        assert_ne!(id, TokenId(0));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_member_sees_the_inboxes_they_belong_to_and_an_administrator_all() {
    each(async |w| {
        let sign_in = w.store.sign_in();
        let account = w.ours.scope.account_id();
        let first = w.ours.inbox("a@ours.example").await;
        let second = w.ours.inbox("b@ours.example").await;
        let agent = w.ours.agent("bob@ours.example").await;
        w.ours.scope.set_inbox_members(second.id, &[agent.id]).await.unwrap();
        let member = sign_in.member(account, agent.id).await.unwrap().unwrap();
        assert_eq!(member.visibility, Visibility::Inboxes(vec![second.id]));
        assert!(member.visibility.sees(second.id) && !member.visibility.sees(first.id));
        let seen = member.scope.inboxes(&member.visibility).await.unwrap();
        assert_eq!(seen.iter().map(|i| i.id).collect::<Vec<_>>(), [second.id]);
        let admin = sign_in.member(account, w.ours.admin.id).await.unwrap().unwrap();
        assert_eq!(admin.visibility, Visibility::All);
        assert_eq!(admin.scope.inboxes(&Visibility::All).await.unwrap().len(), 2);
        assert!(admin.scope.inboxes(&Visibility::Inboxes(Vec::new())).await.unwrap().is_empty());
        assert_eq!(w.ours.scope.inbox_members(second.id).await.unwrap().len(), 1);

        let bob = NewUser { email: address("bob@ours.example"), name: "Bob".to_owned(), password: None };
        let again = w.ours.scope.invite_agent(&bob, Role::Agent, &AgentChange::default(), 1000, w.ours.invite()).await;
        assert!(matches!(again, Err(StoreError::Conflict(_))));
        let change =
            AgentChange { availability: Some(Availability::Busy), auto_offline: Some(false), ..AgentChange::default() };
        let changed = w.ours.scope.update_agent(agent.id, &change).await.unwrap().unwrap();
        assert_eq!(
            (changed.availability, changed.auto_offline, changed.role),
            (Availability::Busy, false, Role::Agent)
        );
        assert!(w.ours.scope.remove_agent(agent.id).await.unwrap());
        assert!(sign_in.member(account, agent.id).await.unwrap().is_none());
        assert_eq!(w.ours.scope.agents().await.unwrap().len(), 1);
        // Invited again, the same person comes back.
        assert_eq!(w.ours.agent("bob@ours.example").await.id, agent.id);
        assert_eq!(sign_in.memberships(agent.id).await.unwrap().len(), 1);
        let renamed = UserChange { display_name: Some(Some("Bobby".to_owned())), ..UserChange::default() };
        assert_eq!(sign_in.update_user(agent.id, &renamed).await.unwrap().unwrap().available_name(), "Bobby");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspended_account_is_entered_as_such_and_its_keys_stay() {
    each(async |w| {
        let account = w.ours.scope.account_id();
        assert!(w.store.operator().set_account_status(account, AccountStatus::Suspended).await.unwrap());
        let member = w.store.sign_in().member(account, w.ours.admin.id).await.unwrap().unwrap();
        assert_eq!(member.account.status, AccountStatus::Suspended);
        let keys = w.ours.scope.message_id_keys().await.unwrap();
        assert_eq!(keys.len(), 1);
        assert_ne!(keys, w.theirs.scope.message_id_keys().await.unwrap());
        let scope = w.store.operator().account(account).await.unwrap().unwrap();
        assert_eq!(scope.account().await.unwrap().name, "Ours");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_opens_the_account_whose_key_signed_it_and_no_other() {
    each(async |w| {
        let (ours, theirs) = (&w.ours.scope, &w.theirs.scope);
        let links = w.store.attachment_links();
        let signer = ours.link_signer().await.unwrap();
        let mac = signer.sign(b"a file");
        let opened = links.open(ours.account_id(), b"a file", &mac).await.unwrap().expect("its own account");
        assert_eq!(opened.account_id(), ours.account_id());
        assert!(links.open(theirs.account_id(), b"a file", &mac).await.unwrap().is_none());
        assert!(links.open(ours.account_id(), b"another file", &mac).await.unwrap().is_none());
        assert!(links.open(ours.account_id(), b"a file", &[0; 32]).await.unwrap().is_none());
        assert!(links.open(domain::AccountId(987_654), b"a file", &mac).await.unwrap().is_none());
        assert!(!format!("{signer:?}").contains("Key"), "{signer:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_password_or_address_ends_every_session_but_one_and_no_api_token() {
    each(async |w| {
        let sign_in = w.store.sign_in();
        let user = w.ours.admin.id;
        let token = async |name: &str, kind| sign_in.create_token(&new_token(&w.ours, name, kind), 1000).await.unwrap();
        let kept = token("kept", TokenKind::Session).await;
        for (name, kind) in [("browser", TokenKind::Session), ("phone", TokenKind::Client), ("api", TokenKind::Api)] {
            token(name, kind).await;
        }
        let change = UserChange {
            email: Some(address("lovelace@ours.example")),
            ends_sessions_but: Some(kept),
            ..UserChange::default()
        };
        assert_eq!(sign_in.update_user(user, &change).await.unwrap().unwrap().email, "lovelace@ours.example");
        let lives = async |name: &str| sign_in.authenticate_token(&TokenHash::of(name), START).await.unwrap().is_some();
        assert_eq!([lives("kept").await, lives("api").await], [true, true]);
        assert_eq!([lives("browser").await, lives("phone").await], [false, false]);
        assert!(sign_in.user_by_email("ada@ours.example").await.unwrap().is_none());

        token("another", TokenKind::Session).await;
        let taken = UserChange { email: Some(address("eve@theirs.example")), ..change };
        assert!(matches!(sign_in.update_user(user, &taken).await, Err(StoreError::Conflict(_))));
        assert!(lives("another").await, "what was refused changed nothing");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_that_postgresql_cannot_keep_is_told_apart_from_a_broken_database() {
    each(async |w| {
        let new = NewUser { email: address("nul@ours.example"), name: "a\0b".to_owned(), password: None };
        match w.ours.scope.invite_agent(&new, Role::Agent, &AgentChange::default(), 1000, w.ours.invite()).await {
            Err(StoreError::Unstorable(_)) => assert!(w.url.starts_with("postgres")),
            Ok(_) => assert!(!w.url.starts_with("postgres"), "SQLite keeps it"),
            Err(other) => panic!("{other}"),
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_administrators_who_take_each_others_place_at_once_leave_one() {
    each(async |w| {
        let scope = &w.ours.scope;
        let demoted = AgentChange { role: Some(Role::Agent), ..AgentChange::default() };
        for round in 0..10 {
            let name = format!("admin{round}@ours.example");
            let password = Some(PasswordHash("hash".to_owned()));
            let new = NewUser { email: address(&name), name: name.clone(), password };
            let second = scope
                .invite_agent(&new, Role::Administrator, &AgentChange::default(), 1000, w.ours.invite())
                .await
                .unwrap()
                .agent
                .user
                .id;
            let one = scope
                .agents()
                .await
                .unwrap()
                .into_iter()
                .find(|a| a.role == Role::Administrator && a.user.id != second);
            let first = one.unwrap().user.id;
            let (ended, removed) = tokio::join!(scope.update_agent(first, &demoted), scope.remove_agent(second));
            let refused = [ended.err(), removed.err()].into_iter().flatten().collect::<Vec<_>>();
            assert!(matches!(refused[..], [StoreError::Conflict(_)]), "{refused:?}");
            let left =
                scope.agents().await.unwrap().into_iter().filter(|agent| agent.role == Role::Administrator).count();
            assert_eq!(left, 1);
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_administrator_who_was_invited_and_never_came_does_not_keep_an_account_alive() {
    each(async |w| {
        let scope = &w.ours.scope;
        let demoted = AgentChange { role: Some(Role::Agent), ..AgentChange::default() };
        let (admin, place) = (w.ours.admin.id, AgentChange::default());
        let silent = NewUser { email: address("silent@ours.example"), name: "Silent".to_owned(), password: None };
        let silent = scope.invite_agent(&silent, Role::Administrator, &place, 1000, w.ours.invite()).await.unwrap();
        // Somebody whom another tenant made up, with a password, and who has not shown yet who they are.
        let hash = Some(PasswordHash("theirs".to_owned()));
        let made_up = NewUser { email: address("made-up@x.example"), name: "Made up".to_owned(), password: hash };
        let theirs = w.theirs.invite();
        w.theirs.scope.invite_agent(&made_up, Role::Agent, &place, 1000, theirs).await.unwrap();
        let made_up = scope.invite_agent(&made_up, Role::Administrator, &place, 1000, w.ours.invite()).await.unwrap();
        assert_eq!((silent.needs, made_up.needs), (Needs::Password, Needs::Proof));
        assert!(matches!(scope.update_agent(admin, &demoted).await, Err(StoreError::Conflict(_))));
        assert!(matches!(scope.remove_agent(admin).await, Err(StoreError::Conflict(_))));
        assert!(scope.remove_agent(silent.agent.user.id).await.unwrap(), "who never came may go");

        let hash = Some(PasswordHash("hash".to_owned()));
        let second = NewUser { email: address("second@ours.example"), name: "Second".to_owned(), password: hash };
        scope.invite_agent(&second, Role::Administrator, &place, 1000, w.ours.invite()).await.unwrap();
        assert!(scope.update_agent(admin, &demoted).await.unwrap().is_some(), "there is another one");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_taken_out_of_an_account_takes_no_key_to_it_along() {
    each(async |w| {
        let sign_in = w.store.sign_in();
        let (scope, account) = (&w.ours.scope, w.ours.scope.account_id());
        let new = NewUser { email: address("bob@ours.example"), name: "Bob".to_owned(), password: None };
        let bob = scope.invite_agent(&new, Role::Agent, &AgentChange::default(), 1000, w.ours.invite()).await.unwrap();
        let bob = bob.agent.user.id;
        let key =
            |name: &str, account_id| NewToken { user_id: bob, account_id, ..new_token(&w.ours, name, TokenKind::Api) };
        sign_in.create_token(&key("laptop", Some(account)), 1000).await.unwrap();
        sign_in.create_token(&key("everywhere", None), 1000).await.unwrap();
        assert!(scope.remove_agent(bob).await.unwrap());
        let lost = sign_in.create_token(&key("meanwhile", Some(account)), 1000).await;
        assert!(matches!(lost, Err(StoreError::NotFound("account"))), "{lost:?}");
        let again = scope.invite_agent(&new, Role::Agent, &AgentChange::default(), 1000, w.ours.invite()).await;
        assert_eq!(again.unwrap().agent.user.id, bob, "they come back as themself");
        let lives = async |name: &str| sign_in.authenticate_token(&TokenHash::of(name), START).await.unwrap().is_some();
        assert_eq!([lives("laptop").await, lives("everywhere").await], [false, true]);
    })
    .await;
}
