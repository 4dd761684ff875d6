//! A message with everything that is shown beside it, in one row: its place, its sender, its delivery, and whether it has files.
//!
//! Messages are read several times in the life of each, and every statement is a round trip to the database's server or to SQLite's thread:
//! five of them for one message cost more than all that is done with it.

use super::sql::{Sql, scoped};
use crate::entity::{contact, delivery, message, user};
use domain::AccountId;
use sea_orm::{DbErr, FromQueryResult, IdenStatic, Iterable, QueryResult};
use std::sync::LazyLock;

/// Prefixes of the columns that come from the other tables.
const CONTACT: &str = "p_";
const USER: &str = "u_";
const DELIVERY: &str = "d_";

/// The conversation is always there; whoever wrote may have left the account since, and what they wrote stays theirs.
static SELECT: LazyLock<String> = LazyLock::new(|| {
    format!(
        "SELECT m.*, c.display_id AS place_display_id, c.inbox_id AS place_inbox_id, \
         (SELECT MIN(a.id) FROM attachments a WHERE a.account_id = m.account_id AND a.message_id = m.id) AS first_file, {}, {}, {} \
         FROM messages m JOIN conversations c ON c.account_id = m.account_id AND c.id = m.conversation_id \
         LEFT JOIN contacts p ON p.account_id = m.account_id AND p.id = m.sender_contact_id \
         LEFT JOIN account_users au ON au.account_id = m.account_id AND au.user_id = m.sender_user_id \
         LEFT JOIN users u ON u.id = au.user_id \
         LEFT JOIN deliveries d ON d.account_id = m.account_id AND d.message_id = m.id \
         WHERE m.account_id = :account",
        columns::<contact::Column>("p", CONTACT),
        columns::<user::Column>("u", USER),
        columns::<delivery::Column>("d", DELIVERY),
    )
});

/// The table's columns, each named with the prefix.
pub(crate) fn columns<C: IdenStatic + Iterable>(table: &str, prefix: &str) -> String {
    let named = |column: C| format!("{table}.{0} AS {prefix}{0}", column.as_str());
    C::iter().map(named).collect::<Vec<_>>().join(", ")
}

/// Messages of the account for which the condition holds: it is about `m`, the message, and may be followed by an order and a limit.
pub(crate) fn where_message(account: AccountId, condition: &str) -> Sql {
    scoped(account, format!("{} AND {condition}", *SELECT))
}

#[derive(Debug)]
pub(crate) struct MessageRow {
    pub(crate) message: message::Model,
    pub(crate) display_id: i64,
    pub(crate) inbox_id: i64,
    pub(crate) contact: Option<contact::Model>,
    pub(crate) user: Option<user::Model>,
    pub(crate) delivery: Option<delivery::Model>,
    pub(crate) has_files: bool,
}

impl FromQueryResult for MessageRow {
    fn from_query_result(row: &QueryResult, prefix: &str) -> Result<Self, DbErr> {
        Ok(Self {
            message: message::Model::from_query_result(row, prefix)?,
            display_id: row.try_get("", "place_display_id")?,
            inbox_id: row.try_get("", "place_inbox_id")?,
            contact: joined(row, CONTACT)?,
            user: joined(row, USER)?,
            delivery: joined(row, DELIVERY)?,
            has_files: row.try_get::<Option<i64>>("", "first_file")?.is_some(),
        })
    }
}

/// `None` where the other table had no row. A row that cannot be read is an error all the same.
pub(crate) fn joined<T: FromQueryResult>(row: &QueryResult, prefix: &str) -> Result<Option<T>, DbErr> {
    match row.try_get::<Option<i64>>(prefix, "id")? {
        Some(_) => T::from_query_result(row, prefix).map(Some),
        None => Ok(None),
    }
}
