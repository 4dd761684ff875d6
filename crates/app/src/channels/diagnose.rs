//! Looks at a mailbox step by step, as it would be read and sent through, and says of each step whether it works, how long it takes and what it
//! found.
//!
//! It changes no health and sends nothing: whether the mailbox is well is said by those who work with it. What Microsoft says of the permission
//! itself is remembered, as whenever a token is refreshed. A step that fails ends its own way and hides nothing of the other. One look at a
//! mailbox at a time, across all processes, and no look is longer than a minute.

use super::access::Mailbox;
use super::health::Part;
use super::sending::{Sender, probe_graph};
use super::{crowded, refresh};
use crate::App;
use crate::accounts::Member;
use crate::stopwatch::Stopwatch;
use domain::channel::{EmailChannel, SendTransport};
use domain::{Failure, FailureClass, InboxId, Secret, Timestamp};
use mail::imap::{self, ImapLogin, Limits};
use mail::smtp::{self, SmtpLogin, Timeouts};
use net::{Connector, Step, Steps};
use oauth::Resource;
use std::time::Duration;
use store::{AccountScope, StoreError};

/// For the token, and then for both ways at once.
const TOKEN_WITHIN: Duration = Duration::from_secs(15);
const WAYS_WITHIN: Duration = Duration::from_secs(40);
/// Longer than a look can take; after a crash the next one may begin when it has passed.
const LEASE: Duration = Duration::from_secs(90);
/// One command.
const PATIENCE: Duration = Duration::from_secs(20);
/// IDLE is begun and ended; nobody waits for news.
const IDLE_FOR: Duration = Duration::from_millis(100);

const READING: &[&str] = &["dns", "tcp", "tls", "greeting", "auth", "capability", "select", "idle"];
const SENDING: &[&str] = &["dns", "tcp", "greeting", "tls", "auth", "mail_from"];
/// Microsoft Graph is asked as a whole.
const BY_GRAPH: &[&str] = &["graph"];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Ok,
    Failed,
    /// Nobody came so far, or there was nothing to do.
    Skipped,
}

