//! AUTH XOAUTH2 (Microsoft's documentation of SMTP with OAuth), in two steps or with the response on the line.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::session::{Flow, ON, OVER, Session};
use super::{AUTH_OFF_MAILBOX, AUTH_REFUSED, Planned, TOO_MANY_CONNECTIONS, planned};
use crate::entra::access::{Refusal, read_xoauth2};
use crate::faults::{SmtpFault, SmtpPoint};
use crate::journal::Event;
use crate::state::Server;

impl Session {
    pub(super) async fn auth(&mut self, rest: &str) -> Flow {
        let (mechanism, initial) = rest.split_once(' ').unwrap_or((rest, ""));
        // Without TLS, AUTH is not there at all.
        if !self.encrypted || !mechanism.eq_ignore_ascii_case("XOAUTH2") {
            return if mechanism.eq_ignore_ascii_case("LOGIN") && self.encrypted {
                self.reply("550 5.7.30 Basic authentication is not supported for Client Submission.").await
            } else {
                self.reply("504 5.7.4 Unrecognized authentication type").await
            };
        }
        if self.access.is_some() {
            return self.reply("503 5.5.2 Already authenticated").await;
        }
        let response = if initial.is_empty() {
            self.wire.reply("334 ").await?;
            match self.wire.line().await? {
                Some(line) => line,
                None => return OVER,
            }
        } else {
            initial.to_owned()
        };
        if response == "*" {
            return self.reply("501 5.7.0 Authentication cancelled").await;
        }
        let Some((user, token)) = STANDARD.decode(response.trim()).ok().and_then(|blob| read_xoauth2(&blob)) else {
            return self.reply(AUTH_REFUSED).await;
        };
        match planned(&self.state, Some(&user), SmtpPoint::Auth) {
            None => {}
            Some(Planned::Answer(reply)) => {
                self.wire.reply(&reply).await?;
                return if reply.starts_with("421") || reply.starts_with("432") { OVER } else { ON };
            }
            Some(Planned::Close) => return OVER,
            Some(Planned::Stall) => return self.stall().await,
        }
        let challenged = |fault: &SmtpFault| (*fault == SmtpFault::AuthChallenged).then_some(());
        if self.state.faults.take_smtp(Some(&user), challenged).is_some() {
            let challenge = r#"{"status":"401","schemes":"bearer mac","scope":"https://mail.google.com/"}"#;
            self.wire.reply(&format!("334 {}", STANDARD.encode(challenge))).await?;
            self.wire.line().await?;
            return self.reply(AUTH_REFUSED).await;
        }
        let access = match self.state.smtp_access(&user, &token) {
            Ok(access) => access,
            Err(Refusal::Failed) => return self.reply(AUTH_REFUSED).await,
            Err(Refusal::SmtpAuthDisabled) => return self.reply(AUTH_OFF_MAILBOX).await,
        };
        let limit = self.state.config.smtp_connections_per_user;
        self.place = self.state.take_place(Server::Smtp, &access.user.address, limit);
        if self.place.is_none() {
            self.wire.reply(TOO_MANY_CONNECTIONS).await?;
            return OVER;
        }
        self.state.journal.note(Event::SmtpAuthenticated { user: access.user.address.clone() });
        self.access = Some(access);
        self.reply("235 2.7.0 Authentication successful").await
    }
}
