//! Users are global, so whoever makes one up in their own tenant tries to come into another with it.

use crate::desk::{ADA, Desk, mail};
use crate::passwords::{FIRST, GRACE, SECOND, caller, new_agent, place, set, signs_in, tenant, with_mailer};
use app::accounts::{
    self, Caller, CreateAccountError, Credential, NewAccount, ProfileChange, SetPasswordError, TokenAsked,
};
use app::conversations::{self, ParticipantError, People};
use domain::account::Role;
use domain::{AccountId, Secret};
use store::{LinkPurpose, NewPasswordLink, Standing, TokenHash, Watcher};

const THIRD: &str = "a third battery clip";

/// Somebody signs in with what whoever made them up knows.
async fn as_made_up(desk: &Desk, email: &str) -> Caller {
    let session = signs_in(desk, email, FIRST).await.expect("their own account opens");
    caller(desk, &session).await.expect("known")
}

async fn program(desk: &Desk, caller: &Caller) -> Secret {
    accounts::create_api_token(&desk.app, caller, TokenAsked::default()).await.expect("a token").1
}

async fn lives(desk: &Desk, token: &Secret) -> Option<Caller> {
    accounts::authenticate(&desk.app, Credential::Api(token.expose())).await.expect("the database")
}

fn to(email: &str) -> ProfileChange {
    ProfileChange {
        email: Some(email.to_owned()),
        current_password: Some(Secret::new(FIRST)),
        ..ProfileChange::default()
    }
}

fn newco(email: &str) -> NewAccount {
    NewAccount {
        name: "Newco".to_owned(),
        admin_email: email.to_owned(),
        admin_name: None,
        admin_password: Secret::new(SECOND),
    }
}

async fn opens(desk: &Desk, caller: &Caller, account: AccountId) -> bool {
    accounts::enter(&desk.app, caller, account).await.is_ok()
}

#[tokio::test]
async fn a_token_made_before_an_address_was_proved_ends_with_the_proof() {
    with_mailer(async |desk, office| {
        let (_, eve) = tenant(desk, "evil").await;
        accounts::invite(&desk.app, &eve, new_agent(GRACE, Some(FIRST))).await.expect("made up");
        let made_up = as_made_up(desk, GRACE).await;
        let token = program(desk, &made_up).await;
        // Nobody waits for Grace yet when she shows who she is.
        let before = office.taken().len();
        accounts::ask_for_reset(&desk.app, GRACE, place(1)).await.expect("asked");
        desk.work().await;
        let link = office.mail(before).await.expect("a mail").token().expect("a link");
        set(desk, &link, SECOND).await.expect("set");
        let invited = accounts::invite(&desk.app, &desk.member, new_agent(GRACE, None)).await.expect("invited");
        assert!(invited.agent.confirmed, "she has shown it");
        assert!(lives(desk, &token).await.is_none(), "the token of whoever made her up came too");
        assert!(caller(desk, &signs_in(desk, GRACE, SECOND).await.expect("signs in")).await.is_some());

        // The next time it is known whose it is, and programs go on.
        let grace = caller(desk, &signs_in(desk, GRACE, SECOND).await.expect("signs in")).await.expect("known");
        let token = program(desk, &grace).await;
        desk.work().await;
        let before = office.taken().len();
        accounts::ask_for_reset(&desk.app, GRACE, place(1)).await.expect("asked");
        desk.work().await;
        let link = office.mail(before).await.expect("a mail").token().expect("a link");
        set(desk, &link, THIRD).await.expect("set");
        assert!(lives(desk, &token).await.is_some());
    })
    .await;
}

