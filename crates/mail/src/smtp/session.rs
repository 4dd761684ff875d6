//! From nothing to a session that may send: greeting, EHLO, STARTTLS where asked, AUTH XOAUTH2 in two steps.

use super::answers::{self, During};
use super::conversation::{Conversation, Reply, Wire};
use super::{SmtpLogin, Timeouts};
use base64::Engine;
use domain::{EmailAddress, Failure, FailureClass};
use lettre::transport::smtp::commands::{Ehlo, Quit, Rset, Starttls};
use lettre::transport::smtp::extension::ClientId;
use net::{Connector, Endpoint, Slot, TlsMode};
use std::net::Ipv4Addr;
use std::time::Duration;

#[derive(Debug)]
pub struct Session {
    pub(super) conversation: Conversation<Box<dyn Wire>>,
    pub(super) timeouts: Timeouts,
    extensions: Vec<String>,
    pub(super) usable: bool,
    slot: Slot,
}

impl Session {
    pub async fn open(connector: &Connector, login: &SmtpLogin) -> Result<Self, Failure> {
        Self::open_with(connector, login, Timeouts::default()).await
    }

    pub async fn open_with(connector: &Connector, login: &SmtpLogin, timeouts: Timeouts) -> Result<Self, Failure> {
        // A literal that tells nothing about our network, as Thunderbird does.
        let me = ClientId::Ipv4(Ipv4Addr::LOCALHOST);
        let mut session = Self::greeted(connector, &login.endpoint, &me, timeouts).await?;
        connector.step("auth", session.sign_in(login)).await?;
        Ok(session)
    }

    /// Whether the server can be reached, is who it says, and greets. Nobody signs in.
    pub async fn reach(connector: &Connector, endpoint: &Endpoint, timeouts: Timeouts) -> Result<(), Failure> {
        let me = ClientId::Ipv4(Ipv4Addr::LOCALHOST);
        Self::greeted(connector, endpoint, &me, timeouts).await?.quit().await;
        Ok(())
    }

    /// Connected and secured as the endpoint says; nobody has signed in.
    pub(super) async fn greeted(
        connector: &Connector,
        endpoint: &Endpoint,
        me: &ClientId,
        timeouts: Timeouts,
    ) -> Result<Self, Failure> {
        let slot = connector.slot_in_time(endpoint).await?;
        let stream: Box<dyn Wire> = match endpoint.tls {
            TlsMode::Implicit => Box::new(connector.tls(endpoint).await?),
            TlsMode::None => Box::new(connector.tcp(endpoint).await?),
            TlsMode::StartTls => Box::new(secured(connector, endpoint, me, timeouts).await?),
        };
        let mut session =
            Self { conversation: Conversation::over(stream), timeouts, extensions: Vec::new(), usable: true, slot };
        if endpoint.tls != TlsMode::StartTls {
            // After STARTTLS there is no second greeting.
            let greeting = async { positive(session.conversation.reply(timeouts.command).await?, During::Greeting) };
            connector.step("greeting", greeting).await?;
        }
        session.extensions = ehlo(&mut session.conversation, me, timeouts.command).await?;
        Ok(session)
    }

    /// Whether the server offers this extension.
    pub(super) fn offers(&self, keyword: &str) -> bool {
        self.extension(keyword).is_some()
    }

    /// The parameters of an extension that the server offers.
    pub(super) fn extension(&self, keyword: &str) -> Option<&str> {
        self.extensions.iter().find_map(|line| {
            let (name, parameters) = line.split_once([' ', '=']).unwrap_or((line, ""));
            name.eq_ignore_ascii_case(keyword).then_some(parameters)
        })
    }

    /// AUTH XOAUTH2, the server's 334, then the token: the token of a real account makes the AUTH line longer than Postfix takes (2048
    /// bytes). A second 334 carries the reason of the refusal and wants an empty line.
    async fn sign_in(&mut self, login: &SmtpLogin) -> Result<(), Failure> {
        let limit = self.timeouts.command;
        let mut reply = self.conversation.ask("AUTH XOAUTH2\r\n", limit).await?;
        if reply.code == 334 {
            let answer = base64::engine::general_purpose::STANDARD.encode(crate::xoauth2(&login.user, &login.token));
            reply = self.conversation.ask(format!("{answer}\r\n"), limit).await?;
        }
        if reply.code == 334 {
            reply = self.conversation.ask("\r\n", limit).await?;
        }
        match reply.code {
            235 => Ok(()),
            200..400 => Err(Failure::new(FailureClass::ProtocolError).said(reply.said())),
            _ => Err(answers::refused(During::Authenticate, reply.code, &reply.text())),
        }
    }

