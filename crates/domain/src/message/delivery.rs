//! A Delivery is one outgoing message on its way to the mail server.
//!
//! `queued → sending → sent → (bounced)`, or `failed`, or `outcome_unknown` when the connection was lost after the message was handed
//! over. `sending` is committed before MAIL FROM, so a crash can never look like "not tried yet".

use super::recipients::{IdUse, Recipients, RefusedRecipient};
use crate::failure::{Failure, FailureClass};
use crate::{DeliveryId, EmailAddress, MessageId, Timestamp};
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

    /// It is still on its way: whoever waits for it is tried again, or looked after.
    pub const fn is_under_way(self) -> bool {
        matches!(self, Self::Queued | Self::Sending | Self::OutcomeUnknown)
    }
}

/// How long a transient failure is retried, from the first one on: RFC 5321 §4.5.4.1 asks for four to five days between servers; people
/// expect to hear sooner.
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
    /// When it could not leave for the first time. Waiting for its turn is no failure.
    pub failing_since: Option<Timestamp>,
    /// It waits for a reason of its own, and is not in the mailbox's line: those behind it need not wait for it.
    pub waits_alone: bool,
    /// How far it has come for each of them.
    pub recipients: Recipients,
}

impl Delivery {
    /// A person may ask for another try: of what did not leave, or for those who were refused what the others have.
    pub fn may_be_retried(&self) -> bool {
        match self.state {
            DeliveryState::Failed | DeliveryState::OutcomeUnknown | DeliveryState::Bounced => true,
            DeliveryState::Sent => !self.recipients.refused.is_empty(),
            DeliveryState::Queued | DeliveryState::Sending => false,
        }
    }

    /// Who does not have it yet and may still get it without anybody's doing.
    pub fn expecting(&self) -> Vec<EmailAddress> {
        if self.state.is_under_way() { self.recipients.waiting() } else { Vec::new() }
    }

    /// Nobody waits for it any more: what it is now, and what is wrong with that.
    pub fn conclude(&mut self) {
        self.next_try_at = None;
        self.state = self.concluded();
        let refused = &self.recipients.refused;
        self.failure = match refused.iter().find(|refused| refused.bounced) {
            Some(bounced) if bounced.server_said.is_empty() => Some(bounced.class.into()),
            Some(bounced) => Some(Failure::new(bounced.class).said(&bounced.server_said)),
            None if refused.is_empty() => None,
            None => Some(FailureClass::SomeRecipientsRefused.into()),
        };
    }

    /// A report of failure is about what left under `id`. `present`: the ids of the sending under way, ours first, if `id` is one of them;
    /// the report proves then that the server took it. `false`: it changes nothing.
    pub fn bounce(&mut self, id: &str, present: Option<&[String]>, reported: &[RefusedRecipient]) -> bool {
        if let Some(ids) = present.filter(|_| self.recipients.id_use != IdUse::Taken) {
            let round = self.recipients.round();
            self.recipients.accept(&round, ids);
        }
        if !self.recipients.bounce(id, reported) {
            return false;
        }
        match self.state {
            DeliveryState::OutcomeUnknown if !self.recipients.waiting().is_empty() => {
                self.state = DeliveryState::Queued;
                self.next_try_at = None;
            }
            DeliveryState::Queued | DeliveryState::Sending if !self.recipients.waiting().is_empty() => {}
            DeliveryState::Queued
            | DeliveryState::Sending
            | DeliveryState::OutcomeUnknown
            | DeliveryState::Sent
            | DeliveryState::Failed
            | DeliveryState::Bounced => self.conclude(),
        }
        true
    }

    fn concluded(&self) -> DeliveryState {
        if self.recipients.refused.iter().any(|refused| refused.bounced) {
            DeliveryState::Bounced
        } else if self.recipients.accepted.is_empty() {
            DeliveryState::Failed
        } else {
            DeliveryState::Sent
        }
    }
}
