//! Two contacts turn out to be one person: what is the one's becomes the other's.
//!
//! Locks in the order of all: both contacts by id, then the conversations that move, by id.

use super::Tx;
use super::contact_changes::put_over;
use crate::*;
use domain::ContactId;
use domain::audit::{AuditAction, AuditSubject};
use domain::contact::Contact;
use serde_json::json;

impl Tx {
    /// Everything of `mergee` becomes `base`'s, who keeps what they have and takes what they lack; `mergee` is gone. Lock both first, together.
    /// `LimitReached` when more than [`MOST_MERGED`] conversations or messages would move.
    pub async fn merge_contacts(&mut self, base: &Contact, mergee: &Contact) -> Result<Contact> {
        let (to, from) = (base.id, mergee.id);
        let moved: Vec<i64> = self
            .sql(
                "SELECT id FROM conversations WHERE account_id = :account AND contact_id = ? ORDER BY id LIMIT ?{lock}",
            )
            .bind(from.0)
            .bind(i64::from(MOST_MERGED) + 1)
            .column(&self.tx)
            .await?;
        let said: Vec<i64> = self
            .sql("SELECT id FROM messages WHERE account_id = :account AND sender_contact_id = ? LIMIT ?")
            .bind(from.0)
            .bind(i64::from(MOST_MERGED) + 1)
            .column(&self.tx)
            .await?;
        if moved.len().max(said.len()) > MOST_MERGED as usize {
            return Err(StoreError::LimitReached("merged messages"));
        }
        let merged = json!({ "merged_contact_id": from.0 });
        self.audit(AuditAction::Update, AuditSubject::Contact, to.0, merged).await?;
        let now = self.scope.inner.now().0;
        self.sql(
            "UPDATE conversations SET contact_id = ?, updated_at = ? WHERE account_id = :account AND contact_id = ?",
        )
        .bind(to.0)
        .bind(now)
        .bind(from.0)
        .run(&self.tx)
        .await?;
        for statement in [
            "UPDATE messages SET sender_contact_id = ? WHERE account_id = :account AND sender_contact_id = ?",
            "UPDATE contact_addresses SET contact_id = ? WHERE account_id = :account AND contact_id = ?",
            "UPDATE contact_notes SET contact_id = ? WHERE account_id = :account AND contact_id = ?",
        ] {
            self.sql(statement).bind(to.0).bind(from.0).run(&self.tx).await?;
        }
        self.sql("INSERT INTO merged_contacts (account_id, contact_id, merged_id) VALUES (:account, ?, ?)")
            .bind(to.0)
            .bind(from.0)
            .run(&self.tx)
            .await?;
        for statement in [
            "INSERT INTO merged_contacts (account_id, contact_id, merged_id) SELECT account_id, CAST(? AS BIGINT), merged_id FROM merged_contacts \
             WHERE account_id = :account AND contact_id = ?",
            "INSERT INTO contact_labels (account_id, contact_id, title) SELECT account_id, CAST(? AS BIGINT), title FROM contact_labels \
             WHERE account_id = :account AND contact_id = ? ON CONFLICT DO NOTHING",
            "INSERT INTO contact_inboxes (account_id, contact_id, inbox_id, source_id, last_activity_at, created_at) \
             SELECT account_id, CAST(? AS BIGINT), inbox_id, source_id, last_activity_at, created_at FROM contact_inboxes \
             WHERE account_id = :account AND contact_id = ? ON CONFLICT DO NOTHING",
        ] {
            self.sql(statement).bind(to.0).bind(from.0).run(&self.tx).await?;
        }
        // With its labels, inboxes and words; before the other takes what is unique.
        self.remove_contact(from).await?;
        let merged = Contact {
            email: base.email.clone().or_else(|| mergee.email.clone()),
            phone_number: base.phone_number.clone().or_else(|| mergee.phone_number.clone()),
            identifier: base.identifier.clone().or_else(|| mergee.identifier.clone()),
            additional_attributes: put_over(&mergee.additional_attributes, &base.additional_attributes),
            custom_attributes: put_over(&mergee.custom_attributes, &base.custom_attributes),
            last_activity_at: base.last_activity_at.max(mergee.last_activity_at),
            ..base.clone()
        };
        self.write_contact(&merged).await?;
        if base.email.is_none() {
            self.rename_source(to, None, merged.email.as_deref()).await?;
        }
        Ok(merged)
    }

    /// The row itself. Whatever refers to it for good must be gone.
    pub(super) async fn remove_contact(&mut self, contact: ContactId) -> Result<()> {
        self.sql("DELETE FROM contacts WHERE account_id = :account AND id = ?").bind(contact.0).run(&self.tx).await?;
        Ok(())
    }
}