#[tokio::test]
async fn a_new_tenant_is_not_given_to_whoever_made_its_administrator_up() {
    with_mailer(async |desk, _| {
        const CEO: &str = "ceo@newco.example";
        let (_, eve) = tenant(desk, "evil").await;
        accounts::invite(&desk.app, &eve, new_agent(CEO, Some(FIRST))).await.expect("made up");
        let made_up = as_made_up(desk, CEO).await;
        let token = program(desk, &made_up).await;
        let accounts_before = desk.app.store().operator().accounts().await.expect("a list").len();
        let refused = accounts::create_account(&desk.app, newco(CEO)).await;
        assert!(matches!(refused, Err(CreateAccountError::AdminUnproved)), "{refused:?}");
        assert!(refused.expect_err("refused").to_string().contains("--vouch"), "it says what to do");
        let accounts_after = desk.app.store().operator().accounts().await.expect("a list").len();
        assert_eq!(accounts_after, accounts_before, "no half of an account");

        // The operator may say who they are.
        assert!(accounts::vouch_for(&desk.app, CEO, Secret::new(SECOND)).await.expect("vouched"));
        let made = accounts::create_account(&desk.app, newco(CEO)).await.expect("an account");
        assert!(signs_in(desk, CEO, FIRST).await.is_none() && lives(desk, &token).await.is_none());
        let session = signs_in(desk, CEO, SECOND).await.expect("the operator's password");
        let ceo = caller(desk, &session).await.expect("known");
        assert!(opens(desk, &ceo, made.account_id).await);
        // Said of somebody who has shown it, it changes nothing; of nobody neither.
        assert!(!accounts::vouch_for(&desk.app, CEO, Secret::new(THIRD)).await.expect("answers"));
        assert!(!accounts::vouch_for(&desk.app, "nobody@x.example", Secret::new(THIRD)).await.expect("answers"));
        assert!(signs_in(desk, CEO, THIRD).await.is_none());
        let second = accounts::create_account(&desk.app, newco(CEO)).await.expect("a second account");
        assert!(opens(desk, &ceo, second.account_id).await);
    })
    .await;
}

#[tokio::test]
async fn an_address_that_somebody_chose_themself_is_believed_by_nobody() {
    with_mailer(async |desk, office| {
        const CFO: &str = "cfo@contoso.example";
        // Mallory works where Agnes is the administrator, and calls herself by an address of Contoso.
        let mallory = "mallory@contoso.example";
        accounts::invite(&desk.app, &desk.member, new_agent(mallory, Some(FIRST))).await.expect("made");
        let made = as_made_up(desk, mallory).await;
        accounts::update_profile(&desk.app, &made, to(CFO)).await.expect("changed");
        let agnes = desk.member.agent.user.email.clone();
        let other = NewAccount { admin_email: agnes, ..newco("") };
        let other = accounts::create_account(&desk.app, other).await.expect("an account").account_id;
        let scope = desk.app.store().operator().account(other).await.expect("answers").expect("there");
        let boss = Caller { user: desk.member.agent.user.clone(), ..made.clone() };
        let boss = accounts::enter(&desk.app, &boss, other).await.expect("a member");
        let before = office.taken().len();
        let cfo = accounts::NewAgent { role: Role::Administrator, ..new_agent(CFO, None) };
        let invited = accounts::invite(&desk.app, &boss, cfo).await.expect("invited");
        assert!(!invited.agent.confirmed);
        assert!(!opens(desk, &made, other).await, "Mallory came in as somebody else");

        // She takes another address of her own, and shows that it is hers: that is not who was invited.
        let session = signs_in(desk, CFO, FIRST).await.expect("still she");
        let made = caller(desk, &session).await.expect("known");
        accounts::update_profile(&desk.app, &made, to("hers@evil.example")).await.expect("changed");
        accounts::ask_for_reset(&desk.app, "hers@evil.example", place(1)).await.expect("asked");
        desk.work().await;
        let mails = office.taken().split_off(before);
        let mine = mails.iter().find(|mail| mail.to == ["hers@evil.example"]).expect("a mail");
        let session = set(desk, &mine.token().expect("a link"), SECOND).await.expect("set");
        assert_eq!(session.memberships.len(), 1, "{:?}", session.memberships);
        assert!(!mails.iter().any(|mail| mail.subject() == "You are invited to Newco"), "to nobody but the invited");
        assert!(!scope.agents().await.expect("a list").iter().any(|agent| agent.user.id == made.user.id));
    })
    .await;
}

