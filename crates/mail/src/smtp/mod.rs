//! One submission session with one SMTP server.

use domain::message::delivery::RefusedRecipient;
use domain::{EmailAddress, Failure, Secret};
use net::{Connector, Endpoint};

#[derive(Clone, Debug)]
pub struct SmtpLogin {
    pub endpoint: Endpoint,
    pub user: String,
    pub token: Secret,
}

#[derive(Clone, Debug)]
pub struct Envelope {
    pub from: EmailAddress,
    pub to: Vec<EmailAddress>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SendOutcome {
    Accepted { reply: String, rewritten_message_id: Option<String>, refused: Vec<RefusedRecipient> },
    Rejected { failure: Failure, refused: Vec<RefusedRecipient> },
    Unknown { failure: Failure },
}

#[derive(Debug)]
pub struct Session {}

impl Session {
    pub async fn open(connector: &Connector, login: &SmtpLogin) -> Result<Self, Failure> {
        let _ = (connector, login);
        todo!()
    }

    pub async fn send(&mut self, envelope: &Envelope, mail: &[u8]) -> SendOutcome {
        let _ = (envelope, mail);
        todo!()
    }

    /// It may be used for another mail.
    pub fn is_usable(&self) -> bool {
        todo!()
    }

    pub async fn quit(self) {
        todo!()
    }
}

/// Proves that sending works as far as it can be proved without sending: sign-in, and MAIL FROM when an address is given.
pub async fn probe(connector: &Connector, login: &SmtpLogin, from: Option<&EmailAddress>) -> Result<(), Failure> {
    let _ = (connector, login, from);
    todo!()
}
