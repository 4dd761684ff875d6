//! What administrators did, in the shape of Chatwoot's audit log.

use crate::auth::Auth;
use crate::error::{Acting, Refusal};
use crate::tags::Tag;
use app::audit::{self, PER_PAGE};
use poem_openapi::OpenApi;
use poem_openapi::param::{Path, Query};
use poem_openapi::payload::Json;
use wire::audit::{AuditLog, AuditLogPage};

pub struct AuditLogsApi;

#[OpenApi(tag = "Tag::Accounts")]
impl AuditLogsApi {
    /// List what administrators did
    ///
    /// Administrators only. Newest first, 25 a page; entries are kept for 400 days. What the page for agents does is done with the same calls,
    /// and is told the same way. Secrets never stand in an entry, and of contacts and conversations only their numbers do.
    #[oai(path = "/api/v1/accounts/:account_id/audit_logs", method = "get", operation_id = "list_audit_logs")]
    async fn list(
        &self,
        auth: Auth,
        account_id: Path<i64>,
        /// From 1.
        #[oai(validator(maximum(value = "100000")))]
        page: Query<Option<u32>>,
    ) -> Result<Json<AuditLogPage>, Refusal<Acting>> {
        let member = auth.enter(account_id.0).await?;
        let page = page.0.unwrap_or(1).max(1);
        let found = audit::list(auth.app(), &member, page).await?;
        Ok(Json(AuditLogPage {
            per_page: i64::from(PER_PAGE),
            total_entries: i64::try_from(found.count).unwrap_or(i64::MAX),
            current_page: i64::from(page),
            audit_logs: found.events.iter().map(AuditLog::from).collect(),
        }))
    }
}
