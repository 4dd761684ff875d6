//! Every failure that a mailbox can meet, one after the other on one mailbox: it shows with its class, who must act and the cure; nobody else is
//! asked; and when it is over the mailbox is well again.
//!
//! A class that no row reaches stands in [`ELSEWHERE`], so that a new one makes somebody think of its story.

use crate::support::{World, connected, world};
use app::channels::{HealthNotice, Part, health, notices, refresh};
use app::inbound::pull;
use app::tending;
use domain::channel::{EmailChannel, Health, HealthState};
use domain::{Actor, FailureClass, InboxId};
use oauth::Resource;
use sandbox::{Endpoint, EndpointFault, Fault, ImapFault, SmtpFault, SmtpPoint, TlsFault, TokenFault};
use std::collections::HashSet;
use std::path::Path;
use std::time::Duration;

const SUPPORT: &str = "support@contoso.example";
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

/// Shown where only connecting, one message, or this installation meets it.
const ELSEWHERE: &[FailureClass] = {
    use FailureClass::*;
    &[
        // While a token lasts the worker meets these in the middle of a session.
        SessionExpired,
        // The network and the installation.
        Unreachable,
        TimedOut,
        HostBusy,
        HostForbidden,
        TlsFailed,
        SecretUnreadable,
        AccountSuspended,
        Internal,
        GivenUp,
        ChannelRemoved,
        // After a day of RefusalUnknown, below.
        RefusalLasting,
        // Connecting.
        ScopesMissing,
        RefreshTokenMissing,
        StateUnknown,
        StateExpired,
        OtherBrowser,
        IdTokenInvalid,
        OtherPrincipal,
        AddressUnknown,
        MailboxAlreadyConnected,
        InboxLimitReached,
        UnexpectedAccount,
        AddressUnvouched,
        ConnectLinkOver,
        // An account's own app, a shared or a personal mailbox, and one that sends through Graph: tests/it/oauth_apps.rs, shared_mailboxes.rs,
        // sign_in_names.rs and sending_by_graph.rs.
        OwnAppCredentialRefused,
        OwnAppCredentialExpired,
        OwnAppMisconfigured,
        OwnAppUnusable,
        // One organisation does not let the app in: refused_apps.rs.
        AppBlockedByTenant,
        FullAccessMissing,
        PersonalAccessOff,
        GraphConsentMissing,
        GraphAccessDenied,
        GraphTokenRefused,
        GraphMailboxMissing,
        // One message.
        RecipientRefused,
        SomeRecipientsRefused,
        SomeRecipientsWait,
        TooManyRecipients,
        MessageTooLarge,
        MessageRefused,
        SendingPaced,
        DailyRecipientsReached,
        AlreadySent,
        OutcomeUnknown,
        NoRecipients,
        MessageUnbuildable,
        Cancelled,
        NotSent,
        MessageDeleted,
    ]
};

/// No story elsewhere can have it: the one stands below, a mail that was sent before is sent, and nobody is left out before there is a mail.
const NOWHERE: &[FailureClass] = &[FailureClass::RefusalLasting, FailureClass::AlreadySent, FailureClass::NoRecipients];

/// All tests but this file.
fn other_tests(folder: &Path, found: &mut String) {
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            other_tests(&path, found);
        } else if path.extension().is_some_and(|ending| ending == "rs") && !path.ends_with("every_failure.rs") {
            found.push_str(&std::fs::read_to_string(&path).expect("text"));
        }
    }
}

#[test]
fn what_is_shown_elsewhere_is_named_by_a_test_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut tests = String::new();
    other_tests(&root.join("tests/it"), &mut tests);
    for part in std::fs::read_dir(root.join("crates")).expect("the parts").flatten() {
        let folder = part.path().join("tests");
        if folder.is_dir() {
            other_tests(&folder, &mut tests);
        }
    }
    let words: HashSet<&str> = tests.split(|c: char| !c.is_alphanumeric() && c != '_' && c != '"').collect();
    for class in ELSEWHERE.iter().filter(|class| !NOWHERE.contains(class)) {
        let (name, code) = (format!("{class:?}"), format!("\"{}\"", class.code()));
        assert!(words.contains(&*name) || words.contains(&*code), "no test names {name}, and none looks for {code}");
    }
}