/// What was found of one step.
#[derive(Clone, Debug)]
pub struct StepReport {
    /// A stable word.
    pub name: &'static str,
    pub outcome: Outcome,
    pub took: Duration,
    /// Each with a stable word.
    pub found: Vec<(&'static str, String)>,
    pub failure: Option<Failure>,
}

#[derive(Clone, Debug)]
pub struct Diagnosis {
    pub inbox_id: InboxId,
    pub began_at: Timestamp,
    pub took: Duration,
    /// Whether Microsoft gives us a fresh access token.
    pub token: StepReport,
    pub fetch: Vec<StepReport>,
    pub send: Vec<StepReport>,
}

#[derive(Debug, thiserror::Error)]
pub enum DiagnoseError {
    #[error("only administrators manage inboxes")]
    Forbidden,
    #[error("no such inbox")]
    NotFound,
    /// Somebody is looking at this mailbox already.
    #[error("this mailbox is being diagnosed")]
    UnderWay,
    #[error(transparent)]
    Store(#[from] StoreError),
}

pub async fn diagnose(app: &App, member: &Member, inbox: InboxId) -> Result<Diagnosis, DiagnoseError> {
    match (member.may_manage_inboxes(), member.visibility.sees(inbox)) {
        (true, _) => {}
        (false, true) => return Err(DiagnoseError::Forbidden),
        (false, false) => return Err(DiagnoseError::NotFound),
    }
    look_at(app, &member.scope, inbox).await
}

/// For whoever runs the installation.
pub async fn look_at(app: &App, scope: &AccountScope, inbox: InboxId) -> Result<Diagnosis, DiagnoseError> {
    let channel = scope.inbox(inbox).await?.ok_or(DiagnoseError::NotFound)?.channel;
    let Some(place) = scope.begin_diagnosis(channel.id, LEASE).await? else { return Err(DiagnoseError::UnderWay) };
    let diagnosis = Box::pin(look(app, scope, &channel)).await;
    // Whoever cannot give it back leaves it to time.
    if let Err(error) = scope.end_diagnosis(channel.id, place).await {
        tracing::warn!(channel.id = %channel.id, %error, "the end of a diagnosis could not be written");
    }
    Ok(diagnosis)
}

async fn look(app: &App, scope: &AccountScope, channel: &EmailChannel) -> Diagnosis {
    let (began_at, watch) = (app.now(), Stopwatch::start(app));
    let (token, report) = Box::pin(fresh_token(app, scope, channel)).await;
    let (reading, read) = app.connector().watched();
    let (sending, sent) = app.connector().watched();
    // Whoever runs out of time leaves the step at which it was open.
    let (fetched, gone) = tokio::join!(
        tokio::time::timeout(WAYS_WITHIN, fetch(app, scope, &reading, &read, channel, token.as_ref())),
        tokio::time::timeout(WAYS_WITHIN, send(app, scope, &sending, channel, token.as_ref())),
    );
    let place = Mailbox::of(channel);
    let ended = |way: Result<Result<(), Failure>, _>| way.unwrap_or_else(|_| Err(FailureClass::TimedOut.into())).err();
    Diagnosis {
        inbox_id: channel.inbox_id,
        began_at,
        took: watch.elapsed(app),
        fetch: reports(READING, read.taken(), ended(fetched), Part::Fetch, place),
        send: reports(way_out(channel), sent.taken(), ended(gone), Part::Send, place),
        token: report,
    }
}

async fn fresh_token(app: &App, scope: &AccountScope, channel: &EmailChannel) -> (Option<Secret>, StepReport) {
    let watch = Stopwatch::start(app);
    let asking = async {
        let grant = channel.grant_id.ok_or(FailureClass::ChannelRemoved)?;
        refresh::fresh_access_token(app, scope, grant, Resource::Outlook).await
    };
    let token = tokio::time::timeout(TOKEN_WITHIN, asking).await.unwrap_or_else(|_| Err(FailureClass::TimedOut.into()));
    let (token, failure) = match token {
        Ok(token) => (Some(token), None),
        Err(failure) => (None, Some(failure)),
    };
    let outcome = if failure.is_some() { Outcome::Failed } else { Outcome::Ok };
    (token, StepReport { name: "token", outcome, took: watch.elapsed(app), found: Vec::new(), failure })
}

/// `token`: without one nobody signs in, but whether the server is there is worth knowing.
async fn fetch(
    app: &App,
    scope: &AccountScope,
    connector: &Connector,
    steps: &Steps,
    channel: &EmailChannel,
    token: Option<&Secret>,
) -> Result<(), Failure> {
    let endpoint = app.settings().imap.clone();
    let Some(token) = token else { return imap::reach(connector, &endpoint, PATIENCE).await };
    let login = ImapLogin { endpoint, user: channel.mailbox_address.as_str().to_owned(), token: token.clone() };
    let read = read(connector, steps, &login).await;
    let (Err(failure), Some(grant)) = (&read, channel.grant_id) else { return read };
    let judged = crowded::judged(app, scope, grant, &channel.mailbox_address, token, None, failure.clone());
    Err(Box::pin(judged).await)
}

async fn read(connector: &Connector, steps: &Steps, login: &ImapLogin) -> Result<(), Failure> {
    let limits = Limits { silence: PATIENCE, ..Limits::default() };
    let mut session = imap::Session::open_with(connector, login, limits).await?;
    let inbox = steps.take("select", session.examine("INBOX")).await?;
    steps.found("messages", inbox.exists.to_string());
    if session.offers("IDLE") {
        steps.take("idle", session.idle(IDLE_FOR, std::future::pending())).await?;
        steps.found("offered", if session.can_idle() { "yes" } else { "refused" });
    }
    session.logout().await;
    Ok(())
}

/// What is done to see whether a reply could leave.
const fn way_out(channel: &EmailChannel) -> &'static [&'static str] {
    match channel.send_transport {
        SendTransport::Smtp => SENDING,
        SendTransport::Graph => BY_GRAPH,
    }
}

async fn send(
    app: &App,
    scope: &AccountScope,
    connector: &Connector,
    channel: &EmailChannel,
    token: Option<&Secret>,
) -> Result<(), Failure> {
    if channel.send_transport == SendTransport::Graph {
        // One question over HTTPS, with a token of its own.
        let probe = async { probe_graph(app, scope, &Sender::of(channel)?).await };
        return connector.step("graph", Box::pin(probe)).await;
    }
    let endpoint = app.settings().smtp_of(channel.service).clone();
    let timeouts = Timeouts { command: PATIENCE, ..Timeouts::default() };
    let Some(token) = token else { return smtp::Session::reach(connector, &endpoint, timeouts).await };
    let login = SmtpLogin { endpoint, user: channel.smtp_user.clone(), token: token.clone() };
    let mut session = smtp::Session::open_with(connector, &login, timeouts).await?;
    let allowed = connector.step("mail_from", session.may_send_as(&channel.from_address)).await;
    session.quit().await;
    allowed
}

/// Every step of the way, also those that nobody came to. `ended`: why the way ended before its end.
fn reports(
    way: &[&'static str],
    taken: Vec<Step>,
    ended: Option<Failure>,
    part: Part,
    place: Mailbox,
) -> Vec<StepReport> {
    // In the words of whoever can mend it, as in the mailbox's health.
    let said = |failure: Failure| match part {
        Part::Fetch => place.unread(failure),
        Part::Send => place.unsent(failure),
    };
    // One session too many is told in the words of a mailbox that is closed; why the way ended knows better.
    let crowded = ended.clone().filter(|failure| failure.class == FailureClass::TooManyConnections);
    let told = |failure: Failure| match (failure.class, &crowded) {
        (FailureClass::MailboxNotConnected, Some(crowded)) => crowded.clone(),
        _ => said(failure),
    };
    let ended = ended.map(said);
    let mut reports: Vec<StepReport> = Vec::new();
    for step in taken {
        let refused = step.found.iter().any(|(what, value)| *what == "offered" && value == "refused");
        let outcome = match &step.failure {
            Some(_) => Outcome::Failed,
            None if refused => Outcome::Skipped,
            None => Outcome::Ok,
        };
        let Step { name, took, failure, found } = step;
        reports.push(StepReport { name, outcome, took, found, failure: failure.map(told) });
    }
    let failed = reports.iter().any(|step| step.outcome == Outcome::Failed);
    if let (false, Some(failure)) = (failed, ended) {
        // Between two steps, or before the first: no connection to the server was free.
        let (name, took) = ("connection", Duration::ZERO);
        reports.push(StepReport { name, outcome: Outcome::Failed, took, found: Vec::new(), failure: Some(failure) });
    }
    let opened = reports.iter().any(|step| step.name == "select" && step.outcome == Outcome::Ok);
    for name in way {
        if reports.iter().any(|step| step.name == *name) {
            continue;
        }
        let found = match (*name, part) {
            ("idle", Part::Fetch) if opened => vec![("offered", "no".to_owned())],
            _ => Vec::new(),
        };
        reports.push(StepReport { name, outcome: Outcome::Skipped, took: Duration::ZERO, found, failure: None });
    }
    reports
}
