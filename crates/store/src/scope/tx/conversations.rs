//! Conversations inside a transaction.

use super::Tx;
use super::events::provisional;
use crate::entity::conversation;
use crate::scope::convert::{self, priority_number, to_json};
use crate::scope::tenant::insert_in;
use crate::scope::views::conversation_view;
use crate::*;
use domain::conversation::Conversation;
use domain::message::Message;
use domain::{ConversationId, InboxId, Timestamp};
use sea_orm::ActiveValue::Set;
use sea_orm::FromQueryResult;
use std::collections::HashMap;

#[derive(Debug, FromQueryResult)]
struct HeaderRow {
    header: String,
    conversation_id: i64,
}

impl Tx {
    /// Message-IDs (without angle brackets) that are known in this inbox, and their conversations. Ids are re-used in the wild, and whoever
    /// knows one may write under it: of several conversations the one counts in which the id left from here, then one in which `sender`
    /// (`EmailAddress::key()`) wrote under it, then the first.
    pub async fn conversations_by_message_ids(
        &mut self,
        inbox: InboxId,
        ids: &[String],
        sender: Option<&str>,
    ) -> Result<HashMap<String, ConversationId>> {
        if ids.is_empty() {
            return Ok(HashMap::new());
        }
        let rows: Vec<HeaderRow> = self
            .sql(
                "SELECT i.header, i.conversation_id, CAST(CASE WHEN i.origin <> 'incoming' THEN 0 WHEN EXISTS (SELECT 1 FROM messages m \
                 JOIN contact_addresses a ON a.account_id = m.account_id AND a.contact_id = m.sender_contact_id \
                 WHERE m.account_id = i.account_id AND m.id = i.message_id AND a.address_key = ?) THEN 1 ELSE 2 END AS BIGINT) AS far \
                 FROM message_ids i WHERE i.account_id = :account AND i.inbox_id = ? AND i.header IN (??) ORDER BY far DESC, i.id DESC",
            )
            .bind(sender.unwrap_or_default())
            .bind(inbox.0)
            .list(ids.iter().map(String::as_str))
            .all(&self.tx)
            .await?;
        // The last of several under one id is the nearest.
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
                "UPDATE conversations SET contact_id = ?, status = ?, priority = ?, assignee_id = ?, team_id = ?, subject = ?, muted = ?, \
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
            .bind(c.team_id.map(|t| t.0))
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

    /// When the newest of what came in was stored.
    pub async fn last_incoming_at(&mut self, id: ConversationId) -> Result<Option<Timestamp>> {
        let at: Option<Option<i64>> = self
            .sql("SELECT MAX(created_at) FROM messages WHERE account_id = :account AND conversation_id = ? AND message_type = 0")
            .bind(id.0)
            .value(&self.tx)
            .await?;
        Ok(at.flatten().map(Timestamp))
    }

    /// As it is now in this transaction: what events snapshot.
    pub async fn conversation_view(&mut self, id: ConversationId) -> Result<Option<ConversationView>> {
        conversation_view(&self.tx, self.scope.id, conversation::Column::Id, id.0, None).await
    }

    /// As [`Self::conversation_view`], where one of its messages has just been read.
    pub async fn conversation_view_with(
        &mut self,
        id: ConversationId,
        message: &Message,
    ) -> Result<Option<ConversationView>> {
        conversation_view(&self.tx, self.scope.id, conversation::Column::Id, id.0, Some(message)).await
    }
}
