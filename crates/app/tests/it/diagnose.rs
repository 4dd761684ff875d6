//! A look at a mailbox step by step, with a fault at each step: the step that fails says why, those behind it were not taken, the other way is seen
//! to its end, and nothing of it changes how the mailbox is doing.

use crate::support::{World, connected, new_account, shared_of, signed_in, world, world_with};
use app::accounts;
use app::channels::diagnose::{DiagnoseError, Diagnosis, Outcome, StepReport, diagnose};
use app::channels::{health, refresh};
use app::{App, AppParts, Environment, Settings};
use domain::{Actor, FailureClass, InboxId};
use mail::imap::{self, ImapLogin};
use net::{Connector, ConnectorConfig, Endpoint, TlsMode};
use oauth::Resource;
use sandbox::{Event, Fault, ImapFault, SandboxConfig, SmtpFault, SmtpPoint, TlsFault, TokenFault};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

const SUPPORT: &str = "support@contoso.example";

async fn looked(world: &World, inbox: InboxId) -> Diagnosis {
    diagnose(&world.app, &world.admin().await, inbox).await.expect("a diagnosis")
}

fn step<'a>(way: &'a [StepReport], name: &str) -> &'a StepReport {
    way.iter().find(|step| step.name == name).unwrap_or_else(|| panic!("no step {name}: {way:?}"))
}

fn found<'a>(step: &'a StepReport, what: &str) -> Option<&'a str> {
    step.found.iter().find(|(name, _)| *name == what).map(|(_, value)| value.as_str())
}

/// The step that failed, and why; behind it nobody came.
fn failed(way: &[StepReport]) -> Option<(&'static str, FailureClass)> {
    let at = way.iter().position(|step| step.outcome == Outcome::Failed)?;
    assert!(way[..at].iter().all(|step| step.outcome == Outcome::Ok), "{way:?}");
    assert!(way[at + 1..].iter().all(|step| step.outcome == Outcome::Skipped), "{way:?}");
    Some((way[at].name, way[at].failure.as_ref().expect("a reason").class))
}

#[tokio::test]
async fn a_mailbox_that_is_well_shows_every_step_with_what_it_found_and_sends_nothing() {
    let world = world().await;
    let inbox = connected(&world.connect(SUPPORT, None).await);
    let seen = looked(&world, inbox).await;
    assert_eq!((seen.token.outcome, failed(&seen.fetch), failed(&seen.send)), (Outcome::Ok, None, None));
    let names = |way: &[StepReport]| way.iter().map(|step| step.name).collect::<Vec<_>>();
    assert_eq!(names(&seen.fetch), ["dns", "tcp", "tls", "greeting", "auth", "capability", "select", "idle"]);
    assert_eq!(names(&seen.send), ["dns", "tcp", "greeting", "tls", "auth", "mail_from"]);
    assert!(seen.fetch.iter().chain(&seen.send).all(|step| step.outcome == Outcome::Ok), "{seen:?}");
    for way in [&seen.fetch, &seen.send] {
        assert_eq!(found(step(way, "tls"), "tls_version"), Some("TLSv1_3"));
        let ends = found(step(way, "tls"), "certificate_expires").expect("an end");
        assert!(ends.len() == 20 && ends > "2026" && ends.ends_with('Z'), "{ends}");
        let addresses = found(step(way, "dns"), "addresses").expect("addresses");
        assert_eq!(addresses, "1 in the operator's own network", "which one is nobody's to know");
    }
    assert_eq!(found(step(&seen.fetch, "idle"), "offered"), Some("yes"));
    assert!(found(step(&seen.fetch, "select"), "messages").is_some());
    assert!(seen.took < Duration::from_secs(60));
    let sent = world.sandbox.events().into_iter().any(|event| matches!(event, Event::SmtpAccepted { .. }));
    assert!(!sent, "nothing is sent");
}

