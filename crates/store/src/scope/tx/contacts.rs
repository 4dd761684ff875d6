//! Contacts inside a transaction, and the order in which they are locked.
//!
//! A batch of mail touches many contacts, and another batch the same ones in another order. So each batch locks all of them before it
//! touches any: first those that exist, by id (one contact may have several addresses), then it makes those that are missing, by
//! address. Whoever finds that somebody else has made one meanwhile lets go of everything and begins again: otherwise they would hold what
//! they made while they wait for what they did not lock in order.

use super::Tx;
use crate::entity::contact;
use crate::scope::convert::{self, to_json};
use crate::scope::sql::rows_of;
use crate::scope::tenant::insert_in;
use crate::*;
use domain::contact::Contact;
use domain::{ContactId, InboxId, Timestamp};
use sea_orm::ActiveValue::Set;
use sea_orm::FromQueryResult;
use std::collections::{BTreeMap, BTreeSet};

/// Each time round somebody else has made progress, so this is only met when something is wrong.
const MAX_ROUNDS: u32 = 50;

#[derive(Debug, FromQueryResult)]
struct KeyRow {
    address_key: String,
    contact_id: i64,
}

/// A contact that is locked until the transaction ends.
#[derive(Clone, Debug)]
pub struct LockedContact {
    pub contact: Contact,
    pub is_new: bool,
}

impl Tx {
    /// Whose these addresses (`EmailAddress::key()`) are, of those that are a contact's.
    pub async fn known_addresses(&mut self, keys: &[&str]) -> Result<BTreeMap<String, ContactId>> {
        Ok(self.contacts_of(keys).await?.into_iter().map(|row| (row.address_key, ContactId(row.contact_id))).collect())
    }

    async fn contacts_of(&mut self, keys: &[&str]) -> Result<Vec<KeyRow>> {
        let mut rows = Vec::new();
        for some in keys.chunks(500) {
            let found: Vec<KeyRow> = self
                .sql("SELECT address_key, contact_id FROM contact_addresses WHERE account_id = :account AND address_key IN (??)")
                .list(some.iter().copied())
                .all(&self.tx)
                .await?;
            rows.extend(found);
        }
        Ok(rows)
    }

    /// Locks the contacts with these addresses until the end, and makes those that are missing, in an order in which no two transactions
    /// wait for each other. By `EmailAddress::key()`; of two wishes with one address the first counts. Comes before any other lock.
    pub async fn lock_contacts(&mut self, wanted: &[NewContact]) -> Result<BTreeMap<String, LockedContact>> {
        let mut by_key: BTreeMap<String, &NewContact> = BTreeMap::new();
        for new in wanted {
            if let Some(email) = &new.email {
                by_key.entry(email.key()).or_insert(new);
            }
        }
        for _ in 0..MAX_ROUNDS {
            self.savepoint().await?;
            if let Some(locked) = self.try_lock_contacts(&by_key).await? {
                self.release_savepoint().await?;
                return Ok(locked);
            }
            // Gives the locks back, too.
            self.rollback_to().await?;
        }
        Err(StoreError::Unavailable("contacts were made and removed while they were to be locked".to_owned()))
    }

    /// `None`: somebody else was quicker with one of them.
    async fn try_lock_contacts(
        &mut self,
        by_key: &BTreeMap<String, &NewContact>,
    ) -> Result<Option<BTreeMap<String, LockedContact>>> {
        let keys: Vec<&str> = by_key.keys().map(String::as_str).collect();
        let known = self.contacts_of(&keys).await?;
        let ids: BTreeSet<i64> = known.iter().map(|row| row.contact_id).collect();
        let mut found: BTreeMap<i64, Contact> = BTreeMap::new();
        for some in ids.iter().copied().collect::<Vec<_>>().chunks(500) {
            let rows: Vec<contact::Model> = self
                .sql("SELECT * FROM contacts WHERE account_id = :account AND id IN (??) AND erased_at IS NULL ORDER BY id{lock}")
                .list(some.iter().copied())
                .all(&self.tx)
                .await?;
            for row in rows {
                found.insert(row.id, convert::contact(row)?);
            }
        }
        let mut locked = BTreeMap::new();
        for row in known {
            // Gone, merged or being erased between the two looks.
            let Some(contact) = found.get(&row.contact_id) else { return Ok(None) };
            locked.insert(row.address_key, LockedContact { contact: contact.clone(), is_new: false });
        }
        let missing: Vec<&NewContact> =
            by_key.iter().filter(|(key, _)| !locked.contains_key(*key)).map(|(_, new)| *new).collect();
        let Some(made) = self.insert_contacts(&missing).await? else { return Ok(None) };
        locked.extend(made.into_iter().map(|(key, contact)| (key, LockedContact { contact, is_new: true })));
        Ok(Some(locked))
    }

