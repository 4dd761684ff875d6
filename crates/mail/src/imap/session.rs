//! The session itself: commands that are checked to their end.

use super::answers::{self, During};
use super::fetch::{Body, Place};
use super::gauge::TooMuch;
use super::tap::Tap;
use super::{FolderStatus, Limits};
use async_imap::imap_proto::{MailboxDatum, Outcome, Response, ResponseCode, Status};
use domain::{Failure, FailureClass};
use futures_util::FutureExt;
use net::Slot;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;
use tokio::time::{Instant, timeout, timeout_at};

/// What the answer to a command may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Allowance {
    /// All in all.
    pub bytes: u64,
    /// One literal, for which there is memory as soon as it is announced.
    pub literal: u64,
}

/// Answers without bodies: they are many lines, never kept together. The longest literal in one is a folder's name.
pub(super) const SMALL_ANSWER: Allowance = Allowance { bytes: 8 * 1024 * 1024, literal: 64 * 1024 };

/// For so many bytes of mail, of which somebody has seen that there is room for them.
pub(super) fn mails_of(bytes: u64) -> Allowance {
    Allowance { bytes, literal: bytes }
}

#[derive(Debug)]
pub struct Session {
    pub(super) inner: async_imap::Session<Tap>,
    pub(super) limits: Limits,
    capabilities: Vec<String>,
    usable: bool,
    /// Mails in the open folder.
    exists: u32,
    /// The folder grew since it was last searched.
    pub(super) grew: bool,
    /// Mails that came into the open folder since it was opened.
    pub(super) came: u64,
    /// A walk came to its end: the highest UID it passed, and what had come when it began.
    pub(super) walked: Option<(u32, u64)>,
    /// A mail turned out longer than the server had announced.
    pub(super) overran: bool,
    /// The server offered IDLE, and refused it when it was asked.
    pub(super) idle_refused: bool,
    _slot: Slot,
}

/// A command that was sent, and how long its answer may take.
pub(super) struct Asked {
    pub tag: String,
    pub bound: Bound,
}

/// How long an answer may take, whatever the server says: a time of its own, and more for what it brings. Words without weight, such as
/// `* OK Still here`, buy none worth speaking of, and since the bytes are limited, so is the time.
#[derive(Clone, Copy)]
pub(super) struct Bound {
    since: Instant,
    time: Duration,
    /// What the session had received by then.
    received: u64,
}

/// A command's tagged OK.
pub(super) struct Done {
    pub code: Option<Code>,
}

/// What one response was.
pub(super) enum Step {
    /// The tagged OK.
    Ended(Done),
    /// `+`: the server waits for more from us.
    Consent,
    /// With the body of a mail, where it held one.
    Other(Option<Body>),
}

/// The response codes that are read, from tagged and untagged answers.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Code {
    UidValidity(u32),
    UidNext(u32),
}

impl Session {
    pub(super) fn over(inner: async_imap::Session<Tap>, limits: Limits, slot: Slot) -> Self {
        Self {
            inner,
            limits,
            capabilities: Vec::new(),
            usable: true,
            exists: 0,
            grew: false,
            came: 0,
            walked: None,
            overran: false,
            idle_refused: false,
            _slot: slot,
        }
    }

    /// Whether another command may be tried: not after the connection was lost or went out of step.
    pub fn is_usable(&self) -> bool {
        self.usable
    }

    /// The server offers this capability.
    pub fn offers(&self, capability: &str) -> bool {
        self.capabilities.iter().any(|c| c.eq_ignore_ascii_case(capability))
    }

    /// The server offers IDLE, and has not refused it in this session.
    pub fn can_idle(&self) -> bool {
        self.offers("IDLE") && !self.idle_refused
    }

    /// The session failed because a mail was longer than announced: it has to be fetched alone, with room for the longest there may be.
    pub fn overran(&self) -> bool {
        self.overran || matches!(self.inner.get_ref().refused(), Some(TooMuch::Bytes | TooMuch::Literal { .. }))
    }

    /// Grows with every byte that the server sends, also while a command is under way.
    pub fn received(&self) -> Arc<AtomicU64> {
        self.inner.get_ref().counter()
    }

    /// Mails in the open folder, as the server last said.
    pub(super) fn exists(&self) -> u32 {
        self.exists
    }

    pub(super) async fn learn_capabilities(&mut self) -> Result<(), Failure> {
        let mut offered = Vec::new();
        self.command("CAPABILITY", During::Command, SMALL_ANSWER, |response| {
            if let Response::Capabilities(list) = response {
                use async_imap::imap_proto::Capability;
                offered.extend(list.iter().map(|c| match c {
                    Capability::Imap4rev1 => "IMAP4rev1".to_owned(),
                    Capability::Auth(name) => format!("AUTH={name}"),
                    Capability::Atom(name) => name.to_string(),
                }));
            }
        })
        .await?;
        self.capabilities = offered;
        Ok(())
    }

