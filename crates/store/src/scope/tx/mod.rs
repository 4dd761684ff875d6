//! One transaction.
use crate::*;
use domain::channel::{Health, ImportProgress};
use domain::contact::Contact;
use domain::conversation::Conversation;
use domain::event::EventKind;
use domain::inbox::Inbox;
use domain::message::{Attachment, Message};
use domain::*;
use std::collections::HashMap;
use std::time::Duration;

/// A transaction of one account. Dropped without `commit`, it is rolled back.
///
/// Display ids and event numbers are taken by `commit`, last, so that rows are always locked contact → conversation → counter:
/// until then a new conversation carries a provisional (negative) display id, which `commit` replaces in the row and in the
/// payloads of the events.
#[derive(Debug)]
pub struct Tx {}

/// What `commit` numbered.
#[derive(Clone, Debug, Default)]
pub struct Committed {
    pub display_ids: HashMap<ConversationId, DisplayId>,
    /// The last event's number, if there was one.
    pub last_event_seq: Option<i64>,
}

impl Tx {
    pub async fn commit(self) -> Result<Committed> {
        todo!()
    }
    pub async fn rollback(self) -> Result<()> {
        todo!()
    }
    pub async fn savepoint(&mut self) -> Result<()> {
        todo!()
    }
    /// Undoes everything since the last `savepoint`, which is used up.
    pub async fn rollback_to(&mut self) -> Result<()> {
        todo!()
    }
    /// Keeps everything since the last `savepoint`, which is used up.
    pub async fn release_savepoint(&mut self) -> Result<()> {
        todo!()
    }
    pub fn account_id(&self) -> AccountId {
        todo!()
    }

    // Contacts.
    /// `key`: `EmailAddress::key()`.
    pub async fn find_contact_by_address(&mut self, _key: &str) -> Result<Option<Contact>> {
        todo!()
    }
    pub async fn create_contact(&mut self, _new: &NewContact) -> Result<Contact> {
        todo!()
    }
    /// Safe against a second transaction that makes the same contact at the same time. `true`: it is new.
    pub async fn find_or_create_contact(&mut self, _new: &NewContact) -> Result<(Contact, bool)> {
        todo!()
    }
    /// Moves `last_activity_at` forward and makes the contact known in the inbox.
    pub async fn touch_contact(&mut self, _contact: ContactId, _inbox: InboxId, _at: Timestamp) -> Result<()> {
        todo!()
    }

    // Conversations.
    /// Message-IDs (without angle brackets) that are known in this inbox, and their conversations.
    pub async fn conversations_by_message_ids(
        &mut self,
        _inbox: InboxId,
        _ids: &[String],
    ) -> Result<HashMap<String, ConversationId>> {
        todo!()
    }
    pub async fn conversation_by_uuid(&mut self, _inbox: InboxId, _uuid: &str) -> Result<Option<ConversationId>> {
        todo!()
    }
    /// Locked until the end. `None`: gone.
    pub async fn lock_conversation(&mut self, _id: ConversationId) -> Result<Option<Conversation>> {
        todo!()
    }
    pub async fn create_conversation(&mut self, _new: &NewConversation) -> Result<Conversation> {
        todo!()
    }
    /// Writes every field a use case may change, stamps `updated_at`, and counts the unread again when an agent looked.
    pub async fn update_conversation(&mut self, _conversation: &Conversation) -> Result<Conversation> {
        todo!()
    }
    /// As it is now in this transaction: what events snapshot.
    pub async fn conversation_view(&mut self, _id: ConversationId) -> Result<Option<ConversationView>> {
        todo!()
    }

    // Messages.
    /// Keeps the conversation's last message, unread count and last activity in step. Lock the conversation first.
    pub async fn insert_message(&mut self, _new: &NewMessage) -> Result<Message> {
        todo!()
    }
    pub async fn update_message(&mut self, _message: MessageId, _change: &MessageChange) -> Result<Message> {
        todo!()
    }
    /// With its sender, attachments and delivery.
    pub async fn message(&mut self, _message: MessageId) -> Result<Option<Message>> {
        todo!()
    }
    pub async fn put_blob(&mut self, _bytes: &[u8]) -> Result<BlobId> {
        todo!()
    }
    pub async fn insert_attachment(&mut self, _message: MessageId, _new: &NewAttachment) -> Result<Attachment> {
        todo!()
    }
    pub async fn remember_message_id(
        &mut self,
        _inbox: InboxId,
        _conversation: ConversationId,
        _message: MessageId,
        _id: &str,
        _origin: MessageIdOrigin,
        _fingerprint: Option<&str>,
    ) -> Result<()> {
        todo!()
    }
    pub async fn messages_by_message_id(&mut self, _inbox: InboxId, _id: &str) -> Result<Vec<KnownMessage>> {
        todo!()
    }

