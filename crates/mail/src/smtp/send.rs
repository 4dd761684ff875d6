//! One mail: MAIL, RCPT for each recipient, DATA, and the one moment after which nobody knows until the server answers.

use super::answers::{self, During};
use super::session::Session;
use super::{Envelope, NotAddressed, SendOutcome};
use crate::compose::address::wire_address;
use domain::message::RefusedRecipient;
use domain::{Failure, FailureClass, Retry};
use lettre::transport::smtp::commands::{Data, Rset};
use std::borrow::Cow;

/// The mail is written in pieces of this size, each under its own timeout.
const BLOCK_BYTES: usize = 64 * 1024;

/// The server took the sender and some of the recipients, and has heard nothing of the mail yet. Dropped, it never will: the session is
/// used up then.
#[derive(Debug)]
pub struct Addressed<'s> {
    session: &'s mut Session,
    mail: Vec<u8>,
    refused: Vec<RefusedRecipient>,
}

/// The server has everything of the mail but its end. Dropped, it never takes it: the session is used up then.
#[derive(Debug)]
pub struct Written<'s> {
    session: &'s mut Session,
}

impl Session {
    /// MAIL, and RCPT for each recipient: each is taken or refused by itself. After a refusal the session may be used for the next mail
    /// ([`Session::is_usable`]).
    pub async fn address(&mut self, envelope: &Envelope, mail: &[u8]) -> Result<Addressed<'_>, NotAddressed> {
        if !self.usable {
            return Err(NotAddressed {
                failure: FailureClass::ConnectionLost.into(),
                refused: Vec::new(),
                named: false,
            });
        }
        // Whoever drops this future, or what it makes, leaves the conversation out of step.
        self.usable = false;
        let mail = crlf_lines(mail);
        let (mut refused, mut named) = (Vec::new(), false);
        match self.name_recipients(envelope, &mail, &mut refused, &mut named).await {
            Ok(()) => Ok(Addressed { mail: stuffed(&mail), refused, session: self }),
            Err(failure) => {
                self.recover(&failure).await;
                Err(NotAddressed { failure, refused, named })
            }
        }
    }

    async fn name_recipients(
        &mut self,
        envelope: &Envelope,
        mail: &[u8],
        refused: &mut Vec<RefusedRecipient>,
        named: &mut bool,
    ) -> Result<(), Failure> {
        let limit = self.timeouts.command;
        let unsendable =
            || Failure::new(FailureClass::MessageUnbuildable).detail("the sender's address cannot be sent");
        let from = wire_address(&envelope.from).ok_or_else(unsendable)?;
        let mut recipients = Vec::new();
        for to in &envelope.to {
            match wire_address(to) {
                Some(address) => recipients.push((to, address)),
                None => {
                    let failure = Failure::new(FailureClass::RecipientRefused).said("not an address");
                    refused.push(RefusedRecipient::new(to, &failure));
                }
            }
        }
        let parameters = self.mail_parameters(&from, &recipients, mail)?;
        let reply = self.conversation.ask(format!("MAIL FROM:<{from}>{parameters}\r\n"), limit).await?;
        if !reply.is_positive() {
            return Err(answers::refused(During::Mail, reply.code, &reply.text()));
        }
        let mut taken = 0;
        let mut reason: Option<Failure> = None;
        for (to, address) in recipients {
            *named = true;
            let reply = self.conversation.ask(format!("RCPT TO:<{address}>\r\n"), limit).await?;
            if reply.is_positive() {
                taken += 1;
                continue;
            }
            let failure = answers::refused(During::Recipient, reply.code, &reply.text());
            // What is not about this recipient (Postfix judges the sender only here) concerns them all: nobody gets the mail now.
            if reply.code == 421 || answers::concerns_all(failure.class) {
                refused.clear();
                return Err(failure);
            }
            let refusal = RefusedRecipient::new(to, &failure);
            // When nobody is taken, one who was only put off decides that there is a next time.
            if reason.as_ref().is_none_or(|known| known.class.retry() == Retry::Never && !refusal.is_final()) {
                reason = Some(failure);
            }
            refused.push(refusal);
        }
        if taken > 0 { Ok(()) } else { Err(reason.unwrap_or_else(|| FailureClass::NoRecipients.into())) }
    }
}