#[tokio::test]
async fn a_fault_at_each_step_is_found_there_and_hides_nothing_of_the_other_way() {
    use FailureClass::*;
    let world = world().await;
    let inbox = connected(&world.connect(SUPPORT, None).await);
    let answer = |verb: &str, text: &str| ImapFault::Answer { verb: verb.to_owned(), text: text.to_owned() };
    let at = |at: SmtpPoint, reply: &str| SmtpFault::Answer { at, reply: reply.to_owned() };
    let table: Vec<(Fault, &str, FailureClass)> = vec![
        (ImapFault::Tls(TlsFault::Plaintext).into(), "tls", TlsUnavailable),
        (ImapFault::ConnectionClosed.into(), "tls", ConnectionLost),
        (ImapFault::GreetingBye.into(), "greeting", ServerUnavailable),
        (ImapFault::AuthenticateFailed.into(), "auth", AuthenticationRefused),
        (ImapFault::AuthenticatedNotConnected.into(), "select", MailboxNotConnected),
        (answer("EXAMINE", "NO [NONEXISTENT] Unknown Mailbox").into(), "select", FolderMissing),
        (SmtpFault::CloseAt(SmtpPoint::Connect).into(), "greeting", ConnectionLost),
        (SmtpFault::NoStartTls.into(), "tls", TlsUnavailable),
        (SmtpFault::Tls(TlsFault::Plaintext).into(), "tls", TlsUnavailable),
        (SmtpFault::smtp_auth_disabled_for_tenant().into(), "auth", SmtpAuthDisabled),
        (SmtpFault::authentication_unsuccessful().into(), "auth", SendingRefused),
        (SmtpFault::not_allowed_to_send_as().into(), "mail_from", SenderNotAllowed),
        (at(SmtpPoint::MailFrom, "452 4.3.1 Insufficient system resources").into(), "mail_from", Throttled),
    ];
    let before = world.channel(inbox).await;
    for (fault, name, class) in table {
        let reads = matches!(fault, Fault::Imap(_));
        world.sandbox.faults().always(fault.clone());
        let seen = looked(&world, inbox).await;
        world.sandbox.faults().clear();
        let (broken, other) = if reads { (&seen.fetch, &seen.send) } else { (&seen.send, &seen.fetch) };
        assert_eq!(failed(broken), Some((name, class)), "{fault:?}");
        assert!(other.iter().all(|step| step.outcome == Outcome::Ok), "{fault:?}: {other:?}");
    }
    let after = world.channel(inbox).await;
    assert_eq!(
        (before.fetch_health, before.send_health),
        (after.fetch_health, after.send_health),
        "it changes no health"
    );
}

/// Exchange says of one session too many of a person what it says of a mailbox without access.
#[tokio::test]
async fn a_shared_mailbox_whose_person_has_too_many_sessions_is_not_said_to_lack_access() {
    let world = world_with(SandboxConfig { imap_connections_per_user: 1, ..SandboxConfig::default() }).await;
    let own = connected(&world.connect(SUPPORT, None).await);
    let shared = shared_of(&world, own, "info@contoso.example").await;
    let scope = world.admin().await.scope;
    let grant = world.channel(own).await.grant_id.expect("a grant");
    let token = refresh::access_token(&world.app, &scope, grant, Resource::Outlook).await.expect("a token");
    let endpoint = world.app.settings().imap.clone();
    let login = ImapLogin { endpoint, user: SUPPORT.to_owned(), token };
    let mut open = imap::Session::open(world.app.connector(), &login).await.expect("signed in");
    open.examine("INBOX").await.expect("opened");

    let seen = looked(&world, shared).await;
    assert_eq!(failed(&seen.fetch), Some(("select", FailureClass::TooManyConnections)));
    let reason = step(&seen.fetch, "select").failure.as_ref().expect("a reason");
    assert!(reason.server_said.as_deref().is_some_and(|said| said.contains("authenticated but not connected")));
    open.logout().await;
    let closed = async {
        while world.sandbox.imap_connections(SUPPORT) > 0 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), closed).await.expect("the session is closed");
    world.sandbox.update_user(SUPPORT, |user| user.full_access.clear());
    let seen = looked(&world, shared).await;
    assert_eq!(failed(&seen.fetch), Some(("select", FailureClass::FullAccessMissing)));
}

#[tokio::test]
async fn without_a_token_the_servers_are_looked_at_all_the_same_and_who_must_act_is_said() {
    let world = world().await;
    let inbox = connected(&world.connect(SUPPORT, None).await);
    world.advance(Duration::from_secs(3600));
    world.sandbox.faults().always(TokenFault::invalid_client_secret());
    let seen = looked(&world, inbox).await;
    let failure = seen.token.failure.as_ref().expect("refused");
    assert_eq!((failure.class, failure.class.actor()), (FailureClass::AppCredentialRefused, Actor::Operator));
    assert!(failure.correlation_id.is_some());
    for (way, last) in [(&seen.fetch, "greeting"), (&seen.send, "tls")] {
        assert_eq!(failed(way), None);
        assert_eq!((step(way, last).outcome, step(way, "auth").outcome), (Outcome::Ok, Outcome::Skipped), "{way:?}");
    }
    assert_eq!(found(step(&seen.fetch, "idle"), "offered"), None, "nobody has asked");
}

#[tokio::test]
async fn idle_that_is_refused_or_not_offered_is_no_failure() {
    let world = world().await;
    let inbox = connected(&world.connect(SUPPORT, None).await);
    world.sandbox.faults().always(ImapFault::Answer { verb: "IDLE".to_owned(), text: "NO not here".to_owned() });
    let seen = looked(&world, inbox).await;
    let idle = step(&seen.fetch, "idle");
    assert_eq!((idle.outcome, found(idle, "offered")), (Outcome::Skipped, Some("refused")));

    let world = crate::support::world_with(SandboxConfig { imap_idle: false, ..SandboxConfig::default() }).await;
    let inbox = connected(&world.connect(SUPPORT, None).await);
    let seen = looked(&world, inbox).await;
    let idle = step(&seen.fetch, "idle");
    assert_eq!((idle.outcome, found(idle, "offered")), (Outcome::Skipped, Some("no")));
    assert!(seen.fetch.iter().all(|step| step.outcome != Outcome::Failed));
}

