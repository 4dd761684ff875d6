//! A Delivery is one outgoing message on its way to the mail server.
//!
//! `queued → sending → sent → (bounced)`, or `failed`, or `outcome_unknown` when the connection was lost after the message was handed
//! over. `sending` is committed before MAIL FROM, so a crash can never look like "not tried yet".

use crate::failure::Failure;
use crate::{DeliveryId, MessageId, Timestamp};
use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryState {
    Queued,
    Sending,
    Sent,
    OutcomeUnknown,
    Failed,
    Bounced,
}

impl DeliveryState {
    const ALL: [Self; 6] = [Self::Queued, Self::Sending, Self::Sent, Self::OutcomeUnknown, Self::Failed, Self::Bounced];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Sending => "sending",
            Self::Sent => "sent",
            Self::OutcomeUnknown => "outcome_unknown",
            Self::Failed => "failed",
            Self::Bounced => "bounced",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.as_str() == text)
    }

    /// Chatwoot knows `sent`, `delivered`, `read` and `failed`; it shows `sent` from the first moment.
    pub const fn chatwoot_status(self) -> &'static str {
        match self {
            Self::Queued | Self::Sending | Self::Sent | Self::OutcomeUnknown => "sent",
            Self::Failed | Self::Bounced => "failed",
        }
    }

    /// A person may ask for another try.
    pub const fn may_be_retried(self) -> bool {
        matches!(self, Self::Failed | Self::OutcomeUnknown | Self::Bounced)
    }
}

/// How long a transient failure is retried: RFC 5321 §4.5.4.1 asks for four to five days between servers; people expect to hear sooner.
pub const RETRY_FOR_SECONDS: u64 = 3 * 24 * 3600;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    pub id: DeliveryId,
    pub message_id: MessageId,
    pub state: DeliveryState,
    pub attempts: u32,
    pub queued_at: Timestamp,
    pub sent_at: Option<Timestamp>,
    pub next_try_at: Option<Timestamp>,
    pub failure: Option<Failure>,
    /// Recipients the server refused while it took the others.
    pub refused_recipients: Vec<RefusedRecipient>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusedRecipient {
    pub address: String,
    pub server_said: String,
}
