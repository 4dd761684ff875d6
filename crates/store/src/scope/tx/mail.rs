//! Messages, deliveries and raw mail inside a transaction.

use super::Tx;
use crate::entity::{attachment, message, raw_email};
use crate::scope::blobs::{Addressed, name_blob};
use crate::scope::convert::{self, to_json};
use crate::scope::grants::micros;
use crate::scope::search_index::forget_messages;
use crate::scope::tenant::insert_in;
use crate::scope::{deliveries, messages};
use crate::*;
use bytes::Bytes;
use domain::message::{Attachment, Message, MessageType};
use domain::{BlobId, ConversationId, DeliveryId, InboxId, MessageId, RawEmailId};
use sea_orm::ActiveValue::Set;
use std::time::Duration;

impl Tx {
    /// As [`Self::add_message`], and reads it back.
    pub async fn insert_message(&mut self, new: &NewMessage) -> Result<Message> {
        let id = self.add_message(new).await?;
        self.message(id).await?.ok_or(StoreError::NotFound("message"))
    }

    /// Keeps the conversation's last message, unread count and last activity in step. Lock the conversation first.
    pub async fn add_message(&mut self, new: &NewMessage) -> Result<MessageId> {
        self.add(new, false).await
    }

    /// As [`Self::add_message`], of one that answers the customer: nobody waits any more.
    pub async fn add_answer(&mut self, new: &NewMessage) -> Result<MessageId> {
        self.add(new, true).await
    }

    async fn add(&mut self, new: &NewMessage, answers: bool) -> Result<MessageId> {
        let now = self.scope.inner.now().0;
        let (contact, user) = match new.sender {
            NewSender::Contact(contact) => (Some(contact.0), None),
            NewSender::User(user) => (None, Some(user.0)),
            NewSender::System => (None, None),
        };
        let row = message::ActiveModel {
            conversation_id: Set(new.conversation_id.0),
            message_type: Set(i64::from(new.message_type.number())),
            private: Set(new.private),
            content: Set(new.content.clone()),
            content_type: Set(new.content_type.as_str().to_owned()),
            content_attributes: Set(to_json(&new.content_attributes)),
            source_id: Set(new.source_id.clone()),
            sender_contact_id: Set(contact),
            sender_user_id: Set(user),
            deleted: Set(false),
            sent_at: Set(new.sent_at.0),
            created_at: Set(now),
            updated_at: Set(now),
            ..Default::default()
        };
        let row = insert_in(&self.tx, self.scope.id, row).await?;
        let spoken = new.message_type != MessageType::Activity;
        let at = new.sent_at.0;
        // `(sent_at, id)`: an imported mail sorts where it belongs, and is not the last message because it came last.
        self.sql(
            "UPDATE conversations SET \
             last_message_id = CASE WHEN last_message_at IS NULL OR last_message_at <= ? THEN ? ELSE last_message_id END, \
             last_message_at = CASE WHEN last_message_at IS NULL OR last_message_at <= ? THEN ? ELSE last_message_at END, \
             last_non_activity_message_id = CASE WHEN ? AND (last_non_activity_at IS NULL OR last_non_activity_at <= ?) THEN ? \
             ELSE last_non_activity_message_id END, \
             last_non_activity_at = CASE WHEN ? AND (last_non_activity_at IS NULL OR last_non_activity_at <= ?) THEN ? \
             ELSE last_non_activity_at END, \
             last_activity_at = CASE WHEN last_activity_at < ? THEN ? ELSE last_activity_at END, \
             waiting_since = CASE WHEN ? THEN NULL ELSE waiting_since END, \
             first_reply_at = CASE WHEN ? THEN COALESCE(first_reply_at, ?) ELSE first_reply_at END, \
             unread_count = unread_count + ?, updated_at = ? WHERE account_id = :account AND id = ?",
        )
        .bind(at)
        .bind(row.id)
        .bind(at)
        .bind(at)
        .bind(spoken)
        .bind(at)
        .bind(row.id)
        .bind(spoken)
        .bind(at)
        .bind(at)
        .bind(at)
        .bind(at)
        .bind(answers)
        .bind(answers)
        .bind(at)
        .bind(i64::from(new.message_type == MessageType::Incoming))
        .bind(now)
        .bind(new.conversation_id.0)
        .run(&self.tx)
        .await?;
        Ok(MessageId(row.id))
    }

