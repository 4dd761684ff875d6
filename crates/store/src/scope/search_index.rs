//! Filling the search index, some time after what it is about was committed (docs/decisions/0009-search-index.md).
//!
//! An account's events say what there is to do: each message and contact that comes or changes has one, and they are numbered without a gap in
//! the order in which they were committed. So "up to this event" is all there is to remember, and whoever stores a mail writes nothing for
//! search. What was there before the index was, or before events that nobody keeps any more, is walked through from the newest to the oldest.
//!
//! Texts are read and cut into words outside of any transaction. The transaction then writes the words and moves the account's progress, from
//! exactly where it stood: of two processes at one account, one writes. It locks the messages against being deleted, and waits for nobody: a
//! message that is being deleted puts the step off.

use super::sql::{Sql, rows_of, scoped, system};
use crate::connect::Inner;
use crate::*;
use domain::AccountId;
use domain::search::words;
use sea_orm::{DatabaseTransaction, FromQueryResult};
use serde::Deserialize;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// Events of one step, and messages or contacts of one: some hundredths of a second of SQLite's writer.
const EVENTS_AT_ONCE: i64 = 200;
const TEXTS_AT_ONCE: i64 = 100;
/// Below every id there is, and will be.
const ALL: i64 = i64::MAX;

/// The scope of whoever fills the index: which accounts have something to be indexed.
#[derive(Clone, Debug)]
pub struct SearchIndex {
    pub(crate) inner: Arc<Inner>,
}

impl SearchIndex {
    /// Accounts with an id above this in whose index something is missing, by id.
    pub async fn behind(&self, after: AccountId, most: u32) -> Result<Vec<AccountScope>> {
        let ids: Vec<i64> = system(
            "SELECT c.account_id FROM account_counters c LEFT JOIN search_progress p ON p.account_id = c.account_id WHERE c.account_id > ? \
             AND (p.account_id IS NULL OR p.event_seq < c.event_seq OR p.messages_below > 0 OR p.contacts_below > 0) \
             ORDER BY c.account_id LIMIT ?",
        )
        .bind(after.0)
        .bind(i64::from(most))
        .column(&self.inner.read)
        .await?;
        Ok(ids.into_iter().map(|id| self.inner.scope(AccountId(id))).collect())
    }
}

#[derive(Clone, Copy, Debug, FromQueryResult)]
struct Progress {
    event_seq: i64,
    messages_below: i64,
    contacts_below: i64,
}

#[derive(Debug, FromQueryResult)]
struct ProgressRow {
    newest: i64,
    event_seq: Option<i64>,
    messages_below: Option<i64>,
    contacts_below: Option<i64>,
}

#[derive(Debug, FromQueryResult)]
struct EventRow {
    seq: i64,
    payload: Option<String>,
}

/// What an event is about.
#[derive(Debug, Default, Deserialize)]
struct About {
    #[serde(default)]
    message: Option<Named>,
    #[serde(default)]
    contact: Option<Named>,
}

#[derive(Debug, Deserialize)]
struct Named {
    id: i64,
}

#[derive(Debug, FromQueryResult)]
struct MessageText {
    id: i64,
    conversation_id: i64,
    inbox_id: i64,
    sent_at: i64,
    content: Option<String>,
    subject: Option<String>,
    sender_name: Option<String>,
    sender_email: Option<String>,
}

#[derive(Debug, FromQueryResult)]
struct ContactText {
    id: i64,
    name: String,
    email: Option<String>,
    phone_number: Option<String>,
    identifier: Option<String>,
}

#[derive(Debug, FromQueryResult)]
struct NameOf {
    id: i64,
    name: String,
}

/// What a step writes: these messages and contacts anew, with their words where they have any.
#[derive(Debug, Default)]
struct Indexed {
    message_ids: BTreeSet<i64>,
    messages: Vec<(MessageText, String)>,
    contact_ids: BTreeSet<i64>,
    contacts: Vec<(i64, String)>,
}

