//! Labels of an account, and the titles that conversations are marked with.

use super::sql::rows_of;
use super::tx::Tx;
use crate::*;
use domain::audit::{AuditAction, AuditSubject};
use domain::organising::Label;
use domain::{AccountId, ConversationId, LabelId};
use sea_orm::FromQueryResult;
use serde_json::{Value, json};

#[derive(Debug, FromQueryResult)]
struct LabelRow {
    id: i64,
    account_id: i64,
    title: String,
    description: Option<String>,
    color: String,
    show_on_sidebar: bool,
}

impl From<LabelRow> for Label {
    fn from(row: LabelRow) -> Self {
        Self {
            id: LabelId(row.id),
            account_id: AccountId(row.account_id),
            title: row.title,
            description: row.description,
            color: row.color,
            show_on_sidebar: row.show_on_sidebar,
        }
    }
}

impl AccountScope {
    /// By title.
    pub async fn labels(&self) -> Result<Vec<Label>> {
        let rows: Vec<LabelRow> = self
            .sql("SELECT * FROM labels WHERE account_id = :account ORDER BY title, id")
            .all(&self.inner.read)
            .await?;
        Ok(rows.into_iter().map(Label::from).collect())
    }

    pub async fn label(&self, id: LabelId) -> Result<Option<Label>> {
        let row: Option<LabelRow> = self
            .sql("SELECT * FROM labels WHERE account_id = :account AND id = ?")
            .bind(id.0)
            .one(&self.inner.read)
            .await?;
        Ok(row.map(Label::from))
    }

    /// Of one conversation, by title.
    pub async fn conversation_labels(&self, conversation: ConversationId) -> Result<Vec<String>> {
        self.sql(
            "SELECT title FROM conversation_labels WHERE account_id = :account AND conversation_id = ? ORDER BY title",
        )
        .bind(conversation.0)
        .column(&self.inner.read)
        .await
    }
}

fn told(label: &Label) -> Value {
    json!({
        "title": label.title,
        "description": label.description,
        "color": label.color,
        "show_on_sidebar": label.show_on_sidebar,
    })
}

/// What is marked with labels, by their words.
const MARKED: [(&str, &str); 2] = [("conversation_labels", "conversation_id"), ("contact_labels", "contact_id")];

impl Tx {
    /// `Conflict` when there is one of this title, `LimitReached` when there are `most`.
    pub async fn create_label(&mut self, new: &NewLabel, most: u32) -> Result<Label> {
        self.make_room("labels", self.sql("SELECT COUNT(*) FROM labels WHERE account_id = :account"), most).await?;
        let row: Option<LabelRow> = self
            .sql(
                "INSERT INTO labels (account_id, title, description, color, show_on_sidebar, created_at) \
                 VALUES (:account, ?, ?, ?, ?, ?) RETURNING *",
            )
            .bind(new.title.as_str())
            .bind(new.description.clone())
            .bind(new.color.as_str())
            .bind(new.show_on_sidebar)
            .bind(self.now().0)
            .one(self.on())
            .await?;
        let label = row.map(Label::from).ok_or(StoreError::NotFound("label"))?;
        self.audit(AuditAction::Create, AuditSubject::Label, label.id.0, told(&label)).await?;
        Ok(label)
    }

    /// A new title is the title of every mark too. `Conflict` when another label has it.
    pub async fn update_label(&mut self, id: LabelId, change: &LabelChange) -> Result<Option<Label>> {
        let before: Option<LabelRow> = self
            .sql("SELECT * FROM labels WHERE account_id = :account AND id = ?{lock}")
            .bind(id.0)
            .one(self.on())
            .await?;
        let Some(before) = before else { return Ok(None) };
        let row: Option<LabelRow> = self
            .sql(
                "UPDATE labels SET title = COALESCE(?, title), description = CASE WHEN ? THEN ? ELSE description END, \
                 color = COALESCE(?, color), show_on_sidebar = COALESCE(?, show_on_sidebar) \
                 WHERE account_id = :account AND id = ? RETURNING *",
            )
            .bind(change.title.clone())
            .bind(change.description.is_some())
            .bind(change.description.clone().flatten())
            .bind(change.color.clone())
            .bind(change.show_on_sidebar)
            .bind(id.0)
            .one(self.on())
            .await?;
        let Some(row) = row else { return Ok(None) };
        if row.title != before.title {
            // Some may be marked with the new word already, which needs no label.
            for (table, of) in MARKED {
                self.sql(format!(
                    "INSERT INTO {table} (account_id, {of}, title) \
                     SELECT account_id, {of}, CAST(? AS TEXT) FROM {table} WHERE account_id = :account AND title = ? ON CONFLICT DO NOTHING"
                ))
                .bind(row.title.as_str())
                .bind(before.title.as_str())
                .run(self.on())
                .await?;
            }
            self.unmark(&before.title).await?;
        }
        let (before, after) = (Label::from(before), Label::from(row));
        self.scope().audit_update(self.on(), AuditSubject::Label, id.0, told(&before), told(&after)).await?;
        Ok(Some(after))
    }

    /// With its marks. `None`: there is none.
    pub async fn delete_label(&mut self, id: LabelId) -> Result<Option<Label>> {
        let row: Option<LabelRow> = self
            .sql("DELETE FROM labels WHERE account_id = :account AND id = ? RETURNING *")
            .bind(id.0)
            .one(self.on())
            .await?;
        let Some(row) = row else { return Ok(None) };
        self.unmark(&row.title).await?;
        let label = Label::from(row);
        self.audit(AuditAction::Destroy, AuditSubject::Label, id.0, told(&label)).await?;
        Ok(Some(label))
    }

    async fn unmark(&mut self, title: &str) -> Result<()> {
        for (table, _) in MARKED {
            self.sql(format!("DELETE FROM {table} WHERE account_id = :account AND title = ?"))
                .bind(title)
                .run(self.on())
                .await?;
        }
        Ok(())
    }

    /// Exactly these titles. Lock the conversation first.
    pub async fn set_conversation_labels(&mut self, conversation: ConversationId, titles: &[String]) -> Result<()> {
        let others = if titles.is_empty() { "" } else { " AND title NOT IN (??)" };
        let text =
            format!("DELETE FROM conversation_labels WHERE account_id = :account AND conversation_id = ?{others}");
        let mut sql = self.sql(text).bind(conversation.0);
        if !titles.is_empty() {
            sql = sql.list(titles.iter().map(String::as_str));
        }
        sql.run(self.on()).await?;
        if titles.is_empty() {
            return Ok(());
        }
        let rows = rows_of("(:account, ?, ?)", titles.len());
        let mut sql = self.sql(format!(
            "INSERT INTO conversation_labels (account_id, conversation_id, title) VALUES {rows} ON CONFLICT DO NOTHING"
        ));
        for title in titles {
            sql = sql.bind(conversation.0).bind(title.as_str());
        }
        sql.run(self.on()).await?;
        Ok(())
    }
}
