//! What administrators did, as Chatwoot's audit log shows it.

use crate::JsonObject;
use domain::audit::AuditEvent;
use poem_openapi::Object;

#[derive(Clone, Debug, Object)]
pub struct AuditLog {
    pub id: i64,
    /// The account, as Chatwoot names it here.
    pub associated_id: i64,
    /// Always `Account`.
    pub associated_type: String,
    /// What it was done to: `Inbox`, `AccountUser`, `Webhook`, `Label`, `Team`, `Account`, `Channel::Email`, …
    pub auditable_type: String,
    /// Its id; of `AccountUser` the user's, of `InboxMember` and `Channel::Email` the inbox's, of `TeamMember` the team's, of `Conversation` the
    /// number that people see.
    pub auditable_id: i64,
    /// `create`, `update` or `destroy`.
    pub action: String,
    /// Of an update each field with what it was and is (`{"name": ["Support", "Help"]}`), else what the thing is or was.
    pub audited_changes: JsonObject,
    /// Null: whoever runs the installation.
    #[oai(nullable)]
    pub user_id: Option<i64>,
    /// Always `User`.
    pub user_type: String,
    /// The e-mail address of whoever did it.
    #[oai(nullable)]
    pub username: Option<String>,
    /// Where the request came from; of IPv6 the network. Null where it was done later, for somebody who had asked for it.
    #[oai(nullable)]
    pub remote_address: Option<String>,
    /// The request's id, under which the server's log has it.
    #[oai(nullable)]
    pub request_uuid: Option<String>,
    /// Always null.
    #[oai(nullable)]
    pub comment: Option<String>,
    /// In seconds since 1970.
    pub created_at: i64,
}

impl From<&AuditEvent> for AuditLog {
    fn from(event: &AuditEvent) -> Self {
        Self {
            id: event.id.0,
            associated_id: event.account_id.0,
            associated_type: "Account".to_owned(),
            auditable_type: event.subject.as_str().to_owned(),
            auditable_id: event.subject_id,
            action: event.action.as_str().to_owned(),
            audited_changes: JsonObject(event.changes.clone()),
            user_id: event.user_id.map(|user| user.0),
            user_type: "User".to_owned(),
            username: event.username.clone(),
            remote_address: event.remote_address.clone(),
            request_uuid: event.request_id.clone(),
            comment: None,
            created_at: event.created_at.seconds(),
        }
    }
}

#[derive(Clone, Debug, Object)]
pub struct AuditLogPage {
    /// Entries of a page.
    pub per_page: i64,
    /// Of all pages.
    pub total_entries: i64,
    pub current_page: i64,
    /// Newest first.
    pub audit_logs: Vec<AuditLog>,
}
