//! Writing what a batch of mail became: a statement for each table, never one for each mail.

use super::Tx;
use crate::scope::convert::{priority_number, to_json};
use crate::scope::sql::rows_of;
use crate::*;
use domain::message::{Message, Sender};

/// The widest table has 24 columns, so this stays below SQLite's 32,766 values.
const ROWS_AT_ONCE: usize = 500;

impl Tx {
    /// Writes the batch. Its contacts, conversations and raw mails are locked by this transaction.
    pub async fn file(&mut self, batch: &FiledBatch) -> Result<()> {
        let (new, known): (Vec<_>, Vec<_>) = batch.conversations.iter().partition(|c| c.is_new);
        self.insert_conversations(&new).await?;
        self.insert_messages(&batch.messages).await?;
        self.insert_attachments(&batch.messages).await?;
        self.insert_ids(batch).await?;
        self.update_conversations(&known).await?;
        self.touch_contacts(batch).await?;
        self.mark_raw_emails(&batch.raw_emails).await
    }

    async fn insert_conversations(&mut self, new: &[&FiledConversation]) -> Result<()> {
        let now = self.scope.inner.now().0;
        for some in new.chunks(ROWS_AT_ONCE) {
            let row = "(:account, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
            let mut sql = self.sql(format!(
                "INSERT INTO conversations (account_id, id, display_id, uuid, inbox_id, contact_id, status, priority, assignee_id, \
                 subject, muted, additional_attributes, custom_attributes, waiting_since, last_activity_at, unread_count, \
                 last_message_id, last_message_at, last_non_activity_message_id, last_non_activity_at, created_at, updated_at) \
                 VALUES {}",
                rows_of(row, some.len())
            ));
            for filed in some {
                let c = &filed.conversation;
                let (at, message) = filed.last;
                sql = sql
                    .bind(c.id.0)
                    .bind(c.display_id.0)
                    .bind(c.uuid.as_str())
                    .bind(c.inbox_id.0)
                    .bind(c.contact_id.0)
                    .bind(c.status.as_str())
                    .bind(c.priority.map(priority_number))
                    .bind(c.assignee_id.map(|user| user.0))
                    .bind(c.subject.clone())
                    .bind(c.muted)
                    .bind(to_json(&c.additional_attributes))
                    .bind(to_json(&c.custom_attributes))
                    .bind(c.waiting_since.map(|t| t.0))
                    .bind(c.last_activity_at.0)
                    .bind(i64::from(filed.unread))
                    .bind(message.0)
                    .bind(at.0)
                    .bind(message.0)
                    .bind(at.0)
                    .bind(now)
                    .bind(now);
            }
            sql.run(&self.tx).await?;
        }
        Ok(())
    }

    async fn insert_messages(&mut self, messages: &[Message]) -> Result<()> {
        for some in messages.chunks(ROWS_AT_ONCE) {
            let row = "(:account, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
            let mut sql = self.sql(format!(
                "INSERT INTO messages (account_id, id, conversation_id, message_type, private, content, content_type, \
                 content_attributes, source_id, sender_contact_id, sender_user_id, deleted, sent_at, created_at, updated_at) VALUES {}",
                rows_of(row, some.len())
            ));
            for message in some {
                let (contact, user) = match &message.sender {
                    Sender::Contact(contact) => (Some(contact.id.0), None),
                    Sender::User(user) => (None, Some(user.id.0)),
                    Sender::System => (None, None),
                };
                sql = sql
                    .bind(message.id.0)
                    .bind(message.conversation_id.0)
                    .bind(i64::from(message.message_type.number()))
                    .bind(message.private)
                    .bind(message.content.clone())
                    .bind(message.content_type.as_str())
                    .bind(to_json(&message.content_attributes))
                    .bind(message.source_id.clone())
                    .bind(contact)
                    .bind(user)
                    .bind(message.deleted)
                    .bind(message.sent_at.0)
                    .bind(message.created_at.0)
                    .bind(message.updated_at.0);
            }
            sql.run(&self.tx).await?;
        }
        Ok(())
    }

    async fn insert_attachments(&mut self, messages: &[Message]) -> Result<()> {
        let now = self.scope.inner.now().0;
        let attachments: Vec<_> = messages.iter().flat_map(|message| &message.attachments).collect();
        for some in attachments.chunks(ROWS_AT_ONCE) {
            let mut sql = self.sql(format!(
                "INSERT INTO attachments (account_id, id, message_id, blob_id, file_name, content_type, size_bytes, content_id, inline, \
                 created_at) VALUES {}",
                rows_of("(:account, ?, ?, ?, ?, ?, ?, ?, ?, ?)", some.len())
            ));
            for file in some {
                sql = sql
                    .bind(file.id.0)
                    .bind(file.message_id.0)
                    .bind(file.blob_id.0)
                    .bind(file.file_name.as_str())
                    .bind(file.content_type.as_str())
                    .bind(i64::try_from(file.size_bytes).unwrap_or(i64::MAX))
                    .bind(file.content_id.clone())
                    .bind(file.inline)
                    .bind(now);
            }
            sql.run(&self.tx).await?;
        }
        Ok(())
    }

