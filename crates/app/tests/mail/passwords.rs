//! How people come to a password: invited by mail or with a link that is handed over, and by asking for a new one.

use crate::desk::Desk;
use crate::postgres::on_each_tuned;
use app::accounts::{
    self, AgentError, Caller, Credential, Member, NewAccount, NewAgent, NewPassword, ResetError, SessionKind,
    SetPasswordError, SignIn, TokenAsked,
};
use app::{MailRelay, Settings, SystemMailer};
use domain::account::Role;
use domain::{AccountId, EmailAddress, Mailbox, Secret};
use net::{Endpoint, TlsMode};
use std::time::Duration;
use testkit::post_office::PostOffice;

pub const FIRST: &str = "correct horse battery";
pub const SECOND: &str = "another battery staple";
pub const GRACE: &str = "grace@contoso.example";

pub fn place(n: u8) -> app::calls::Address {
    std::net::IpAddr::from([192, 0, 2, n]).into()
}

/// The installation's own mails leave through the server at this port.
pub fn send_through(settings: &mut Settings, port: u16) {
    let relay = MailRelay { endpoint: Endpoint::new("127.0.0.1", port, TlsMode::None), hello: None, password: None };
    let address = EmailAddress::parse("desk@contoso.example").expect("an address");
    settings.mailer = Some(SystemMailer { relay, from: Mailbox { name: Some("Desk".to_owned()), address } });
}

/// Every story on both databases, with a mail server of its own.
pub async fn with_mailer(story: impl AsyncFn(&Desk, &PostOffice)) {
    let office = PostOffice::open().await.expect("a mail server");
    let port = office.addr.port();
    on_each_tuned(
        move |settings: &mut Settings| send_through(settings, port),
        async |desk| {
            story(desk, &office).await;
        },
    )
    .await;
}

pub fn new_agent(email: &str, password: Option<&str>) -> NewAgent {
    NewAgent {
        name: "Grace\r\nBcc: eve@x.example".into(),
        email: email.into(),
        role: Role::Agent,
        availability: None,
        auto_offline: None,
        password: password.map(Secret::new),
    }
}

pub async fn set(desk: &Desk, token: &str, password: &str) -> Result<accounts::SignedIn, SetPasswordError> {
    let new = NewPassword {
        token: Secret::new(token),
        password: Secret::new(password),
        confirmation: Some(Secret::new(password)),
        from: place(7),
        user_agent: None,
        kind: SessionKind::Headers,
    };
    accounts::set_password(&desk.app, new).await
}

pub async fn signs_in(desk: &Desk, email: &str, password: &str) -> Option<accounts::SignedIn> {
    let ask = SignIn {
        email: email.to_owned(),
        password: Secret::new(password),
        from: place(8),
        user_agent: None,
        kind: SessionKind::Browser,
    };
    accounts::sign_in(&desk.app, ask).await.ok()
}

pub async fn caller(desk: &Desk, session: &accounts::SignedIn) -> Option<Caller> {
    let credential = Credential::Session(session.token.expose());
    accounts::authenticate(&desk.app, credential).await.expect("the database")
}

/// Another tenant, and its administrator.
pub async fn tenant(desk: &Desk, name: &str) -> (AccountId, Member) {
    let email = format!("admin@{name}.example");
    let new = NewAccount {
        name: name.to_owned(),
        admin_email: email.clone(),
        admin_name: None,
        admin_password: Secret::new(FIRST),
    };
    let made = accounts::create_account(&desk.app, new).await.expect("an account");
    let session = signs_in(desk, &email, FIRST).await.expect("signs in");
    let caller = caller(desk, &session).await.expect("known");
    (made.account_id, accounts::enter(&desk.app, &caller, made.account_id).await.expect("a member"))
}

