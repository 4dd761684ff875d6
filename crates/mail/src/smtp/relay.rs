//! The server that takes the installation's own mails: with a password, or from this machine with none.
//!
//! A password is said over verified TLS or not at all.

use super::answers::{self, During};
use super::session::Session;
use super::{Envelope, SendOutcome, Timeouts};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use domain::{Failure, FailureClass, Secret};
use lettre::transport::smtp::extension::ClientId;
use net::{Connector, Endpoint, TlsMode};
use std::net::Ipv4Addr;

#[derive(Clone, Debug)]
pub struct Relay {
    pub endpoint: Endpoint,
    /// What we call ourselves in EHLO; some servers want a name.
    pub hello: Option<String>,
    pub password: Option<Password>,
}

#[derive(Clone, Debug)]
pub struct Password {
    pub user: String,
    pub password: Secret,
    /// `None`: whichever the server offers.
    pub mechanism: Option<Mechanism>,
}

/// How a password is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mechanism {
    Plain,
    Login,
}

impl Relay {
    /// Signs in, and says goodbye.
    pub async fn probe(&self, connector: &Connector) -> Result<(), Failure> {
        self.open(connector).await?.quit().await;
        Ok(())
    }

    /// Hands one mail over. What is not known to be taken may be handed over again: it is a notice, and two are no harm.
    pub async fn send(&self, connector: &Connector, envelope: &Envelope, mail: &[u8]) -> Result<(), Failure> {
        let mut session = self.open(connector).await?;
        let outcome = match session.address(envelope, mail).await {
            Ok(addressed) => addressed.hand_over().await,
            Err(not) => SendOutcome::Rejected { failure: not.failure },
        };
        session.quit().await;
        match outcome {
            SendOutcome::Accepted { .. } | SendOutcome::Duplicate { .. } => Ok(()),
            SendOutcome::Rejected { failure } | SendOutcome::Unknown { failure } => Err(failure),
        }
    }

    async fn open(&self, connector: &Connector) -> Result<Session, Failure> {
        let me = self.hello.clone().map_or(ClientId::Ipv4(Ipv4Addr::LOCALHOST), ClientId::Domain);
        let mut session = Session::greeted(connector, &self.endpoint, &me, Timeouts::default()).await?;
        if let Some(password) = &self.password {
            if self.endpoint.tls == TlsMode::None {
                let said = "a password is said over TLS only";
                return Err(Failure::new(FailureClass::TlsUnavailable).detail(said));
            }
            session.sign_in_with(password).await?;
        }
        Ok(session)
    }
}

