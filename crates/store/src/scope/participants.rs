//! Who takes part in a conversation, and to whom notes in it speak.

use super::convert::{AGENT_COLUMNS, AgentRow};
use super::sql::rows_of;
use super::tx::Tx;
use crate::*;
use domain::account::Role;
use domain::user::Agent;
use domain::{ConversationId, InboxId, Timestamp, UserId};

impl AccountScope {
    /// By name.
    pub async fn participants(&self, conversation: ConversationId) -> Result<Vec<Agent>> {
        self.sql(format!(
            "SELECT {AGENT_COLUMNS} FROM conversation_participants m \
             JOIN account_users au ON au.account_id = m.account_id AND au.user_id = m.user_id \
             JOIN users u ON u.id = au.user_id \
             WHERE m.account_id = :account AND m.conversation_id = ? AND au.removed_at IS NULL ORDER BY u.name, u.id"
        ))
        .bind(conversation.0)
        .all::<AgentRow, _>(&self.inner.read)
        .await?
        .into_iter()
        .map(AgentRow::agent)
        .collect()
    }

    /// Of these, those who see the inbox.
    pub async fn who_sees(&self, inbox: InboxId, users: &[UserId]) -> Result<Vec<UserId>> {
        self.sql(SEES)
            .list(users.iter().map(|user| user.0))
            .bind(Role::Administrator.as_str())
            .bind(inbox.0)
            .column(&self.inner.read)
            .await
            .map(|ids: Vec<i64>| ids.into_iter().map(UserId).collect())
    }
}

/// Administrators see every inbox, agents those they are members of; whoever has yet to show that their address is theirs sees none.
const SEES: &str = "SELECT au.user_id FROM account_users au WHERE au.account_id = :account AND au.user_id IN (??) \
     AND au.removed_at IS NULL AND NOT au.awaits_proof AND (au.role = ? OR EXISTS (SELECT 1 FROM inbox_members m \
     WHERE m.account_id = au.account_id AND m.inbox_id = ? AND m.user_id = au.user_id)) ORDER BY au.user_id";

impl Tx {
    /// Of these, those who see the inbox.
    pub async fn who_sees(&mut self, inbox: InboxId, users: &[UserId]) -> Result<Vec<UserId>> {
        self.sql(SEES)
            .list(users.iter().map(|user| user.0))
            .bind(Role::Administrator.as_str())
            .bind(inbox.0)
            .column(self.on())
            .await
            .map(|ids: Vec<i64>| ids.into_iter().map(UserId).collect())
    }

    /// Whoever is not in the account is a `Conflict`. Lock the conversation first.
    pub async fn change_participants(
        &mut self,
        conversation: ConversationId,
        users: &[UserId],
        how: People,
    ) -> Result<()> {
        if how == People::Replace {
            self.sql("DELETE FROM conversation_participants WHERE account_id = :account AND conversation_id = ?")
                .bind(conversation.0)
                .run(self.on())
                .await?;
        }
        if users.is_empty() {
            return Ok(());
        }
        if how == People::Remove {
            self.sql(
                "DELETE FROM conversation_participants WHERE account_id = :account AND conversation_id = ? AND user_id IN (??)",
            )
            .bind(conversation.0)
            .list(users.iter().map(|user| user.0))
            .run(self.on())
            .await?;
            return Ok(());
        }
        let now = self.now().0;
        let rows = rows_of("(:account, ?, ?, ?)", users.len());
        let mut sql = self.sql(format!(
            "INSERT INTO conversation_participants (account_id, conversation_id, user_id, created_at) VALUES {rows} \
             ON CONFLICT DO NOTHING"
        ));
        for user in users {
            sql = sql.bind(conversation.0).bind(user.0).bind(now);
        }
        sql.run(self.on()).await?;
        Ok(())
    }

    /// A note spoke to them: the conversation is among their mentions from now on. Lock the conversation first.
    pub async fn record_mentions(
        &mut self,
        conversation: ConversationId,
        users: &[UserId],
        at: Timestamp,
    ) -> Result<()> {
        if users.is_empty() {
            return Ok(());
        }
        let rows = rows_of("(:account, ?, ?, ?)", users.len());
        let mut sql = self.sql(format!(
            "INSERT INTO mentions (account_id, conversation_id, user_id, mentioned_at) VALUES {rows} \
             ON CONFLICT (account_id, conversation_id, user_id) DO UPDATE SET mentioned_at = excluded.mentioned_at"
        ));
        for user in users {
            sql = sql.bind(conversation.0).bind(user.0).bind(at.0);
        }
        sql.run(self.on()).await?;
        Ok(())
    }
}