#[tokio::test]
async fn somebody_who_is_invited_by_mail_sets_a_password_once_and_is_in_the_account() {
    with_mailer(async |desk, office| {
        let before = office.taken().len();
        let invited = accounts::invite(&desk.app, &desk.member, new_agent(GRACE, None)).await.expect("invited");
        assert!(!invited.agent.confirmed && invited.link.is_none(), "nobody is shown what is mailed");
        // The server is away at first.
        office.turn_away(1);
        desk.step().await;
        desk.mailbox_rests(Duration::from_secs(3600)).await;
        desk.work().await;
        let mail = office.mail(before).await.expect("a mail");
        assert_eq!((mail.from.as_str(), mail.to.as_slice()), ("desk@contoso.example", &[GRACE.to_owned()][..]));
        assert_eq!(mail.subject(), "You are invited to Contoso");
        for words in ["Agnes Agent (agnes@contoso.example)", "Contoso", "7 days"] {
            assert!(mail.words().contains(words), "{words}: {}", mail.words());
        }
        let head = String::from_utf8_lossy(&mail.bytes).into_owned();
        assert!(!head.lines().any(|line| line.starts_with("Bcc:")), "{head}");

        let token = mail.token().expect("a link");
        assert!(signs_in(desk, GRACE, FIRST).await.is_none());
        assert!(matches!(set(desk, &token, "short").await, Err(SetPasswordError::PasswordTooShort)));
        let session = set(desk, &token, FIRST).await.expect("the link is good");
        assert_eq!((session.user.email.as_str(), session.memberships.len()), (GRACE, 1));
        assert!(matches!(set(desk, &token, SECOND).await, Err(SetPasswordError::TokenInvalid)), "once");
        assert!(signs_in(desk, GRACE, FIRST).await.is_some() && signs_in(desk, GRACE, SECOND).await.is_none());
        assert!(desk.scope.agent(session.user.id).await.expect("answers").expect("there").confirmed);
        let again = accounts::invite_again(&desk.app, &desk.member, session.user.id).await;
        assert!(matches!(again, Err(AgentError::AlreadyConfirmed)));
    })
    .await;
}

#[tokio::test]
async fn a_new_password_ends_every_session_and_link_and_leaves_api_tokens() {
    with_mailer(async |desk, office| {
        let (account, admin) = tenant(desk, "fabrikam").await;
        let session = signs_in(desk, "admin@fabrikam.example", FIRST).await.expect("signs in");
        let known = caller(desk, &session).await.expect("known");
        let (_, program) = accounts::create_api_token(&desk.app, &known, TokenAsked::default()).await.expect("a token");
        let before = office.taken().len();
        for _ in 0..2 {
            accounts::ask_for_reset(&desk.app, " Admin@Fabrikam.example", place(1)).await.expect("asked");
        }
        desk.work().await;
        let (first, second) = (office.mail(before).await.expect("one"), office.mail(before + 1).await.expect("two"));
        assert_eq!(first.subject(), "Set a new password");
        assert!(first.words().contains("6 hours"), "{}", first.words());
        set(desk, &second.token().expect("a link"), SECOND).await.expect("set");
        let first = set(desk, &first.token().expect("a link"), FIRST).await;
        assert!(matches!(first, Err(SetPasswordError::TokenInvalid)), "the other link ended with it");
        assert!(caller(desk, &session).await.is_none(), "every session ends");
        assert!(signs_in(desk, "admin@fabrikam.example", FIRST).await.is_none());
        assert!(signs_in(desk, "admin@fabrikam.example", SECOND).await.is_some());
        let program = accounts::authenticate(&desk.app, Credential::Api(program.expose())).await.expect("answers");
        assert!(program.is_some_and(|caller| caller.user.id == admin.agent.user.id), "a program goes on");
        assert!(accounts::enter(&desk.app, &known, account).await.is_ok());
    })
    .await;
}

