//! Views that people save, each for themself. What a view asks for is read by the client that saved it; here it is kept.

use super::{KeepError, MAX_CUSTOM_FILTERS, refused};
use crate::App;
use crate::accounts::Member;
use domain::CustomFilterId;
pub use domain::organising::FilterType;
use domain::organising::{CustomFilter, MAX_NAME_CHARS};
use serde_json::Value;
pub use store::CustomFilterChange;
use store::{NewCustomFilter, StoreError};

/// The longest query, as JSON.
pub const MAX_QUERY_BYTES: usize = 16 * 1024;

pub async fn list(_app: &App, member: &Member, kind: FilterType) -> Result<Vec<CustomFilter>, StoreError> {
    member.scope.custom_filters(member.agent.user.id, kind).await
}

pub async fn show(_app: &App, member: &Member, id: CustomFilterId) -> Result<CustomFilter, KeepError> {
    member.scope.custom_filter(member.agent.user.id, id).await?.ok_or(KeepError::NotFound)
}

pub async fn create(
    _app: &App,
    member: &Member,
    name: &str,
    filter_type: FilterType,
    query: Value,
) -> Result<CustomFilter, KeepError> {
    let new =
        NewCustomFilter { user_id: member.agent.user.id, name: name_of(name)?, filter_type, query: query_of(query)? };
    let mut tx = member.scope.begin().await?;
    let made = tx.create_custom_filter(&new, MAX_CUSTOM_FILTERS).await;
    let made = made.map_err(|error| refused(error, "name", MAX_CUSTOM_FILTERS))?;
    tx.commit().await?;
    Ok(made)
}

pub async fn update(
    _app: &App,
    member: &Member,
    id: CustomFilterId,
    change: CustomFilterChange,
) -> Result<CustomFilter, KeepError> {
    let change = CustomFilterChange {
        name: change.name.as_deref().map(name_of).transpose()?,
        query: change.query.map(query_of).transpose()?,
    };
    let mut tx = member.scope.begin().await?;
    let changed = tx.update_custom_filter(member.agent.user.id, id, &change).await?.ok_or(KeepError::NotFound)?;
    tx.commit().await?;
    Ok(changed)
}

pub async fn delete(_app: &App, member: &Member, id: CustomFilterId) -> Result<(), KeepError> {
    let mut tx = member.scope.begin().await?;
    if !tx.delete_custom_filter(member.agent.user.id, id).await? {
        return Err(KeepError::NotFound);
    }
    Ok(tx.commit().await.map(drop)?)
}

fn name_of(text: &str) -> Result<String, KeepError> {
    let name = text.trim();
    if name.is_empty() || name.chars().count() > MAX_NAME_CHARS {
        return Err(KeepError::Invalid { field: "name", words: "Name must have 1 to 255 characters" });
    }
    Ok(name.to_owned())
}

fn query_of(query: Value) -> Result<Value, KeepError> {
    if query.to_string().len() > MAX_QUERY_BYTES {
        return Err(KeepError::Invalid { field: "query", words: "Query must be at most 16 kB of JSON" });
    }
    Ok(query)
}