impl AccountScope {
    /// One step: the next events, else some of what was there before.
    pub async fn index_some(&self) -> Result<IndexStep> {
        let row: ProgressRow = self
            .sql(
                "SELECT c.event_seq AS newest, p.event_seq, p.messages_below, p.contacts_below FROM account_counters c \
                 LEFT JOIN search_progress p ON p.account_id = c.account_id WHERE c.account_id = :account",
            )
            .one(&self.inner.read)
            .await?
            .ok_or(StoreError::NotFound("account"))?;
        let (Some(event_seq), Some(messages_below), Some(contacts_below)) =
            (row.event_seq, row.messages_below, row.contacts_below)
        else {
            return self.begin_index(row.newest).await;
        };
        let at = Progress { event_seq, messages_below, contacts_below };
        if at.event_seq < row.newest {
            self.index_events(at, row.newest).await
        } else if at.messages_below > 0 {
            let ids = self.older("messages", at.messages_below).await?;
            let to = Progress { messages_below: next_below(&ids), ..at };
            self.keep(at, to, self.indexed(ids, BTreeSet::new()).await?).await
        } else if at.contacts_below > 0 {
            let ids = self.older("contacts", at.contacts_below).await?;
            let to = Progress { contacts_below: next_below(&ids), ..at };
            self.keep(at, to, self.indexed(BTreeSet::new(), ids).await?).await
        } else {
            Ok(IndexStep::Done)
        }
    }

    /// What happened up to `newest` has been committed, and so is found by walking; what happens from now on is told by events.
    async fn begin_index(&self, newest: i64) -> Result<IndexStep> {
        self.sql(
            "INSERT INTO search_progress (account_id, event_seq, messages_below, contacts_below) VALUES (:account, ?, ?, ?) \
             ON CONFLICT DO NOTHING",
        )
        .bind(newest)
        .bind(ALL)
        .bind(ALL)
        .run(&self.inner.write)
        .await?;
        Ok(IndexStep::More)
    }

    async fn index_events(&self, at: Progress, newest: i64) -> Result<IndexStep> {
        let rows: Vec<EventRow> = self
            .sql(
                "SELECT seq, CASE WHEN kind IN ('message_created', 'message_updated', 'contact_created', 'contact_updated', 'contact_merged') \
                 THEN payload END AS payload FROM events WHERE account_id = :account AND seq > ? ORDER BY seq LIMIT ?",
            )
            .bind(at.event_seq)
            .bind(EVENTS_AT_ONCE)
            .all(&self.inner.read)
            .await?;
        let told_of_all = rows.first().is_some_and(|row| row.seq == at.event_seq + 1);
        let Some(last) = rows.last().filter(|_| told_of_all) else {
            // Events are kept for a time. Whatever those said that are gone is found by walking.
            let to = Progress { event_seq: newest, messages_below: ALL, contacts_below: ALL };
            return self.keep(at, to, Indexed::default()).await;
        };
        let to = Progress { event_seq: last.seq, ..at };
        let (mut messages, mut contacts) = (BTreeSet::new(), BTreeSet::new());
        for payload in rows.iter().filter_map(|row| row.payload.as_deref()) {
            // An event that cannot be read was written by a version that knows of more than this one.
            let about: About = serde_json::from_str(payload).unwrap_or_default();
            messages.extend(about.message.map(|named| named.id));
            contacts.extend(about.contact.map(|named| named.id));
        }
        self.keep(at, to, self.indexed(messages, contacts).await?).await
    }

    async fn older(&self, table: &str, below: i64) -> Result<BTreeSet<i64>> {
        let ids: Vec<i64> = self
            .sql(format!("SELECT id FROM {table} WHERE account_id = :account AND id < ? ORDER BY id DESC LIMIT ?"))
            .bind(below)
            .bind(TEXTS_AT_ONCE)
            .column(&self.inner.read)
            .await?;
        Ok(ids.into_iter().collect())
    }

