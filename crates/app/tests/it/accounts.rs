//! Signing in, sessions, and what belongs to whom.

use crate::support::{PASSWORD, World, new_account, signed_in, world};
use app::accounts::{
    self, AgentChange, AgentError, Credential, EnterError, NewAgent, SessionKind, SignIn, SignInError, TokenAsked,
};
use domain::Secret;
use domain::account::Role;

const ADMIN: &str = "admin@contoso.example";

fn ask(email: &str, password: &str, kind: SessionKind) -> SignIn {
    SignIn {
        email: email.to_owned(),
        password: Secret::new(password),
        from: std::net::IpAddr::from([192, 0, 2, 7]).into(),
        user_agent: None,
        kind,
    }
}

async fn refused(world: &World, credential: Credential<'_>) -> bool {
    accounts::authenticate(&world.app, credential).await.expect("the database").is_none()
}

#[tokio::test]
async fn a_session_is_believed_only_in_the_way_it_was_given() {
    let world = world().await;
    let mobile = accounts::sign_in(&world.app, ask("Admin@Contoso.example", PASSWORD, SessionKind::Headers)).await;
    let mobile = mobile.expect("the right password");
    let (token, client, uid) = (mobile.token.expose(), mobile.client.as_str(), mobile.uid.as_str());
    assert_eq!(uid, ADMIN);
    let headers = Credential::Headers { access_token: token, client, uid };
    let caller = accounts::authenticate(&world.app, headers).await.expect("the database").expect("a session");
    assert!(refused(&world, Credential::Headers { access_token: token, client: "other", uid }).await);
    assert!(refused(&world, Credential::Headers { access_token: token, client, uid: "other@contoso.example" }).await);
    assert!(refused(&world, Credential::Session(token)).await);
    assert!(refused(&world, Credential::Api(token)).await);
    assert!(refused(&world, Credential::Api("")).await);

    assert!(accounts::sign_out(&world.app, &caller).await.expect("the database"));
    assert!(refused(&world, headers).await);
}

#[tokio::test]
async fn a_session_ends_after_two_months() {
    let world = world().await;
    let session = accounts::sign_in(&world.app, ask(ADMIN, PASSWORD, SessionKind::Browser)).await.expect("signed in");
    let cookie = Credential::Session(session.token.expose());
    assert!(!refused(&world, cookie).await);
    world.clock.advance(accounts::SESSION_LIFETIME);
    assert!(refused(&world, cookie).await);
}

#[tokio::test]
async fn wrong_passwords_and_nobody_are_refused_alike_and_then_made_to_wait() {
    let world = world().await;
    for email in [ADMIN, "nobody@contoso.example", "no address"] {
        for _ in 0..5 {
            let refused = accounts::sign_in(&world.app, ask(email, "wrong password", SessionKind::Browser)).await;
            assert!(matches!(refused, Err(SignInError::Refused)), "{email}");
        }
        let waits = accounts::sign_in(&world.app, ask(email, PASSWORD, SessionKind::Browser)).await;
        assert!(matches!(waits, Err(SignInError::TooMany { retry_after }) if retry_after.as_secs() <= 60), "{email}");
    }
    world.clock.advance(std::time::Duration::from_secs(60));
    accounts::sign_in(&world.app, ask(ADMIN, PASSWORD, SessionKind::Browser)).await.expect("waited");
}

#[tokio::test]
async fn another_accounts_id_answers_like_one_that_does_not_exist() {
    let world = world().await;
    let other = new_account(&world.app, "Fabrikam", "other@fabrikam.example").await;
    let caller = signed_in(&world.app, ADMIN).await;
    for account in [other, domain::AccountId(987_654)] {
        assert!(matches!(accounts::enter(&world.app, &caller, account).await, Err(EnterError::NotFound)));
    }
    let profile = accounts::profile(&world.app, &caller).await.expect("the database");
    assert_eq!(profile.memberships.iter().map(|m| m.account.id).collect::<Vec<_>>(), [world.account]);
}

#[tokio::test]
async fn an_api_token_works_until_it_is_revoked() {
    let world = world().await;
    let caller = signed_in(&world.app, ADMIN).await;
    let asked = TokenAsked { name: Some("ci".into()), ..TokenAsked::default() };
    let (made, token) = accounts::create_api_token(&world.app, &caller, asked).await.expect("a token");
    assert!(!refused(&world, Credential::Api(token.expose())).await);
    assert!(refused(&world, Credential::Session(token.expose())).await);
    accounts::revoke_token(&world.app, &caller, made.id).await.expect("it was theirs");
    assert!(refused(&world, Credential::Api(token.expose())).await);
}

#[tokio::test]
async fn agents_do_not_manage_people_and_an_account_keeps_an_administrator() {
    let world = world().await;
    let admin = world.admin().await;
    let new = |email: &str, role| NewAgent {
        name: "Grace".into(),
        email: email.into(),
        role,
        availability: None,
        auto_offline: None,
        password: Some(Secret::new(PASSWORD)),
    };
    let grace = accounts::create_agent(&world.app, &admin, new("grace@contoso.example", Role::Agent)).await;
    let grace = grace.expect("an agent");
    let again = accounts::create_agent(&world.app, &admin, new("GRACE@contoso.example", Role::Agent)).await;
    assert!(matches!(again, Err(AgentError::AlreadyMember)));

    let caller = signed_in(&world.app, "grace@contoso.example").await;
    let member = accounts::enter(&world.app, &caller, world.account).await.expect("a member");
    let more = accounts::create_agent(&world.app, &member, new("alan@contoso.example", Role::Administrator)).await;
    assert!(matches!(more, Err(AgentError::Forbidden)));
    let promoted = AgentChange { role: Some(Role::Administrator), ..AgentChange::default() };
    let own = accounts::update_agent(&world.app, &member, grace.user.id, promoted.clone()).await;
    assert!(matches!(own, Err(AgentError::Forbidden)));

    let demoted = AgentChange { role: Some(Role::Agent), ..AgentChange::default() };
    let last = accounts::update_agent(&world.app, &admin, admin.agent.user.id, demoted.clone()).await;
    assert!(matches!(last, Err(AgentError::LastAdministrator)));
    accounts::update_agent(&world.app, &admin, grace.user.id, promoted).await.expect("promoted");
    accounts::update_agent(&world.app, &admin, admin.agent.user.id, demoted).await.expect("one is left");
}
