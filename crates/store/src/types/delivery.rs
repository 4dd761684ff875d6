//! Outgoing messages on their way.

use domain::message::Delivery;
use domain::{BlobId, ChannelId, ConversationId, DeliveryId, InboxId, Mailbox, MessageId, OwedId, Timestamp};
use serde::{Deserialize, Serialize};

/// To, Cc and Bcc of this message, as the agent gave them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeliveryEnvelope {
    pub to: Vec<Mailbox>,
    pub cc: Vec<Mailbox>,
    pub bcc: Vec<Mailbox>,
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
    pub queued_at: Timestamp,
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
    /// Looks taken into Sent for a delivery whose outcome is unknown.
    pub looks: u32,
}

/// A delivery that says `sending` although its lease has ended: whoever sent it is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StuckDelivery {
    pub account_id: domain::AccountId,
    pub delivery_id: DeliveryId,
    pub owed_id: Option<OwedId>,
}
