//! Contacts: the list and one.

use super::convert;
use super::sql::Sql;
use super::tenant::{Only as _, find_in};
use crate::entity::contact;
use crate::*;
use domain::ContactId;
use domain::contact::Contact;
use sea_orm::{ColumnTrait, QueryFilter, Value};

impl AccountScope {
    /// One page, and how many there are in all.
    pub async fn contacts(&self, filter: &ContactFilter) -> Result<(Vec<Contact>, u64)> {
        let mut conditions = "account_id = :account".to_owned();
        let mut values: Vec<Value> = Vec::new();
        if let Some(q) = filter.q.as_deref().map(str::trim).filter(|q| !q.is_empty()) {
            conditions.push_str(
                " AND (LOWER(name) LIKE ? ESCAPE '\\' OR LOWER(email) LIKE ? ESCAPE '\\' OR phone_number LIKE ? ESCAPE '\\' \
                 OR LOWER(identifier) LIKE ? ESCAPE '\\' OR EXISTS (SELECT 1 FROM contact_addresses a \
                 WHERE a.account_id = contacts.account_id AND a.contact_id = contacts.id AND a.address_key LIKE ? ESCAPE '\\'))",
            );
            values.extend(std::iter::repeat_n(Value::from(contains(q)), 5));
        }
        // Those without the value come last either way.
        let column = filter.sort.as_str();
        let direction = if filter.descending { "DESC" } else { "ASC" };
        let order = match filter.sort {
            ContactSortField::Name | ContactSortField::CreatedAt => format!("{column} {direction}, id {direction}"),
            ContactSortField::Email | ContactSortField::PhoneNumber | ContactSortField::LastActivityAt => {
                format!("CASE WHEN {column} IS NULL THEN 1 ELSE 0 END, {column} {direction}, id {direction}")
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

    pub async fn contact(&self, contact: ContactId) -> Result<Option<Contact>> {
        let row = find_in::<contact::Entity>(self.id)
            .filter(contact::Column::Id.eq(contact.0))
            .only(&self.inner.read)
            .await?;
        row.map(convert::contact).transpose()
    }
}

/// A LIKE pattern that finds the words as they are written, in lower case.
pub(crate) fn contains(words: &str) -> String {
    let mut pattern = String::from("%");
    for c in words.to_lowercase().chars() {
        if matches!(c, '%' | '_' | '\\') {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern.push('%');
    pattern
}
