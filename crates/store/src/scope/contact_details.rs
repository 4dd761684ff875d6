//! What stands beside a contact: inboxes, labels, notes, files.

use super::convert::{self, AGENT_COLUMNS, AgentRow};
use super::sql::scoped;
use crate::entity::attachment;
use crate::*;
use domain::message::Attachment;
use domain::{AccountId, ContactId, InboxId, Timestamp};
use sea_orm::{ConnectionTrait, DbErr, FromQueryResult, QueryResult};

#[derive(Debug, FromQueryResult)]
struct InboxRow {
    contact_id: i64,
    inbox_id: i64,
    source_id: String,
}

#[derive(Debug)]
struct NoteRow {
    id: i64,
    contact_id: i64,
    content: String,
    created_at: i64,
    updated_at: i64,
    author: AgentRow,
}

impl FromQueryResult for NoteRow {
    fn from_query_result(row: &QueryResult, prefix: &str) -> Result<Self, DbErr> {
        Ok(Self {
            id: row.try_get("", "note_id")?,
            contact_id: row.try_get("", "contact_id")?,
            content: row.try_get("", "content")?,
            created_at: row.try_get("", "note_created_at")?,
            updated_at: row.try_get("", "note_updated_at")?,
            author: AgentRow::from_query_result(row, prefix)?,
        })
    }
}

/// In which inboxes these contacts are known.
pub(crate) async fn inboxes<C: ConnectionTrait>(
    on: &C,
    account: AccountId,
    contacts: &[ContactId],
) -> Result<Vec<ContactInbox>> {
    let rows: Vec<InboxRow> = scoped(
        account,
        "SELECT contact_id, inbox_id, source_id FROM contact_inboxes WHERE account_id = :account AND contact_id IN (??) \
         ORDER BY contact_id, inbox_id",
    )
    .list(contacts.iter().map(|contact| contact.0))
    .all(on)
    .await?;
    let known = |row: InboxRow| ContactInbox {
        contact_id: ContactId(row.contact_id),
        inbox_id: InboxId(row.inbox_id),
        source_id: row.source_id,
    };
    Ok(rows.into_iter().map(known).collect())
}

impl AccountScope {
    pub async fn contact_inboxes(&self, contacts: &[ContactId]) -> Result<Vec<ContactInbox>> {
        inboxes(&self.inner.read, self.id, contacts).await
    }

    pub async fn contact_labels(&self, contact: ContactId) -> Result<Vec<String>> {
        self.sql("SELECT title FROM contact_labels WHERE account_id = :account AND contact_id = ? ORDER BY title")
            .bind(contact.0)
            .column(&self.inner.read)
            .await
    }

    /// The newest first; one alone when it is named.
    pub async fn contact_notes(&self, contact: ContactId, only: Option<i64>) -> Result<Vec<ContactNote>> {
        let and = if only.is_some() { " AND n.id = ?" } else { "" };
        let mut sql = self
            .sql(format!(
                "SELECT n.id AS note_id, n.contact_id, n.content, n.created_at AS note_created_at, n.updated_at AS note_updated_at, {AGENT_COLUMNS} \
                 FROM contact_notes n JOIN account_users au ON au.account_id = n.account_id AND au.user_id = n.user_id \
                 JOIN users u ON u.id = au.user_id WHERE n.account_id = :account AND n.contact_id = ?{and} ORDER BY n.id DESC"
            ))
            .bind(contact.0);
        if let Some(note) = only {
            sql = sql.bind(note);
        }
        let rows: Vec<NoteRow> = sql.all(&self.inner.read).await?;
        rows.into_iter()
            .map(|row| {
                Ok(ContactNote {
                    id: row.id,
                    contact_id: ContactId(row.contact_id),
                    content: row.content,
                    author: row.author.agent()?,
                    created_at: Timestamp(row.created_at),
                    updated_at: Timestamp(row.updated_at),
                })
            })
            .collect()
    }

    /// `false`: there is no such note of this contact.
    pub async fn change_contact_note(&self, contact: ContactId, note: i64, content: &str) -> Result<bool> {
        let changed = self
            .sql("UPDATE contact_notes SET content = ?, updated_at = ? WHERE account_id = :account AND contact_id = ? AND id = ?")
            .bind(content)
            .bind(self.inner.now().0)
            .bind(contact.0)
            .bind(note)
            .run(&self.inner.write)
            .await?;
        Ok(changed == 1)
    }

    /// `false`: there is no such note of this contact.
    pub async fn delete_contact_note(&self, contact: ContactId, note: i64) -> Result<bool> {
        let deleted = self
            .sql("DELETE FROM contact_notes WHERE account_id = :account AND contact_id = ? AND id = ?")
            .bind(contact.0)
            .bind(note)
            .run(&self.inner.write)
            .await?;
        Ok(deleted == 1)
    }

    /// The files of a contact's conversations that one sees, the newest first, without those within a mail's HTML; and how many there are.
    pub async fn attachments_of_contact(
        &self,
        visibility: &Visibility,
        contact: ContactId,
        page: u32,
    ) -> Result<(Vec<Attachment>, u64)> {
        let (seen, inboxes) = match visibility {
            Visibility::All => ("", None),
            Visibility::Inboxes(inboxes) => (" AND c.inbox_id IN (??)", Some(inboxes)),
        };
        let from = format!(
            "FROM conversations c JOIN messages m ON m.account_id = c.account_id AND m.conversation_id = c.id \
             JOIN attachments a ON a.account_id = m.account_id AND a.message_id = m.id \
             WHERE c.account_id = :account AND c.contact_id = ?{seen} AND NOT a.inline"
        );
        let of = |text: String| {
            let sql = self.sql(text).bind(contact.0);
            match inboxes {
                Some(inboxes) => sql.list(inboxes.iter().map(|inbox| inbox.0)),
                None => sql,
            }
        };
        let count: Option<i64> = of(format!("SELECT COUNT(*) {from}")).value(&self.inner.read).await?;
        let rows: Vec<attachment::Model> =
            of(format!("SELECT a.* {from} ORDER BY m.sent_at DESC, a.id DESC LIMIT ? OFFSET ?"))
                .bind(i64::from(ATTACHMENTS_PER_PAGE))
                .bind(i64::from(page.saturating_sub(1)) * i64::from(ATTACHMENTS_PER_PAGE))
                .all(&self.inner.read)
                .await?;
        let attachments = rows.into_iter().map(convert::attachment).collect::<Result<Vec<_>>>()?;
        Ok((attachments, convert::number("count", count.unwrap_or(0))?))
    }
}
