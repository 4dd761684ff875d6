//! Contacts: the list and one.

use super::search::contact_found;
use super::sql::Sql;
use super::tenant::{Only as _, find_in};
use super::{contact_rules, convert};
use crate::entity::contact;
use crate::*;
use domain::contact::Contact;
use domain::{ContactId, EmailAddress, InboxId};
use sea_orm::{ColumnTrait, QueryFilter, Value};

impl AccountScope {
    /// One page, and how many there are in all.
    pub async fn contacts(&self, filter: &ContactFilter) -> Result<(Vec<Contact>, u64)> {
        let mut conditions = "account_id = :account AND erased_at IS NULL".to_owned();
        let mut values: Vec<Value> = Vec::new();
        if let Some(q) = filter.q.as_deref().map(str::trim).filter(|q| !q.is_empty()) {
            let (text, found) = contact_found(self.inner.backend, self.id, q);
            conditions.push_str(" AND ");
            conditions.push_str(&text);
            values.extend(found);
        }
        if !filter.labels.is_empty() {
            conditions.push_str(&format!(
                " AND EXISTS (SELECT 1 FROM contact_labels l WHERE l.account_id = contacts.account_id AND l.contact_id = contacts.id \
                 AND l.title IN ({}))",
                vec!["?"; filter.labels.len()].join(", ")
            ));
            values.extend(filter.labels.iter().map(|label| Value::from(label.as_str())));
        }
        if !filter.rules.is_empty() {
            let (text, bound) = contact_rules::condition(self.inner.backend, &filter.rules);
            conditions.push_str(&format!(" AND {text}"));
            values.extend(bound);
        }
        // Those without the value come last either way.
        let column = filter.sort.as_str();
        let direction = if filter.descending { "DESC" } else { "ASC" };
        let order = match filter.sort {
            ContactSortField::Name | ContactSortField::CreatedAt => format!("{column} {direction}, id {direction}"),
            ContactSortField::Email | ContactSortField::PhoneNumber | ContactSortField::LastActivityAt => {
                format!("{column} {direction} NULLS LAST, id {direction}")
            }
        };
        let with = |text: String| values.iter().cloned().fold(self.sql(text), Sql::bind);
        let rows: Vec<contact::Model> =
            with(format!("SELECT * FROM contacts WHERE {conditions} ORDER BY {order} LIMIT ? OFFSET ?"))
                .bind(i64::from(CONTACTS_PER_PAGE))
                .bind(i64::from(filter.page.saturating_sub(1)) * i64::from(CONTACTS_PER_PAGE))
                .all(&self.inner.read)
                .await?;
        let total: Option<i64> =
            with(format!("SELECT COUNT(*) FROM contacts WHERE {conditions}")).value(&self.inner.read).await?;
        let items = rows.into_iter().map(convert::contact).collect::<Result<_>>()?;
        Ok((items, convert::number("count", total.unwrap_or(0))?))
    }

    /// Who is known in the inbox under this name: for e-mail one of their addresses. Whose an address is counts before under what somebody was
    /// made known.
    pub async fn contact_by_source(&self, inbox: InboxId, source: &str) -> Result<Option<ContactId>> {
        if let Some(address) = EmailAddress::parse(source) {
            let owner: Option<i64> = self
                .sql("SELECT contact_id FROM contact_addresses WHERE account_id = :account AND address_key = ?")
                .bind(address.key())
                .value(&self.inner.read)
                .await?;
            if let Some(owner) = owner {
                let known: Option<i64> = self
                    .sql("SELECT contact_id FROM contact_inboxes WHERE account_id = :account AND contact_id = ? AND inbox_id = ?")
                    .bind(owner)
                    .bind(inbox.0)
                    .value(&self.inner.read)
                    .await?;
                return Ok(known.map(ContactId));
            }
        }
        let id: Option<i64> = self
            .sql(
                "SELECT contact_id FROM contact_inboxes WHERE account_id = :account AND inbox_id = ? AND source_id = ? \
                 ORDER BY contact_id LIMIT ?",
            )
            .bind(inbox.0)
            .bind(source)
            .bind(1_i64)
            .value(&self.inner.read)
            .await?;
        Ok(id.map(ContactId))
    }

    pub async fn contact(&self, contact: ContactId) -> Result<Option<Contact>> {
        let row = find_in::<contact::Entity>(self.id)
            .filter(contact::Column::Id.eq(contact.0))
            .filter(contact::Column::ErasedAt.is_null())
            .only(&self.inner.read)
            .await?;
        row.map(convert::contact).transpose()
    }
}