fn token(error: &str, suberror: Option<&str>, code: u32) -> Fault {
    let status = if error == "invalid_client" { 401 } else { 400 };
    let (error, suberror) = (error.to_owned(), suberror.map(str::to_owned));
    TokenFault::Error { status, error, suberror, code, text: "Words.".to_owned(), claims: None }.into()
}

fn imap(verb: &str, text: &str) -> Fault {
    ImapFault::Answer { verb: verb.to_owned(), text: text.to_owned() }.into()
}

fn smtp(at: SmtpPoint, reply: &str) -> Fault {
    SmtpFault::Answer { at, reply: reply.to_owned() }.into()
}

/// What goes wrong, what it is, and how the mailbox stands then: for the token both halves of it, else the half that meets it.
fn table() -> Vec<(Fault, FailureClass, HealthState)> {
    use FailureClass::*;
    use HealthState::{Blocked, Failing, NeedsReauth};
    let edge = |fault: EndpointFault| Fault::from(fault);
    vec![
        // The sign-in.
        (TokenFault::refresh_token_inactive().into(), GrantExpired, NeedsReauth),
        (TokenFault::sign_in_frequency().into(), SignInFrequency, NeedsReauth),
        (token("invalid_grant", None, 99999), GrantExpired, NeedsReauth),
        (TokenFault::PersonalGrantExpired.into(), GrantExpired, NeedsReauth),
        (TokenFault::grant_revoked().into(), GrantRevoked, NeedsReauth),
        (TokenFault::mfa_required().into(), InteractionRequired, NeedsReauth),
        (TokenFault::consent_required().into(), ConsentRequired, NeedsReauth),
        (token("invalid_grant", None, 50034), WrongAccount, NeedsReauth),
        (token("invalid_grant", None, 65004), SignInCancelled, NeedsReauth),
        (token("invalid_grant", None, 90094), AdminConsentRequired, NeedsReauth),
        (TokenFault::conditional_access().into(), PolicyBlocked, Blocked),
        (token("invalid_grant", None, 530_034), PolicyBlocked, Blocked),
        (TokenFault::account_disabled().into(), AccountBlocked, Blocked),
        (token("invalid_grant", None, 50105), AccountBlocked, Blocked),
        (token("invalid_client", None, 650_052), ServiceMissing, Blocked),
        (TokenFault::invalid_client_secret().into(), AppCredentialRefused, Failing),
        (TokenFault::client_secret_expired().into(), AppCredentialExpired, Failing),
        (token("unauthorized_client", None, 700_016), AppUnusable, Failing),
        (token("invalid_grant", None, 65_005), AppMisconfigured, Failing),
        (token("invalid_request", None, 9_002_313), RequestMalformed, Failing),
        (TokenFault::client_loop().into(), ClientLoop, Failing),
        (TokenFault::temporarily_unavailable().into(), SignInUnavailable, Failing),
        (token("invalid_grant", None, 50053), SignInUnavailable, Failing),
        (token("never_seen", None, 1), RefusalUnknown, Failing),
        (edge(EndpointFault::HtmlUnavailable(Endpoint::Token)), SignInUnavailable, Failing),
        (edge(EndpointFault::Truncated(Endpoint::Token)), SignInUnavailable, Failing),
        (
            edge(EndpointFault::TooManyRequests { at: Endpoint::Token, retry_after_seconds: 7 }),
            SignInUnavailable,
            Failing,
        ),
        // Reading.
        (ImapFault::AuthenticateFailed.into(), AuthenticationRefused, Failing),
        (ImapFault::AuthenticateChallenged.into(), AuthenticationRefused, Failing),
        (ImapFault::AuthenticatedNotConnected.into(), MailboxNotConnected, Failing),
        (ImapFault::Throttled { milliseconds: 299_961, tagged_no: false, close: true }.into(), Throttled, Failing),
        (ImapFault::ServerUnavailable.into(), ServerUnavailable, Failing),
        (ImapFault::GreetingBye.into(), ServerUnavailable, Failing),
        (ImapFault::ConnectionClosed.into(), ConnectionLost, Failing),
        (ImapFault::Tls(TlsFault::Plaintext).into(), TlsUnavailable, Failing),
        (imap("EXAMINE", "NO [NONEXISTENT] Unknown Mailbox: INBOX"), FolderMissing, Failing),
        (imap("EXAMINE", "BAD Command Argument Error. 11"), ProtocolError, Failing),
        (imap("EXAMINE", "NO [LIMIT] Too many simultaneous connections."), TooManyConnections, Failing),
        (imap("EXAMINE", "BAD Command received in Invalid state."), ConnectionLost, Failing),
        // Sending.
        (SmtpFault::smtp_auth_disabled_for_tenant().into(), SmtpAuthDisabled, Blocked),
        (SmtpFault::security_defaults().into(), SmtpAuthDisabled, Blocked),
        (SmtpFault::authentication_unsuccessful().into(), SendingRefused, Failing),
        (SmtpFault::AuthChallenged.into(), SendingRefused, Failing),
        (SmtpFault::concurrent_connections().into(), TooManyConnections, Failing),
        (SmtpFault::not_allowed_to_send_as().into(), SenderNotAllowed, Blocked),
        (smtp(SmtpPoint::MailFrom, "550 5.1.8 Access denied, bad outbound sender"), SenderBlocked, Blocked),
        (smtp(SmtpPoint::MailFrom, "550 5.7.502 Access denied, banned sender"), SenderBlocked, Blocked),
        (
            smtp(SmtpPoint::MailFrom, "550 5.7.750 Client blocked from sending from unregistered domains"),
            SenderBlocked,
            Blocked,
        ),
        (smtp(SmtpPoint::MailFrom, "550 5.7.233 Your tenant exceeded its limit"), SendingQuotaExceeded, Failing),
        (
            smtp(SmtpPoint::MailFrom, "550 5.1.90 You reached your daily limit for message recipients"),
            SendingQuotaExceeded,
            Failing,
        ),
        (smtp(SmtpPoint::MailFrom, "554 5.2.2 mailbox full; STOREDRV"), MailboxFull, Failing),
        (smtp(SmtpPoint::MailFrom, "451 4.7.500 Server busy. Please try again later"), Throttled, Failing),
        (smtp(SmtpPoint::Connect, "421 4.3.2 Service not available"), ServerUnavailable, Failing),
        (smtp(SmtpPoint::Connect, "421 4.7.66 TLS 1.0 and 1.1 are not supported."), TlsUnavailable, Failing),
        (SmtpFault::NoStartTls.into(), TlsUnavailable, Failing),
        (SmtpFault::CloseAt(SmtpPoint::MailFrom).into(), ConnectionLost, Failing),
    ]
}

