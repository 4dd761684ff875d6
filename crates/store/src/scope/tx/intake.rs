//! Mail that becomes messages, many at a time: what a batch must know is asked once, and what it leaves behind is written once.
//!
//! `VALUES` in a FROM names its columns `column1`, `column2` … on both databases.

use super::Tx;
use crate::entity::{conversation, raw_email};
use crate::scope::convert::{self, priority_number, to_json};
use crate::scope::sql::rows_of;
use crate::*;
use domain::contact::Contact;
use domain::conversation::Conversation;
use domain::message::{Attachment, Message, MessageType, Sender};
use domain::{ContactId, ConversationId, InboxId, MessageId, RawEmailId, Timestamp};
use sea_orm::FromQueryResult;
use std::collections::{HashMap, HashSet};

/// Rows of one statement.
const ROWS: usize = 200;

#[derive(Debug, FromQueryResult)]
struct KnownRow {
    header: String,
    message_id: i64,
    conversation_id: i64,
    origin: String,
    fingerprint: Option<String>,
}

#[derive(Debug, FromQueryResult)]
struct LabelRow {
    title: String,
}

/// A Message-ID to be remembered.
#[derive(Clone, Debug)]
pub struct NewMessageId {
    pub conversation_id: ConversationId,
    pub message_id: MessageId,
    pub header: String,
    pub fingerprint: String,
}

/// A mail that was just made a message.
#[derive(Debug)]
pub struct Incoming {
    pub message: Message,
    pub view: ConversationView,
}

impl Tx {
    /// Those that still wait, locked until the end, so that each is ingested once.
    pub async fn lock_raw_emails(&mut self, ids: &[RawEmailId]) -> Result<HashMap<RawEmailId, RawEmail>> {
        self.waiting(ids, "SELECT * FROM raw_emails WHERE account_id = :account AND id IN (??) AND state = 'waiting' ORDER BY id{lock}")
            .await
    }

    /// Those that still wait, as they are now.
    pub async fn waiting_raw_emails(&mut self, ids: &[RawEmailId]) -> Result<HashMap<RawEmailId, RawEmail>> {
        self.waiting(ids, "SELECT * FROM raw_emails WHERE account_id = :account AND id IN (??) AND state = 'waiting'")
            .await
    }

    async fn waiting(&mut self, ids: &[RawEmailId], text: &'static str) -> Result<HashMap<RawEmailId, RawEmail>> {
        let mut ids: Vec<i64> = ids.iter().map(|id| id.0).collect();
        ids.sort_unstable();
        let mut waiting = HashMap::new();
        for some in ids.chunks(ROWS) {
            let rows: Vec<raw_email::Model> = self.sql(text).list(some.iter().copied()).all(&self.tx).await?;
            for row in rows {
                waiting.insert(RawEmailId(row.id), convert::raw_email(row)?);
            }
        }
        Ok(waiting)
    }

    /// The messages of this inbox under each of these Message-IDs, oldest first.
    pub async fn messages_by_message_ids(
        &mut self,
        inbox: InboxId,
        headers: &[&str],
    ) -> Result<HashMap<String, Vec<KnownMessage>>> {
        let mut known: HashMap<String, Vec<KnownMessage>> = HashMap::new();
        for some in headers.chunks(ROWS) {
            let rows: Vec<KnownRow> = self
                .sql(
                    "SELECT header, message_id, conversation_id, origin, fingerprint FROM message_ids \
                     WHERE account_id = :account AND inbox_id = ? AND header IN (??) ORDER BY id",
                )
                .bind(inbox.0)
                .list(some.iter().copied())
                .all(&self.tx)
                .await?;
            for row in rows {
                known.entry(row.header).or_default().push(KnownMessage {
                    message_id: MessageId(row.message_id),
                    conversation_id: ConversationId(row.conversation_id),
                    origin: convert::code("message id origin", &row.origin, MessageIdOrigin::parse)?,
                    fingerprint: row.fingerprint,
                });
            }
        }
        Ok(known)
    }

    /// When the message of this conversation with this Message-ID was sent.
    pub async fn sent_at_of(
        &mut self,
        inbox: InboxId,
        conversation: ConversationId,
        header: &str,
    ) -> Result<Option<Timestamp>> {
        let at: Option<i64> = self
            .sql(
                "SELECT m.sent_at FROM message_ids i JOIN messages m ON m.account_id = i.account_id AND m.id = i.message_id \
                 WHERE i.account_id = :account AND i.inbox_id = ? AND i.header = ? AND i.conversation_id = ? ORDER BY i.id LIMIT 1",
            )
            .bind(inbox.0)
            .bind(header)
            .bind(conversation.0)
            .value(&self.tx)
            .await?;
        Ok(at.map(Timestamp))
    }