/// The same installation, whose mail servers are these.
fn with_servers(world: &World, imap: Endpoint, smtp: Endpoint, config: ConnectorConfig) -> App {
    let frontend = world.app.settings().frontend_url.clone();
    App::new(AppParts {
        connector: Connector::new(config).expect("a connector"),
        microsoft: None,
        settings: Settings::new(Environment::Development, frontend, imap, smtp),
        ..world.parts()
    })
}

#[tokio::test]
async fn a_name_that_does_not_resolve_a_port_where_nobody_listens_and_a_wrong_certificate_are_told_apart() {
    use FailureClass::*;
    let world = world().await;
    let inbox = connected(&world.connect(SUPPORT, None).await);
    let ca = world.sandbox.ca_pem().into_bytes();
    let hosts = BTreeMap::from([
        ("mail.contoso.example".to_owned(), vec![IpAddr::from([127, 0, 0, 1])]),
        ("nowhere.contoso.example".to_owned(), Vec::new()),
    ]);
    let config = |extra_ca_pem: Option<Vec<u8>>| ConnectorConfig {
        extra_ca_pem,
        hosts: hosts.clone(),
        ..ConnectorConfig::default()
    };
    let (imap, smtp) = (world.sandbox.imap_addr().port(), world.sandbox.smtp_addr().port());
    let deaf = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let nobody = deaf.local_addr().expect("bound").port();
    drop(deaf);
    let ask = async |host: &str, ports: (u16, u16), ca: Option<&Vec<u8>>| {
        let (imap, smtp) =
            (Endpoint::new(host, ports.0, TlsMode::Implicit), Endpoint::new(host, ports.1, TlsMode::StartTls));
        let app = with_servers(&world, imap, smtp, config(ca.cloned()));
        let seen = diagnose(&app, &world.admin().await, inbox).await.expect("a diagnosis");
        [failed(&seen.fetch), failed(&seen.send)]
    };
    let (real, none) = ((imap, smtp), (nobody, nobody));
    assert_eq!(ask("nowhere.contoso.example", real, Some(&ca)).await, [Some(("dns", Unreachable)); 2]);
    assert_eq!(ask("mail.contoso.example", none, Some(&ca)).await, [Some(("tcp", Unreachable)); 2]);
    assert_eq!(ask("mail.contoso.example", real, Some(&ca)).await, [Some(("tls", TlsFailed)); 2], "another name");
    assert_eq!(ask("127.0.0.1", real, None).await, [Some(("tls", TlsFailed)); 2], "an authority that nobody knows");
}

#[tokio::test]
async fn one_looks_at_a_time_and_a_look_that_died_holds_it_for_a_moment_only() {
    let world = world().await;
    let inbox = connected(&world.connect(SUPPORT, None).await);
    let admin = world.admin().await;
    let looks = || diagnose(&world.app, &admin, inbox);
    let (one, two, three) = tokio::join!(looks(), looks(), looks());
    let ended = [one, two, three];
    let busy = ended.iter().filter(|look| matches!(look, Err(DiagnoseError::UnderWay))).count();
    assert_eq!((ended.iter().filter(|look| look.is_ok()).count(), busy), (1, 2));
    looks().await.expect("it is free again");
    // Whoever is stopped in the middle gives nothing back.
    world.sandbox.faults().always(ImapFault::StallAtGreeting);
    let stopped = tokio::time::timeout(Duration::from_millis(300), looks()).await;
    assert!(stopped.is_err(), "it hangs");
    world.sandbox.faults().clear();
    assert!(matches!(looks().await, Err(DiagnoseError::UnderWay)));
}

#[tokio::test]
async fn only_administrators_of_the_account_look() {
    let world = world().await;
    let inbox = connected(&world.connect(SUPPORT, None).await);
    let mut agent = world.admin().await;
    agent.agent.role = domain::account::Role::Agent;
    agent.visibility = store::Visibility::Inboxes(vec![inbox]);
    assert!(matches!(diagnose(&world.app, &agent, inbox).await, Err(DiagnoseError::Forbidden)));
    agent.visibility = store::Visibility::Inboxes(Vec::new());
    assert!(matches!(diagnose(&world.app, &agent, inbox).await, Err(DiagnoseError::NotFound)));
    let other = new_account(&world.app, "Fabrikam", "admin@fabrikam.example").await;
    let caller = signed_in(&world.app, "admin@fabrikam.example").await;
    let stranger = accounts::enter(&world.app, &caller, other).await.expect("a member");
    assert!(matches!(diagnose(&world.app, &stranger, inbox).await, Err(DiagnoseError::NotFound)));
    health::record_fetch(&world.app, &stranger.scope, domain::ChannelId(1), Ok(()), None).await.expect("nothing there");
}