    /// Opens a folder read-only, so that nothing in it can be changed.
    pub async fn examine(&mut self, folder: &str) -> Result<FolderStatus, Failure> {
        let name = quoted(folder)?;
        let (mut uidvalidity, mut uidnext, mut exists) = (None, None, 0);
        let mut note = |code: Option<Code>| match code {
            Some(Code::UidValidity(value)) => uidvalidity = Some(value),
            Some(Code::UidNext(value)) => uidnext = Some(value),
            None => {}
        };
        let done = self
            .command(&format!("EXAMINE {name}"), During::Folder, SMALL_ANSWER, |response| match response {
                Response::Data { outcome, .. } => note(code_of(outcome.code.as_ref())),
                Response::MailboxData(MailboxDatum::Exists(count)) => exists = *count,
                _ => {}
            })
            .await?;
        note(done.code);
        self.exists = exists;
        self.grew = false;
        self.walked = None;
        let Some(uidvalidity) = uidvalidity else {
            // Without it a UID means nothing (RFC 9051 §2.3.1.1); going on would mix up mails.
            return Err(Failure::new(FailureClass::ProtocolError).detail("the server gave no UIDVALIDITY"));
        };
        Ok(FolderStatus { uidvalidity, uidnext, exists })
    }

    /// Whether the folder has grown since it was last searched.
    pub async fn noop(&mut self) -> Result<bool, Failure> {
        self.still_answers().await?;
        Ok(std::mem::take(&mut self.grew))
    }

    /// Whether the server still answers. What it says of the folder meanwhile is kept for whoever looks for news.
    pub async fn still_answers(&mut self) -> Result<(), Failure> {
        self.command("NOOP", During::Command, SMALL_ANSWER, |_| {}).await.map(|_| ())
    }

    /// How long the server has said nothing, by this computer's timers.
    pub fn quiet_for(&self) -> Duration {
        self.inner.get_ref().quiet_for()
    }

    /// Says goodbye, but does not wait long for an answer.
    pub async fn logout(mut self) {
        // Out of step: a goodbye would come in the middle of something.
        if !self.usable {
            return;
        }
        let goodbye = async {
            let _ = self.inner.run_command("LOGOUT").await;
            while let Ok(Some(response)) = self.inner.read_response().await {
                if matches!(response.parsed(), Response::Done { .. }) {
                    break;
                }
            }
        };
        let _ = timeout(Duration::from_secs(5), goodbye).await;
    }