    /// Makes contacts, each with its address, by the address's key. `None`: somebody else was quicker with one of them.
    async fn insert_contacts(&mut self, new: &[&NewContact]) -> Result<Option<Vec<(String, Contact)>>> {
        let now = self.scope.inner.now();
        let mut ids = self.reserve("contacts", new.len()).await?.into_iter();
        let mut made = Vec::with_capacity(new.len());
        for some in new.chunks(500) {
            let mut contacts = self.sql(format!(
                "INSERT INTO contacts (account_id, id, name, email, phone_number, identifier, blocked, additional_attributes, \
                 custom_attributes, last_activity_at, created_at, updated_at) VALUES {}",
                rows_of("(:account, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", some.len())
            ));
            let mut addresses = self.sql(format!(
                "INSERT INTO contact_addresses (account_id, contact_id, address, address_key, created_at) VALUES {} \
                 ON CONFLICT (account_id, address_key) DO NOTHING",
                rows_of("(:account, ?, ?, ?, ?)", some.len())
            ));
            for new in some {
                let email = new.email.as_ref().expect("only those with an address are wanted");
                let id = ids.next().expect("one is reserved for each");
                let contact = Contact {
                    id: ContactId(id),
                    account_id: self.scope.id,
                    name: new.name.clone(),
                    email: Some(email.as_str().to_owned()),
                    phone_number: new.phone_number.clone(),
                    identifier: new.identifier.clone(),
                    blocked: false,
                    additional_attributes: new.additional_attributes.clone(),
                    custom_attributes: new.custom_attributes.clone(),
                    last_activity_at: new.last_activity_at,
                    created_at: now,
                };
                contacts = contacts
                    .bind(id)
                    .bind(contact.name.as_str())
                    .bind(contact.email.clone())
                    .bind(contact.phone_number.clone())
                    .bind(contact.identifier.clone())
                    .bind(contact.blocked)
                    .bind(to_json(&contact.additional_attributes))
                    .bind(to_json(&contact.custom_attributes))
                    .bind(contact.last_activity_at.map(|t| t.0))
                    .bind(now.0)
                    .bind(now.0);
                addresses = addresses.bind(id).bind(email.as_str()).bind(email.key()).bind(now.0);
                made.push((email.key(), contact));
            }
            contacts.run(&self.tx).await?;
            if usize::try_from(addresses.run(&self.tx).await?).ok() != Some(some.len()) {
                return Ok(None);
            }
        }
        Ok(Some(made))
    }

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
    pub(super) async fn insert_address(&mut self, contact: ContactId, email: &domain::EmailAddress) -> Result<bool> {
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

    /// Locked until the end, by id. Without those that are not there, or are being erased. Comes before any other lock.
    pub async fn lock_contacts_by_id(&mut self, ids: &[ContactId]) -> Result<Vec<Contact>> {
        let rows: Vec<contact::Model> = self
            .sql("SELECT * FROM contacts WHERE account_id = :account AND id IN (??) AND erased_at IS NULL ORDER BY id{lock}")
            .list(ids.iter().map(|id| id.0))
            .all(&self.tx)
            .await?;
        rows.into_iter().map(convert::contact).collect()
    }

    /// A blocked contact's mail is kept and stays quiet. `false`: there is no such contact.
    pub async fn block_contact(&mut self, contact: ContactId, blocked: bool) -> Result<bool> {
        let changed = self
            .sql("UPDATE contacts SET blocked = ?, updated_at = ? WHERE account_id = :account AND id = ?")
            .bind(blocked)
            .bind(self.scope.inner.now().0)
            .bind(contact.0)
            .run(&self.tx)
            .await?;
        Ok(changed == 1)
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
}
