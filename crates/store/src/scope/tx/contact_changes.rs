//! A contact is changed by a person: names, addresses, attributes, labels and notes.

use super::Tx;
use crate::scope::contact_details;
use crate::scope::convert::to_json;
use crate::scope::sql::rows_of;
use crate::*;
use domain::contact::Contact;
use domain::{ContactId, InboxId, UserId};
use serde_json::Value;

impl Tx {
    /// What of this is another contact's already. The address is not looked at. All three are unique by themselves ([`Taken::of`]): this is for
    /// the words, before anything is written.
    pub async fn contact_taken(
        &mut self,
        but: Option<ContactId>,
        phone_number: Option<&str>,
        identifier: Option<&str>,
    ) -> Result<Option<Taken>> {
        for (column, value, taken) in
            [("phone_number", phone_number, Taken::PhoneNumber), ("identifier", identifier, Taken::Identifier)]
        {
            let Some(value) = value else { continue };
            let other: Option<i64> = self
                .sql(format!(
                    "SELECT id FROM contacts WHERE account_id = :account AND {column} = ? AND id <> ? LIMIT 1"
                ))
                .bind(value)
                .bind(but.map_or(0, |id| id.0))
                .value(&self.tx)
                .await?;
            if other.is_some() {
                return Ok(Some(taken));
            }
        }
        Ok(None)
    }

    /// Lock the contact first. `Conflict` when the address is another's. An address that takes the first one's place is written instead of it; one
    /// that is the contact's already becomes the first, and none is lost.
    pub async fn change_contact(&mut self, contact: &Contact, change: &ContactChange) -> Result<Contact> {
        if let Some(email) = &change.email {
            self.change_address(contact, email.as_ref()).await?;
        }
        let over =
            |old: &Value, new: &Option<Value>| new.as_ref().map_or_else(|| old.clone(), |new| put_over(old, new));
        let changed = Contact {
            name: change.name.clone().unwrap_or_else(|| contact.name.clone()),
            email: match &change.email {
                Some(email) => email.as_ref().map(|email| email.as_str().to_owned()),
                None => contact.email.clone(),
            },
            phone_number: change.phone_number.clone().unwrap_or_else(|| contact.phone_number.clone()),
            identifier: change.identifier.clone().unwrap_or_else(|| contact.identifier.clone()),
            blocked: change.blocked.unwrap_or(contact.blocked),
            additional_attributes: over(&contact.additional_attributes, &change.additional_attributes),
            custom_attributes: over(&contact.custom_attributes, &change.custom_attributes),
            ..contact.clone()
        };
        self.write_contact(&changed).await?;
        if changed.email != contact.email {
            self.rename_source(contact.id, contact.email.as_deref(), changed.email.as_deref()).await?;
        }
        Ok(changed)
    }

    /// Where the contact is known by their first address, they are known by the new one. A name that somebody else gave them stays.
    pub(super) async fn rename_source(
        &mut self,
        contact: ContactId,
        before: Option<&str>,
        after: Option<&str>,
    ) -> Result<()> {
        self.sql(
            "UPDATE contact_inboxes SET source_id = ? WHERE account_id = :account AND contact_id = ? AND source_id = ?",
        )
        .bind(after.unwrap_or_default())
        .bind(contact.0)
        .bind(before.unwrap_or_default())
        .run(&self.tx)
        .await?;
        Ok(())
    }

    pub(super) async fn write_contact(&mut self, contact: &Contact) -> Result<()> {
        self.sql(
            "UPDATE contacts SET name = ?, email = ?, phone_number = ?, identifier = ?, blocked = ?, additional_attributes = ?, \
             custom_attributes = ?, last_activity_at = ?, updated_at = ? WHERE account_id = :account AND id = ?",
        )
        .bind(contact.name.as_str())
        .bind(contact.email.clone())
        .bind(contact.phone_number.clone())
        .bind(contact.identifier.clone())
        .bind(contact.blocked)
        .bind(to_json(&contact.additional_attributes))
        .bind(to_json(&contact.custom_attributes))
        .bind(contact.last_activity_at.map(|t| t.0))
        .bind(self.scope.inner.now().0)
        .bind(contact.id.0)
        .run(&self.tx)
        .await?;
        Ok(())
    }