#[tokio::test]
async fn a_link_ends_after_its_time_and_with_a_new_address() {
    with_mailer(async |desk, office| {
        tenant(desk, "fabrikam").await;
        let before = office.taken().len();
        accounts::ask_for_reset(&desk.app, "admin@fabrikam.example", place(1)).await.expect("asked");
        desk.work().await;
        let token = office.mail(before).await.expect("a mail").token().expect("a link");
        let session = signs_in(desk, "admin@fabrikam.example", FIRST).await.expect("signs in");
        let known = caller(desk, &session).await.expect("known");
        let moved = accounts::ProfileChange {
            email: Some("moved@fabrikam.example".to_owned()),
            current_password: Some(Secret::new(FIRST)),
            ..accounts::ProfileChange::default()
        };
        accounts::update_profile(&desk.app, &known, moved).await.expect("changed");
        assert!(matches!(set(desk, &token, SECOND).await, Err(SetPasswordError::TokenInvalid)));

        accounts::ask_for_reset(&desk.app, "moved@fabrikam.example", place(1)).await.expect("asked");
        desk.work().await;
        let token = office.mail(before + 1).await.expect("a mail").token().expect("a link");
        desk.clock.forward(accounts::RESET_LASTS + Duration::from_secs(1));
        assert!(matches!(set(desk, &token, SECOND).await, Err(SetPasswordError::TokenInvalid)));
    })
    .await;
}

#[tokio::test]
async fn asking_for_a_new_password_costs_and_says_the_same_for_nobody_and_is_limited() {
    with_mailer(async |desk, office| {
        let before = office.taken().len();
        let statements = || desk.app.store().statements().count();
        let mut costs = Vec::new();
        for email in ["agnes@contoso.example", "nobody@contoso.example", "no address"] {
            let start = statements();
            accounts::ask_for_reset(&desk.app, email, place(1)).await.expect("asked");
            costs.push(statements() - start);
        }
        assert!(costs.iter().all(|cost| *cost == costs[0]), "{costs:?}");
        desk.work().await;
        assert_eq!(office.taken().len(), before + 1, "nobody is mailed where nobody is");
        for email in ["agnes@contoso.example", "nobody@contoso.example"] {
            for _ in 1..5 {
                accounts::ask_for_reset(&desk.app, email, place(2)).await.expect("asked");
            }
            let more = accounts::ask_for_reset(&desk.app, &email.to_uppercase(), place(3)).await;
            assert!(matches!(more, Err(ResetError::TooMany { .. })), "for one address");
        }
        for n in 0..40 {
            let asked = accounts::ask_for_reset(&desk.app, &format!("a{n}@x.example"), place(9)).await;
            assert_eq!(asked.is_ok(), n < 20, "from one place: {n}");
        }
    })
    .await;
}

#[tokio::test]
async fn somebody_of_another_account_keeps_their_password_and_is_told_by_mail() {
    with_mailer(async |desk, office| {
        tenant(desk, "fabrikam").await;
        let before = office.taken().len();
        let added = accounts::invite(&desk.app, &desk.member, new_agent("admin@fabrikam.example", None)).await;
        assert!(added.expect("added").agent.confirmed);
        desk.work().await;
        let mail = office.mail(before).await.expect("a mail");
        assert_eq!((mail.subject().as_str(), mail.token()), ("You are now in Contoso", None));
        assert!(mail.words().contains("the password that you have already"), "{}", mail.words());
        let session = signs_in(desk, "admin@fabrikam.example", FIRST).await.expect("signs in");
        assert_eq!(session.memberships.len(), 2);
    })
    .await;
}

/// An administrator may make up a user with anybody's address, and a password for it.
#[tokio::test]
async fn a_password_that_one_tenant_made_up_opens_no_other_tenant() {
    with_mailer(async |desk, office| {
        let (_, eve) = tenant(desk, "evil").await;
        accounts::invite(&desk.app, &eve, new_agent(GRACE, Some(FIRST))).await.expect("made up");
        let made_up = signs_in(desk, GRACE, FIRST).await.expect("their own account opens");
        let made_up = caller(desk, &made_up).await.expect("known");
        let (_, program) =
            accounts::create_api_token(&desk.app, &made_up, TokenAsked::default()).await.expect("a token");

        let before = office.taken().len();
        let invited = accounts::invite(&desk.app, &desk.member, new_agent(GRACE, None)).await.expect("invited");
        assert!(!invited.agent.confirmed && invited.link.is_none());
        let account = desk.scope.account_id();
        assert!(accounts::enter(&desk.app, &made_up, account).await.is_err(), "not before Grace shows who she is");
        assert_eq!(signs_in(desk, GRACE, FIRST).await.expect("signs in").memberships.len(), 1);

        desk.work().await;
        let token = office.mail(before).await.expect("a mail").token().expect("a link");
        let grace = set(desk, &token, SECOND).await.expect("set");
        assert_eq!(grace.memberships.len(), 2);
        assert!(signs_in(desk, GRACE, FIRST).await.is_none());
        let program = accounts::authenticate(&desk.app, Credential::Api(program.expose())).await.expect("answers");
        assert!(program.is_none(), "tokens of whoever made her up end");
    })
    .await;
}

