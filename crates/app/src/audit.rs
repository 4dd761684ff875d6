//! What administrators did, for administrators to read. Written by the store, in the transaction of what it tells; nothing here writes.

use crate::App;
use crate::accounts::Member;
use domain::audit::AuditEvent;
use store::StoreError;

/// Entries of a page, as Chatwoot has it.
pub const PER_PAGE: u32 = 25;

#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    #[error("only administrators read the audit log")]
    Forbidden,
    #[error(transparent)]
    Store(#[from] StoreError),
}

#[derive(Clone, Debug)]
pub struct AuditPage {
    /// Newest first.
    pub events: Vec<AuditEvent>,
    /// Of all pages.
    pub count: u64,
}

/// `page`: from 1.
pub async fn list(_app: &App, member: &Member, page: u32) -> Result<AuditPage, AuditError> {
    if !member.may_manage_people() {
        return Err(AuditError::Forbidden);
    }
    let offset = u64::from(page.max(1) - 1) * u64::from(PER_PAGE);
    let (events, count) = member.scope.audit_log(offset, PER_PAGE).await?;
    Ok(AuditPage { events, count })
}