    async fn change_address(&mut self, contact: &Contact, email: Option<&domain::EmailAddress>) -> Result<()> {
        let first = contact.email.as_deref().and_then(domain::EmailAddress::parse).map(|address| address.key());
        let key = email.map(domain::EmailAddress::key);
        if let Some(key) = &key {
            let own: Option<i64> = self
                .sql("SELECT id FROM contact_addresses WHERE account_id = :account AND address_key = ? AND contact_id = ?")
                .bind(key.as_str())
                .bind(contact.id.0)
                .value(&self.tx)
                .await?;
            if own.is_some() {
                return Ok(());
            }
        }
        if let Some(first) = first {
            self.sql(
                "DELETE FROM contact_addresses WHERE account_id = :account AND contact_id = ? AND address_key = ?",
            )
            .bind(contact.id.0)
            .bind(first)
            .run(&self.tx)
            .await?;
        }
        match email {
            Some(email) if !self.insert_address(contact.id, email).await? => {
                Err(StoreError::Conflict("the address is another contact's".to_owned()))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Exactly these. Lock the contact first.
    pub async fn set_contact_labels(&mut self, contact: ContactId, titles: &[String]) -> Result<()> {
        self.sql("DELETE FROM contact_labels WHERE account_id = :account AND contact_id = ?")
            .bind(contact.0)
            .run(&self.tx)
            .await?;
        if titles.is_empty() {
            return Ok(());
        }
        let mut sql = self.sql(format!(
            "INSERT INTO contact_labels (account_id, contact_id, title) VALUES {} ON CONFLICT DO NOTHING",
            rows_of("(:account, ?, ?)", titles.len())
        ));
        for title in titles {
            sql = sql.bind(contact.0).bind(title.as_str());
        }
        sql.run(&self.tx).await?;
        Ok(())
    }

    /// Makes the contact known in the inbox under its address. What is there already stays.
    pub async fn add_contact_inbox(
        &mut self,
        contact: &Contact,
        inbox: InboxId,
        source_id: &str,
    ) -> Result<ContactInbox> {
        let now = self.scope.inner.now().0;
        self.sql(
            "INSERT INTO contact_inboxes (account_id, contact_id, inbox_id, source_id, last_activity_at, created_at) \
             VALUES (:account, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
        )
        .bind(contact.id.0)
        .bind(inbox.0)
        .bind(source_id)
        .bind(now)
        .bind(now)
        .run(&self.tx)
        .await?;
        let known = contact_details::inboxes(&self.tx, self.scope.id, &[contact.id]).await?;
        known.into_iter().find(|known| known.inbox_id == inbox).ok_or(StoreError::NotFound("contact inbox"))
    }

    /// Lock the contact first. `LimitReached` when it has [`MOST_NOTES`].
    pub async fn add_contact_note(&mut self, contact: ContactId, author: UserId, content: &str) -> Result<i64> {
        let count: Option<i64> = self
            .sql("SELECT COUNT(*) FROM contact_notes WHERE account_id = :account AND contact_id = ?")
            .bind(contact.0)
            .value(&self.tx)
            .await?;
        if count.unwrap_or(0) >= i64::from(MOST_NOTES) {
            return Err(StoreError::LimitReached("notes"));
        }
        let now = self.scope.inner.now().0;
        let id: Option<i64> = self
            .sql(
                "INSERT INTO contact_notes (account_id, contact_id, user_id, content, created_at, updated_at) \
                 VALUES (:account, ?, ?, ?, ?, ?) RETURNING id",
            )
            .bind(contact.0)
            .bind(author.0)
            .bind(content)
            .bind(now)
            .bind(now)
            .value(&self.tx)
            .await?;
        id.ok_or(StoreError::NotFound("note"))
    }
}

/// The fields of the new object take the place of the old one's of the same names.
pub(super) fn put_over(old: &Value, new: &Value) -> Value {
    let mut both = old.as_object().cloned().unwrap_or_default();
    both.extend(new.as_object().cloned().unwrap_or_default());
    Value::Object(both)
}