impl Session {
    async fn sign_in_with(&mut self, password: &Password) -> Result<(), Failure> {
        let limit = self.timeouts.command;
        let offered = self.extension("AUTH").unwrap_or_default().to_ascii_uppercase();
        let offers = |name: &str| offered.split_whitespace().any(|word| word == name);
        let default = if offers("LOGIN") && !offers("PLAIN") { Mechanism::Login } else { Mechanism::Plain };
        let (first, answers) = match password.mechanism.unwrap_or(default) {
            Mechanism::Plain => {
                let both = format!("\0{}\0{}", password.user, password.password.expose());
                ("AUTH PLAIN\r\n", vec![both])
            }
            Mechanism::Login => ("AUTH LOGIN\r\n", vec![password.user.clone(), password.password.expose().to_owned()]),
        };
        let mut reply = self.conversation.ask(first, limit).await?;
        for answer in answers {
            if reply.code != 334 {
                break;
            }
            reply = self.conversation.ask(format!("{}\r\n", STANDARD.encode(answer)), limit).await?;
        }
        match reply.code {
            235 => Ok(()),
            200..400 => Err(Failure::new(FailureClass::ProtocolError).said(reply.said())),
            _ => Err(answers::refused(During::Authenticate, reply.code, &reply.text())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use net::ConnectorConfig;
    use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
    use tokio::net::TcpListener;

    /// A server that says these lines in turn, each but the first after it has heard one; what it heard.
    async fn server(says: Vec<String>) -> (Endpoint, tokio::task::JoinHandle<Vec<String>>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("bound").port();
        let heard = tokio::spawn(async move {
            let mut stream = BufReader::new(listener.accept().await.expect("a connection").0);
            let mut heard = Vec::new();
            for (at, line) in says.iter().enumerate() {
                if at > 0 {
                    let mut text = String::new();
                    stream.read_line(&mut text).await.expect("a line");
                    heard.push(text.trim_end().to_owned());
                }
                stream.get_mut().write_all(format!("{line}\r\n").as_bytes()).await.expect("the client listens");
            }
            heard
        });
        (Endpoint::new("127.0.0.1", port, TlsMode::None), heard)
    }

    fn password(mechanism: Option<Mechanism>) -> Password {
        Password { user: "desk".to_owned(), password: Secret::new("pässword"), mechanism }
    }

    /// As over TLS: how a password is said, whatever it is said through.
    async fn said(offers: &str, mechanism: Option<Mechanism>, answers: &[&str]) -> (Result<(), Failure>, Vec<String>) {
        let mut says = vec!["220 hello".to_owned(), format!("250-hello\r\n250 AUTH {offers}")];
        says.extend(answers.iter().map(|answer| (*answer).to_owned()));
        let (endpoint, heard) = server(says).await;
        let connector = Connector::new(ConnectorConfig::default()).expect("a connector");
        let me = ClientId::Domain("desk.example".to_owned());
        let mut session = Session::greeted(&connector, &endpoint, &me, Timeouts::default()).await.expect("it greets");
        let signed_in = session.sign_in_with(&password(mechanism)).await;
        (signed_in, heard.await.expect("it played"))
    }

    #[tokio::test]
    async fn a_password_is_said_in_the_way_that_the_server_offers() {
        let both = STANDARD.encode("\0desk\0pässword");
        let (signed_in, heard) = said("LOGIN PLAIN", None, &["334 ", "235 2.7.0 welcome"]).await;
        signed_in.expect("signed in");
        assert_eq!(heard, ["EHLO desk.example", "AUTH PLAIN", both.as_str()]);
        for (offers, mechanism) in [("LOGIN", None), ("LOGIN PLAIN", Some(Mechanism::Login))] {
            let (signed_in, heard) = said(offers, mechanism, &["334 VXNlcg==", "334 UGFzcw==", "235 welcome"]).await;
            signed_in.expect("signed in");
            assert_eq!(heard[1..], ["AUTH LOGIN".to_owned(), STANDARD.encode("desk"), STANDARD.encode("pässword")]);
        }
    }

    #[tokio::test]
    async fn a_password_that_is_refused_is_a_failure_and_what_is_no_answer_too() {
        let (refused, _) = said("PLAIN", None, &["334 ", "535 5.7.8 wrong"]).await;
        assert_eq!(refused.expect_err("refused").class, FailureClass::SendingRefused);
        let (odd, _) = said("PLAIN", None, &["250 2.0.0 whatever"]).await;
        assert_eq!(odd.expect_err("no answer").class, FailureClass::ProtocolError);
    }

    #[tokio::test]
    async fn no_password_is_said_in_the_clear() {
        let (endpoint, heard) = server(vec!["220 hello".to_owned(), "250-hello\r\n250 AUTH PLAIN".to_owned()]).await;
        let relay = Relay { endpoint, hello: None, password: Some(password(None)) };
        let connector = Connector::new(ConnectorConfig::default()).expect("a connector");
        let refused = relay.probe(&connector).await.expect_err("nothing is said");
        assert_eq!(refused.class, FailureClass::TlsUnavailable);
        assert_eq!(heard.await.expect("it played"), ["EHLO [127.0.0.1]"]);
    }
}