    /// A mail of a contact, with its files, and its conversation as it shall be: both are answered as they are now, without being read
    /// again. Lock the conversation first.
    pub async fn insert_incoming(
        &mut self,
        new: &NewMessage,
        sender: &Contact,
        files: &[NewAttachment],
        conversation: &Conversation,
        is_new: bool,
    ) -> Result<Incoming> {
        let now = self.scope.inner.now();
        let id: Option<i64> = self
            .sql(
                "INSERT INTO messages (account_id, conversation_id, message_type, private, content, content_type, content_attributes, source_id, \
                 sender_contact_id, deleted, sent_at, created_at, updated_at) VALUES (:account, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id",
            )
            .bind(new.conversation_id.0)
            .bind(i64::from(MessageType::Incoming.number()))
            .bind(new.private)
            .bind(new.content.clone())
            .bind(new.content_type.as_str())
            .bind(to_json(&new.content_attributes))
            .bind(new.source_id.clone())
            .bind(sender.id.0)
            .bind(false)
            .bind(new.sent_at.0)
            .bind(now.0)
            .bind(now.0)
            .value(&self.tx)
            .await?;
        let id = MessageId(id.ok_or(StoreError::NotFound("message"))?);
        let mut attachments: Vec<Attachment> = Vec::with_capacity(files.len());
        for file in files {
            attachments.push(self.insert_attachment(id, file).await?);
        }
        let message = Message {
            id,
            account_id: self.scope.id,
            inbox_id: conversation.inbox_id,
            conversation_id: conversation.id,
            display_id: conversation.display_id,
            message_type: MessageType::Incoming,
            private: new.private,
            content: new.content.clone(),
            content_type: new.content_type,
            content_attributes: new.content_attributes.clone(),
            source_id: new.source_id.clone(),
            sender: Sender::Contact(Box::new(sender.clone())),
            sent_at: new.sent_at,
            created_at: now,
            updated_at: now,
            deleted: false,
            attachments,
            delivery: None,
        };
        let row = self.update_with_incoming(conversation, &message).await?;
        let view = self.view_with(row, &message, sender, is_new).await?;
        Ok(Incoming { message, view })
    }

    /// One UPDATE for what the use case changed and for what the message changes.
    async fn update_with_incoming(&mut self, c: &Conversation, message: &Message) -> Result<conversation::Model> {
        let (at, id) = (message.sent_at.0, message.id.0);
        let row: Option<conversation::Model> = self
            .sql(
                "UPDATE conversations SET contact_id = ?, status = ?, priority = ?, assignee_id = ?, subject = ?, muted = ?, \
                 additional_attributes = ?, custom_attributes = ?, snoozed_until = ?, waiting_since = ?, first_reply_at = ?, \
                 last_activity_at = CASE WHEN last_activity_at < ? THEN ? ELSE last_activity_at END, \
                 last_message_id = CASE WHEN last_message_at IS NULL OR last_message_at <= ? THEN ? ELSE last_message_id END, \
                 last_message_at = CASE WHEN last_message_at IS NULL OR last_message_at <= ? THEN ? ELSE last_message_at END, \
                 last_non_activity_message_id = CASE WHEN last_non_activity_at IS NULL OR last_non_activity_at <= ? THEN ? \
                 ELSE last_non_activity_message_id END, \
                 last_non_activity_at = CASE WHEN last_non_activity_at IS NULL OR last_non_activity_at <= ? THEN ? \
                 ELSE last_non_activity_at END, \
                 unread_count = unread_count + 1, updated_at = ? WHERE account_id = :account AND id = ? RETURNING *",
            )
            .bind(c.contact_id.0)
            .bind(c.status.as_str())
            .bind(c.priority.map(priority_number))
            .bind(c.assignee_id.map(|u| u.0))
            .bind(c.subject.clone())
            .bind(c.muted)
            .bind(to_json(&c.additional_attributes))
            .bind(to_json(&c.custom_attributes))
            .bind(c.snoozed_until.map(|t| t.0))
            .bind(c.waiting_since.map(|t| t.0))
            .bind(c.first_reply_at.map(|t| t.0))
            .bind(c.last_activity_at.0.max(at))
            .bind(c.last_activity_at.0.max(at))
            .bind(at)
            .bind(id)
            .bind(at)
            .bind(at)
            .bind(at)
            .bind(id)
            .bind(at)
            .bind(at)
            .bind(message.updated_at.0)
            .bind(c.id.0)
            .one(&self.tx)
            .await?;
        row.ok_or(StoreError::NotFound("conversation"))
    }

