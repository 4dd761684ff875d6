//! What filing a batch of mail asks before it writes: one statement for all its mails, never one for each.
//!
//! Rows that are locked are locked by id, so that two batches never wait for each other in a circle.

use super::Tx;
use super::events::provisional;
use crate::entity::{conversation, raw_email};
use crate::scope::convert;
use crate::scope::sql::system;
use crate::*;
use domain::conversation::Conversation;
use domain::{AttachmentId, ContactId, ConversationId, DisplayId, InboxId, MessageId, RawEmailId, Timestamp};
use sea_orm::{ConnectionTrait, DbBackend, FromQueryResult};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Far below what the databases allow in one statement (SQLite 32,766 values, PostgreSQL 65,535).
const VALUES_AT_ONCE: usize = 500;

#[derive(Debug, FromQueryResult)]
struct KnownRow {
    header: String,
    message_id: i64,
    conversation_id: i64,
    origin: String,
    fingerprint: Option<String>,
    sent_at: i64,
    sender_contact_id: Option<i64>,
}

#[derive(Debug, FromQueryResult)]
struct UuidRow {
    id: i64,
    uuid: String,
}

impl Tx {
    /// The messages known under these Message-IDs (without angle brackets) in this inbox, each id's in the order in which they became known.
    pub async fn known_ids(&mut self, inbox: InboxId, headers: &[&str]) -> Result<HashMap<String, Vec<KnownId>>> {
        let mut known: HashMap<String, Vec<KnownId>> = HashMap::new();
        for some in headers.chunks(VALUES_AT_ONCE) {
            // The plus: or SQLite walks through all ids of the account, because they come in this order.
            let rows: Vec<KnownRow> = self
                .sql(
                    "SELECT i.header, i.message_id, i.conversation_id, i.origin, i.fingerprint, m.sent_at, m.sender_contact_id \
                     FROM message_ids i JOIN messages m ON m.account_id = i.account_id AND m.id = i.message_id \
                     WHERE i.account_id = :account AND i.inbox_id = ? AND i.header IN (??) ORDER BY +i.id",
                )
                .bind(inbox.0)
                .list(some.iter().copied())
                .all(&self.tx)
                .await?;
            for row in rows {
                let id = KnownId {
                    message_id: MessageId(row.message_id),
                    conversation_id: ConversationId(row.conversation_id),
                    origin: convert::code("message id origin", &row.origin, MessageIdOrigin::parse)?,
                    fingerprint: row.fingerprint,
                    sent_at: Timestamp(row.sent_at),
                    sender_contact_id: row.sender_contact_id.map(ContactId),
                };
                known.entry(row.header).or_default().push(id);
            }
        }
        Ok(known)
    }

    /// Which conversations of this inbox have these uuids.
    pub async fn conversations_by_uuid(
        &mut self,
        inbox: InboxId,
        uuids: &[&str],
    ) -> Result<HashMap<String, ConversationId>> {
        let mut known = HashMap::new();
        for some in uuids.chunks(VALUES_AT_ONCE) {
            let rows: Vec<UuidRow> = self
                .sql(
                    "SELECT id, uuid FROM conversations WHERE account_id = :account AND +inbox_id = ? AND uuid IN (??)",
                )
                .bind(inbox.0)
                .list(some.iter().copied())
                .all(&self.tx)
                .await?;
            known.extend(rows.into_iter().map(|row| (row.uuid, ConversationId(row.id))));
        }
        Ok(known)
    }

    /// As they are, not locked, whatever became of them.
    pub async fn raw_emails(&mut self, ids: &[RawEmailId]) -> Result<BTreeMap<RawEmailId, RawEmail>> {
        self.raw_emails_that(ids, "").await
    }

    /// Those that still wait, locked until the end, so that each is ingested once.
    pub async fn lock_raw_emails(&mut self, ids: &[RawEmailId]) -> Result<BTreeMap<RawEmailId, RawEmail>> {
        self.raw_emails_that(ids, " AND state = 'waiting' ORDER BY id{lock}").await
    }

    async fn raw_emails_that(
        &mut self,
        ids: &[RawEmailId],
        which: &'static str,
    ) -> Result<BTreeMap<RawEmailId, RawEmail>> {
        let mut found = BTreeMap::new();
        let ids: BTreeSet<i64> = ids.iter().map(|id| id.0).collect();
        for some in ids.into_iter().collect::<Vec<_>>().chunks(VALUES_AT_ONCE) {
            let rows: Vec<raw_email::Model> = self
                .sql(format!("SELECT * FROM raw_emails WHERE account_id = :account AND id IN (??){which}"))
                .list(some.iter().copied())
                .all(&self.tx)
                .await?;
            for row in rows {
                let raw = convert::raw_email(row)?;
                found.insert(raw.id, raw);
            }
        }
        Ok(found)
    }

