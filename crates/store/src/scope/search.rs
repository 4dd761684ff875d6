//! Looking things up in the search index: conditions for other statements, and pages of messages.
//!
//! Each condition names the account twice: as everywhere, and in each word ([`of_account`]), so that no other account's words are even looked at.

use super::conversations::{Bound, one};
use super::message_rows::where_message;
use super::search_index::of_account;
use super::views;
use crate::*;
use domain::AccountId;
use domain::message::Message;
use domain::search::Query;
use sea_orm::Value;
use std::collections::HashMap;

/// A condition and what is bound to its marks.
pub(crate) struct Found {
    pub(crate) text: String,
    pub(crate) values: Vec<Bound>,
}

/// Of the messages that have the words, so many of the newest are looked at: a word that stands in nearly all of them would have them all
/// sorted.
const NEWEST: i64 = 10_000;

/// The newest messages that have the words, newest first; the marks are the query's and the number's.
fn messages_with(backend: Backend, columns: &str, visibility: &Visibility) -> String {
    let seen = match visibility {
        Visibility::All => "",
        Visibility::Inboxes(_) => "AND w.inbox_id IN (??)",
    };
    match backend {
        // FTS5 gives its rows in either order without sorting them.
        Backend::Sqlite => format!(
            "SELECT {columns} FROM message_tokens CROSS JOIN message_words w ON w.message_id = message_tokens.rowid \
             WHERE message_tokens MATCH ? AND w.account_id = :account {seen} ORDER BY message_tokens.rowid DESC LIMIT ?"
        ),
        Backend::Postgres => format!(
            "SELECT {columns} FROM message_words w WHERE w.words @@ CAST(? AS tsquery) AND w.account_id = :account {seen} \
             ORDER BY w.message_id DESC LIMIT ?"
        ),
    }
}

fn bound_messages(matching: String, visibility: &Visibility) -> Vec<Bound> {
    let seen = match visibility {
        Visibility::All => None,
        Visibility::Inboxes(inboxes) => Some(Bound::Many(inboxes.iter().map(|inbox| inbox.0.into()).collect())),
    };
    std::iter::once(one(matching)).chain(seen).chain([one(NEWEST)]).collect()
}

const CONTACTS: (&str, &str) = (
    "contact_tokens CROSS JOIN contact_words w ON w.contact_id = contact_tokens.rowid WHERE contact_tokens MATCH ? AND w.account_id = :account",
    "contact_words w WHERE w.words @@ CAST(? AS tsquery) AND w.account_id = :account",
);

fn spelled(backend: Backend, (sqlite, postgres): (&'static str, &'static str)) -> &'static str {
    match backend {
        Backend::Sqlite => sqlite,
        Backend::Postgres => postgres,
    }
}

/// The query in the database's own words.
fn matching(backend: Backend, account: AccountId, query: &Query) -> String {
    let whole = query.whole.iter().map(|word| (of_account(account, word), false));
    let beginning = query.beginning.iter().map(|word| (of_account(account, word), true));
    let words = whole.chain(beginning).map(|(word, begins)| match (backend, begins) {
        // Quotes keep FTS5 from reading operators; a word holds none.
        (Backend::Sqlite, false) => format!("\"{word}\""),
        (Backend::Sqlite, true) => format!("\"{word}\" *"),
        (Backend::Postgres, false) => format!("'{word}'"),
        (Backend::Postgres, true) => format!("'{word}':*"),
    });
    let between = match backend {
        Backend::Sqlite => " AND ",
        Backend::Postgres => " & ",
    };
    words.collect::<Vec<_>>().join(between)
}

/// Contacts (`contacts`) that have all the words in name, addresses, phone number or identifier.
pub(crate) fn contact_found(backend: Backend, account: AccountId, text: &str) -> (String, Vec<Value>) {
    let query = Query::parse(text);
    if query.is_empty() {
        return (nothing().text, Vec::new());
    }
    let text = format!("contacts.id IN (SELECT w.contact_id FROM {})", spelled(backend, CONTACTS));
    (text, vec![matching(backend, account, &query).into()])
}

/// Conversations (`c`) that have all the words in one message (with its subject, sender and files), or in their contact; or that number.
/// `visibility`: of whoever looks; which conversations they see at all is another condition's business.
pub(crate) fn conversation_found(backend: Backend, account: AccountId, visibility: &Visibility, text: &str) -> Found {
    let query = Query::parse(text);
    if query.is_empty() {
        return nothing();
    }
    let matching = matching(backend, account, &query);
    let number = text.trim().trim_start_matches('#').parse::<i64>().ok();
    // One list of ids to begin with, instead of an OR that has every conversation of the account looked at.
    Found {
        text: format!(
            "c.id IN (SELECT found.conversation_id FROM ({}) AS found UNION SELECT k.id FROM conversations k WHERE k.account_id = :account \
             AND k.contact_id IN (SELECT w.contact_id FROM {}) UNION SELECT n.id FROM conversations n \
             WHERE n.account_id = :account AND n.display_id = ?)",
            messages_with(backend, "w.conversation_id", visibility),
            spelled(backend, CONTACTS)
        ),
        values: bound_messages(matching.clone(), visibility)
            .into_iter()
            .chain([one(matching), one(number.unwrap_or(-1))])
            .collect(),
    }
}

fn nothing() -> Found {
    Found { text: "1 = 0".to_owned(), values: Vec::new() }
}

impl AccountScope {
    /// One page, the newest first.
    pub async fn search_messages(&self, visibility: &Visibility, text: &str, page: u32) -> Result<Vec<Message>> {
        let query = Query::parse(text);
        if query.is_empty() {
            return Ok(Vec::new());
        }
        let backend = self.inner.backend;
        let found = self.sql(format!(
            "SELECT found.message_id FROM ({}) AS found ORDER BY found.sent_at DESC, found.message_id DESC LIMIT ? OFFSET ?",
            messages_with(backend, "w.message_id, w.sent_at", visibility)
        ));
        let values = bound_messages(matching(backend, self.id, &query), visibility);
        let ids: Vec<i64> = values
            .into_iter()
            .fold(found, Bound::on)
            .bind(i64::from(FOUND_PER_PAGE))
            .bind(i64::from(page.saturating_sub(1)) * i64::from(FOUND_PER_PAGE))
            .column(&self.inner.read)
            .await?;
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        // What was deleted a moment ago is not shown, even where the index does not know it yet.
        let rows = where_message(self.id, "m.id IN (??) AND NOT m.deleted")
            .list(ids.iter().copied())
            .all(&self.inner.read)
            .await?;
        let messages = views::messages(&self.inner.read, self.id, rows).await?;
        let mut by_id: HashMap<i64, Message> = messages.into_iter().map(|message| (message.id.0, message)).collect();
        Ok(ids.iter().filter_map(|id| by_id.remove(id)).collect())
    }
}