impl<'s> Addressed<'s> {
    /// Who does not get it, for good or for now.
    pub fn refused(&self) -> &[RefusedRecipient] {
        &self.refused
    }

    /// DATA, the mail, and the server's answer.
    pub async fn hand_over(self) -> SendOutcome {
        match self.write().await {
            Ok(written) => written.end().await,
            Err(failure) => SendOutcome::Rejected { failure },
        }
    }

    /// DATA and the mail, all but its end: a mail without it is never taken, whether this fails, is dropped, or what it makes is.
    pub async fn write(self) -> Result<Written<'s>, Failure> {
        let Self { session, mail, refused: _ } = self;
        if let Err(failure) = session.begin_data().await {
            session.recover(&failure).await;
            return Err(failure);
        }
        for block in mail.chunks(BLOCK_BYTES) {
            if let Err(failure) = session.conversation.write(block, session.timeouts.block).await {
                return Err(session.parting_words(failure).await);
            }
        }
        Ok(Written { session })
    }
}

impl Written<'_> {
    /// The final dot, and the server's answer. From its first byte on, a lost connection says nothing about the mail: whoever drops this knows
    /// as little.
    pub async fn end(self) -> SendOutcome {
        let Self { session } = self;
        if let Err(failure) = session.conversation.write(b".\r\n", session.timeouts.block).await {
            return SendOutcome::Unknown { failure: unknown(&failure) };
        }
        match session.conversation.reply(session.timeouts.acceptance).await {
            Err(failure) => SendOutcome::Unknown { failure: unknown(&failure) },
            Ok(reply) if reply.is_positive() => {
                session.usable = true;
                let rewritten_message_id = answers::rewritten_message_id(&reply.text());
                SendOutcome::Accepted { reply: reply.text(), rewritten_message_id }
            }
            // Neither taken nor refused (RFC 5321 §4.2.1: 3xx asks for more, and there is no more): nobody knows.
            Ok(reply) if reply.code < 400 => {
                let odd = Failure::new(FailureClass::ProtocolError).said(reply.said());
                SendOutcome::Unknown { failure: unknown(&odd) }
            }
            Ok(reply) => {
                session.usable = reply.code != 421;
                let failure = answers::refused(During::Content, reply.code, &reply.text());
                match failure.class {
                    // An earlier attempt of ours went through.
                    FailureClass::AlreadySent => SendOutcome::Duplicate { reply: reply.text() },
                    _ => SendOutcome::Rejected { failure },
                }
            }
        }
    }
}

impl Session {
    async fn begin_data(&mut self) -> Result<(), Failure> {
        let reply = self.conversation.ask(Data, self.timeouts.command).await?;
        match reply.code {
            354 => Ok(()),
            code if reply.is_positive() => {
                Err(Failure::new(FailureClass::ProtocolError).said(format!("{code} {}", reply.text())))
            }
            code => Err(answers::refused(During::Content, code, &reply.text())),
        }
    }

    /// SIZE, BODY and SMTPUTF8 as far as the server knows them and the mail needs them.
    fn mail_parameters(
        &self,
        from: &str,
        recipients: &[(&domain::EmailAddress, String)],
        mail: &[u8],
    ) -> Result<String, Failure> {
        let mut parameters = String::new();
        if let Some(limit) = self.extension("SIZE") {
            let limit = limit.trim().parse::<usize>().ok().filter(|l| *l > 0);
            if limit.is_some_and(|limit| mail.len() > limit) {
                let detail =
                    format!("the mail has {} bytes, the server takes {}", mail.len(), limit.unwrap_or_default());
                return Err(Failure::new(FailureClass::MessageTooLarge).detail(detail));
            }
            parameters.push_str(&format!(" SIZE={}", mail.len()));
        }
        let headers_end = mail.windows(4).position(|w| w == b"\r\n\r\n").unwrap_or(mail.len());
        let international =
            !from.is_ascii() || recipients.iter().any(|(_, to)| !to.is_ascii()) || !mail[..headers_end].is_ascii();
        if international {
            if !self.offers("SMTPUTF8") {
                let detail = "the server does not take addresses with such characters";
                return Err(Failure::new(FailureClass::RecipientRefused).detail(detail));
            }
            parameters.push_str(" SMTPUTF8");
        }
        if !mail.is_ascii() && self.offers("8BITMIME") {
            parameters.push_str(" BODY=8BITMIME");
        }
        Ok(parameters)
    }

