//! Contacts and conversations inside a transaction.

use super::Tx;
use super::events::provisional;
use crate::entity::{contact, conversation};
use crate::scope::convert::{self, priority_number, to_json};
use crate::scope::tenant::insert_in;
use crate::scope::views::conversation_view;
use crate::*;
use domain::contact::Contact;
use domain::conversation::Conversation;
use domain::{ContactId, ConversationId, InboxId, Timestamp};
use sea_orm::ActiveValue::Set;
use sea_orm::FromQueryResult;
use std::collections::HashMap;

#[derive(Debug, FromQueryResult)]
struct HeaderRow {
    header: String,
    conversation_id: i64,
}

impl Tx {
    /// `key`: `EmailAddress::key()`.
    pub async fn find_contact_by_address(&mut self, key: &str) -> Result<Option<Contact>> {
        let row: Option<contact::Model> = self
            .sql(
                "SELECT p.* FROM contact_addresses a JOIN contacts p ON p.account_id = a.account_id AND p.id = a.contact_id \
                 WHERE a.account_id = :account AND a.address_key = ?",
            )
            .bind(key)
            .one(&self.tx)
            .await?;
        row.map(convert::contact).transpose()
    }

    /// `Conflict` when the address is another contact's.
    pub async fn create_contact(&mut self, new: &NewContact) -> Result<Contact> {
        let contact = self.insert_contact(new).await?;
        if let Some(email) = &new.email {
            let taken = self.insert_address(contact.id, email).await?;
            if !taken {
                return Err(StoreError::Conflict("the address is another contact's".to_owned()));
            }
        }
        Ok(contact)
    }

    /// Safe against a second transaction that makes the same contact at the same time. `true`: it is new.
    pub async fn find_or_create_contact(&mut self, new: &NewContact) -> Result<(Contact, bool)> {
        let Some(email) = &new.email else { return Ok((self.insert_contact(new).await?, true)) };
        if let Some(known) = self.find_contact_by_address(&email.key()).await? {
            return Ok((known, false));
        }
        let contact = self.insert_contact(new).await?;
        if self.insert_address(contact.id, email).await? {
            return Ok((contact, true));
        }
        // Somebody else was quicker, and has committed: theirs it is.
        self.sql("DELETE FROM contacts WHERE account_id = :account AND id = ?")
            .bind(contact.id.0)
            .run(&self.tx)
            .await?;
        let known = self.find_contact_by_address(&email.key()).await?;
        known
            .map(|contact| (contact, false))
            .ok_or_else(|| StoreError::Unavailable("a contact went while it was looked at".to_owned()))
    }

    async fn insert_contact(&mut self, new: &NewContact) -> Result<Contact> {
        let now = self.scope.inner.now().0;
        let row = contact::ActiveModel {
            name: Set(new.name.clone()),
            email: Set(new.email.as_ref().map(|e| e.as_str().to_owned())),
            phone_number: Set(new.phone_number.clone()),
            identifier: Set(new.identifier.clone()),
            blocked: Set(false),
            additional_attributes: Set(to_json(&new.additional_attributes)),
            custom_attributes: Set(to_json(&new.custom_attributes)),
            last_activity_at: Set(new.last_activity_at.map(|t| t.0)),
            created_at: Set(now),
            updated_at: Set(now),
            ..Default::default()
        };
        convert::contact(insert_in(&self.tx, self.scope.id, row).await?)
    }

    /// `false`: it is taken.
    async fn insert_address(&mut self, contact: ContactId, email: &domain::EmailAddress) -> Result<bool> {
        let inserted = self
            .sql(
                "INSERT INTO contact_addresses (account_id, contact_id, address, address_key, created_at) \
                 VALUES (:account, ?, ?, ?, ?) ON CONFLICT (account_id, address_key) DO NOTHING",
            )
            .bind(contact.0)
            .bind(email.as_str())
            .bind(email.key())
            .bind(self.scope.inner.now().0)
            .run(&self.tx)
            .await?;
        Ok(inserted == 1)
    }

    /// Moves `last_activity_at` forward and makes the contact known in the inbox. Comes before the conversation is locked.
    pub async fn touch_contact(&mut self, contact: ContactId, inbox: InboxId, at: Timestamp) -> Result<()> {
        self.sql(
            "UPDATE contacts SET last_activity_at = ? WHERE account_id = :account AND id = ? \
             AND (last_activity_at IS NULL OR last_activity_at < ?)",
        )
        .bind(at.0)
        .bind(contact.0)
        .bind(at.0)
        .run(&self.tx)
        .await?;
        self.sql(
            "INSERT INTO contact_inboxes (account_id, contact_id, inbox_id, source_id, last_activity_at, created_at) \
             SELECT account_id, id, ?, COALESCE(email, ''), ?, ? FROM contacts WHERE account_id = :account AND id = ? \
             ON CONFLICT (account_id, contact_id, inbox_id) DO UPDATE SET last_activity_at = \
             CASE WHEN contact_inboxes.last_activity_at < excluded.last_activity_at THEN excluded.last_activity_at \
             ELSE contact_inboxes.last_activity_at END",
        )
        .bind(inbox.0)
        .bind(at.0)
        .bind(self.scope.inner.now().0)
        .bind(contact.0)
        .run(&self.tx)
        .await?;
        Ok(())
    }

