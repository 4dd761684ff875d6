//! One SMTP session: the order of the commands (RFC 5321 §4.1.4) and everything before the data of a mail.

use std::ops::ControlFlow;
use std::sync::Arc;

use chrono::DateTime;
use tokio::net::TcpStream;

use super::wire::Wire;
use super::{HOST, Planned, SEND_AS_DENIED, planned};
use crate::config::UnknownRecipients;
use crate::directory::TenantUser;
use crate::entra::access::MailAccess;
use crate::faults::{SmtpFault, SmtpPoint};
use crate::journal::Event;
use crate::state::{Place, Server, State};
use crate::tls::TlsFault;

/// Whether the session goes on.
pub(super) type Flow = std::io::Result<ControlFlow<()>>;
pub(super) const ON: Flow = Ok(ControlFlow::Continue(()));
pub(super) const OVER: Flow = Ok(ControlFlow::Break(()));

/// 150 MB, announced to everybody.
pub(super) const LARGEST_MAIL: usize = 157_286_400;
/// Recipients of one message, by default.
const MOST_RECIPIENTS: usize = 500;

pub(super) struct Session {
    pub(super) state: Arc<State>,
    pub(super) wire: Wire,
    pub(super) encrypted: bool,
    offers_no_tls: bool,
    greeted: bool,
    pub(super) access: Option<MailAccess>,
    /// Counts against the mailbox's three connections as long as it is held.
    pub(super) place: Option<Place>,
    /// Held while a mail is handed over.
    pub(super) handing: Option<Place>,
    pub(super) from: Option<String>,
    pub(super) recipients: Vec<String>,
    /// Chunks of BDAT so far.
    pub(super) chunks: Vec<u8>,
}

impl Session {
    pub(super) fn new(state: Arc<State>, stream: TcpStream) -> Self {
        Self {
            state,
            wire: Wire::new(stream),
            encrypted: false,
            offers_no_tls: false,
            greeted: false,
            access: None,
            place: None,
            handing: None,
            from: None,
            recipients: Vec::new(),
            chunks: Vec::new(),
        }
    }

    pub(super) fn user(&self) -> Option<&str> {
        self.access.as_ref().map(|access| access.user.address.as_str())
    }

    /// The signed-in account as it is now: what an administrator changes holds from the next command on.
    pub(super) fn account(&self) -> Option<TenantUser> {
        let user = &self.access.as_ref()?.user;
        Some(self.state.directory().user_by_id(&user.tid, &user.oid).unwrap_or(user).clone())
    }

    pub(super) fn take<T>(&self, pick: impl Fn(&SmtpFault) -> Option<T>) -> Option<T> {
        self.state.faults.take_smtp(self.user(), pick)
    }

    pub(super) async fn reply(&mut self, text: &str) -> Flow {
        self.wire.reply(text).await?;
        ON
    }

    /// A half-open connection: silence until the sandbox ends or cuts its connections.
    pub(super) async fn stall(&mut self) -> Flow {
        self.state.ended.cancelled().await;
        OVER
    }