#[tokio::test]
async fn a_mail_that_is_refused_for_good_is_given_up_where_the_operator_sees_it_and_may_be_sent_again() {
    with_mailer(async |desk, office| {
        let before = office.taken().len();
        office.refuse(1);
        let invited = accounts::invite(&desk.app, &desk.member, new_agent(GRACE, None)).await.expect("invited");
        desk.work().await;
        let counts = desk.app.store().operator().system_mail_counts().await.expect("counts");
        assert_eq!((counts.waiting, counts.failed), (0, 1));
        assert!(counts.last_failure.is_some_and(|words| !words.is_empty()));
        assert_eq!(office.taken().len(), before);
        accounts::invite_again(&desk.app, &desk.member, invited.agent.user.id).await.expect("again");
        desk.work().await;
        assert!(office.mail(before).await.expect("a mail").token().is_some());
    })
    .await;
}

#[tokio::test]
async fn who_left_the_account_before_they_came_is_neither_mailed_nor_let_in() {
    with_mailer(async |desk, office| {
        let before = office.taken().len();
        let invited = accounts::invite(&desk.app, &desk.member, new_agent(GRACE, None)).await.expect("invited");
        desk.work().await;
        let token = office.mail(before).await.expect("a mail").token().expect("a link");
        accounts::invite_again(&desk.app, &desk.member, invited.agent.user.id).await.expect("again");
        accounts::remove_agent(&desk.app, &desk.member, invited.agent.user.id).await.expect("removed");
        desk.work().await;
        assert_eq!(office.taken().len(), before + 1);
        assert!(matches!(set(desk, &token, FIRST).await, Err(SetPasswordError::TokenInvalid)));
    })
    .await;
}

#[tokio::test]
async fn without_a_mailer_the_administrator_is_shown_a_link_once_and_never_for_somebody_of_another_account() {
    crate::postgres::on_each(async |desk| {
        let reset = accounts::ask_for_reset(&desk.app, "agnes@contoso.example", place(1)).await;
        assert!(matches!(reset, Err(ResetError::NoMailer)), "said to everybody alike");
        let invited = accounts::invite(&desk.app, &desk.member, new_agent(GRACE, None)).await.expect("invited");
        let link = invited.link.expect("a link to hand over");
        let (_, token) = link.expose().split_once("/app/auth/password/edit?reset_password_token=").expect("the page");
        let (_, eve) = tenant(desk, "evil").await;
        let theirs = accounts::invite(&desk.app, &eve, new_agent(GRACE, None)).await.expect("added");
        assert!(theirs.link.is_none() && !theirs.agent.confirmed);
        let again = accounts::invite_again(&desk.app, &eve, theirs.agent.user.id).await;
        assert!(matches!(again, Err(AgentError::NoMailer)));
        let grace = set(desk, token, FIRST).await.expect("set");
        assert_eq!(grace.memberships.len(), 1, "nobody has shown that the address is hers");
        let bulk = vec!["one@contoso.example".to_owned(), "no address".to_owned(), GRACE.to_owned()];
        let (made, refused) = accounts::invite_many(&desk.app, &desk.member, bulk).await.expect("an administrator");
        assert_eq!((made.len(), made[0].agent.user.name.as_str(), refused.len()), (1, "one", 2));
        assert!(made[0].link.is_some());
    })
    .await;
}
