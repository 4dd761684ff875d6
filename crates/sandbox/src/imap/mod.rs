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

use tokio::net::TcpStream;

use crate::faults::ImapFault;
use crate::journal::Event;
use crate::state::State;

/// How long a client may take to sign in: 60 seconds by default (`Set-ImapSettings -PreAuthenticatedConnectionTimeout`).
const PRE_AUTHENTICATED: Duration = Duration::from_secs(60);
/// And to say something afterwards: 30 minutes.
const AUTHENTICATED: Duration = Duration::from_secs(30 * 60);

pub(crate) async fn connection(state: Arc<State>, stream: TcpStream) {
    state.journal.note(Event::ImapConnected);
    if state.faults.take_imap(None, |fault| (*fault == ImapFault::ConnectionClosed).then_some(())).is_some() {
        return;
    }
    let Ok(stream) = crate::tls::acceptor().accept(stream).await else { return };
    // How a connection ends is the client's business; the journal has what the tests need.
    if let Err(error) = session::Session::new(state, wire::Wire::new(stream)).run().await {
        tracing::debug!(%error, "an IMAP connection ended");
    }
}
