//! Answers that are kept for the next time. Everybody in the account may change them, as in Chatwoot.

use crate::auth::Auth;
use crate::error::{Acting, Problem, Reading, Refusal, Writing};
use crate::tags::Tag;
use app::organising::canned_responses::{self, CannedResponseChange};
use domain::CannedResponseId;
use poem_openapi::OpenApi;
use poem_openapi::param::{Path, Query};
use poem_openapi::payload::Json;
use wire::organising::{CannedResponse, CannedResponseBody};

pub struct CannedResponsesApi;

#[OpenApi(tag = "Tag::CannedResponses")]
impl CannedResponsesApi {
    /// List canned responses
    ///
    /// By short code; with `search` those that hold the words, best first.
    #[oai(
        path = "/api/v1/accounts/:account_id/canned_responses",
        method = "get",
        operation_id = "list_canned_responses"
    )]
    async fn list(
        &self,
        auth: Auth,
        account_id: Path<i64>,
        /// In the short code or the content.
        #[oai(validator(max_length = 255))]
        search: Query<Option<String>>,
    ) -> Result<Json<Vec<CannedResponse>>, Refusal<Reading>> {
        let member = auth.enter(account_id.0).await?;
        let found = canned_responses::list(auth.app(), &member, search.0.as_deref()).await?;
        Ok(Json(found.iter().map(CannedResponse::from).collect()))
    }

    /// Add a canned response
    ///
    /// At most 1000.
    #[oai(
        path = "/api/v1/accounts/:account_id/canned_responses",
        method = "post",
        operation_id = "create_canned_response"
    )]
    async fn create(
        &self,
        auth: Auth,
        account_id: Path<i64>,
        body: Json<CannedResponseBody>,
    ) -> Result<Json<CannedResponse>, Refusal<Writing>> {
        let member = auth.enter(account_id.0).await?;
        let fields = body.0.fields();
        let given = |field: &str, text: Option<String>| {
            text.ok_or_else(|| Problem::invalid(field, format!("{field} can't be blank")))
        };
        let (code, content) = (given("short_code", fields.short_code)?, given("content", fields.content)?);
        let made = canned_responses::create(auth.app(), &member, &code, &content).await?;
        Ok(Json((&made).into()))
    }

    /// Change a canned response
    #[oai(
        path = "/api/v1/accounts/:account_id/canned_responses/:canned_response_id",
        method = "patch",
        operation_id = "update_canned_response"
    )]
    async fn update(
        &self,
        auth: Auth,
        account_id: Path<i64>,
        canned_response_id: Path<i64>,
        body: Json<CannedResponseBody>,
    ) -> Result<Json<CannedResponse>, Refusal<Writing>> {
        let member = auth.enter(account_id.0).await?;
        let fields = body.0.fields();
        let change = CannedResponseChange { short_code: fields.short_code, content: fields.content };
        let id = CannedResponseId(canned_response_id.0);
        Ok(Json((&canned_responses::update(auth.app(), &member, id, change).await?).into()))
    }

    /// Delete a canned response
    #[oai(
        path = "/api/v1/accounts/:account_id/canned_responses/:canned_response_id",
        method = "delete",
        operation_id = "delete_canned_response"
    )]
    async fn delete(
        &self,
        auth: Auth,
        account_id: Path<i64>,
        canned_response_id: Path<i64>,
    ) -> Result<(), Refusal<Acting>> {
        let member = auth.enter(account_id.0).await?;
        Ok(canned_responses::delete(auth.app(), &member, CannedResponseId(canned_response_id.0)).await?)
    }
}
