//! A contact is erased: first nobody sees or knows them any more, then, some at a time, everything they said goes.
//!
//! Their conversations leave tombstones, so that no mail of them comes back with another reading of the mailbox. What they wrote into somebody
//! else's conversation becomes a deleted message, without words, files and bytes. Events keep their places in the count and lose what they say.

use super::Tx;
use crate::scope::search_index::forget_messages;
use crate::*;
use domain::audit::{AuditAction, AuditSubject};
use domain::{ContactId, ConversationId, MessageId};
use sea_orm::FromQueryResult;
use serde_json::{Value, json};

#[derive(Debug, FromQueryResult)]
struct EventRow {
    seq: i64,
    payload: String,
    is_orphan: bool,
}

impl Tx {
    /// Takes name, addresses and everything that was kept of them. Lock the contact first. Their next mail is a stranger's.
    pub async fn begin_erasing(&mut self, contact: ContactId) -> Result<()> {
        for table in ["contact_addresses", "contact_notes", "contact_labels", "contact_inboxes", "contact_words"] {
            self.sql(format!("DELETE FROM {table} WHERE account_id = :account AND contact_id = ?"))
                .bind(contact.0)
                .run(&self.tx)
                .await?;
        }
        let now = self.scope.inner.now().0;
        self.sql(
            "UPDATE contacts SET name = '', email = NULL, phone_number = NULL, identifier = NULL, additional_attributes = '{}', \
             custom_attributes = '{}', erased_at = ?, updated_at = ? WHERE account_id = :account AND id = ?",
        )
        .bind(now)
        .bind(now)
        .bind(contact.0)
        .run(&self.tx)
        .await?;
        self.audit(AuditAction::Destroy, AuditSubject::Contact, contact.0, json!({})).await
    }

    /// Conversations of a contact that is being erased, by id.
    pub async fn conversations_to_erase(&mut self, contact: ContactId, most: u32) -> Result<Vec<ConversationId>> {
        let ids: Vec<i64> = self
            .sql(
                "SELECT c.id FROM conversations c JOIN contacts p ON p.account_id = c.account_id AND p.id = c.contact_id \
                 WHERE c.account_id = :account AND c.contact_id = ? AND p.erased_at IS NOT NULL ORDER BY c.id LIMIT ?",
            )
            .bind(contact.0)
            .bind(i64::from(most))
            .column(&self.tx)
            .await?;
        Ok(ids.into_iter().map(ConversationId).collect())
    }

    /// Some of what they wrote into others' conversations, which are locked. The messages, without a word; none: there is no more.
    pub async fn erase_messages(&mut self, contact: ContactId, most: u32) -> Result<Vec<MessageId>> {
        let conversations: Vec<i64> = self
            .sql(
                "SELECT id FROM conversations WHERE account_id = :account AND id IN (SELECT conversation_id FROM \
                 (SELECT m.conversation_id FROM messages m JOIN contacts p ON p.account_id = m.account_id AND p.id = m.sender_contact_id \
                 WHERE m.account_id = :account AND m.sender_contact_id = ? AND p.erased_at IS NOT NULL LIMIT ?) AS theirs) ORDER BY id{lock}",
            )
            .bind(contact.0)
            .bind(i64::from(most))
            .column(&self.tx)
            .await?;
        let ids: Vec<i64> = self
            .sql(
                "SELECT id FROM messages WHERE account_id = :account AND sender_contact_id = ? AND conversation_id IN (??) ORDER BY id LIMIT ?",
            )
            .bind(contact.0)
            .list(conversations)
            .bind(i64::from(most))
            .column(&self.tx)
            .await?;
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        self.bury("message_id", &ids).await?;
        for statement in [
            "DELETE FROM attachments WHERE account_id = :account AND message_id IN (??)",
            "DELETE FROM raw_emails WHERE account_id = :account AND message_id IN (??)",
            "DELETE FROM message_ids WHERE account_id = :account AND message_id IN (??)",
        ] {
            self.sql(statement).list(ids.iter().copied()).run(&self.tx).await?;
        }
        forget_messages(&self.tx, self.scope.id, ids.iter().copied()).await?;
        self.sql(
            "UPDATE messages SET content = NULL, content_attributes = '{\"deleted\":true}', source_id = NULL, sender_contact_id = NULL, \
             deleted = ?, updated_at = ? WHERE account_id = :account AND id IN (??)",
        )
        .bind(true)
        .bind(self.scope.inner.now().0)
        .list(ids.iter().copied())
        .run(&self.tx)
        .await?;
        Ok(ids.into_iter().map(MessageId).collect())
    }

    /// Of the next `most` events after this one: those of conversations that are gone, and those in which the contact stands, or one that was merged into it, say nothing any
    /// more. The last one that was looked at, and how many lost what they said; `None`: there is no more.
    pub async fn erase_events(&mut self, contact: ContactId, after: i64, most: u32) -> Result<Option<(i64, u64)>> {
        let mut people: Vec<i64> = self
            .sql("SELECT merged_id FROM merged_contacts WHERE account_id = :account AND contact_id = ?")
            .bind(contact.0)
            .column(&self.tx)
            .await?;
        people.push(contact.0);
        let rows: Vec<EventRow> = self
            .sql(
                "SELECT e.seq, e.payload, e.conversation_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM conversations c \
                 WHERE c.account_id = e.account_id AND c.id = e.conversation_id) AS is_orphan \
                 FROM events e WHERE e.account_id = :account AND e.seq > ? ORDER BY e.seq LIMIT ?",
            )
            .bind(after)
            .bind(i64::from(most))
            .all(&self.tx)
            .await?;
        let Some(last) = rows.last().map(|row| row.seq) else { return Ok(None) };
        let speaks = |row: &&EventRow| {
            row.payload != ERASED
                && (row.is_orphan
                    || serde_json::from_str(&row.payload).is_ok_and(|payload| is_about(&payload, &people)))
        };
        let erased: Vec<i64> = rows.iter().filter(speaks).map(|row| row.seq).collect();
        if !erased.is_empty() {
            self.sql("UPDATE events SET payload = ? WHERE account_id = :account AND seq IN (??)")
                .bind(ERASED)
                .list(erased.iter().copied())
                .run(&self.tx)
                .await?;
        }
        Ok(Some((last, erased.len() as u64)))
    }

    /// Last of all.
    pub async fn end_erasing(&mut self, contact: ContactId) -> Result<()> {
        self.remove_contact(contact).await
    }
}

const ERASED: &str = r#"{"v":2,"erased":true}"#;

/// Wherever in a picture people stand, they say that they are contacts, and which. That one was deleted is no more than its number.
fn is_about(payload: &Value, people: &[i64]) -> bool {
    match payload {
        Value::Object(fields) => {
            (fields.get("type").and_then(Value::as_str) == Some("contact")
                && fields.get("id").and_then(Value::as_i64).is_some_and(|id| people.contains(&id)))
                || fields.values().any(|field| is_about(field, people))
        }
        Value::Array(items) => items.iter().any(|item| is_about(item, people)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}
