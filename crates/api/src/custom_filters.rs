//! Views that people saved, each for themself.

use crate::auth::Auth;
use crate::error::{Acting, Reading, Refusal, Writing};
use crate::tags::Tag;
use app::organising::custom_filters::{self, CustomFilterChange};
use domain::CustomFilterId;
use poem_openapi::OpenApi;
use poem_openapi::param::{Path, Query};
use poem_openapi::payload::Json;
use wire::JsonObject;
use wire::organising::{CustomFilter, CustomFilterUpdate, FilterType, NewCustomFilter};

pub struct CustomFiltersApi;

#[OpenApi(tag = "Tag::CustomFilters")]
impl CustomFiltersApi {
    /// List one's saved views
    #[oai(path = "/api/v1/accounts/:account_id/custom_filters", method = "get", operation_id = "list_custom_filters")]
    async fn list(
        &self,
        auth: Auth,
        account_id: Path<i64>,
        /// `conversation` when absent.
        filter_type: Query<Option<FilterType>>,
    ) -> Result<Json<Vec<CustomFilter>>, Refusal<Reading>> {
        let member = auth.enter(account_id.0).await?;
        let kind = filter_type.0.unwrap_or(FilterType::Conversation);
        let filters = custom_filters::list(auth.app(), &member, kind.into()).await?;
        Ok(Json(filters.iter().map(CustomFilter::from).collect()))
    }

    /// Save a view
    ///
    /// At most 100 of one person.
    #[oai(path = "/api/v1/accounts/:account_id/custom_filters", method = "post", operation_id = "create_custom_filter")]
    async fn create(
        &self,
        auth: Auth,
        account_id: Path<i64>,
        /// As in the body, which goes before it.
        filter_type: Query<Option<FilterType>>,
        body: Json<NewCustomFilter>,
    ) -> Result<Json<CustomFilter>, Refusal<Writing>> {
        let member = auth.enter(account_id.0).await?;
        let kind = body.0.filter_type.or(filter_type.0).unwrap_or(FilterType::Conversation);
        let query = body.0.query.into_value();
        let made = custom_filters::create(auth.app(), &member, &body.0.name, kind.into(), query).await?;
        Ok(Json((&made).into()))
    }

    /// Show one of one's saved views
    #[oai(
        path = "/api/v1/accounts/:account_id/custom_filters/:custom_filter_id",
        method = "get",
        operation_id = "get_custom_filter"
    )]
    async fn show(
        &self,
        auth: Auth,
        account_id: Path<i64>,
        custom_filter_id: Path<i64>,
    ) -> Result<Json<CustomFilter>, Refusal<Reading>> {
        let member = auth.enter(account_id.0).await?;
        let found = custom_filters::show(auth.app(), &member, CustomFilterId(custom_filter_id.0)).await?;
        Ok(Json((&found).into()))
    }

    /// Change a saved view
    #[oai(
        path = "/api/v1/accounts/:account_id/custom_filters/:custom_filter_id",
        method = "patch",
        operation_id = "update_custom_filter"
    )]
    async fn update(
        &self,
        auth: Auth,
        account_id: Path<i64>,
        custom_filter_id: Path<i64>,
        body: Json<CustomFilterUpdate>,
    ) -> Result<Json<CustomFilter>, Refusal<Writing>> {
        let member = auth.enter(account_id.0).await?;
        let change = CustomFilterChange { name: body.0.name, query: body.0.query.map(JsonObject::into_value) };
        let id = CustomFilterId(custom_filter_id.0);
        Ok(Json((&custom_filters::update(auth.app(), &member, id, change).await?).into()))
    }

    /// Delete a saved view
    #[oai(
        path = "/api/v1/accounts/:account_id/custom_filters/:custom_filter_id",
        method = "delete",
        operation_id = "delete_custom_filter"
    )]
    async fn delete(
        &self,
        auth: Auth,
        account_id: Path<i64>,
        custom_filter_id: Path<i64>,
    ) -> Result<(), Refusal<Acting>> {
        let member = auth.enter(account_id.0).await?;
        Ok(custom_filters::delete(auth.app(), &member, CustomFilterId(custom_filter_id.0)).await?)
    }
}