    /// Whether the server takes mail from this address, as far as it says so before it has seen the mail.
    pub async fn may_send_as(&mut self, from: &EmailAddress) -> Result<(), Failure> {
        let address = crate::compose::address::wire_address(from).ok_or_else(|| {
            Failure::new(FailureClass::MessageUnbuildable).detail("the sender's address cannot be sent")
        })?;
        let reply = self.conversation.ask(format!("MAIL FROM:<{address}>\r\n"), self.timeouts.command).await?;
        positive(reply, During::Mail)?;
        // Postfix judges the sender when it hears a recipient; without DATA nothing is sent to anybody.
        let reply = self.conversation.ask(format!("RCPT TO:<{address}>\r\n"), self.timeouts.command).await?;
        if let Err(failure) = positive(reply, During::Recipient)
            && answers::concerns_all(failure.class)
        {
            return Err(failure);
        }
        self.conversation.ask(Rset, self.timeouts.command).await.map(drop)
    }

    /// The connection's slot at its host.
    pub fn slot(&self) -> &Slot {
        &self.slot
    }

    /// It may be used for another mail.
    pub fn is_usable(&self) -> bool {
        self.usable
    }

    /// Whether the server is still there, and ready for another mail: asked of a session that was kept for a while, before a mail is risked on it.
    /// One that says goodbye instead is not.
    pub async fn is_ready(&mut self, within: Duration) -> bool {
        // Whoever drops this leaves the conversation out of step.
        if std::mem::take(&mut self.usable) {
            self.usable = self.conversation.ask(Rset, within).await.is_ok_and(|reply| reply.is_positive());
        }
        self.usable
    }

    /// Says goodbye, but does not wait long for an answer.
    pub async fn quit(mut self) {
        if self.usable {
            let _ = self.conversation.ask(Quit, Duration::from_secs(5)).await;
        }
    }
}

/// Greeting, EHLO and STARTTLS in the clear, then the same connection with TLS.
async fn secured(
    connector: &Connector,
    endpoint: &Endpoint,
    me: &ClientId,
    timeouts: Timeouts,
) -> Result<net::TlsStream, Failure> {
    let mut conversation = Conversation::over(connector.tcp(endpoint).await?);
    let greeting = async {
        positive(conversation.reply(timeouts.command).await?, During::Greeting)?;
        ehlo(&mut conversation, me, timeouts.command).await
    };
    connector.step("greeting", greeting).await?;
    let secured = connector.step("tls", start_tls(connector, endpoint, conversation, timeouts)).await?;
    connector.found_of_tls(&secured);
    Ok(secured)
}

async fn start_tls(
    connector: &Connector,
    endpoint: &Endpoint,
    mut conversation: Conversation<net::TcpStream>,
    timeouts: Timeouts,
) -> Result<net::TlsStream, Failure> {
    let reply = conversation.ask(Starttls, timeouts.command).await?;
    if !reply.is_positive() && reply.code != 421 {
        // 454 (RFC 3207), 500, 502: whatever the reason, there is no TLS, and without it nothing more is said.
        return Err(Failure::new(FailureClass::TlsUnavailable).said(reply.said()));
    }
    positive(reply, During::Greeting)?;
    let out_of_turn = || Failure::new(FailureClass::TlsUnavailable).detail("the server spoke out of turn before TLS");
    let plain = conversation.into_stream().ok_or_else(out_of_turn)?;
    Ok(connector.upgrade(&endpoint.host, plain).await?)
}

async fn ehlo<S: Wire>(
    conversation: &mut Conversation<S>,
    me: &ClientId,
    limit: Duration,
) -> Result<Vec<String>, Failure> {
    let reply = positive(conversation.ask(Ehlo::new(me.clone()), limit).await?, During::Greeting)?;
    Ok(reply.lines.into_iter().skip(1).collect())
}

pub(super) fn positive(reply: Reply, during: During) -> Result<Reply, Failure> {
    if reply.is_positive() { Ok(reply) } else { Err(answers::refused(during, reply.code, &reply.text())) }
}