pub struct Story {
    pub world: World,
    pub inbox: InboxId,
}

impl Story {
    pub async fn new() -> Self {
        let world = world().await;
        let inbox = connected(&world.connect(SUPPORT, None).await);
        Self { world, inbox }
    }

    pub async fn channel(&self) -> EmailChannel {
        self.world.channel(self.inbox).await
    }

    pub async fn open(&self) -> Vec<HealthNotice> {
        notices::look(&self.world.app).await.expect("looked");
        notices::open(&self.world.app, &self.world.admin().await).await.expect("an administrator")
    }

    /// What the mailbox's actor does: it opens the mailbox, says how that went, and gives it back.
    pub async fn reads(&self) {
        let Some(lease) = self.world.lease().await else { return };
        let app = &self.world.app;
        match pull::open(app, &lease).await {
            Ok(_) => tending::fetching_works(app, &lease).await.expect("the database"),
            Err(error) => {
                let failure = error.failure().expect("about the mailbox");
                tending::fetching_failed(app, &lease, failure, MINUTE * 5).await.expect("the database")
            }
        };
        tending::end_session(app, lease.session).await.expect("the database");
    }

    async fn tries_again(&self, part: Part) {
        let admin = self.world.admin().await;
        health::try_again(&self.world.app, &admin, self.inbox, part).await.expect("the grant stands");
    }

