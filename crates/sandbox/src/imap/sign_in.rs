//! AUTHENTICATE XOAUTH2, with the initial response on the line (RFC 4959) and without.
//!
//! Exchange answers NO at once and gives no JSON challenge (Microsoft's documentation of IMAP with OAuth).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::args::Arg;
use super::session::{Flow, ON, Session};
use super::wire::Line;
use crate::entra::access::read_xoauth2;
use crate::faults::ImapFault;
use crate::journal::Event;
use crate::state::Server;

const REFUSED: &str = "NO AUTHENTICATE failed.";
/// A token of 4 KB in base64, with room to spare.
const LONGEST_RESPONSE: usize = 16 * 1024;

impl Session {
    pub(super) async fn authenticate(&mut self, tag: &str, args: &[Arg]) -> Flow {
        let mechanism = args.first().and_then(Arg::text).unwrap_or_default();
        if !mechanism.eq_ignore_ascii_case("XOAUTH2") {
            // PLAIN is offered, and basic authentication is switched off everywhere.
            return self.tagged(tag, REFUSED).await;
        }
        let response = match args.get(1).and_then(Arg::text) {
            Some(initial) => initial,
            None => {
                self.wire.line("+ ").await?;
                match self.wire.read_line(LONGEST_RESPONSE).await? {
                    Line::Text(line) => line,
                    Line::TooLong(_) => return self.tagged(tag, "BAD Command Argument Error. 11").await,
                    Line::End => return super::session::OVER,
                }
            }
        };
        if response == "*" {
            return self.tagged(tag, "BAD AUTHENTICATE cancelled.").await;
        }
        let Some((user, token)) = STANDARD.decode(&response).ok().and_then(|blob| read_xoauth2(&blob)) else {
            return self.tagged(tag, REFUSED).await;
        };
        self.state.journal.note(Event::ImapCommand { user: user.clone(), command: "AUTHENTICATE".to_owned() });
        let planned = self.state.faults.take_imap(Some(&user), |fault| match fault {
            ImapFault::AuthenticateFailed | ImapFault::AuthenticateChallenged => Some(fault.clone()),
            _ => None,
        });
        if planned == Some(ImapFault::AuthenticateChallenged) {
            let challenge = r#"{"status":"401","schemes":"bearer mac","scope":"https://mail.google.com/"}"#;
            self.wire.line(&format!("+ {}", STANDARD.encode(challenge))).await?;
            self.wire.read_line(LONGEST_RESPONSE).await?;
        }
        if planned.is_some() {
            return self.tagged(tag, REFUSED).await;
        }
        let Ok(access) = self.state.imap_access(&user, &token) else {
            return self.tagged(tag, REFUSED).await;
        };
        let not_connected = self
            .state
            .faults
            .take_imap(Some(&user), |fault| (*fault == ImapFault::AuthenticatedNotConnected).then_some(()))
            .is_some();
        // One connection too many signs in and is not connected either. The budget is that of the signed-in user.
        self.place =
            self.state.take_place(Server::Imap, &access.user.address, self.state.config.imap_connections_per_user);
        let opens = self.place.is_some() && !not_connected;
        self.mailbox = access.mailbox.as_deref().filter(|_| opens).map(|address| self.state.mailbox_of(address));
        self.access = Some(access);
        self.wire.line(&format!("{tag} OK AUTHENTICATE completed.")).await?;
        ON
    }
}