    async fn insert_ids(&mut self, batch: &FiledBatch) -> Result<()> {
        let now = self.scope.inner.now().0;
        for some in batch.ids.chunks(ROWS_AT_ONCE) {
            let mut sql = self.sql(format!(
                "INSERT INTO message_ids (account_id, inbox_id, conversation_id, message_id, header, origin, fingerprint, created_at) \
                 VALUES {}",
                rows_of("(:account, ?, ?, ?, ?, ?, ?, ?)", some.len())
            ));
            for id in some {
                sql = sql
                    .bind(batch.inbox_id.0)
                    .bind(id.conversation_id.0)
                    .bind(id.message_id.0)
                    .bind(id.header.as_str())
                    .bind(MessageIdOrigin::Incoming.as_str())
                    .bind(id.fingerprint.as_str())
                    .bind(now);
            }
            sql.run(&self.tx).await?;
        }
        Ok(())
    }

    /// `(sent_at, id)`: an imported mail sorts where it belongs, and is not the last message because it came last.
    async fn update_conversations(&mut self, known: &[&FiledConversation]) -> Result<()> {
        let now = self.scope.inner.now().0;
        for some in known.chunks(ROWS_AT_ONCE) {
            let mut sql = self.sql(format!(
                "WITH v (id, status, snoozed_until, waiting_since, activity_at, message_id, message_at, unread) AS (VALUES {}) \
                 UPDATE conversations SET status = v.status, snoozed_until = v.snoozed_until, waiting_since = v.waiting_since, \
                 last_message_id = CASE WHEN last_message_at IS NULL OR last_message_at <= v.message_at THEN v.message_id \
                 ELSE last_message_id END, \
                 last_message_at = CASE WHEN last_message_at IS NULL OR last_message_at <= v.message_at THEN v.message_at \
                 ELSE last_message_at END, \
                 last_non_activity_message_id = CASE WHEN last_non_activity_at IS NULL OR last_non_activity_at <= v.message_at \
                 THEN v.message_id ELSE last_non_activity_message_id END, \
                 last_non_activity_at = CASE WHEN last_non_activity_at IS NULL OR last_non_activity_at <= v.message_at \
                 THEN v.message_at ELSE last_non_activity_at END, \
                 last_activity_at = CASE WHEN last_activity_at < v.activity_at THEN v.activity_at ELSE last_activity_at END, \
                 unread_count = unread_count + v.unread, updated_at = ? FROM v \
                 WHERE conversations.account_id = :account AND conversations.id = v.id",
                rows_of("(?, ?, ?, ?, ?, ?, ?, ?)", some.len())
            ));
            for filed in some {
                let c = &filed.conversation;
                let (at, message) = filed.last;
                sql = sql
                    .bind(c.id.0)
                    .bind(c.status.as_str())
                    .bind(c.snoozed_until.map(|t| t.0))
                    .bind(c.waiting_since.map(|t| t.0))
                    .bind(c.last_activity_at.0)
                    .bind(message.0)
                    .bind(at.0)
                    .bind(i64::from(filed.unread));
            }
            sql.bind(now).run(&self.tx).await?;
        }
        Ok(())
    }

    /// Moves `last_activity_at` forward and makes the contacts known in the inbox.
    async fn touch_contacts(&mut self, batch: &FiledBatch) -> Result<()> {
        let now = self.scope.inner.now().0;
        for some in batch.contacts.chunks(ROWS_AT_ONCE) {
            let mut sql = self.sql(format!(
                "WITH v (id, wrote_at) AS (VALUES {}) UPDATE contacts SET last_activity_at = v.wrote_at FROM v \
                 WHERE contacts.account_id = :account AND contacts.id = v.id \
                 AND (contacts.last_activity_at IS NULL OR contacts.last_activity_at < v.wrote_at)",
                rows_of("(?, ?)", some.len())
            ));
            for filed in some {
                sql = sql.bind(filed.contact.id.0).bind(filed.wrote_at.0);
            }
            sql.run(&self.tx).await?;
            let mut sql = self.sql(format!(
                "INSERT INTO contact_inboxes (account_id, contact_id, inbox_id, source_id, last_activity_at, created_at) VALUES {} \
                 ON CONFLICT (account_id, contact_id, inbox_id) DO UPDATE SET last_activity_at = excluded.last_activity_at \
                 WHERE contact_inboxes.last_activity_at < excluded.last_activity_at",
                rows_of("(:account, ?, ?, ?, ?, ?)", some.len())
            ));
            for filed in some {
                sql = sql
                    .bind(filed.contact.id.0)
                    .bind(batch.inbox_id.0)
                    .bind(filed.contact.email.clone().unwrap_or_default())
                    .bind(filed.wrote_at.0)
                    .bind(now);
            }
            sql.run(&self.tx).await?;
        }
        Ok(())
    }

    async fn mark_raw_emails(&mut self, marks: &[FiledRawEmail]) -> Result<()> {
        for some in marks.chunks(ROWS_AT_ONCE) {
            let mut sql = self.sql(format!(
                "WITH v (id, state, message_id, reason, fingerprint) AS (VALUES {}) \
                 UPDATE raw_emails SET state = v.state, message_id = v.message_id, reason = v.reason, fingerprint = v.fingerprint, \
                 breakdowns = 0, ready_at = {{now}} FROM v WHERE raw_emails.account_id = :account AND raw_emails.id = v.id",
                rows_of("(?, ?, ?, ?, ?)", some.len())
            ));
            for mark in some {
                let (state, message, reason) = mark.outcome.columns();
                sql = sql
                    .bind(mark.id.0)
                    .bind(state.as_str())
                    .bind(message.map(|m| m.0))
                    .bind(reason)
                    .bind(mark.fingerprint.as_str());
            }
            let changed = sql.run(&self.tx).await?;
            if usize::try_from(changed).ok() != Some(some.len()) {
                return Err(StoreError::NotFound("raw email"));
            }
        }
        Ok(())
    }
}
