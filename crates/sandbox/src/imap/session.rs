//! One session: reads commands, shows the faults that are due, and hands each command to the file that knows it.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use super::args::Arg;
use super::view::View;
use super::wire::{Incoming, Wire};
use super::{AUTHENTICATED, PRE_AUTHENTICATED};
use crate::entra::access::MailAccess;
use crate::faults::ImapFault;
use crate::journal::Event;
use crate::mailbox::Mailbox;
use crate::state::{Place, State};

pub(super) const EXPIRED: &str = "* BYE Session invalidated - AccessTokenExpired";
const BACKEND_CLOSED: &str = "* BYE Connection closed. 14";
const NOT_CONNECTED: &str = "BAD User is authenticated but not connected.";
const INVALID_STATE: &str = "BAD Command received in Invalid state.";
pub(super) const ARGUMENTS: &str = "BAD Command Argument Error. 12";
/// Exchange closes a session after about ten protocol errors.
const MOST_ERRORS: u32 = 10;

const CAPABILITIES: &str =
    "IMAP4 IMAP4rev1 AUTH=PLAIN AUTH=XOAUTH2 SASL-IR UIDPLUS ID UNSELECT CHILDREN IDLE NAMESPACE LITERAL+";
const CAPABILITIES_WITHOUT_IDLE: &str =
    "IMAP4 IMAP4rev1 AUTH=PLAIN AUTH=XOAUTH2 SASL-IR UIDPLUS ID UNSELECT CHILDREN NAMESPACE LITERAL+";
const CAPABILITIES_AFTER: &str = "MOVE CLIENTACCESSRULES CLIENTNETWORKPRESENCELOCATION BACKENDAUTHENTICATE";

/// Whether the session goes on. A broken connection is an error; `Break` is a deliberate end.
pub(super) type Flow = std::io::Result<ControlFlow<()>>;
pub(super) const ON: Flow = Ok(ControlFlow::Continue(()));
pub(super) const OVER: Flow = Ok(ControlFlow::Break(()));

pub(super) struct Session {
    pub(super) state: Arc<State>,
    pub(super) wire: Wire,
    pub(super) access: Option<MailAccess>,
    /// Counts against the user's connections as long as it is held.
    pub(super) place: Option<Place>,
    /// `None` after a sign-in that did not open the mailbox.
    pub(super) mailbox: Option<Mailbox>,
    pub(super) view: Option<View>,
    /// A SEARCH is no longer answered, but for a word so often.
    pub(super) searches_hang: Option<Duration>,
    errors: u32,
}

impl Session {
    pub(super) fn new(state: Arc<State>, wire: Wire) -> Self {
        Self { state, wire, access: None, place: None, mailbox: None, view: None, searches_hang: None, errors: 0 }
    }

    /// The signed-in user, for faults that are meant for one.
    pub(super) fn user(&self) -> Option<&str> {
        self.access.as_ref().map(|access| access.user.address.as_str())
    }

    pub(super) fn take<T>(&self, pick: impl Fn(&ImapFault) -> Option<T>) -> Option<T> {
        self.state.faults.take_imap(self.user(), pick)
    }

    /// `tag OK FETCH completed.` and its like; `answer` is what follows the tag.
    pub(super) async fn tagged(&mut self, tag: &str, answer: &str) -> Flow {
        if answer.starts_with("BAD") {
            self.errors += 1;
        }
        self.wire.line(&format!("{tag} {answer}")).await?;
        if self.errors >= MOST_ERRORS {
            self.wire.line(BACKEND_CLOSED).await?;
            return OVER;
        }
        ON
    }

    pub(super) async fn run(mut self) -> std::io::Result<()> {
        if !self.greet().await? {
            return Ok(());
        }
        loop {
            let patience = if self.access.is_some() { AUTHENTICATED } else { PRE_AUTHENTICATED };
            let incoming = tokio::select! {
                incoming = self.wire.command() => incoming?,
                () = tokio::time::sleep(patience) => {
                    self.wire.line("* BYE Connection is closed. 13").await?;
                    break;
                }
            };
            let flow = match incoming {
                Incoming::End => break,
                Incoming::Bad { tag, reason } => self.tagged(&tag, &format!("BAD {reason}")).await?,
                Incoming::Command { tag, verb, args } => self.command(&tag, &verb, &args).await?,
            };
            if flow.is_break() {
                break;
            }
        }
        if self.take(|fault| (*fault == ImapFault::NoCloseNotify).then_some(())).is_none() {
            self.wire.close().await;
        }
        Ok(())
    }

