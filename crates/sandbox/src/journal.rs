//! What the sandbox was asked, in order, so that a test can count without guessing.
//!
//! Never holds a token, a secret or a mail's text.

use std::sync::{Mutex, PoisonError};

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    DiscoveryFetched {
        tenant: String,
    },
    KeysFetched,
    SignedIn {
        user: String,
    },
    TokenRequested {
        grant_type: String,
        scope: String,
        answered: Result<(), u32>,
    },
    ImapConnected,
    /// A command after sign-in (`UID FETCH`, `IDLE` …) or AUTHENTICATE itself.
    ImapCommand {
        user: String,
        command: String,
    },
    SmtpConnected,
    /// A client said this without TLS.
    HeardInTheClear {
        bytes: Vec<u8>,
    },
    SmtpAuthenticated {
        user: String,
    },
    /// A client said goodbye.
    SmtpQuit {
        user: Option<String>,
    },
    /// A mail was taken for delivery.
    SmtpAccepted {
        from: String,
        to: Vec<String>,
        message_id: String,
        stored_message_id: String,
    },
    /// A call of Graph, as `POST /v1.0/me/messages/{id}/send`, and the status that was answered; 0: no answer.
    GraphCalled {
        user: Option<String>,
        call: String,
        status: u16,
    },
    /// Graph took a mail for delivery.
    GraphAccepted {
        mailbox: String,
        to: Vec<String>,
        message_id: String,
        stored_message_id: String,
    },
    /// A mail was refused after its data.
    SmtpRefused {
        from: String,
        reply: String,
    },
}

/// The last ten thousand events.
#[derive(Default)]
pub(crate) struct Journal {
    events: Mutex<Vec<Event>>,
}

const KEPT: usize = 10_000;

impl Journal {
    pub(crate) fn note(&self, event: Event) {
        let mut events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        if events.len() >= KEPT {
            events.drain(..KEPT / 10);
        }
        events.push(event);
    }

    pub(crate) fn events(&self) -> Vec<Event> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