    /// Shows the fault that is due at this moment, if there is one.
    pub(super) async fn fault_at(&mut self, point: SmtpPoint) -> std::io::Result<Option<ControlFlow<()>>> {
        Ok(match planned(&self.state, self.user(), point) {
            None => None,
            Some(Planned::Answer(reply)) => {
                self.wire.reply(&reply).await?;
                // RFC 5321 §3.8: with 421 the server closes.
                let closes = reply.starts_with("421") || point == SmtpPoint::Connect;
                Some(if closes { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
            }
            Some(Planned::Close) => Some(ControlFlow::Break(())),
            Some(Planned::Stall) => Some(self.stall().await?),
        })
    }

    pub(super) async fn run(mut self) -> std::io::Result<()> {
        if self.fault_at(SmtpPoint::Connect).await?.is_none() {
            let now = DateTime::from_timestamp(self.state.clock.now(), 0).unwrap_or_default().to_rfc2822();
            self.wire.reply(&format!("220 {HOST} Microsoft ESMTP MAIL Service ready at {now}")).await?;
            while let Some(line) = self.wire.line().await? {
                if !self.encrypted {
                    self.state.journal.note(Event::HeardInTheClear { bytes: line.clone().into_bytes() });
                }
                if self.command(&line).await?.is_break() {
                    break;
                }
            }
        }
        if self.take(|fault| (*fault == SmtpFault::NoCloseNotify).then_some(())).is_none() {
            self.wire.close().await;
        }
        Ok(())
    }

    async fn command(&mut self, line: &str) -> Flow {
        let too_long = |fault: &SmtpFault| match fault {
            SmtpFault::LineLimit(limit) if line.len() > *limit => Some(()),
            _ => None,
        };
        if self.take(too_long).is_some() {
            return self.reply("500 5.5.2 Error: line too long").await;
        }
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        let rest = rest.trim();
        match verb.to_ascii_uppercase().as_str() {
            "EHLO" => self.ehlo().await,
            "HELO" => {
                self.greeted = true;
                self.reply(&format!("250 {HOST} Hello [127.0.0.1]")).await
            }
            "STARTTLS" => self.start_tls().await,
            "AUTH" => self.auth(rest).await,
            "MAIL" => self.mail(rest).await,
            "RCPT" => self.rcpt(rest).await,
            "DATA" => self.data().await,
            "BDAT" => self.bdat(rest).await,
            "RSET" => {
                if let Some(flow) = self.fault_at(SmtpPoint::Rset).await? {
                    return Ok(flow);
                }
                self.reset();
                self.reply("250 2.0.0 Resetting").await
            }
            "NOOP" => self.reply("250 2.0.0 OK").await,
            "VRFY" => self.reply("252 2.1.5 Cannot VRFY user").await,
            "QUIT" => {
                let user = self.user().map(str::to_owned);
                self.state.journal.note(Event::SmtpQuit { user });
                // Whoever reads the answer may open another connection at once.
                (self.place, self.handing) = (None, None);
                self.wire.reply("221 2.0.0 Service closing transmission channel").await?;
                OVER
            }
            _ => self.reply("500 5.3.3 Unrecognized command").await,
        }
    }

    pub(super) fn reset(&mut self) {
        self.handing = None;
        self.from = None;
        self.recipients.clear();
        self.chunks.clear();
    }

    async fn ehlo(&mut self) -> Flow {
        if let Some(flow) = self.fault_at(SmtpPoint::Ehlo).await? {
            return Ok(flow);
        }
        self.greeted = true;
        self.reset();
        let mut lines = vec![
            format!("{HOST} Hello [127.0.0.1]"),
            format!("SIZE {LARGEST_MAIL}"),
            "PIPELINING".into(),
            "DSN".into(),
            "ENHANCEDSTATUSCODES".into(),
        ];
        if self.encrypted {
            let without = self.take(|fault| (*fault == SmtpFault::NoXoauth2).then_some(())).is_some();
            lines.push(if without { "AUTH LOGIN".into() } else { "AUTH LOGIN XOAUTH2".into() });
        } else if self.take(|fault| (*fault == SmtpFault::NoStartTls).then_some(())).is_none() {
            lines.push("STARTTLS".into());
        } else {
            self.offers_no_tls = true;
        }
        lines.extend(["8BITMIME", "BINARYMIME", "CHUNKING", "SMTPUTF8"].map(String::from));
        let last = lines.len() - 1;
        let text: Vec<String> = lines
            .iter()
            .enumerate()
            .map(|(at, line)| format!("250{}{line}", if at == last { ' ' } else { '-' }))
            .collect();
        self.reply(&text.join("\r\n")).await
    }

    async fn start_tls(&mut self) -> Flow {
        if let Some(flow) = self.fault_at(SmtpPoint::StartTls).await? {
            return Ok(flow);
        }
        if self.encrypted {
            return self.reply("503 5.5.1 TLS is already active").await;
        }
        if self.offers_no_tls {
            return self.reply("500 5.3.3 Unrecognized command").await;
        }
        let fault = self.take(|fault| if let SmtpFault::Tls(fault) = fault { Some(*fault) } else { None });
        self.wire.reply("220 2.0.0 SMTP server ready").await?;
        match fault {
            Some(TlsFault::CutHandshake) => return OVER,
            Some(TlsFault::Plaintext) => return self.in_the_clear().await,
            Some(TlsFault::ExpiredCertificate | TlsFault::OtherHost | TlsFault::SelfSigned) | None => {}
        }
        self.wire.encrypt(fault).await?;
        // What was learnt in clear is forgotten (RFC 3207 §4.2).
        self.encrypted = true;
        self.greeted = false;
        self.reset();
        ON
    }

    /// Says that it begins TLS, and does not. What comes now need not be lines: it is noted as it came.
    async fn in_the_clear(&mut self) -> Flow {
        self.wire.reply("250 2.0.0 OK").await?;
        while let Some(bytes) = self.wire.whatever_came().await? {
            self.state.journal.note(Event::HeardInTheClear { bytes });
            self.wire.reply("500 5.3.3 Unrecognized command").await?;
        }
        OVER
    }

    async fn mail(&mut self, rest: &str) -> Flow {
        if let Some(flow) = self.fault_at(SmtpPoint::MailFrom).await? {
            return Ok(flow);
        }
        if !self.greeted {
            return self.reply("503 5.5.2 Send hello first").await;
        }
        if !self.encrypted {
            return self.reply(&format!("451 5.7.3 STARTTLS is required to send mail [{HOST}]")).await;
        }
        let Some(account) = self.account() else {
            return self.reply(&format!("530 5.7.57 Client not authenticated to send mail. [{HOST}]")).await;
        };
        if self.from.is_some() {
            return self.reply("503 5.5.2 Sender already specified").await;
        }
        let Some((address, parameters)) = path(rest, "FROM:") else {
            return self.reply("501 5.5.4 Invalid arguments").await;
        };
        let size = parameters
            .split_whitespace()
            .find_map(|word| word.to_ascii_uppercase().strip_prefix("SIZE=")?.parse().ok());
        if size.is_some_and(|size: usize| size > LARGEST_MAIL) {
            return self.reply("552 5.3.4 Message size exceeds fixed maximum message size").await;
        }
        if !account.judges_sender_after_data && !account.may_send_as(&address) {
            return self.reply(SEND_AS_DENIED).await;
        }
        self.handing = self.state.take_place(Server::Handing, &account.address, usize::MAX);
        self.from = Some(address);
        self.reply("250 2.1.0 Sender OK").await
    }

    async fn rcpt(&mut self, rest: &str) -> Flow {
        if let Some(flow) = self.fault_at(SmtpPoint::Rcpt).await? {
            return Ok(flow);
        }
        if self.from.is_none() {
            return self.reply("503 5.5.2 Need mail command").await;
        }
        let Some((address, _)) = path(rest, "TO:").filter(|(address, _)| address.contains('@')) else {
            return self.reply("501 5.1.3 Invalid address").await;
        };
        if self.recipients.len() >= MOST_RECIPIENTS {
            return self.reply("452 4.5.3 Too many recipients").await;
        }
        let refusal = self.take(|fault| match fault {
            SmtpFault::RefuseRecipient { address: refused, reply } if refused.eq_ignore_ascii_case(&address) => {
                Some(reply.clone())
            }
            _ => None,
        });
        if let Some(reply) = refusal {
            return self.reply(&reply).await;
        }
        if self.state.config.unknown_recipients == UnknownRecipients::Refuse && !self.state.is_known(&address) {
            return self
                .reply("550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP address lookup")
                .await;
        }
        self.recipients.push(address);
        self.reply("250 2.1.5 Recipient OK").await
    }
}

/// `FROM:<address> PARAMETERS`.
fn path(rest: &str, keyword: &str) -> Option<(String, String)> {
    let head = rest.get(..keyword.len())?;
    if !head.eq_ignore_ascii_case(keyword) {
        return None;
    }
    let inner = rest[keyword.len()..].trim_start().strip_prefix('<')?;
    let (address, parameters) = inner.split_once('>')?;
    Some((address.to_owned(), parameters.trim().to_owned()))
}
