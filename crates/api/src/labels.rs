//! Words that conversations are marked with.

use crate::auth::Auth;
use crate::error::{Acting, Reading, Refusal, Writing};
use crate::tags::Tag;
use app::organising::labels;
use domain::LabelId;
use poem_openapi::OpenApi;
use poem_openapi::param::Path;
use poem_openapi::payload::Json;
use poem_openapi::types::MaybeUndefined;
use wire::organising::{Label, LabelList, LabelUpdate, NewLabel};

pub struct LabelsApi;

#[OpenApi(tag = "Tag::Labels")]
impl LabelsApi {
    /// List labels
    #[oai(path = "/api/v1/accounts/:account_id/labels", method = "get", operation_id = "list_labels")]
    async fn list(&self, auth: Auth, account_id: Path<i64>) -> Result<Json<LabelList>, Refusal<Reading>> {
        let member = auth.enter(account_id.0).await?;
        let labels = labels::list(auth.app(), &member).await?;
        Ok(Json(LabelList { payload: labels.iter().map(Label::from).collect() }))
    }

    /// Add a label
    ///
    /// Administrators only. At most 1000.
    #[oai(path = "/api/v1/accounts/:account_id/labels", method = "post", operation_id = "create_label")]
    async fn create(
        &self,
        auth: Auth,
        account_id: Path<i64>,
        body: Json<NewLabel>,
    ) -> Result<Json<Label>, Refusal<Writing>> {
        let member = auth.enter(account_id.0).await?;
        let NewLabel { title, description, color, show_on_sidebar } = body.0;
        let shown = show_on_sidebar.unwrap_or(false);
        let label = labels::create(auth.app(), &member, &title, description, color, shown).await?;
        Ok(Json((&label).into()))
    }

    /// Show a label
    #[oai(path = "/api/v1/accounts/:account_id/labels/:label_id", method = "get", operation_id = "get_label")]
    async fn show(
        &self,
        auth: Auth,
        account_id: Path<i64>,
        label_id: Path<i64>,
    ) -> Result<Json<Label>, Refusal<Reading>> {
        let member = auth.enter(account_id.0).await?;
        Ok(Json((&labels::show(auth.app(), &member, LabelId(label_id.0)).await?).into()))
    }

    /// Change a label
    ///
    /// Administrators only. Conversations that are marked with it are marked with the new title.
    #[oai(path = "/api/v1/accounts/:account_id/labels/:label_id", method = "patch", operation_id = "update_label")]
    async fn update(
        &self,
        auth: Auth,
        account_id: Path<i64>,
        label_id: Path<i64>,
        body: Json<LabelUpdate>,
    ) -> Result<Json<Label>, Refusal<Writing>> {
        let member = auth.enter(account_id.0).await?;
        let LabelUpdate { title, description, color, show_on_sidebar } = body.0;
        let change = labels::LabelChange { title, description: changed(description), color, show_on_sidebar };
        Ok(Json((&labels::update(auth.app(), &member, LabelId(label_id.0), change).await?).into()))
    }

    /// Delete a label, and the marks with its title
    ///
    /// Administrators only.
    #[oai(path = "/api/v1/accounts/:account_id/labels/:label_id", method = "delete", operation_id = "delete_label")]
    async fn delete(&self, auth: Auth, account_id: Path<i64>, label_id: Path<i64>) -> Result<(), Refusal<Acting>> {
        let member = auth.enter(account_id.0).await?;
        Ok(labels::delete(auth.app(), &member, LabelId(label_id.0)).await?)
    }
}

/// Absent leaves, null clears.
pub fn changed(text: MaybeUndefined<String>) -> Option<Option<String>> {
    match text {
        MaybeUndefined::Undefined => None,
        MaybeUndefined::Null => Some(None),
        MaybeUndefined::Value(text) => Some(Some(text)),
    }
}
