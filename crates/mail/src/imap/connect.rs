//! From nothing to a session that is signed in: greeting, STARTTLS where asked, XOAUTH2, capabilities.
//!
//! Until sign-in the conversation is held line by line and strictly in turns: a server that says more than it was asked may be somebody
//! in the middle who slips commands in before TLS (RFC 9051 §11.1). Never writes a token to a log.

use super::answers::{self, During};
use super::session::{Session, mails_of};
use super::tap::{Tap, Wire};
use super::{ImapLogin, Limits};
use async_imap::Authenticator;
use async_imap::error::{Error, ParseError};
use base64::Engine;
use domain::{Failure, FailureClass};
use net::{Connector, Endpoint, Slot, TlsMode};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

/// More than any greeting and list of capabilities.
const MAX_BYTES_BEFORE_SIGN_IN: usize = 64 * 1024;

impl Session {
    pub async fn open(connector: &Connector, login: &ImapLogin) -> Result<Self, Failure> {
        Self::open_with(connector, login, Limits::default()).await
    }

    pub async fn open_with(connector: &Connector, login: &ImapLogin, limits: Limits) -> Result<Self, Failure> {
        let slot = connector.slot_in_time(&login.endpoint).await?;
        Self::open_in(slot, connector, login, limits).await
    }

    /// In a slot that was waited for by whoever can wait longer.
    pub async fn open_in(
        slot: Slot,
        connector: &Connector,
        login: &ImapLogin,
        limits: Limits,
    ) -> Result<Self, Failure> {
        let silence = limits.silence;
        let (stream, offered) = Box::pin(reached(connector, &login.endpoint, silence)).await?;
        let initial_response = offered.iter().any(|line| line.to_ascii_uppercase().split(' ').any(|c| c == "SASL-IR"));
        let signing_in = in_time(silence, sign_in(stream, login, initial_response));
        let signed_in = connector.step("auth", signing_in).await?;
        let mut session = Session::over(signed_in, limits, slot);
        // Exchange offers more after sign-in than before, and this is the first command it refuses when the mailbox cannot be opened.
        connector.step("capability", session.learn_capabilities()).await?;
        Ok(session)
    }
}

/// Whether the server can be reached, is who it says, and greets. Nobody signs in.
pub async fn reach(connector: &Connector, endpoint: &Endpoint, silence: Duration) -> Result<(), Failure> {
    let _slot = connector.slot_in_time(endpoint).await?;
    let (mut stream, _) = Box::pin(reached(connector, endpoint, silence)).await?;
    let _ = in_time(Duration::from_secs(5), ask(&mut stream, "S3", "LOGOUT")).await;
    Ok(())
}

/// Connected and secured as the endpoint says; nobody has signed in. What the server offers.
async fn reached(
    connector: &Connector,
    endpoint: &Endpoint,
    silence: Duration,
) -> Result<(Box<dyn Wire>, Vec<String>), Failure> {
    let opening = async {
        let mut stream: Box<dyn Wire> = match endpoint.tls {
            TlsMode::Implicit => Box::new(connector.tls(endpoint).await?),
            TlsMode::None => Box::new(connector.tcp(endpoint).await?),
            TlsMode::StartTls => {
                let mut plain = connector.tcp(endpoint).await?;
                connector.step("greeting", greeting(&mut plain)).await?;
                let securing = async {
                    ask(&mut plain, "S1", "STARTTLS").await?;
                    Ok::<_, Failure>(connector.upgrade(&endpoint.host, plain).await?)
                };
                let secured = connector.step("tls", securing).await?;
                connector.found_of_tls(&secured);
                return Ok(Box::new(secured) as Box<dyn Wire>);
            }
        };
        connector.step("greeting", greeting(&mut stream)).await?;
        Ok(stream)
    };
    let mut stream = Box::pin(in_time(silence, opening)).await?;
    let offered = in_time(silence, ask(&mut stream, "S2", "CAPABILITY")).await?;
    Ok((stream, offered))
}

async fn in_time<T>(limit: Duration, work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    timeout(limit, work).await.unwrap_or_else(|_| Err(Failure::new(FailureClass::TimedOut)))
}

async fn greeting<S: Wire>(stream: &mut S) -> Result<(), Failure> {
    let lines = read_until(stream, |line| line.starts_with("* ")).await?;
    let line = lines.last().map(String::as_str).unwrap_or_default();
    let said = line.get(2..).unwrap_or_default();
    let (status, text) = said.split_once(' ').unwrap_or((said, ""));
    match status.to_ascii_uppercase().as_str() {
        "OK" => Ok(()),
        "BYE" => Err(answers::bye(text)),
        _ => Err(answers::refused(During::Greeting, said)),
    }
}

