//! A conversation with its contact, and whether it has labels, in one row.

use super::message_rows::{columns, joined};
use super::sql::{Sql, scoped};
use crate::entity::{contact, conversation};
use domain::AccountId;
use sea_orm::{DbErr, FromQueryResult, QueryResult};
use std::sync::LazyLock;

/// Prefix of the contact's columns.
const CONTACT: &str = "p_";

static SELECT: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT c.*, (SELECT MIN(l.title) FROM conversation_labels l WHERE l.account_id = c.account_id AND l.conversation_id = c.id) AS first_label, {} \
         FROM conversations c LEFT JOIN contacts p ON p.account_id = c.account_id AND p.id = c.contact_id",
        columns::<contact::Column>("p", CONTACT),
    )
});

/// Conversations of the account for which the condition holds: it is about `c`, the conversation, names the account, and may be followed by an
/// order and a limit.
pub(crate) fn where_conversation(account: AccountId, condition: &str) -> Sql {
    scoped(account, format!("{} WHERE {condition}", *SELECT))
}

#[derive(Debug)]
pub(crate) struct ConversationRow {
    pub(crate) conversation: conversation::Model,
    pub(crate) contact: Option<contact::Model>,
    pub(crate) has_labels: bool,
}

impl FromQueryResult for ConversationRow {
    fn from_query_result(row: &QueryResult, prefix: &str) -> Result<Self, DbErr> {
        Ok(Self {
            conversation: conversation::Model::from_query_result(row, prefix)?,
            contact: joined(row, CONTACT)?,
            has_labels: row.try_get::<Option<String>>("", "first_label")?.is_some(),
        })
    }
}