    pub async fn update_message(&mut self, id: MessageId, change: &MessageChange) -> Result<Message> {
        self.sql(
            "UPDATE messages SET content = CASE WHEN ? THEN ? ELSE content END, content_attributes = COALESCE(?, content_attributes), \
             source_id = COALESCE(?, source_id), deleted = COALESCE(?, deleted), updated_at = ? WHERE account_id = :account AND id = ?",
        )
        .bind(change.content.is_some())
        .bind(change.content.clone().flatten())
        .bind(change.content_attributes.as_ref().map(to_json))
        .bind(change.source_id.clone())
        .bind(change.deleted)
        .bind(self.scope.inner.now().0)
        .bind(id.0)
        .run(&self.tx)
        .await?;
        if change.deleted == Some(true) {
            forget_messages(&self.tx, self.scope.id, [id.0].into_iter()).await?;
            self.sql("DELETE FROM attachments WHERE account_id = :account AND message_id = ?")
                .bind(id.0)
                .run(&self.tx)
                .await?;
        }
        self.message(id).await?.ok_or(StoreError::NotFound("message"))
    }

    /// With its sender, attachments and delivery.
    pub async fn message(&mut self, id: MessageId) -> Result<Option<Message>> {
        messages::load_message(&self.tx, self.scope.id, id).await
    }

    /// For small things made inside the transaction; what is large is better put before it (`AccountScope::put_blob`).
    pub async fn put_blob(&mut self, bytes: &[u8]) -> Result<BlobId> {
        let blob = Addressed::new(Bytes::copy_from_slice(bytes)).await?;
        self.scope.write_files(std::slice::from_ref(&blob)).await?;
        name_blob(&self.tx, &self.scope, &blob).await
    }

    /// The blob's row, and its bytes where rows hold them. Begin with it: what is large takes a while, and nothing should wait for that.
    pub async fn keep_blob(&mut self, blob: &StagedBlob) -> Result<BlobId> {
        name_blob(&self.tx, &self.scope, &blob.0).await
    }

    pub async fn insert_attachment(&mut self, message: MessageId, new: &NewAttachment) -> Result<Attachment> {
        let row = attachment::ActiveModel {
            message_id: Set(message.0),
            blob_id: Set(new.blob_id.0),
            file_name: Set(new.file_name.clone()),
            content_type: Set(new.content_type.clone()),
            size_bytes: Set(i64::try_from(new.size_bytes).unwrap_or(i64::MAX)),
            content_id: Set(new.content_id.clone()),
            inline: Set(new.inline),
            created_at: Set(self.scope.inner.now().0),
            ..Default::default()
        };
        convert::attachment(insert_in(&self.tx, self.scope.id, row).await?)
    }

    /// Ids are re-used in the wild, so one id may be remembered for several messages, each with its fingerprint.
    pub async fn remember_message_id(
        &mut self,
        inbox: InboxId,
        conversation: ConversationId,
        message: MessageId,
        id: &str,
        origin: MessageIdOrigin,
        fingerprint: Option<&str>,
    ) -> Result<()> {
        self.sql(
            "INSERT INTO message_ids (account_id, inbox_id, conversation_id, message_id, header, origin, fingerprint, created_at) \
             VALUES (:account, ?, ?, ?, ?, ?, ?, ?)",
        )
        .bind(inbox.0)
        .bind(conversation.0)
        .bind(message.0)
        .bind(id)
        .bind(origin.as_str())
        .bind(fingerprint.map(str::to_owned))
        .bind(self.scope.inner.now().0)
        .run(&self.tx)
        .await?;
        Ok(())
    }

    pub async fn messages_by_message_id(&mut self, inbox: InboxId, id: &str) -> Result<Vec<KnownMessage>> {
        messages::known_messages(&self.tx, self.scope.id, inbox, id).await
    }

    pub async fn insert_delivery(&mut self, new: &NewDelivery) -> Result<DeliveryRecord> {
        deliveries::insert_delivery(&self.tx, &self.scope, new).await
    }