    /// Locked until the end. Those that are gone are left out.
    pub async fn lock_conversations(
        &mut self,
        ids: &BTreeSet<ConversationId>,
    ) -> Result<BTreeMap<ConversationId, Conversation>> {
        let mut found = BTreeMap::new();
        for some in ids.iter().map(|id| id.0).collect::<Vec<_>>().chunks(VALUES_AT_ONCE) {
            let rows: Vec<conversation::Model> = self
                .sql("SELECT * FROM conversations WHERE account_id = :account AND id IN (??) ORDER BY id{lock}")
                .list(some.iter().copied())
                .all(&self.tx)
                .await?;
            for row in rows {
                let conversation = convert::conversation(&row)?;
                found.insert(conversation.id, conversation);
            }
        }
        Ok(found)
    }

    /// Ids for so many conversations, messages and attachments. What is not used is lost; SQLite's would be given again, so they are used up
    /// before more are asked for.
    pub async fn reserve_for_filing(&mut self, mails: usize, attachments: usize) -> Result<ReservedIds> {
        let conversations = self.reserve("conversations", mails).await?;
        let messages = self.reserve("messages", mails).await?;
        let attachments = self.reserve("attachments", attachments).await?;
        Ok(ReservedIds {
            conversations: conversations.into_iter().map(ConversationId).collect(),
            messages: messages.into_iter().map(MessageId).collect(),
            attachments: attachments.into_iter().map(AttachmentId).collect(),
        })
    }

    /// Ids of a table that nobody else is given.
    pub(super) async fn reserve(&mut self, table: &'static str, count: usize) -> Result<Vec<i64>> {
        let count = i64::try_from(count).expect("a batch holds few mails");
        if count == 0 {
            return Ok(Vec::new());
        }
        match self.tx.get_database_backend() {
            DbBackend::Sqlite => {
                // This transaction is the only one that writes, and AUTOINCREMENT goes on behind the highest id that was ever inserted.
                let last: Option<i64> =
                    system("SELECT seq FROM sqlite_sequence WHERE name = ?").bind(table).value(&self.tx).await?;
                let last = last.unwrap_or(0);
                Ok((last + 1..=last + count).collect())
            }
            _ => {
                let next = "SELECT nextval(pg_get_serial_sequence(?, 'id')) FROM generate_series(1, ?)";
                let mut ids: Vec<i64> = system(next).bind(table).bind(count).column(&self.tx).await?;
                ids.sort_unstable();
                Ok(ids)
            }
        }
    }

    /// A conversation under an id that was reserved for it, which [`Tx::file`] writes. Its display id is provisional until `commit`.
    pub fn plan_conversation(&mut self, id: ConversationId, new: &NewConversation) -> Conversation {
        let now = self.scope.inner.now();
        let display_id = provisional(self.scope.inner.entropy.as_ref());
        self.new_conversations.push((id, display_id));
        Conversation {
            id,
            account_id: self.scope.id,
            display_id: DisplayId(display_id),
            uuid: new.uuid.clone(),
            inbox_id: new.inbox_id,
            contact_id: new.contact_id,
            status: new.status,
            priority: new.priority,
            assignee_id: new.assignee_id,
            team_id: None,
            subject: new.subject.clone(),
            muted: false,
            additional_attributes: new.additional_attributes.clone(),
            custom_attributes: serde_json::json!({}),
            snoozed_until: None,
            waiting_since: new.waiting_since,
            first_reply_at: None,
            last_activity_at: new.last_activity_at,
            agent_last_seen_at: None,
            assignee_last_seen_at: None,
            contact_last_seen_at: None,
            created_at: now,
            updated_at: now,
        }
    }

    /// The clock by which rows are stamped.
    pub fn now(&self) -> Timestamp {
        self.scope.inner.now()
    }

    /// As they are now in this transaction: what events snapshot.
    pub async fn conversation_views(
        &mut self,
        ids: &[ConversationId],
    ) -> Result<HashMap<ConversationId, ConversationView>> {
        let mut views = HashMap::new();
        for some in ids.chunks(VALUES_AT_ONCE) {
            let rows: Vec<conversation::Model> = self
                .sql("SELECT * FROM conversations WHERE account_id = :account AND id IN (??)")
                .list(some.iter().map(|id| id.0))
                .all(&self.tx)
                .await?;
            for view in crate::scope::views::conversation_views(&self.tx, self.scope.id, rows).await? {
                views.insert(view.conversation.id, view);
            }
        }
        Ok(views)
    }
}