    pub async fn gets_well(&self) {
        let channel = self.channel().await;
        let states = [channel.fetch_health.state, channel.send_health.state];
        if states.contains(&HealthState::NeedsReauth) {
            assert_eq!(connected(&self.world.connect(SUPPORT, Some(self.inbox)).await), self.inbox);
        }
        self.tries_again(Part::Fetch).await;
        self.reads().await;
        self.tries_again(Part::Send).await;
        let channel = self.channel().await;
        for health in [&channel.fetch_health, &channel.send_health] {
            assert_eq!((health.state, &health.failure), (HealthState::Connected, &None));
        }
        self.world.advance(MINUTE * 11);
        assert_eq!(self.open().await, [], "who was told is told that it is over");
    }
}

#[tokio::test]
async fn every_failure_says_who_must_act_asks_nobody_else_and_is_over_when_it_is_over() {
    let story = Story::new().await;
    let mut reached = HashSet::new();
    for (fault, class, state) in table() {
        let of_sending = matches!(fault, Fault::Smtp(_));
        // The token that is kept has run out.
        story.world.advance(HOUR * 2);
        story.world.sandbox.faults().always(fault.clone());
        if of_sending {
            story.tries_again(Part::Send).await;
        } else {
            story.reads().await;
        }
        let channel = story.channel().await;
        let (met, other): (&Health, &Health) = if of_sending {
            (&channel.send_health, &channel.fetch_health)
        } else {
            (&channel.fetch_health, &channel.send_health)
        };
        let failure = met.failure.as_ref().unwrap_or_else(|| panic!("{fault:?}: {met:?}"));
        assert_eq!((failure.class, met.state), (class, state), "{fault:?}: {failure:?}");
        assert!(!failure.class.cure().is_empty() && !failure.class.text().is_empty());
        let of_the_token = matches!(fault, Fault::Token(_) | Fault::Endpoint(_));
        if of_the_token && !state.is_tried() {
            assert_eq!((other.state, other.failure.as_ref().map(|f| f.class)), (state, Some(class)), "{fault:?}");
            assert!(failure.correlation_id.is_some(), "{fault:?}");
        } else {
            assert_eq!(other.state, HealthState::Connected, "{fault:?}: one half fails alone");
        }

        story.world.advance(MINUTE * 11);
        let told: Vec<_> = story.open().await.iter().map(|notice| notice.standing.actor).collect();
        let asked = if state.is_tried() { Vec::new() } else { vec![class.actor()] };
        assert_eq!(told, asked, "{fault:?}");
        assert!(asked.iter().all(|actor| matches!(actor, Actor::Owner | Actor::TenantAdmin)));

        story.world.sandbox.faults().clear();
        story.gets_well().await;
        reached.insert(class);
    }
    for class in FailureClass::ALL {
        let elsewhere = ELSEWHERE.contains(class);
        assert!(
            reached.contains(class) != elsewhere,
            "{class:?}: reached here {}, said to be elsewhere {elsewhere}",
            reached.contains(class)
        );
    }
}