    /// Locked until the end.
    pub async fn lock_delivery(&mut self, delivery: DeliveryId) -> Result<Option<DeliveryRecord>> {
        deliveries::lock_delivery(&self.tx, &self.scope, delivery).await
    }

    /// `queued` → `sending`, one attempt more; with the mail's bytes, where they are new. The row as it is then, locked until the end; `None`: it is
    /// not queued any more, or not under this Message-ID.
    pub async fn begin_delivery(
        &mut self,
        delivery: DeliveryId,
        message_id_header: &str,
        composed: Option<BlobId>,
        handover: &Handover,
    ) -> Result<Option<DeliveryRecord>> {
        deliveries::begin_delivery(&self.tx, &self.scope, delivery, message_id_header, composed, handover).await
    }

    pub async fn update_delivery(&mut self, record: &DeliveryRecord) -> Result<()> {
        deliveries::update_delivery(&self.tx, &self.scope, record).await
    }

    /// `None` unless it still waits; locked until the end, so that it is ingested once.
    pub async fn lock_raw_email(&mut self, raw: RawEmailId) -> Result<Option<RawEmail>> {
        let row: Option<raw_email::Model> = self
            .sql("SELECT * FROM raw_emails WHERE account_id = :account AND id = ? AND state = 'waiting'{lock}")
            .bind(raw.0)
            .one(&self.tx)
            .await?;
        row.map(convert::raw_email).transpose()
    }

    pub async fn mark_raw_email(
        &mut self,
        raw: RawEmailId,
        outcome: &RawOutcome,
        fingerprint: Option<&str>,
    ) -> Result<()> {
        let (state, message, reason) = outcome.columns();
        let changed = self
            .sql(
                "UPDATE raw_emails SET state = ?, message_id = ?, reason = ?, fingerprint = COALESCE(?, fingerprint), \
                 attempts = CASE WHEN ? = 'waiting' THEN 0 ELSE attempts END, breakdowns = 0, ready_at = {now} \
                 WHERE account_id = :account AND id = ?",
            )
            .bind(state.as_str())
            .bind(message.map(|m| m.0))
            .bind(reason)
            .bind(fingerprint.map(str::to_owned))
            .bind(state.as_str())
            .bind(raw.0)
            .run(&self.tx)
            .await?;
        if changed == 1 { Ok(()) } else { Err(StoreError::NotFound("raw email")) }
    }

    /// Of these nothing is kept but that they were here, so that they are not fetched again: what they were part of is deleted. They stand in no
    /// list and cannot be tried again.
    pub async fn empty_raw_emails(&mut self, raws: &[RawEmailId]) -> Result<()> {
        if raws.is_empty() {
            return Ok(());
        }
        let nothing = Addressed::new(Bytes::new()).await?;
        let nothing = name_blob(&self.tx, &self.scope, &nothing).await?;
        let now = self.scope.inner.now().0;
        for some in raws.chunks(500) {
            self.sql(
                "UPDATE raw_emails SET blob_id = ?, size_bytes = 0, message_id_header = NULL, fingerprint = NULL, dismissed_at = ? \
                 WHERE account_id = :account AND id IN (??)",
            )
            .bind(nothing.0)
            .bind(now)
            .list(some.iter().map(|raw| raw.0))
            .run(&self.tx)
            .await?;
        }
        Ok(())
    }

    /// An attempt failed: counted (unless a claim counted it), and left to the queue.
    pub async fn defer_raw_email(&mut self, raw: RawEmailId, reason: &str, after: Duration) -> Result<()> {
        self.sql(
            "UPDATE raw_emails SET attempts = attempts + CASE WHEN lease_token IS NULL THEN 1 ELSE 0 END, reason = ?, \
             lease_token = NULL, lease_worker = NULL, lease_until = 0, breakdowns = 0, ready_at = {now} + ? \
             WHERE account_id = :account AND id = ? AND state = 'waiting'",
        )
        .bind(reason)
        .bind(micros(after))
        .bind(raw.0)
        .run(&self.tx)
        .await?;
        Ok(())
    }
}
