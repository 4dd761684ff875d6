//! The only starters of sea-orm queries on tenants' tables: each carries the account.

use crate::entity::Tenant;
use crate::{Result, StoreError};
use domain::AccountId;
use sea_orm::{
    ActiveModelBehavior, ActiveModelTrait, ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, QueryFilter,
    Select,
};

/// `SELECT … WHERE account_id = …`.
pub(crate) fn find_in<E: Tenant>(account: AccountId) -> Select<E> {
    #[expect(clippy::disallowed_methods, reason = "the account is added here")]
    let select = E::find();
    select.filter(E::ACCOUNT.eq(account.0))
}

/// The row that a whole key names. Not sea-orm's `one`, which binds a LIMIT: SQLite prepares a statement with a bound LIMIT anew
/// each time it runs (docs/PERFORMANCE.md).
pub(crate) trait Only {
    type Row;

    async fn only<C: ConnectionTrait>(self, on: &C) -> Result<Option<Self::Row>>;
}

impl<E: EntityTrait> Only for Select<E> {
    type Row = E::Model;

    async fn only<C: ConnectionTrait>(self, on: &C) -> Result<Option<E::Model>> {
        Ok(self.all(on).await?.into_iter().next())
    }
}

/// Inserts a row of the account, whatever account the row claims.
pub(crate) async fn insert_in<A, C>(on: &C, account: AccountId, mut row: A) -> Result<<A::Entity as EntityTrait>::Model>
where
    A: ActiveModelTrait + ActiveModelBehavior + Send,
    A::Entity: Tenant,
    <A::Entity as EntityTrait>::Model: IntoActiveModel<A>,
    C: ConnectionTrait,
{
    row.set(<A::Entity as Tenant>::ACCOUNT, account.0.into());
    #[expect(clippy::disallowed_methods, reason = "the account is set here")]
    let inserted = row.insert(on).await;
    inserted.map_err(StoreError::from)
}

/// Inserts a row that belongs to no account (accounts, users, tokens): only for the narrow system scopes.
pub(crate) async fn insert_global<A, C>(on: &C, row: A) -> Result<<A::Entity as EntityTrait>::Model>
where
    A: ActiveModelTrait + ActiveModelBehavior + Send,
    <A::Entity as EntityTrait>::Model: IntoActiveModel<A>,
    C: ConnectionTrait,
{
    #[expect(clippy::disallowed_methods, reason = "for tables without an account")]
    let inserted = row.insert(on).await;
    inserted.map_err(StoreError::from)
}
