//! Telling people, in the transaction of what they are told about.

use super::Tx;
use crate::scope::notifications::{NotificationRow, counts};
use crate::scope::sql::rows_of;
use crate::*;
use domain::notification::{Notification, NotificationCounts, NotificationKind};
use domain::{ConversationId, InboxId, NotificationId, UserId};
use sea_orm::FromQueryResult;
use std::collections::HashMap;

#[derive(Debug, FromQueryResult)]
struct ParticipantRow {
    conversation_id: i64,
    user_id: i64,
}

/// Rows of one statement.
const AT_ONCE: usize = 200;

impl Tx {
    /// Of each conversation a person has the latest notification, unread. Nobody who is no member any more, or does not see the inbox,
    /// is told. No conversation may stand twice for one person.
    pub async fn notify(&mut self, new: &[NewNotification]) -> Result<Vec<Notification>> {
        let now = self.scope.inner.now().0;
        let mut made = Vec::new();
        for some in new.chunks(AT_ONCE) {
            let mut sql = self.sql(format!(
                "INSERT INTO notifications (account_id, user_id, conversation_id, kind, last_activity_at, created_at) \
                 SELECT au.account_id, au.user_id, c.id, v.column3, ?, ? FROM (VALUES {}) AS v \
                 JOIN conversations c ON c.account_id = :account AND c.id = v.column2 \
                 JOIN account_users au ON au.account_id = c.account_id AND au.user_id = v.column1 AND au.removed_at IS NULL \
                 WHERE au.role = 'administrator' OR EXISTS (SELECT 1 FROM inbox_members m \
                   WHERE m.account_id = au.account_id AND m.user_id = au.user_id AND m.inbox_id = c.inbox_id) \
                 ON CONFLICT (account_id, user_id, conversation_id) DO UPDATE SET kind = excluded.kind, read_at = NULL, \
                 snoozed_until = NULL, last_activity_at = excluded.last_activity_at, created_at = excluded.created_at \
                 RETURNING id, user_id, conversation_id, kind, read_at, snoozed_until, last_activity_at, created_at",
                rows_of("(?, ?, ?)", some.len())
            ))
            .bind(now)
            .bind(now);
            for one in some {
                sql = sql.bind(one.user_id.0).bind(one.conversation_id.0).bind(one.kind.as_str());
            }
            for row in sql.all::<NotificationRow, _>(&self.tx).await? {
                made.push(row.notification(self.scope.id)?);
            }
        }
        Ok(made)
    }

    /// Who takes part in these conversations.
    pub async fn participants_of(&mut self, ids: &[ConversationId]) -> Result<Vec<(ConversationId, UserId)>> {
        let mut people = Vec::new();
        for some in ids.chunks(AT_ONCE) {
            let rows: Vec<ParticipantRow> = self
                .sql(
                    "SELECT conversation_id, user_id FROM conversation_participants \
                     WHERE account_id = :account AND conversation_id IN (??) ORDER BY conversation_id, user_id",
                )
                .list(some.iter().map(|id| id.0))
                .all(&self.tx)
                .await?;
            people.extend(rows.into_iter().map(|row| (ConversationId(row.conversation_id), UserId(row.user_id))));
        }
        Ok(people)
    }

    pub async fn notification_counts(&mut self, users: &[UserId]) -> Result<HashMap<UserId, NotificationCounts>> {
        counts(&self.tx, self.scope.id, users, self.scope.inner.now()).await
    }

    /// Members of the inbox who asked to be told of every new conversation.
    pub async fn told_of_new_conversations(&mut self, inbox: InboxId) -> Result<Vec<UserId>> {
        let asked = format!("%\"{}\"%", NotificationKind::ConversationCreation.as_str());
        let users: Vec<i64> = self
            .sql(
                "SELECT s.user_id FROM notification_settings s JOIN inbox_members m ON m.account_id = s.account_id AND m.user_id = s.user_id \
                 WHERE s.account_id = :account AND m.inbox_id = ? AND (s.email_flags LIKE ? OR s.push_flags LIKE ?) ORDER BY s.user_id",
            )
            .bind(inbox.0)
            .bind(asked.clone())
            .bind(asked)
            .column(&self.tx)
            .await?;
        Ok(users.into_iter().map(UserId).collect())
    }

    /// `None`: it is not theirs.
    pub async fn change_notification(
        &mut self,
        user: UserId,
        id: NotificationId,
        change: NotificationChange,
    ) -> Result<Option<Notification>> {
        let now = self.scope.inner.now().0;
        let (read_at, snoozed_until) = match change {
            NotificationChange::Read => (Some(now), None),
            NotificationChange::Unread => (None, None),
            NotificationChange::Snooze(until) => (None, Some(until.0)),
        };
        let row: Option<NotificationRow> = self
            .sql(
                "UPDATE notifications SET read_at = ?, snoozed_until = ? WHERE account_id = :account AND user_id = ? AND id = ? \
                 RETURNING id, user_id, conversation_id, kind, read_at, snoozed_until, last_activity_at, created_at",
            )
            .bind(read_at)
            .bind(snoozed_until)
            .bind(user.0)
            .bind(id.0)
            .one(&self.tx)
            .await?;
        self.drop_notification_mails(user).await?;
        row.map(|row| row.notification(self.scope.id)).transpose()
    }

    /// All of theirs, or what is about one conversation. How many were unread.
    pub async fn read_notifications(&mut self, user: UserId, about: Option<ConversationId>) -> Result<u64> {
        let now = self.scope.inner.now().0;
        let read = self
            .sql(
                "UPDATE notifications SET read_at = ? WHERE account_id = :account AND user_id = ? AND read_at IS NULL \
                 AND conversation_id = COALESCE(?, conversation_id)",
            )
            .bind(now)
            .bind(user.0)
            .bind(about.map(|conversation| conversation.0))
            .run(&self.tx)
            .await?;
        if read > 0 {
            self.drop_notification_mails(user).await?;
        }
        Ok(read)
    }

    /// All of theirs, those that were read, or one. How many.
    pub async fn delete_notifications(
        &mut self,
        user: UserId,
        only_read: bool,
        id: Option<NotificationId>,
    ) -> Result<u64> {
        let read = if only_read { " AND read_at IS NOT NULL" } else { "" };
        self.sql(format!(
            "DELETE FROM notifications WHERE account_id = :account AND user_id = ? AND id = COALESCE(?, id){read}"
        ))
        .bind(user.0)
        .bind(id.map(|id| id.0))
        .run(&self.tx)
        .await
    }
}
