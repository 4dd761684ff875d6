//! The submission server: STARTTLS, XOAUTH2, and what Exchange Online does with a mail that is handed in.
//!
//! The list of extensions and the texts of the replies are those of smtp.office365.com, as posted in transcripts and in
//! Microsoft's documentation of non-delivery reports and of SMTP submission.

mod auth;
mod data;
mod ndr;
mod session;
mod submission;
mod wire;

use std::sync::Arc;

use tokio::net::TcpStream;

use crate::faults::{SmtpFault, SmtpPoint};
use crate::journal::Event;
use crate::state::State;

pub(crate) use submission::{Handed, Submissions, deliver, outlook_message_id, with_message_id, without_field};

pub(crate) const HOST: &str = "SBX0000CA0018.namprd00.prod.outlook.com";
pub(crate) const AUTH_REFUSED: &str = "535 5.7.3 Authentication unsuccessful [SBX0000CA0018.namprd00.prod.outlook.com]";
pub(crate) const AUTH_OFF_TENANT: &str = "535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled \
    for the Tenant. Visit https://aka.ms/smtp_auth_disabled for more information. \
    [SBX0000CA0018.namprd00.prod.outlook.com]";
pub(crate) const SECURITY_DEFAULTS: &str = "535 5.7.139 Authentication unsuccessful, user is locked by your organization's security defaults \
    policy. Contact your administrator.";
const AUTH_OFF_MAILBOX: &str = "535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication is disabled for the \
    Mailbox. Visit https://aka.ms/smtp_auth_disabled for more information. [SBX0000CA0018.namprd00.prod.outlook.com]";
pub(crate) const TOO_MANY_CONNECTIONS: &str = "432 4.3.2 Concurrent connections limit exceeded. Visit \
    https://aka.ms/concurrent_sending for more information. [Hostname=SBX0000CA0018.namprd00.prod.outlook.com]";
pub(crate) const SEND_AS_DENIED: &str = "550 5.7.60 SMTP; Client does not have permissions to send as this sender";

pub(crate) async fn connection(state: Arc<State>, stream: TcpStream) {
    state.journal.note(Event::SmtpConnected);
    // How a connection ends is the client's business; the journal has what the tests need.
    if let Err(error) = session::Session::new(state, stream).run().await {
        tracing::debug!(%error, "an SMTP connection ended");
    }
}

/// What a fault does at its moment.
#[derive(Clone, Debug)]
enum Planned {
    Answer(String),
    Close,
    Stall,
}

fn planned(state: &State, user: Option<&str>, now: SmtpPoint) -> Option<Planned> {
    state.faults.take_smtp(user, |fault| match fault {
        SmtpFault::Answer { at, reply } if *at == now => Some(Planned::Answer(reply.clone())),
        SmtpFault::CloseAt(at) if *at == now => Some(Planned::Close),
        SmtpFault::StallAt(at) if *at == now => Some(Planned::Stall),
        _ => None,
    })
}