    // Deliveries.
    pub async fn insert_delivery(&mut self, _new: &NewDelivery) -> Result<DeliveryRecord> {
        todo!()
    }
    /// Locked until the end.
    pub async fn lock_delivery(&mut self, _delivery: DeliveryId) -> Result<Option<DeliveryRecord>> {
        todo!()
    }
    pub async fn update_delivery(&mut self, _record: &DeliveryRecord) -> Result<()> {
        todo!()
    }

    // Owed work and events.
    /// Due at once by the database's clock, or at `due_at`.
    pub async fn owe(
        &mut self,
        _kind: OwedKind,
        _subject_id: i64,
        _payload: serde_json::Value,
        _priority: OwedPriority,
        _due_at: Option<Timestamp>,
    ) -> Result<OwedId> {
        todo!()
    }
    /// `LeaseLost` when it is not this worker's any more.
    pub async fn finish_work(&mut self, _work: &ClaimedWork) -> Result<()> {
        todo!()
    }
    pub async fn retry_work(&mut self, _work: &ClaimedWork, _after: Duration, _failure: &Failure) -> Result<()> {
        todo!()
    }
    pub async fn fail_work(&mut self, _work: &ClaimedWork, _failure: &Failure) -> Result<()> {
        todo!()
    }
    /// Work that is not wanted any more (a deleted message's delivery).
    pub async fn cancel_owed(&mut self, _kind: OwedKind, _subject_id: i64) -> Result<u64> {
        todo!()
    }
    /// Numbered by `commit`.
    pub fn append_event(
        &mut self,
        _kind: EventKind,
        _inbox: Option<InboxId>,
        _conversation: Option<ConversationId>,
        _payload: serde_json::Value,
    ) {
        todo!()
    }

    // Raw mail.
    /// `None` unless it still waits; locked until the end, so that it is ingested once.
    pub async fn lock_raw_email(&mut self, _raw: RawEmailId) -> Result<Option<RawEmail>> {
        todo!()
    }
    pub async fn mark_raw_email(
        &mut self,
        _raw: RawEmailId,
        _outcome: &RawOutcome,
        _fingerprint: Option<&str>,
    ) -> Result<()> {
        todo!()
    }
    /// An attempt failed: counted, and left to the queue.
    pub async fn defer_raw_email(&mut self, _raw: RawEmailId, _reason: &str, _after: Duration) -> Result<()> {
        todo!()
    }

    // Inboxes, channels, grants, connections.
    pub async fn create_inbox(&mut self, _new: &NewInbox) -> Result<Inbox> {
        todo!()
    }
    /// With everything in it. Keeps tombstones of its Message-IDs and mail.
    pub async fn delete_inbox(&mut self, _inbox: InboxId) -> Result<bool> {
        todo!()
    }
    pub async fn inbox(&mut self, _inbox: InboxId) -> Result<Option<Inbox>> {
        todo!()
    }
    /// Signs an existing channel in again under this grant; both healths start anew.
    pub async fn reconnect_channel(
        &mut self,
        _channel: ChannelId,
        _grant: GrantId,
        _principal: &str,
        _smtp_user: &str,
    ) -> Result<()> {
        todo!()
    }
    pub async fn add_inbox_member(&mut self, _inbox: InboxId, _user: UserId) -> Result<()> {
        todo!()
    }
    pub async fn update_fetch_health(&mut self, _channel: ChannelId, _health: &Health) -> Result<()> {
        todo!()
    }
    pub async fn update_send_health(&mut self, _channel: ChannelId, _health: &Health) -> Result<()> {
        todo!()
    }
    pub async fn update_import(&mut self, _channel: ChannelId, _import: &ImportProgress) -> Result<()> {
        todo!()
    }
    /// One per (provider, tid, oid); signing in again renews it and makes it active.
    pub async fn upsert_grant(&mut self, _new: &NewGrant) -> Result<Grant> {
        todo!()
    }
    pub async fn store_access_token(
        &mut self,
        _grant: GrantId,
        _resource: &str,
        _token: &Secret,
        _expires_at: Timestamp,
    ) -> Result<()> {
        todo!()
    }
    pub async fn update_connection(
        &mut self,
        _connection: ConnectionId,
        _change: &ConnectionChange,
    ) -> Result<Connection> {
        todo!()
    }

    // Idempotency.
    /// Takes the key, or says what it was taken for. Keys older than 24 hours are forgotten.
    pub async fn claim_idempotency_key(
        &mut self,
        _token: TokenId,
        _key: &str,
        _request: &TokenHash,
        _now: Timestamp,
    ) -> Result<IdempotencyCheck> {
        todo!()
    }
    /// What the request made, so that its repetition finds it.
    pub async fn finish_idempotency_key(&mut self, _token: TokenId, _key: &str, _message: MessageId) -> Result<()> {
        todo!()
    }
}
