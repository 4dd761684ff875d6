//! The IMAP server, with Exchange's greeting, capabilities, habits and answers. TLS from the first byte.
//!
//! Not offered, as at Exchange Online: CONDSTORE, QRESYNC, ENABLE, SPECIAL-USE, ESEARCH, COMPRESS.

mod args;
mod fetch;
mod folders;
mod idle;
mod items;
mod search;
mod session;
mod sign_in;
mod store;
mod view;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::faults::ImapFault;
use crate::journal::Event;
use crate::state::State;
use crate::tls::TlsFault;

/// How long a client may take to sign in: 60 seconds by default (`Set-ImapSettings -PreAuthenticatedConnectionTimeout`).
const PRE_AUTHENTICATED: Duration = Duration::from_secs(60);
/// And to say something afterwards: 30 minutes.
const AUTHENTICATED: Duration = Duration::from_secs(30 * 60);

pub(crate) async fn connection(state: Arc<State>, stream: TcpStream) {
    state.journal.note(Event::ImapConnected);
    if state.faults.take_imap(None, |fault| (*fault == ImapFault::ConnectionClosed).then_some(())).is_some() {
        return;
    }
    let fault =
        state.faults.take_imap(None, |fault| if let ImapFault::Tls(fault) = fault { Some(*fault) } else { None });
    match fault {
        Some(TlsFault::CutHandshake) => return cut(stream).await,
        Some(TlsFault::Plaintext) => return in_the_clear(&state, stream).await,
        Some(TlsFault::ExpiredCertificate | TlsFault::OtherHost | TlsFault::SelfSigned) | None => {}
    }
    let Ok(stream) = crate::tls::acceptor(fault).accept(stream).await else { return };
    // How a connection ends is the client's business; the journal has what the tests need.
    if let Err(error) = session::Session::new(state, wire::Wire::new(stream)).run().await {
        tracing::debug!(%error, "an IMAP connection ended");
    }
}

/// Hears the beginning of the handshake and hangs up.
async fn cut(mut stream: TcpStream) {
    let _ = stream.read(&mut [0; 64]).await;
}

/// Greets as a server without TLS would, and notes what it is told.
async fn in_the_clear(state: &State, mut stream: TcpStream) {
    if stream.write_all(b"* OK The Microsoft Exchange IMAP4 service is ready.\r\n").await.is_err() {
        return;
    }
    let mut heard = [0; 4096];
    while let Ok(count @ 1..) = stream.read(&mut heard).await {
        state.journal.note(Event::HeardInTheClear { bytes: heard[..count].to_vec() });
    }
}