/// One command of before sign-in; its untagged answers.
async fn ask<S: Wire>(stream: &mut S, tag: &str, command: &str) -> Result<Vec<String>, Failure> {
    stream.write_all(format!("{tag} {command}\r\n").as_bytes()).await.map_err(|e| lost(&e))?;
    stream.flush().await.map_err(|e| lost(&e))?;
    let mut lines = read_until(stream, |line| line.starts_with(tag) || line.starts_with("* BYE")).await?;
    let last = lines.pop().unwrap_or_default();
    if let Some(said) = last.strip_prefix("* BYE") {
        return Err(answers::bye(said.trim()));
    }
    match last[tag.len()..].trim().split_once(' ') {
        Some((status, _)) if status.eq_ignore_ascii_case("OK") => Ok(lines),
        Some((_, said)) => Err(answers::refused(During::Command, said)),
        None => Err(answers::unparsable(&last)),
    }
}

/// Lines up to the one that is `last`; nothing may follow it.
async fn read_until<S: Wire>(stream: &mut S, last: impl Fn(&str) -> bool) -> Result<Vec<String>, Failure> {
    let mut received = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        let count = stream.read(&mut chunk).await.map_err(|e| lost(&e))?;
        if count == 0 {
            let said = String::from_utf8_lossy(&received).into_owned();
            return Err(match said.trim() {
                "" => Failure::new(FailureClass::ConnectionLost),
                words => answers::unparsable(words),
            });
        }
        received.extend_from_slice(&chunk[..count]);
        let text = String::from_utf8_lossy(&received);
        if received.len() > MAX_BYTES_BEFORE_SIGN_IN {
            return Err(answers::unparsable(&text));
        }
        if let Some(complete) = text.strip_suffix('\n') {
            let lines: Vec<String> = complete.lines().map(|l| l.trim_end().to_owned()).collect();
            match lines.iter().position(|l| last(l)) {
                Some(at) if at + 1 == lines.len() => return Ok(lines),
                Some(at) => return Err(answers::unparsable(&lines[at + 1])),
                // A first line that is no IMAP: an HTTP server, or Exchange's "Server Unavailable".
                None if !lines[0].starts_with('*') => return Err(answers::unparsable(&lines[0])),
                None => {}
            }
        }
    }
}

fn lost(error: &std::io::Error) -> Failure {
    Failure::new(FailureClass::ConnectionLost).detail(error.to_string())
}

/// XOAUTH2's one answer, and nothing to every further challenge: an error challenge wants an empty line, and then comes the NO.
struct Xoauth2 {
    answer: Option<String>,
}

impl Authenticator for Xoauth2 {
    type Response = String;

    fn process(&mut self, _challenge: &[u8]) -> String {
        self.answer.take().unwrap_or_default()
    }
}

async fn sign_in(
    stream: Box<dyn Wire>,
    login: &ImapLogin,
    initial_response: bool,
) -> Result<async_imap::Session<Tap>, Failure> {
    let mut tap = Tap::new(stream);
    tap.allow(mails_of(MAX_BYTES_BEFORE_SIGN_IN as u64));
    let client = async_imap::Client::new(tap);
    let answer = crate::xoauth2(&login.user, &login.token);
    let attempt = if initial_response {
        let encoded = base64::engine::general_purpose::STANDARD.encode(answer);
        client.authenticate(format!("XOAUTH2 {encoded}"), Xoauth2 { answer: None }).await
    } else {
        client.authenticate("XOAUTH2", Xoauth2 { answer: Some(answer) }).await
    };
    attempt.map_err(|(error, client)| refusal(&error, &client.get_ref().last_lines()))
}

/// Why sign-in failed: the library says it in a debug format, so the server's last lines are read instead.
fn refusal(error: &Error, last_lines: &[String]) -> Failure {
    let after = |marks: [&str; 2]| {
        last_lines.iter().rev().find_map(|line| {
            let (tag, said) = line.split_once(' ')?;
            let (status, text) = said.split_once(' ').unwrap_or((said, ""));
            ((tag == "*") == (marks[0] == "BYE") && marks.iter().any(|m| status.eq_ignore_ascii_case(m)))
                .then(|| text.to_owned())
        })
    };
    match error {
        Error::No(_) | Error::Bad(_) => {
            let said = after(["NO", "BAD"]).unwrap_or_default();
            answers::refused(During::Authenticate, &said)
        }
        // A challenge that is not base64 can only be a refusal.
        Error::Parse(ParseError::Authentication(challenge, _)) => answers::refused(During::Authenticate, challenge),
        _ => match (after(["BYE", "BYE"]), last_lines.last()) {
            (Some(said), _) => answers::bye(&said),
            (None, Some(line)) if !line.starts_with(['*', '+']) => answers::unparsable(line),
            (None, _) => Failure::new(FailureClass::ConnectionLost),
        },
    }
}
