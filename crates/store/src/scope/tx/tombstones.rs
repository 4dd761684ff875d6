//! Deleting a conversation, and what it leaves behind: hashes by which its mails are known when a server hands them out again.
//!
//! A new UIDVALIDITY, a mail that is moved out of the folder and back, or an import that runs again brings every mail once more; a person who
//! deleted a conversation must not find it anew. Nothing of the mail itself is kept.

use super::Tx;
use crate::scope::sql::rows_of;
use crate::*;
use domain::audit::{AuditAction, AuditSubject};
use domain::{ConversationId, InboxId};
use sea_orm::FromQueryResult;
use serde_json::json;
use std::collections::HashSet;

/// Tombstones of mails, beside those of other kinds that may come.
const MAIL: &str = "mail";

#[derive(Debug, FromQueryResult)]
struct IdRow {
    inbox_id: i64,
    header: String,
    origin: String,
    fingerprint: Option<String>,
}

/// How a mail of a deleted conversation is known again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trace<'a> {
    /// It came in: its Message-ID and its fingerprint.
    Incoming { message_id: &'a str, fingerprint: &'a str },
    /// It left from here, under this Message-ID or as the provider rewrote it.
    Outgoing { message_id: &'a str },
}

impl Trace<'_> {
    pub fn hash(&self, inbox: InboxId) -> String {
        let (way, id, fingerprint) = match self {
            Self::Incoming { message_id, fingerprint } => ("in", message_id, *fingerprint),
            Self::Outgoing { message_id } => ("out", message_id, ""),
        };
        TokenHash::of(&format!("{}\0{way}\0{id}\0{fingerprint}", inbox.0)).hex()
    }
}

impl Tx {
    /// With everything in it: messages, files, mail as received, deliveries and the work owed for them. Its contact stays. `false`: it is gone.
    pub async fn delete_conversation(&mut self, id: ConversationId) -> Result<bool> {
        let Some(found) = self.lock_conversation(id).await? else { return Ok(false) };
        self.bury("conversation_id", &[id.0]).await?;
        // Owed work refers to its subject by kind, so no foreign key takes it along.
        for kind in [OwedKind::DeliverMessage, OwedKind::ReconcileDelivery, OwedKind::FileSentCopy] {
            self.sql(
                "DELETE FROM owed_work WHERE account_id = :account AND kind = ? AND subject_id IN \
                 (SELECT d.id FROM deliveries d WHERE d.account_id = owed_work.account_id AND d.conversation_id = ?)",
            )
            .bind(kind.as_str())
            .bind(id.0)
            .run(&self.tx)
            .await?;
        }
        let deleted = self
            .sql("DELETE FROM conversations WHERE account_id = :account AND id = ?")
            .bind(id.0)
            .run(&self.tx)
            .await?;
        if deleted == 1 {
            let from = json!({ "inbox_id": found.inbox_id.0 });
            self.audit(AuditAction::Destroy, AuditSubject::Conversation, found.display_id.0, from).await?;
        }
        Ok(deleted == 1)
    }

    /// Writes down by what the mails are known again of which this column of `message_ids` names one of these.
    pub(super) async fn bury(&mut self, column: &str, of: &[i64]) -> Result<()> {
        let ids: Vec<IdRow> = self
            .sql(format!(
                "SELECT inbox_id, header, origin, fingerprint FROM message_ids WHERE account_id = :account AND {column} IN (??)"
            ))
            .list(of.iter().copied())
            .all(&self.tx)
            .await?;
        let mut hashes: Vec<String> = ids.iter().filter_map(hash_of).collect();
        // Two deletions take the keys in one order.
        hashes.sort_unstable();
        hashes.dedup();
        let now = self.scope.inner.now().0;
        for some in hashes.chunks(200) {
            let mut sql = self.sql(format!(
                "INSERT INTO tombstones (account_id, kind, hash, created_at) VALUES {} ON CONFLICT DO NOTHING",
                rows_of("(:account, ?, ?, ?)", some.len())
            ));
            for hash in some {
                sql = sql.bind(MAIL).bind(hash.as_str()).bind(now);
            }
            sql.run(&self.tx).await?;
        }
        Ok(())
    }

    /// Which of these were in a conversation of this inbox that was deleted, by their [`Trace::hash`].
    pub async fn deleted_traces(&mut self, inbox: InboxId, traces: &[Trace<'_>]) -> Result<HashSet<String>> {
        let hashes: Vec<String> = traces.iter().map(|trace| trace.hash(inbox)).collect();
        let mut found = HashSet::new();
        for some in hashes.chunks(500) {
            let known: Vec<String> = self
                .sql("SELECT hash FROM tombstones WHERE account_id = :account AND kind = ? AND hash IN (??)")
                .bind(MAIL)
                .list(some.iter().map(String::as_str))
                .column(&self.tx)
                .await?;
            found.extend(known);
        }
        Ok(found)
    }
}

fn hash_of(row: &IdRow) -> Option<String> {
    let message_id = row.header.as_str();
    let trace = match MessageIdOrigin::parse(&row.origin)? {
        MessageIdOrigin::Incoming => Trace::Incoming { message_id, fingerprint: row.fingerprint.as_deref()? },
        MessageIdOrigin::Outgoing | MessageIdOrigin::Rewritten => Trace::Outgoing { message_id },
    };
    Some(trace.hash(InboxId(row.inbox_id)))
}