    async fn greet(&mut self) -> std::io::Result<bool> {
        if self.take(|fault| (*fault == ImapFault::StallAtGreeting).then_some(())).is_some() {
            self.stall().await;
            return Ok(false);
        }
        if self.take(|fault| (*fault == ImapFault::GreetingBye).then_some(())).is_some() {
            self.wire.line("* BYE Server shutting down").await?;
            return Ok(false);
        }
        // In brackets: the name of the host in UTF-16, in base64.
        self.wire
            .line("* OK The Microsoft Exchange IMAP4 service is ready. [UwBBAE4ARABCAE8AWAAuAHAAcgBvAGQALgBvAHUAdABsAG8AbwBrAC4AYwBvAG0A]")
            .await?;
        Ok(true)
    }

    /// A half-open socket: nothing more comes, nothing is read, until the sandbox ends or cuts its connections.
    pub(super) async fn stall(&mut self) {
        self.state.ended.cancelled().await;
    }

    async fn command(&mut self, tag: &str, verb: &str, args: &[Arg]) -> Flow {
        if let Some(user) = self.user() {
            self.state.journal.note(Event::ImapCommand { user: user.to_owned(), command: verb.to_owned() });
        }
        if self.access.is_some() && verb != "LOGOUT" {
            if self.token_ended() {
                self.wire.line(EXPIRED).await?;
                return OVER;
            }
            if self.mailbox.is_none() && !matches!(verb, "CAPABILITY" | "ID") {
                self.wire.line(&format!("{tag} {NOT_CONNECTED}")).await?;
                self.wire.line(BACKEND_CLOSED).await?;
                return OVER;
            }
        }
        if let Some(flow) = self.planned(tag, verb).await? {
            return Ok(flow);
        }
        match verb {
            "CAPABILITY" => {
                let more = if self.access.is_some() { format!(" {CAPABILITIES_AFTER}") } else { String::new() };
                let offered = if self.state.config.imap_idle { CAPABILITIES } else { CAPABILITIES_WITHOUT_IDLE };
                self.wire.line(&format!("* CAPABILITY {offered}{more}")).await?;
                return self.done(tag, verb).await;
            }
            "ID" => {
                self.wire
                    .line("* ID (\"name\" \"Microsoft.Exchange.Imap4.Imap4Server\" \"version\" \"15.20\")")
                    .await?;
                return self.done(tag, verb).await;
            }
            "LOGOUT" => {
                // Whoever reads the answer may open another connection at once.
                self.place = None;
                self.wire.line("* BYE Microsoft Exchange Server IMAP4 server signing off.").await?;
                let _ = self.done(tag, verb).await?;
                return OVER;
            }
            _ => {}
        }
        if self.access.is_none() {
            return match verb {
                "AUTHENTICATE" => self.authenticate(tag, args).await,
                "LOGIN" => self.tagged(tag, "NO LOGIN failed.").await,
                "NOOP" => self.done(tag, verb).await,
                _ => self.tagged(tag, INVALID_STATE).await,
            };
        }
        match verb {
            "NOOP" | "CHECK" => {
                self.report().await?;
                if self.moved_away() { OVER } else { self.done(tag, verb).await }
            }
            "NAMESPACE" => {
                self.wire.line("* NAMESPACE ((\"\" \"/\")) NIL NIL").await?;
                self.done(tag, verb).await
            }
            "LIST" | "LSUB" => self.list(tag, verb, args).await,
            "STATUS" => self.status(tag, args).await,
            "CREATE" | "DELETE" | "SUBSCRIBE" | "UNSUBSCRIBE" => self.manage(tag, verb, args).await,
            "SELECT" | "EXAMINE" => self.select(tag, verb, args).await,
            "APPEND" => self.append(tag, args).await,
            "IDLE" if self.state.config.imap_idle => self.idle(tag).await,
            "CLOSE" | "UNSELECT" | "FETCH" | "UID FETCH" | "SEARCH" | "UID SEARCH" | "STORE" | "UID STORE"
            | "EXPUNGE" | "UID EXPUNGE" | "COPY" | "UID COPY" | "MOVE" | "UID MOVE" => {
                if self.view.is_none() {
                    return self.tagged(tag, INVALID_STATE).await;
                }
                self.arrivals().await?;
                if self.moved_away() {
                    self.wire.line("* BYE Server shutting down").await?;
                    return OVER;
                }
                match verb {
                    "FETCH" | "UID FETCH" => self.fetch(tag, verb, args).await,
                    "SEARCH" | "UID SEARCH" => self.search(tag, verb, args).await,
                    "STORE" | "UID STORE" => self.store(tag, verb, args).await,
                    "COPY" | "UID COPY" | "MOVE" | "UID MOVE" => self.copy(tag, verb, args).await,
                    "EXPUNGE" | "UID EXPUNGE" => self.expunge(tag, verb, args).await,
                    _ => self.close_folder(tag, verb).await,
                }
            }
            _ => self.tagged(tag, "BAD Command Error. 12").await,
        }
    }

