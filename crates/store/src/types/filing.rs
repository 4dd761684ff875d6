//! What filing a batch of mail reads and writes, all mails at once.

use crate::MessageIdOrigin;
use domain::contact::Contact;
use domain::conversation::Conversation;
use domain::message::Message;
use domain::{ContactId, ConversationId, InboxId, MessageId, RawEmailId, Timestamp};

/// A message under a Message-ID that is known in an inbox, with what is asked of it to place the next mail.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownId {
    pub message_id: MessageId,
    pub conversation_id: ConversationId,
    pub origin: MessageIdOrigin,
    pub fingerprint: Option<String>,
    pub sent_at: Timestamp,
    pub sender_contact_id: Option<ContactId>,
}

/// A Message-ID that a filed message is known under.
#[derive(Clone, Debug)]
pub struct FiledId {
    pub header: String,
    pub message_id: MessageId,
    pub conversation_id: ConversationId,
    pub fingerprint: String,
}

/// A conversation and what a batch's mails did to it.
#[derive(Clone, Debug)]
pub struct FiledConversation {
    /// As it is after the batch. Of one that was there, status, ends of snooze and waiting, and last activity are written.
    pub conversation: Conversation,
    pub is_new: bool,
    /// Where the last of the batch's messages sorts.
    pub last: (Timestamp, MessageId),
    pub unread: u32,
}

/// Somebody wrote: when at the latest.
#[derive(Clone, Debug)]
pub struct FiledContact {
    pub contact: Contact,
    pub wrote_at: Timestamp,
}

/// What became of a raw mail.
#[derive(Clone, Debug)]
pub struct FiledRawEmail {
    pub id: RawEmailId,
    pub outcome: crate::RawOutcome,
    pub fingerprint: String,
}

/// Everything that a batch of mail for one inbox becomes. Ids come from [`crate::Tx::reserve_for_filing`].
#[derive(Clone, Debug)]
pub struct FiledBatch {
    pub inbox_id: InboxId,
    pub conversations: Vec<FiledConversation>,
    /// Incoming, each with its attachments.
    pub messages: Vec<Message>,
    pub ids: Vec<FiledId>,
    pub contacts: Vec<FiledContact>,
    pub raw_emails: Vec<FiledRawEmail>,
}

/// Ids that nobody else is given.
#[derive(Clone, Debug, Default)]
pub struct ReservedIds {
    pub conversations: Vec<ConversationId>,
    pub messages: Vec<MessageId>,
    pub attachments: Vec<domain::AttachmentId>,
}
