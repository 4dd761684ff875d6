//! Views that people saved, each for themself.

use super::convert::{code, json, to_json};
use super::tx::Tx;
use crate::*;
use domain::organising::{CustomFilter, FilterType};
use domain::{AccountId, CustomFilterId, Timestamp, UserId};
use sea_orm::FromQueryResult;

#[derive(Debug, FromQueryResult)]
struct FilterRow {
    id: i64,
    account_id: i64,
    user_id: i64,
    name: String,
    filter_type: String,
    query: String,
    created_at: i64,
    updated_at: i64,
}

impl FilterRow {
    fn filter(self) -> Result<CustomFilter> {
        Ok(CustomFilter {
            id: CustomFilterId(self.id),
            account_id: AccountId(self.account_id),
            user_id: UserId(self.user_id),
            name: self.name,
            filter_type: code("filter type", &self.filter_type, FilterType::parse)?,
            query: json("filter query", &self.query)?,
            created_at: Timestamp(self.created_at),
            updated_at: Timestamp(self.updated_at),
        })
    }
}

impl AccountScope {
    /// In the order in which they were saved.
    pub async fn custom_filters(&self, user: UserId, kind: FilterType) -> Result<Vec<CustomFilter>> {
        self.sql(
            "SELECT * FROM custom_filters WHERE account_id = :account AND user_id = ? AND filter_type = ? ORDER BY id",
        )
        .bind(user.0)
        .bind(kind.as_str())
        .all::<FilterRow, _>(&self.inner.read)
        .await?
        .into_iter()
        .map(FilterRow::filter)
        .collect()
    }

    pub async fn custom_filter(&self, user: UserId, id: CustomFilterId) -> Result<Option<CustomFilter>> {
        self.sql("SELECT * FROM custom_filters WHERE account_id = :account AND user_id = ? AND id = ?")
            .bind(user.0)
            .bind(id.0)
            .one::<FilterRow, _>(&self.inner.read)
            .await?
            .map(FilterRow::filter)
            .transpose()
    }
}

impl Tx {
    /// `LimitReached` when the person has `most`.
    pub async fn create_custom_filter(&mut self, new: &NewCustomFilter, most: u32) -> Result<CustomFilter> {
        let theirs = self
            .sql("SELECT COUNT(*) FROM custom_filters WHERE account_id = :account AND user_id = ?")
            .bind(new.user_id.0);
        self.make_room("saved views", theirs, most).await?;
        let now = self.now().0;
        self.sql(
            "INSERT INTO custom_filters (account_id, user_id, name, filter_type, query, created_at, updated_at) \
             VALUES (:account, ?, ?, ?, ?, ?, ?) RETURNING *",
        )
        .bind(new.user_id.0)
        .bind(new.name.as_str())
        .bind(new.filter_type.as_str())
        .bind(to_json(&new.query))
        .bind(now)
        .bind(now)
        .one::<FilterRow, _>(self.on())
        .await?
        .ok_or(StoreError::NotFound("saved view"))?
        .filter()
    }

    pub async fn update_custom_filter(
        &mut self,
        user: UserId,
        id: CustomFilterId,
        change: &CustomFilterChange,
    ) -> Result<Option<CustomFilter>> {
        self.sql(
            "UPDATE custom_filters SET name = COALESCE(?, name), query = COALESCE(?, query), updated_at = ? \
             WHERE account_id = :account AND user_id = ? AND id = ? RETURNING *",
        )
        .bind(change.name.clone())
        .bind(change.query.as_ref().map(to_json))
        .bind(self.now().0)
        .bind(user.0)
        .bind(id.0)
        .one::<FilterRow, _>(self.on())
        .await?
        .map(FilterRow::filter)
        .transpose()
    }

    pub async fn delete_custom_filter(&mut self, user: UserId, id: CustomFilterId) -> Result<bool> {
        let gone = self
            .sql("DELETE FROM custom_filters WHERE account_id = :account AND user_id = ? AND id = ?")
            .bind(user.0)
            .bind(id.0)
            .run(self.on())
            .await?;
        Ok(gone == 1)
    }
}
