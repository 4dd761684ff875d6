//! SMTP sessions over a scripted server, and a mail to two people.

use super::{Peer, USER, connector, serve, token};
use domain::{EmailAddress, Failure, FailureClass};
use mail::smtp::{Envelope, NotAddressed, SendOutcome, Session, SmtpLogin, Timeouts};
use std::time::Duration;
use tokio::task::JoinHandle;

pub const MAIL: &[u8] = b"Subject: x\r\n\r\n.dots\r\nend\r\n";

pub async fn open<F>(play: impl FnOnce(Peer) -> F + Send + 'static) -> (Result<Session, Failure>, JoinHandle<()>)
where
    F: Future<Output = ()> + Send,
{
    let (endpoint, server) = serve(play).await;
    let timeouts = Timeouts { acceptance: Duration::from_millis(500), ..Timeouts::default() };
    let login = SmtpLogin { endpoint, user: USER.to_owned(), token: token() };
    (Session::open_with(&connector(), &login, timeouts).await, server)
}

/// A session that is signed in, and a server that then plays.
pub async fn signed_in<F>(play: impl FnOnce(Peer) -> F + Send + 'static) -> (Session, JoinHandle<()>)
where
    F: Future<Output = ()> + Send,
{
    let (session, server) = open(|mut peer| async move {
        peer.smtp_sign_in().await;
        play(peer).await;
    })
    .await;
    (session.expect("signs in"), server)
}

pub fn address(text: &str) -> EmailAddress {
    EmailAddress::parse(text).expect("an address")
}

pub fn envelope() -> Envelope {
    Envelope { from: address(USER), to: vec![address("bob@customer.example"), address("eve@customer.example")] }
}

pub async fn send(session: &mut Session, envelope: &Envelope, mail: &[u8]) -> Result<SendOutcome, NotAddressed> {
    Ok(session.address(envelope, mail).await?.hand_over().await)
}

pub fn rejection(outcome: Result<SendOutcome, NotAddressed>) -> FailureClass {
    match outcome {
        Ok(SendOutcome::Rejected { failure }) | Err(NotAddressed { failure, .. }) => failure.class,
        other => panic!("expected a rejection, got {other:?}"),
    }
}