    pub(super) async fn done(&mut self, tag: &str, verb: &str) -> Flow {
        let verb = verb.strip_prefix("UID ").unwrap_or(verb);
        self.tagged(tag, &format!("OK {verb} completed.")).await
    }

    /// The token ran out, or a fault says so.
    pub(super) fn token_ended(&self) -> bool {
        let Some(access) = &self.access else { return false };
        self.state.seconds_left(&access.token) <= 0
            || self.take(|fault| (*fault == ImapFault::AccessTokenExpired).then_some(())).is_some()
    }

    /// The folder was recreated under the session: its UIDVALIDITY is another.
    pub(super) fn moved_away(&self) -> bool {
        let (Some(view), Some(mailbox)) = (&self.view, &self.mailbox) else { return false };
        mailbox.folder(&view.folder).is_none_or(|folder| folder.uidvalidity != view.uidvalidity)
    }

    /// Faults that any command may meet. `Some` when the command is not to be carried out.
    async fn planned(&mut self, tag: &str, verb: &str) -> std::io::Result<Option<ControlFlow<()>>> {
        let bare = verb.strip_prefix("UID ").unwrap_or(verb);
        let signed_in = self.access.is_some() && bare != "LOGOUT";
        let met = self.take(|fault| match fault {
            ImapFault::Answer { verb, .. }
            | ImapFault::CloseAt { verb }
            | ImapFault::ByeAt { verb, .. }
            | ImapFault::StallAt { verb }
            | ImapFault::GarbageAt { verb, .. } => verb.eq_ignore_ascii_case(bare).then(|| fault.clone()),
            ImapFault::Throttled { .. } | ImapFault::ServerUnavailable => signed_in.then(|| fault.clone()),
            _ => None,
        });
        let flow = match met {
            None => return Ok(None),
            Some(ImapFault::Answer { text, .. }) => self.tagged(tag, &text).await?,
            Some(ImapFault::ByeAt { text, .. }) => {
                self.wire.line(&format!("* BYE {text}")).await?;
                ControlFlow::Break(())
            }
            Some(ImapFault::StallAt { .. }) => {
                self.stall().await;
                ControlFlow::Break(())
            }
            Some(ImapFault::GarbageAt { line, .. }) => {
                self.wire.line(&line).await?;
                return Ok(None);
            }
            Some(ImapFault::Throttled { milliseconds, tagged_no, close }) => {
                let status = if tagged_no { "NO" } else { "BAD" };
                let text =
                    format!("{tag} {status} Request is throttled. Suggested Backoff Time: {milliseconds} milliseconds");
                self.wire.line(&text).await?;
                if close {
                    self.wire.line(BACKEND_CLOSED).await?;
                }
                if close { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            }
            Some(ImapFault::ServerUnavailable) => {
                self.wire.line("Server Unavailable. 15").await?;
                ControlFlow::Break(())
            }
            // CloseAt: without a word.
            Some(_) => ControlFlow::Break(()),
        };
        Ok(Some(flow))
    }
}
