//! Outgoing messages on their way.

use crate::AccountScope;
use domain::message::Delivery;
use domain::{BlobId, ChannelId, ConversationId, DeliveryId, EmailAddress, InboxId, Mailbox, MessageId, Timestamp};
use serde::{Deserialize, Serialize};

/// To, Cc and Bcc of this message, as the agent gave them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliveryEnvelope {
    pub to: Vec<Mailbox>,
    pub cc: Vec<Mailbox>,
    pub bcc: Vec<Mailbox>,
}

impl DeliveryEnvelope {
    /// To, Cc and Bcc, each address once.
    pub fn recipients(&self) -> Vec<EmailAddress> {
        let mut all: Vec<EmailAddress> = Vec::new();
        for mailbox in self.to.iter().chain(&self.cc).chain(&self.bcc) {
            if !all.iter().any(|known| known.same_as(&mailbox.address)) {
                all.push(mailbox.address.clone());
            }
        }
        all
    }
}

#[derive(Clone, Debug)]
pub struct NewDelivery {
    pub message_id: MessageId,
    pub conversation_id: ConversationId,
    pub inbox_id: InboxId,
    pub channel_id: Option<ChannelId>,
    pub envelope: DeliveryEnvelope,
    /// Our Message-ID without angle brackets.
    pub message_id_header: String,
    /// When it may leave, for the first time.
    pub queued_at: Timestamp,
    /// It is still to come, so the delivery stands in nobody's way until then.
    pub is_delayed: bool,
    /// Since when the customer has waited for this answer.
    pub waited_since: Option<Timestamp>,
}

/// How the sending that is under way, or was last, is handed over.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Handover {
    #[default]
    Smtp,
    /// Through Microsoft Graph. `draft`: the one that leaves, known before it does; without it, nothing can have left.
    Graph { draft: Option<String> },
}

/// A delivery with everything that sending it needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveryRecord {
    pub delivery: Delivery,
    pub conversation_id: ConversationId,
    pub inbox_id: InboxId,
    pub channel_id: Option<ChannelId>,
    pub envelope: DeliveryEnvelope,
    pub message_id_header: String,
    /// What the provider made of our Message-ID.
    pub rewritten_message_id: Option<String>,
    /// The mail as composed, when it was kept.
    pub composed_blob_id: Option<BlobId>,
    pub handover: Handover,
    /// Looks taken into Sent for a delivery whose outcome is unknown.
    pub looks: u32,
    /// Since when the customer had waited when this answer was given; they wait again when it is taken back.
    pub waited_since: Option<Timestamp>,
}

/// A delivery that is under way, and no work is owed for it.
#[derive(Clone, Debug)]
pub struct OrphanedDelivery {
    pub scope: AccountScope,
    pub delivery_id: DeliveryId,
}