    /// After a refusal: the transaction is reset so that another mail can follow; after anything else the session is over.
    async fn recover(&mut self, failure: &Failure) {
        let lost = matches!(
            failure.class,
            FailureClass::ConnectionLost | FailureClass::TimedOut | FailureClass::ProtocolError
        );
        let closing = failure.server_said.as_deref().is_some_and(|said| said.starts_with("421"));
        if !lost && !closing {
            let reset = self.conversation.ask(Rset, self.timeouts.command).await;
            self.usable = reset.is_ok_and(|reply| reply.is_positive());
        }
    }

    /// A server that closes in the middle of a mail may have said why.
    async fn parting_words(&mut self, failure: Failure) -> Failure {
        if failure.class != FailureClass::ConnectionLost {
            return failure;
        }
        match self.conversation.reply(std::time::Duration::from_secs(1)).await {
            Ok(reply) if !reply.is_positive() => answers::refused(During::Content, reply.code, &reply.text()),
            _ => failure,
        }
    }
}

fn unknown(cause: &Failure) -> Failure {
    let what = match cause.class {
        FailureClass::TimedOut => "no answer to the final dot in time",
        FailureClass::ProtocolError => "the answer to the final dot says neither yes nor no",
        _ => "the connection was lost after the final dot",
    };
    let mut failure = Failure::new(FailureClass::OutcomeUnknown).detail(what);
    failure.server_said.clone_from(&cause.server_said);
    failure
}

/// CRLF line ends only, and one at the end: a bare line feed is refused by Exchange (5.6.11) and is a way to smuggle a second mail past
/// servers that read it differently (CVE-2023-51764 and its like).
pub(crate) fn crlf_lines(mail: &[u8]) -> Cow<'_, [u8]> {
    let clean = mail.ends_with(b"\r\n")
        && mail.iter().enumerate().all(|(at, byte)| match byte {
            b'\n' => at > 0 && mail[at - 1] == b'\r',
            b'\r' => mail.get(at + 1) == Some(&b'\n'),
            _ => true,
        });
    if clean {
        return Cow::Borrowed(mail);
    }
    let mut out = Vec::with_capacity(mail.len() + mail.len() / 40 + 2);
    let mut bytes = mail.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\r' => {
                bytes.next_if_eq(&b'\n');
                out.extend_from_slice(b"\r\n");
            }
            b'\n' => out.extend_from_slice(b"\r\n"),
            other => out.push(other),
        }
    }
    if !out.ends_with(b"\r\n") {
        out.extend_from_slice(b"\r\n");
    }
    Cow::Owned(out)
}

/// RFC 5321 §4.5.2: a line that begins with a dot gets another one.
fn stuffed(mail: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(mail.len() + 64);
    let mut at_line_start = true;
    for byte in mail {
        if at_line_start && *byte == b'.' {
            out.push(b'.');
        }
        out.push(*byte);
        at_line_start = *byte == b'\n';
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_ends_are_made_right_and_dots_are_doubled() {
        assert_eq!(crlf_lines(b"a\nb\rc\r\nd").as_ref(), b"a\r\nb\r\nc\r\nd\r\n");
        assert!(matches!(crlf_lines(b"a\r\nb\r\n"), Cow::Borrowed(_)));
        assert_eq!(stuffed(b".\r\na.b\r\n..\r\n"), b"..\r\na.b\r\n...\r\n");
        // A smuggled end of data is only text.
        assert_eq!(stuffed(&crlf_lines(b"a\n.\nMAIL FROM:<x>\r.\r")), b"a\r\n..\r\nMAIL FROM:<x>\r\n..\r\n");
    }
}