#[tokio::test]
async fn a_link_opens_nothing_once_the_person_has_another_address() {
    with_mailer(async |desk, _| {
        let email = "mallory@contoso.example";
        accounts::invite(&desk.app, &desk.member, new_agent(email, Some(FIRST))).await.expect("made");
        let made = as_made_up(desk, email).await;
        // The address was read for the mail before it changed, and the link made after.
        accounts::update_profile(&desk.app, &made, to("cfo@contoso.example")).await.expect("changed");
        let link = NewPasswordLink {
            user_id: made.user.id,
            purpose: LinkPurpose::PasswordReset,
            hash: TokenHash::of("late"),
            address_key: email.to_owned(),
            expires_at: desk.app.now().plus(accounts::RESET_LASTS),
            mailed: true,
        };
        desk.scope.mint_password_link(&link).await.expect("made");
        assert!(matches!(set(desk, "late", SECOND).await, Err(SetPasswordError::TokenInvalid)));
        assert!(signs_in(desk, "cfo@contoso.example", SECOND).await.is_none());
    })
    .await;
}

#[tokio::test]
async fn a_reset_that_an_account_held_up_for_longer_than_it_lasts_is_not_mailed() {
    with_mailer(async |desk, office| {
        let before = office.taken().len();
        accounts::ask_for_reset(&desk.app, "agnes@contoso.example", place(1)).await.expect("asked");
        // As when the account was suspended meanwhile.
        desk.clock.forward(accounts::RESET_LASTS + std::time::Duration::from_secs(1));
        desk.work().await;
        assert_eq!(office.taken().len(), before);
        let counts = desk.app.store().operator().system_mail_counts().await.expect("counts");
        assert_eq!((counts.waiting, counts.failed), (0, 0));
    })
    .await;
}

#[tokio::test]
async fn a_reset_of_a_token_that_fails_takes_nothing_away() {
    let desk = Desk::new().await;
    let (_, _) = tenant(&desk, "fabrikam").await;
    let session = signs_in(&desk, "admin@fabrikam.example", FIRST).await.expect("signs in");
    let known = caller(&desk, &session).await.expect("known");
    let token = accounts::reset_access_token(&desk.app, &known).await.expect("a token");
    desk.outside("CREATE TRIGGER full BEFORE INSERT ON api_tokens BEGIN SELECT RAISE(ABORT, 'full'); END").await;
    accounts::reset_access_token(&desk.app, &known).await.expect_err("the disk is full");
    assert!(lives(&desk, &token).await.is_some());
}

#[tokio::test]
async fn who_has_yet_to_show_that_the_address_is_theirs_takes_part_in_nothing() {
    with_mailer(async |desk, _| {
        desk.take_in(&mail(ADA, "1@x.example", "One", "", "first")).await;
        let id = desk.conversation().await.conversation.display_id;
        let (_, eve) = tenant(desk, "evil").await;
        let email = "grace@contoso.example";
        accounts::invite(&desk.app, &eve, new_agent(email, Some(FIRST))).await.expect("made up");
        let invited = accounts::invite(&desk.app, &desk.member, new_agent(email, None)).await.expect("invited");
        let grace = invited.agent.user.id;
        desk.outside(&format!("UPDATE account_users SET role = 'administrator' WHERE user_id = {grace}")).await;
        let added = conversations::change_participants(&desk.app, &desk.member, id, &[grace], People::Add).await;
        assert!(matches!(added, Err(ParticipantError::CannotSee)), "{added:?}");
        let token = desk.member.token_id;
        let mine = Watcher { user: desk.member.agent.user.id, token };
        let hers = Watcher { user: grace, token };
        let audience = desk.scope.audience(&[mine, hers]).await.expect("an audience");
        let sees = |watcher: &Watcher| matches!(audience.of(watcher), Standing::Sees(_));
        assert!(sees(&mine) && !sees(&hers), "{audience:?}");
    })
    .await;
}