    /// Reads the texts and cuts them into words.
    async fn indexed(&self, message_ids: BTreeSet<i64>, contact_ids: BTreeSet<i64>) -> Result<Indexed> {
        let mut indexed = Indexed { message_ids, contact_ids, ..Indexed::default() };
        if !indexed.message_ids.is_empty() {
            // Not what was deleted, nor the lines that say who did what.
            let texts: Vec<MessageText> = self
                .sql(
                    "SELECT m.id, m.conversation_id, c.inbox_id, m.sent_at, m.content, c.subject, p.name AS sender_name, p.email AS sender_email \
                     FROM messages m JOIN conversations c ON c.account_id = m.account_id AND c.id = m.conversation_id \
                     LEFT JOIN contacts p ON p.account_id = m.account_id AND p.id = m.sender_contact_id \
                     WHERE m.account_id = :account AND m.id IN (??) AND NOT m.deleted AND m.message_type <> 2",
                )
                .list(indexed.message_ids.iter().copied())
                .all(&self.inner.read)
                .await?;
            let files = self
                .names(
                    "SELECT message_id AS id, file_name AS name FROM attachments WHERE account_id = :account AND message_id IN (??) AND NOT inline",
                    &indexed.message_ids,
                )
                .await?;
            for text in texts {
                let own = [&text.content, &text.subject, &text.sender_name, &text.sender_email];
                let files = files.get(&text.id).into_iter().flatten().map(String::as_str);
                let stored = self.stored(own.into_iter().flatten().map(String::as_str).chain(files));
                indexed.messages.push((text, stored));
            }
        }
        if !indexed.contact_ids.is_empty() {
            let texts: Vec<ContactText> = self
                .sql("SELECT id, name, email, phone_number, identifier FROM contacts WHERE account_id = :account AND id IN (??)")
                .list(indexed.contact_ids.iter().copied())
                .all(&self.inner.read)
                .await?;
            let addresses = self
                .names(
                    "SELECT contact_id AS id, address AS name FROM contact_addresses WHERE account_id = :account AND contact_id IN (??)",
                    &indexed.contact_ids,
                )
                .await?;
            for text in texts {
                let digits: Option<String> =
                    text.phone_number.as_ref().map(|number| number.chars().filter(char::is_ascii_digit).collect());
                let own = [
                    Some(&text.name),
                    text.email.as_ref(),
                    text.phone_number.as_ref(),
                    text.identifier.as_ref(),
                    digits.as_ref(),
                ];
                let addresses = addresses.get(&text.id).into_iter().flatten().map(String::as_str);
                let stored = self.stored(own.into_iter().flatten().map(String::as_str).chain(addresses));
                indexed.contacts.push((text.id, stored));
            }
        }
        Ok(indexed)
    }

    async fn names(&self, text: &'static str, ids: &BTreeSet<i64>) -> Result<HashMap<i64, Vec<String>>> {
        let rows: Vec<NameOf> = self.sql(text).list(ids.iter().copied()).all(&self.inner.read).await?;
        let mut names: HashMap<i64, Vec<String>> = HashMap::new();
        for row in rows {
            names.entry(row.id).or_default().push(row.name);
        }
        Ok(names)
    }