#[tokio::test]
async fn what_nobody_understands_is_borne_for_a_day_and_then_asks_the_owner_with_what_support_wants_to_know() {
    let story = Story::new().await;
    let unknown = || story.world.sandbox.faults().always(token("never_seen", None, 123_456));
    let looks = async |hours: u32| {
        for _ in 0..hours / 2 {
            story.world.advance(HOUR * 2);
            story.reads().await;
        }
        story.channel().await.fetch_health
    };
    unknown();
    let health = looks(22).await;
    assert_eq!(
        (health.state, health.failure.map(|f| f.class)),
        (HealthState::Failing, Some(FailureClass::RefusalUnknown))
    );
    // Once it worked: what was before is forgotten.
    story.world.sandbox.faults().clear();
    assert_eq!(looks(2).await.state, HealthState::Connected);
    unknown();
    assert_eq!(looks(24).await.state, HealthState::Failing);
    let health = looks(4).await;
    let failure = health.failure.expect("a failure");
    assert_eq!(
        (health.state, failure.class, failure.class.actor()),
        (HealthState::NeedsReauth, FailureClass::RefusalLasting, Actor::Owner)
    );
    assert!(failure.correlation_id.is_some() && failure.detail.is_some_and(|detail| detail.contains("AADSTS123456")));
    assert_eq!(story.channel().await.send_health.state, HealthState::NeedsReauth);
    story.world.sandbox.faults().clear();
    story.gets_well().await;
}

/// Numbers that look random and are the same each time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, most: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).expect("a small number") % most
    }
}

#[tokio::test]
async fn whatever_the_order_of_bad_days_at_the_sign_in_service_nobody_is_asked_to_sign_in() {
    let at = Endpoint::Token;
    let bad_days: Vec<Fault> = vec![
        EndpointFault::HtmlUnavailable(at).into(),
        EndpointFault::Truncated(at).into(),
        EndpointFault::RedirectElsewhere(at).into(),
        EndpointFault::TooManyRequests { at, retry_after_seconds: 3 }.into(),
        EndpointFault::Unavailable { at, retry_after_seconds: 3 }.into(),
        TokenFault::AnswerLost.into(),
        TokenFault::temporarily_unavailable().into(),
        TokenFault::client_loop().into(),
        TokenFault::invalid_client_secret().into(),
        // The edge blames the grant, and says itself that it is ill.
        TokenFault::Error {
            status: 503,
            error: "invalid_grant".to_owned(),
            suberror: Some("bad_token".to_owned()),
            code: 50173,
            text: "Words.".to_owned(),
            claims: None,
        }
        .into(),
        TokenFault::Error {
            status: 429,
            error: "invalid_grant".to_owned(),
            suberror: None,
            code: 700_082,
            text: "Words.".to_owned(),
            claims: None,
        }
        .into(),
    ];
    let story = Story::new().await;
    let (scope, grant) = (story.world.admin().await.scope, story.channel().await.grant_id.expect("a grant"));
    let mut dice = Dice(7);
    for _ in 0..120 {
        let fault = bad_days[dice.below(bad_days.len())].clone();
        story.world.advance(MINUTE * u32::try_from(1 + dice.below(600)).expect("a small number") + HOUR * 2);
        story.world.sandbox.faults().always(fault.clone());
        match dice.below(3) {
            0 => {
                let refused = refresh::fresh_access_token(&story.world.app, &scope, grant, Resource::Outlook).await;
                let failure = refused.expect_err("a fault");
                assert!(!matches!(failure.class.actor(), Actor::Owner | Actor::TenantAdmin), "{fault:?}: {failure:?}");
            }
            1 => story.tries_again(Part::Send).await,
            _ => story.reads().await,
        }
        let channel = story.channel().await;
        for health in [channel.fetch_health, channel.send_health] {
            assert!(matches!(health.state, HealthState::Failing | HealthState::Connected), "{fault:?}: {health:?}");
        }
        story.world.sandbox.faults().clear();
    }
    assert!(
        story.open().await.iter().all(|notice| !matches!(notice.standing.actor, Actor::Owner | Actor::TenantAdmin))
    );
    story.gets_well().await;
}