    /// Runs a command to its tagged answer and hands every other response to `each`.
    pub(super) async fn command(
        &mut self,
        command: &str,
        during: During,
        allowance: Allowance,
        mut each: impl FnMut(&Response<'_>),
    ) -> Result<Done, Failure> {
        let asked = self.begin(command, allowance).await?;
        loop {
            match self.next(&asked, during, &mut each).await? {
                Step::Ended(done) => return Ok(done),
                Step::Consent | Step::Other(_) => {}
            }
        }
    }

    /// Runs a command to its tagged answer and hands every body of a mail that comes to `each`.
    pub(super) async fn command_for_bodies(
        &mut self,
        command: &str,
        allowance: Allowance,
        mut each: impl FnMut(Body),
    ) -> Result<Done, Failure> {
        let asked = self.begin(command, allowance).await?;
        loop {
            match self.next(&asked, During::Command, |_| {}).await? {
                Step::Ended(done) => return Ok(done),
                Step::Other(Some(body)) => each(body),
                Step::Consent | Step::Other(None) => {}
            }
        }
    }

    /// From now on the server has this long, and longer for what it brings.
    pub(super) fn bound(&self, time: Duration) -> Bound {
        Bound { since: Instant::now(), time, received: self.inner.get_ref().received() }
    }

    fn deadline(&self, bound: Bound) -> Instant {
        let brought = self.inner.get_ref().received() - bound.received;
        bound.since + bound.time + self.limits.time_for(brought)
    }

    /// Sends a command line.
    pub(super) async fn begin(&mut self, command: &str, allowance: Allowance) -> Result<Asked, Failure> {
        if !self.usable {
            return Err(Failure::new(FailureClass::ConnectionLost));
        }
        let tap = self.inner.get_mut();
        tap.allow(allowance);
        tap.forget();
        // Until the answer is complete the session is out of step; a caller who drops the future leaves it so.
        self.usable = false;
        let sent = timeout(self.limits.silence, self.inner.run_command(command)).await;
        match sent {
            Ok(Ok(tag)) => {
                self.usable = true;
                Ok(Asked { tag: tag.0, bound: self.bound(self.limits.command_timeout) })
            }
            Ok(Err(error)) => Err(Failure::new(FailureClass::ConnectionLost).detail(error.to_string())),
            Err(_) => Err(Failure::new(FailureClass::TimedOut)),
        }
    }

    /// The next response to a command. The end of the connection, silence, an answer without end, a refusal and what is not IMAP are
    /// failures.
    pub(super) async fn next(
        &mut self,
        asked: &Asked,
        during: During,
        mut each: impl FnMut(&Response<'_>),
    ) -> Result<Step, Failure> {
        self.usable = false;
        loop {
            let before = self.inner.get_ref().received();
            let now = Instant::now();
            let deadline = self.deadline(asked.bound);
            // Looked at before every response: a server that always has something more to say never falls silent.
            if now >= deadline {
                return Err(Failure::new(FailureClass::TimedOut).detail("the answer does not end"));
            }
            let silent_at = now + self.limits.silence;
            // The parser behind this slices a text by bytes and can panic on what a hostile server says.
            let reading = AssertUnwindSafe(self.inner.read_response()).catch_unwind();
            match timeout_at(silent_at.min(deadline), reading).await {
                Ok(Ok(Ok(Some(response)))) => {
                    return match self.take(response.parsed(), &asked.tag, during, &mut each)? {
                        Step::Other(_) => {
                            let place = Place::of_body(response.parsed(), response.borrow_owner());
                            // Only a mail's buffer outlives its answer.
                            Ok(Step::Other(place.map(|place| place.within(response.into_owner()))))
                        }
                        step => Ok(step),
                    };
                }
                Ok(Ok(Ok(None))) => return Err(Failure::new(FailureClass::ConnectionLost)),
                Ok(Ok(Err(error))) => return Err(self.unreadable(&error)),
                Ok(Err(_panic)) => return Err(self.unreadable(&std::io::Error::other("unreadable"))),
                // What came of a response until now stays in the session's buffer.
                Err(_) if Instant::now() >= silent_at && self.inner.get_ref().received() == before => {
                    return Err(Failure::new(FailureClass::TimedOut));
                }
                Err(_) => {}
            }
        }
    }

    /// One response: the command's end, the server's consent to go on, or something by the way, of which the end of the session and the
    /// number of mails are noted.
    pub(super) fn take(
        &mut self,
        response: &Response<'_>,
        tag: &str,
        during: During,
        mut each: impl FnMut(&Response<'_>),
    ) -> Result<Step, Failure> {
        self.usable = true;
        match response {
            Response::Done { tag: answered, status, outcome } if answered.0 == tag => {
                return ended(status, outcome, during).map(Step::Ended);
            }
            Response::Continue(_) => return Ok(Step::Consent),
            Response::Data { status: Status::Bye, outcome } => {
                self.usable = false;
                return Err(answers::bye(outcome.information.as_deref().unwrap_or_default()));
            }
            Response::MailboxData(MailboxDatum::Exists(count)) => {
                self.grew |= *count > self.exists;
                self.came += u64::from(count.saturating_sub(self.exists));
                self.exists = *count;
            }
            Response::Expunge(_) => self.exists = self.exists.saturating_sub(1),
            _ => {}
        }
        each(response);
        Ok(Step::Other(None))
    }

    pub(super) fn unreadable(&self, error: &std::io::Error) -> Failure {
        let tap = self.inner.get_ref();
        if let Some(refused) = tap.refused() {
            return Failure::new(FailureClass::ProtocolError).detail(refused.to_string());
        }
        if error.kind() != std::io::ErrorKind::Other {
            return Failure::new(FailureClass::ConnectionLost).detail(error.to_string());
        }
        // The line that was not understood is the last one that is no regular answer.
        let lines = tap.last_lines();
        let odd = lines.iter().rev().find(|l| !l.starts_with(['*', '+'])).or(lines.last());
        odd.map_or_else(|| Failure::new(FailureClass::ProtocolError), |line| answers::unparsable(line))
    }

    pub(super) fn give_up(&mut self) {
        self.usable = false;
    }
}

fn ended(status: &Status, outcome: &Outcome<'_>, during: During) -> Result<Done, Failure> {
    match status {
        Status::Ok => Ok(Done { code: code_of(outcome.code.as_ref()) }),
        Status::No | Status::Bad | Status::PreAuth | Status::Bye => {
            let text = outcome.information.as_deref().unwrap_or_default();
            let said = match &outcome.code {
                Some(ResponseCode::TryCreate) => format!("[TRYCREATE] {text}"),
                _ => text.to_owned(),
            };
            Err(answers::refused(during, &said))
        }
    }
}

fn code_of(code: Option<&ResponseCode<'_>>) -> Option<Code> {
    match code {
        Some(ResponseCode::UidValidity(value)) => Some(Code::UidValidity(*value)),
        Some(ResponseCode::UidNext(value)) => Some(Code::UidNext(*value)),
        _ => None,
    }
}

/// A quoted string (RFC 9051 §4.3); what cannot stand in one is refused here, so that no text can become a command.
pub(super) fn quoted(text: &str) -> Result<String, Failure> {
    if text.is_empty() || text.len() > 1_000 || !text.bytes().all(|b| (0x20..0x7f).contains(&b)) {
        return Err(Failure::new(FailureClass::FolderMissing).detail("the name cannot be sent to the server"));
    }
    Ok(format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")))
}