    /// The words as they stand in the index.
    fn stored<'t>(&self, texts: impl IntoIterator<Item = &'t str>) -> String {
        let words = words(texts);
        let stored = words.iter().map(|word| match self.inner.backend {
            Backend::Sqlite => of_account(self.id, word),
            // How a tsvector is written; a word holds no quote.
            Backend::Postgres => format!("'{}'", of_account(self.id, word)),
        });
        stored.collect::<Vec<_>>().join(" ")
    }

    /// Moves the progress from where it was and writes what was indexed, in one transaction.
    async fn keep(&self, from: Progress, to: Progress, indexed: Indexed) -> Result<IndexStep> {
        let tx = self.inner.begin().await?;
        let moved = self
            .sql(
                "UPDATE search_progress SET event_seq = ?, messages_below = ?, contacts_below = ? WHERE account_id = :account \
                 AND event_seq = ? AND messages_below = ? AND contacts_below = ?",
            )
            .bind(to.event_seq)
            .bind(to.messages_below)
            .bind(to.contacts_below)
            .bind(from.event_seq)
            .bind(from.messages_below)
            .bind(from.contacts_below)
            .run(&tx)
            .await?;
        let written = moved == 1
            && self.write_messages(&tx, &indexed.message_ids, &indexed.messages).await?
            && self.write_contacts(&tx, &indexed.contact_ids, &indexed.contacts).await?;
        if !written {
            tx.rollback().await?;
            return Ok(IndexStep::NotNow);
        }
        tx.commit().await?;
        Ok(IndexStep::More)
    }

    async fn write_messages(
        &self,
        tx: &DatabaseTransaction,
        ids: &BTreeSet<i64>,
        texts: &[(MessageText, String)],
    ) -> Result<bool> {
        let Some(there) = self.hold(tx, "messages", " AND NOT deleted", ids).await? else { return Ok(false) };
        forget_messages(tx, self.id, ids.iter().copied()).await?;
        let texts: Vec<_> = texts.iter().filter(|(text, _)| there.contains(&text.id)).collect();
        if texts.is_empty() {
            return Ok(true);
        }
        let (column, mark) = self.words_column();
        let mut rows = self.sql(format!(
            "INSERT INTO message_words (account_id, message_id, conversation_id, inbox_id, sent_at{column}) VALUES {}",
            rows_of(&format!("(:account, ?, ?, ?, ?{mark})"), texts.len())
        ));
        for (text, words) in &texts {
            rows = rows.bind(text.id).bind(text.conversation_id).bind(text.inbox_id).bind(text.sent_at);
            rows = if column.is_empty() { rows } else { rows.bind(words.as_str()) };
        }
        rows.run(tx).await?;
        self.write_tokens(tx, "message_tokens", texts.iter().map(|(text, words)| (text.id, words.as_str()))).await?;
        Ok(true)
    }

    async fn write_contacts(
        &self,
        tx: &DatabaseTransaction,
        ids: &BTreeSet<i64>,
        texts: &[(i64, String)],
    ) -> Result<bool> {
        let Some(there) = self.hold(tx, "contacts", "", ids).await? else { return Ok(false) };
        if !ids.is_empty() {
            self.sql("DELETE FROM contact_words WHERE account_id = :account AND contact_id IN (??)")
                .list(ids.iter().copied())
                .run(tx)
                .await?;
        }
        let texts: Vec<_> = texts.iter().filter(|(id, _)| there.contains(id)).collect();
        if texts.is_empty() {
            return Ok(true);
        }
        let (column, mark) = self.words_column();
        let mut rows = self.sql(format!(
            "INSERT INTO contact_words (account_id, contact_id{column}) VALUES {}",
            rows_of(&format!("(:account, ?{mark})"), texts.len())
        ));
        for (id, words) in &texts {
            rows = rows.bind(*id);
            rows = if column.is_empty() { rows } else { rows.bind(words.as_str()) };
        }
        rows.run(tx).await?;
        self.write_tokens(tx, "contact_tokens", texts.iter().map(|(id, words)| (*id, words.as_str()))).await?;
        Ok(true)
    }

    /// Those of the rows that are there, which stay until the transaction ends. `None`: one is being deleted.
    async fn hold(
        &self,
        tx: &DatabaseTransaction,
        table: &str,
        and: &str,
        ids: &BTreeSet<i64>,
    ) -> Result<Option<BTreeSet<i64>>> {
        if ids.is_empty() {
            return Ok(Some(BTreeSet::new()));
        }
        let text = format!("SELECT id FROM {table} WHERE account_id = :account AND id IN (??){and}");
        let select = |text: String| self.sql(text).list(ids.iter().copied());
        let held: Vec<i64> = select(format!("{text} ORDER BY id{{keep}}")).column(tx).await?;
        if held.len() < ids.len() {
            let there: Vec<i64> = select(text).column(tx).await?;
            if held.len() < there.len() {
                return Ok(None);
            }
        }
        Ok(Some(held.into_iter().collect()))
    }

    /// PostgreSQL keeps the words in the row itself.
    fn words_column(&self) -> (&'static str, &'static str) {
        match self.inner.backend {
            Backend::Sqlite => ("", ""),
            Backend::Postgres => (", words", ", CAST(? AS tsvector)"),
        }
    }

    async fn write_tokens<'t>(
        &self,
        tx: &DatabaseTransaction,
        table: &str,
        texts: impl ExactSizeIterator<Item = (i64, &'t str)>,
    ) -> Result<()> {
        match self.inner.backend {
            Backend::Postgres => Ok(()),
            Backend::Sqlite => {
                let text = format!("INSERT INTO {table} (rowid, words) VALUES {}", rows_of("(?, ?)", texts.len()));
                texts.fold(system(text), |sql, (id, words)| sql.bind(id).bind(words)).run(tx).await?;
                Ok(())
            }
        }
    }
}

/// What they said is not found any more.
pub(crate) async fn forget_messages(
    tx: &DatabaseTransaction,
    account: AccountId,
    ids: impl ExactSizeIterator<Item = i64>,
) -> Result<()> {
    if ids.len() > 0 {
        let forget: Sql =
            scoped(account, "DELETE FROM message_words WHERE account_id = :account AND message_id IN (??)");
        forget.list(ids).run(tx).await?;
    }
    Ok(())
}

/// A word of one account is no other account's: digits, an `x`, and the word.
pub(crate) fn of_account(account: AccountId, word: &str) -> String {
    format!("{}x{word}", account.0)
}

fn next_below(ids: &BTreeSet<i64>) -> i64 {
    let full = i64::try_from(ids.len()).is_ok_and(|count| count >= TEXTS_AT_ONCE);
    ids.first().copied().filter(|_| full).unwrap_or(0)
}
