//! One submission session with one SMTP server (RFC 6409, RFC 5321).
//!
//! lettre gives the grammar (commands, replies, extensions); the conversation is held here, because what matters to us is what lettre's
//! connection hides: which recipient was refused, whether the connection was lost before or after the final dot, and sign-in in two steps
//! (a real token is longer than servers take on the AUTH line). Never sends a mail twice; whether to try again is the caller's question.

pub mod answers;
mod conversation;
mod relay;
mod send;
mod session;

use domain::message::RefusedRecipient;
use domain::{EmailAddress, Failure, Secret};
use net::{Connector, Endpoint};
pub use relay::{Mechanism, Password, Relay};
pub(crate) use send::crlf_lines;
pub use send::{Addressed, Written};
pub use session::Session;
use std::time::Duration;

#[derive(Clone, Debug)]
pub struct SmtpLogin {
    pub endpoint: Endpoint,
    pub user: String,
    pub token: Secret,
}

/// Who sends to whom, as the server is told; the headers may say something else (Bcc).
#[derive(Clone, Debug)]
pub struct Envelope {
    pub from: EmailAddress,
    pub to: Vec<EmailAddress>,
}

/// Nobody gets the mail now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotAddressed {
    pub failure: Failure,
    /// What the server said of single recipients, where that is the reason.
    pub refused: Vec<RefusedRecipient>,
    /// The server was told of a recipient: what it counts of us counts this.
    pub named: bool,
}

/// What became of a mail that was handed over, for everybody whom the server had taken as a recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SendOutcome {
    Accepted {
        /// Its words, without the code.
        reply: String,
        /// The Message-ID under which it goes on, where the server says so and it is another one (Outlook.com).
        rewritten_message_id: Option<String>,
    },
    /// The server has a mail under this Message-ID, for whomever that one was, and does not send another.
    Duplicate { reply: String },
    /// The mail was certainly not taken.
    Rejected { failure: Failure },
    /// The connection was lost after the mail was handed over and before the server answered: it may or may not have been taken.
    Unknown { failure: Failure },
}

/// How long each step may take; RFC 5321 §4.5.3.2 asks for minutes.
#[derive(Clone, Copy, Debug)]
pub struct Timeouts {
    /// Greeting, EHLO, AUTH, MAIL, RCPT, DATA.
    pub command: Duration,
    /// Each 64 kB of the mail.
    pub block: Duration,
    /// The answer to the final dot: the server files, scans and forwards before it says anything.
    pub acceptance: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            command: Duration::from_secs(120),
            block: Duration::from_secs(180),
            acceptance: Duration::from_secs(600),
        }
    }
}

/// Proves that sending works as far as it can be proved without sending: sign-in, and MAIL FROM when an address is given.
pub async fn probe(connector: &Connector, login: &SmtpLogin, from: Option<&EmailAddress>) -> Result<(), Failure> {
    let mut session = Session::open(connector, login).await?;
    let allowed = match from {
        Some(from) => session.may_send_as(from).await,
        None => Ok(()),
    };
    session.quit().await;
    allowed
}