    /// What events show, from what is in hand; what is not is read.
    async fn view_with(
        &mut self,
        row: conversation::Model,
        message: &Message,
        sender: &Contact,
        is_new: bool,
    ) -> Result<ConversationView> {
        let is_last = |id: Option<i64>| id == Some(message.id.0);
        let in_hand = row.contact_id == sender.id.0
            && row.assignee_id.is_none()
            && is_last(row.last_message_id)
            && is_last(row.last_non_activity_message_id);
        if !in_hand {
            let view = self.conversation_view(ConversationId(row.id)).await?;
            return view.ok_or(StoreError::NotFound("conversation"));
        }
        let labels: Vec<LabelRow> = if is_new {
            Vec::new()
        } else {
            self.sql("SELECT title FROM conversation_labels WHERE account_id = :account AND conversation_id = ? ORDER BY title")
                .bind(row.id)
                .all(&self.tx)
                .await?
        };
        Ok(ConversationView {
            conversation: convert::conversation(&row)?,
            contact: sender.clone(),
            assignee: None,
            unread_count: convert::number("unread_count", row.unread_count)?,
            last_message: Some(message.clone()),
            last_non_activity_message: Some(message.clone()),
            labels: labels.into_iter().map(|row| row.title).collect(),
        })
    }

    pub async fn remember_incoming_ids(&mut self, inbox: InboxId, ids: &[NewMessageId]) -> Result<()> {
        let now = self.scope.inner.now().0;
        for some in ids.chunks(ROWS) {
            let mut sql = self.sql(format!(
                "INSERT INTO message_ids (account_id, inbox_id, conversation_id, message_id, header, origin, fingerprint, created_at) VALUES {}",
                rows_of("(:account, ?, ?, ?, ?, ?, ?, ?)", some.len())
            ));
            for id in some {
                sql = sql
                    .bind(inbox.0)
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

    /// What became of mails, each named once: a message, a duplicate or nothing. Not that it waits again, or is quarantined.
    pub async fn mark_raw_emails(&mut self, marked: &[(RawEmailId, RawOutcome, String)]) -> Result<()> {
        for some in marked.chunks(ROWS) {
            let mut sql = self.sql(format!(
                "UPDATE raw_emails SET state = v.column2, message_id = v.column3, reason = v.column4, fingerprint = v.column5, breakdowns = 0, \
                 ready_at = {{now}} FROM (VALUES {}) AS v WHERE raw_emails.account_id = :account AND raw_emails.id = v.column1",
                rows_of("(?, ?, ?, ?, ?)", some.len())
            ));
            for (id, outcome, fingerprint) in some {
                let (state, message, reason) = outcome.columns();
                sql = sql
                    .bind(id.0)
                    .bind(state.as_str())
                    .bind(message.map(|m| m.0))
                    .bind(reason)
                    .bind(fingerprint.as_str());
            }
            let changed = sql.run(&self.tx).await?;
            if changed != some.len() as u64 {
                return Err(StoreError::NotFound("raw email"));
            }
        }
        Ok(())
    }

    /// As [`Tx::touch_contact`], for many; each contact once.
    pub async fn touch_contacts(&mut self, inbox: InboxId, touched: &[(ContactId, Timestamp)]) -> Result<()> {
        let unique: HashSet<ContactId> = touched.iter().map(|(contact, _)| *contact).collect();
        assert_eq!(unique.len(), touched.len(), "each contact is touched once");
        let now = self.scope.inner.now().0;
        for some in touched.chunks(ROWS) {
            let rows = rows_of("(?, ?)", some.len());
            let values = |sql: crate::scope::sql::Sql| {
                some.iter().fold(sql, |sql, (contact, at)| sql.bind(contact.0).bind(at.0))
            };
            values(self.sql(format!(
                "UPDATE contacts SET last_activity_at = v.column2 FROM (VALUES {rows}) AS v WHERE contacts.account_id = :account \
                 AND contacts.id = v.column1 AND (contacts.last_activity_at IS NULL OR contacts.last_activity_at < v.column2)"
            )))
            .run(&self.tx)
            .await?;
            let sql = self
                .sql(format!(
                    "INSERT INTO contact_inboxes (account_id, contact_id, inbox_id, source_id, last_activity_at, created_at) \
                     SELECT c.account_id, c.id, ?, COALESCE(c.email, ''), v.column2, ? FROM contacts c JOIN (VALUES {rows}) AS v \
                     ON v.column1 = c.id WHERE c.account_id = :account \
                     ON CONFLICT (account_id, contact_id, inbox_id) DO UPDATE SET last_activity_at = \
                     CASE WHEN contact_inboxes.last_activity_at < excluded.last_activity_at THEN excluded.last_activity_at \
                     ELSE contact_inboxes.last_activity_at END"
                ))
                .bind(inbox.0)
                .bind(now);
            values(sql).run(&self.tx).await?;
        }
        Ok(())
    }
}