    /// Message-IDs (without angle brackets) that are known in this inbox, and their conversations; the latest where an id was
    /// used more than once.
    pub async fn conversations_by_message_ids(
        &mut self,
        inbox: InboxId,
        ids: &[String],
    ) -> Result<HashMap<String, ConversationId>> {
        if ids.is_empty() {
            return Ok(HashMap::new());
        }
        let rows: Vec<HeaderRow> = self
            .sql(
                "SELECT header, conversation_id FROM message_ids WHERE account_id = :account AND inbox_id = ? AND header IN (??) ORDER BY id",
            )
            .bind(inbox.0)
            .list(ids.iter().map(String::as_str))
            .all(&self.tx)
            .await?;
        Ok(rows.into_iter().map(|row| (row.header, ConversationId(row.conversation_id))).collect())
    }

    pub async fn conversation_by_uuid(&mut self, inbox: InboxId, uuid: &str) -> Result<Option<ConversationId>> {
        let id = self
            .sql("SELECT id FROM conversations WHERE account_id = :account AND uuid = ? AND inbox_id = ?")
            .bind(uuid)
            .bind(inbox.0)
            .value(&self.tx)
            .await?;
        Ok(id.map(ConversationId))
    }

    /// Locked until the end. `None`: gone.
    pub async fn lock_conversation(&mut self, id: ConversationId) -> Result<Option<Conversation>> {
        let row: Option<conversation::Model> = self
            .sql("SELECT * FROM conversations WHERE account_id = :account AND id = ?{lock}")
            .bind(id.0)
            .one(&self.tx)
            .await?;
        row.as_ref().map(convert::conversation).transpose()
    }

    /// Its display id is provisional until `commit`.
    pub async fn create_conversation(&mut self, new: &NewConversation) -> Result<Conversation> {
        let now = self.scope.inner.now().0;
        let display_id = provisional(self.scope.inner.entropy.as_ref());
        let row = conversation::ActiveModel {
            display_id: Set(display_id),
            uuid: Set(new.uuid.clone()),
            inbox_id: Set(new.inbox_id.0),
            contact_id: Set(new.contact_id.0),
            status: Set(new.status.as_str().to_owned()),
            priority: Set(new.priority.map(priority_number)),
            assignee_id: Set(new.assignee_id.map(|u| u.0)),
            subject: Set(new.subject.clone()),
            muted: Set(false),
            additional_attributes: Set(to_json(&new.additional_attributes)),
            custom_attributes: Set("{}".to_owned()),
            waiting_since: Set(new.waiting_since.map(|t| t.0)),
            last_activity_at: Set(new.last_activity_at.0),
            unread_count: Set(0),
            created_at: Set(now),
            updated_at: Set(now),
            ..Default::default()
        };
        let row = insert_in(&self.tx, self.scope.id, row).await?;
        self.new_conversations.push((ConversationId(row.id), display_id));
        convert::conversation(&row)
    }

    /// Writes every field a use case may change, stamps `updated_at`, and counts the unread again when an agent looked.
    /// `last_activity_at` never moves back.
    pub async fn update_conversation(&mut self, conversation: &Conversation) -> Result<Conversation> {
        let c = conversation;
        let seen = c.agent_last_seen_at.map(|t| t.0);
        let row: Option<conversation::Model> = self
            .sql(
                "UPDATE conversations SET contact_id = ?, status = ?, priority = ?, assignee_id = ?, subject = ?, muted = ?, \
                 additional_attributes = ?, custom_attributes = ?, snoozed_until = ?, waiting_since = ?, first_reply_at = ?, \
                 last_activity_at = CASE WHEN last_activity_at < ? THEN ? ELSE last_activity_at END, \
                 unread_count = CASE WHEN COALESCE(agent_last_seen_at, 0) = COALESCE(?, 0) THEN unread_count ELSE \
                 (SELECT COUNT(*) FROM messages m WHERE m.account_id = conversations.account_id AND m.conversation_id = conversations.id \
                 AND m.message_type = 0 AND m.created_at > COALESCE(?, 0)) END, \
                 agent_last_seen_at = ?, assignee_last_seen_at = ?, contact_last_seen_at = ?, updated_at = ? \
                 WHERE account_id = :account AND id = ? RETURNING *",
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
            .bind(c.last_activity_at.0)
            .bind(c.last_activity_at.0)
            .bind(seen)
            .bind(seen)
            .bind(seen)
            .bind(c.assignee_last_seen_at.map(|t| t.0))
            .bind(c.contact_last_seen_at.map(|t| t.0))
            .bind(self.scope.inner.now().0)
            .bind(c.id.0)
            .one(&self.tx)
            .await?;
        convert::conversation(&row.ok_or(StoreError::NotFound("conversation"))?)
    }

    /// As it is now in this transaction: what events snapshot.
    pub async fn conversation_view(&mut self, id: ConversationId) -> Result<Option<ConversationView>> {
        conversation_view(&self.tx, self.scope.id, conversation::Column::Id, id.0).await
    }
}
