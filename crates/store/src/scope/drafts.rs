//! What people have begun to write: one draft for each person and conversation.

use super::convert::{json, to_json};
use super::tx::Tx;
use crate::*;
use domain::{ConversationId, Timestamp, UserId};
use sea_orm::FromQueryResult;

#[derive(Debug, FromQueryResult)]
struct DraftRow {
    message: String,
    private: bool,
    recipients: String,
    updated_at: i64,
}

impl AccountScope {
    pub async fn draft(&self, conversation: ConversationId, user: UserId) -> Result<Option<SavedDraft>> {
        let row: Option<DraftRow> = self
            .sql(
                "SELECT message, private, recipients, updated_at FROM drafts \
                 WHERE account_id = :account AND conversation_id = ? AND user_id = ?",
            )
            .bind(conversation.0)
            .bind(user.0)
            .one(&self.inner.read)
            .await?;
        row.map(|row| {
            Ok(SavedDraft {
                message: row.message,
                private: row.private,
                recipients: json("draft recipients", &row.recipients)?,
                updated_at: Timestamp(row.updated_at),
            })
        })
        .transpose()
    }
}

impl Tx {
    /// In the place of the one that was. A conversation that is gone is a `Conflict`.
    pub async fn keep_draft(&mut self, conversation: ConversationId, user: UserId, draft: &SavedDraft) -> Result<()> {
        self.sql(
            "INSERT INTO drafts (account_id, conversation_id, user_id, message, private, recipients, updated_at) \
             VALUES (:account, ?, ?, ?, ?, ?, ?) ON CONFLICT (account_id, conversation_id, user_id) DO UPDATE SET \
             message = excluded.message, private = excluded.private, recipients = excluded.recipients, updated_at = excluded.updated_at",
        )
        .bind(conversation.0)
        .bind(user.0)
        .bind(draft.message.as_str())
        .bind(draft.private)
        .bind(to_json(&draft.recipients))
        .bind(draft.updated_at.0)
        .run(self.on())
        .await?;
        Ok(())
    }

    pub async fn forget_draft(&mut self, conversation: ConversationId, user: UserId) -> Result<bool> {
        let gone = self
            .sql("DELETE FROM drafts WHERE account_id = :account AND conversation_id = ? AND user_id = ?")
            .bind(conversation.0)
            .bind(user.0)
            .run(self.on())
            .await?;
        Ok(gone == 1)
    }
}
