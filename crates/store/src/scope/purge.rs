//! Sweeping: blobs that no row refers to any more, and files that no blob's row needs.
//!
//! Bytes are durable before the row that refers to them commits, so a crash in between leaves some that nobody refers to; so does deleting an
//! inbox or a message. They are content-addressed, so at any moment somebody may store the same bytes again and refer to what is about to
//! be swept. Why that loses nothing:
//!
//! - **Naming comes before referring, and says when.** `name_blobs` is the only way to a blob's id. It makes the row or writes `named_at` into
//!   the one that is there. Only what was named longer ago than the grace period is swept, so whoever was given an id has that long to refer
//!   to it; nothing here takes more than minutes.
//! - **PostgreSQL.** Both the sweeper's DELETE and the namer's UPDATE lock the row. If the namer was first, the sweeper waits, and then judges
//!   the row as it is now: named just now, so it stays. If the sweeper was first, the namer's INSERT waits, finds nothing when the sweeper
//!   has committed, and makes row and chunks anew. The bytes are in rows of the same transaction, so there is nothing else to lose.
//! - **SQLite.** There is one writing transaction at a time (BEGIN IMMEDIATE, also between processes), so of bytes in rows the same holds. Long
//!   ones are files, written before the transaction begins, and a file that is there is not written again. So between that look and
//!   the transaction the sweeper might remove it. But it removes files only inside a writing transaction, and `name_blobs` looks for the
//!   file once more inside its own, and writes it when it is gone. After that the sweeper finds the row named just now, or a file that a row
//!   needs. A sweeper that dies between removing a file and its commit leaves a row without a file that nobody refers to; naming it again
//!   writes the bytes.
//! - **Should all of this be wrong**, the foreign keys of whatever refers to blobs are RESTRICT: a row that is referred to cannot go.

use super::grants::micros;
use super::sql::{scoped, system};
use crate::connect::Inner;
use crate::*;
use domain::AccountId;
use sea_orm::{ConnectionTrait, FromQueryResult};
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;
use tracing::warn;

/// Rows of one look, and of one transaction on SQLite.
const AT_ONCE: i64 = 200;
/// A row of the table `blobs` (as `b`) that nothing refers to.
const UNREFERRED: &str = "NOT EXISTS (SELECT 1 FROM raw_emails r WHERE r.account_id = b.account_id AND r.blob_id = b.id) \
     AND NOT EXISTS (SELECT 1 FROM attachments a WHERE a.account_id = b.account_id AND a.blob_id = b.id) \
     AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.account_id = b.account_id AND d.composed_blob_id = b.id)";

/// The scope of whoever cleans up.
#[derive(Clone, Debug)]
pub struct Purge {
    pub(crate) inner: Arc<Inner>,
}

/// What was swept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Swept {
    pub blobs: u64,
    /// Files beside SQLite that no row needed, and halves of files.
    pub files: u64,
}

#[derive(Debug, FromQueryResult)]
struct Candidate {
    account_id: i64,
    id: i64,
    sha256: String,
}

impl Purge {
    /// Whether this chore is the caller's to do now: once in `every`, whichever process asks.
    pub async fn begin_chore(&self, name: &str, every: Duration) -> Result<bool> {
        let begun = system(
            "INSERT INTO chores (name, begun_at) VALUES (?, {now}) \
             ON CONFLICT (name) DO UPDATE SET begun_at = excluded.begun_at WHERE chores.begun_at <= {now} - ?",
        )
        .bind(name)
        .bind(micros(every))
        .run(&self.inner.write)
        .await?;
        Ok(begun == 1)
    }

    /// Removes rows of owed work that failed longer than `kept` ago. A row that failed is touched no more, so `ready_at` is when it last was
    /// somebody's, or due.
    pub async fn sweep_failed_work(&self, kept: Duration) -> Result<u64> {
        let which = "owed_work WHERE id IN (SELECT id FROM owed_work WHERE state = 'failed' AND ready_at < {now} - ? ORDER BY id LIMIT ?)";
        self.delete_in_pieces(which, &[micros(kept)], AT_ONCE).await
    }

    /// Deletes `which`, a table with its condition, until there is nothing left of it, each piece in a transaction of its own. The condition's
    /// last value is how many go at once.
    pub(super) async fn delete_in_pieces(&self, which: &str, values: &[i64], at_once: i64) -> Result<u64> {
        let mut count = 0;
        loop {
            let statement = values.iter().fold(system(format!("DELETE FROM {which}")), |sql, value| sql.bind(*value));
            let gone = statement.bind(at_once).run(&self.inner.write).await?;
            count += gone;
            if gone == 0 {
                return Ok(count);
            }
        }
    }

    /// Contacts that were deleted longer than `since` ago and that nobody is erasing, because the work was given up: it is owed anew. How many.
    pub async fn owe_erasures(&self, since: Duration) -> Result<u64> {
        let now = self.inner.now().0;
        let tx = self.inner.begin().await?;
        system(
            "DELETE FROM owed_work WHERE kind = ? AND state = 'failed' AND EXISTS (SELECT 1 FROM contacts p \
             WHERE p.account_id = owed_work.account_id AND p.id = owed_work.subject_id AND p.erased_at < ?)",
        )
        .bind(OwedKind::EraseContact.as_str())
        .bind(now.saturating_sub(micros(since)))
        .run(&tx)
        .await?;
        let owed = system(
            "INSERT INTO owed_work (account_id, kind, subject_id, payload, priority, state, due_at, ready_at, created_at, updated_at) \
             SELECT p.account_id, ?, p.id, '{}', ?, 'waiting', {now}, {now}, ?, ? FROM contacts p WHERE p.erased_at IS NOT NULL AND p.erased_at < ? \
             AND NOT EXISTS (SELECT 1 FROM owed_work o WHERE o.account_id = p.account_id AND o.kind = ? AND o.subject_id = p.id)",
        )
        .bind(OwedKind::EraseContact.as_str())
        .bind(OwedPriority::Normal as i64)
        .bind(now)
        .bind(now)
        .bind(now.saturating_sub(micros(since)))
        .bind(OwedKind::EraseContact.as_str())
        .run(&tx)
        .await?;
        tx.commit().await?;
        Ok(owed)
    }

    /// Removes what only tells of the past: tokens that ended longer than `kept` ago, links and mails of the installation's own that are done,
    /// and attempts to connect a mailbox that ended.
    pub async fn sweep_ended(&self, kept: Duration) -> Result<u64> {
        // Stamped by our clock, so judged by it.
        let before = self.inner.now().0.saturating_sub(micros(kept));
        let mut count = 0;
        for ended in [
            "api_tokens WHERE id IN (SELECT id FROM api_tokens WHERE revoked_at < ? ORDER BY id LIMIT ?)",
            "api_tokens WHERE id IN (SELECT id FROM api_tokens WHERE expires_at < ? ORDER BY id LIMIT ?)",
            "password_links WHERE id IN (SELECT id FROM password_links WHERE expires_at < ? ORDER BY id LIMIT ?)",
            "system_mails WHERE id IN (SELECT id FROM system_mails WHERE created_at < ? AND state <> 'waiting' ORDER BY id LIMIT ?)",
            "connections WHERE id IN (SELECT id FROM connections WHERE updated_at < ? AND status IN ('connected', 'failed', 'expired') ORDER BY id LIMIT ?)",
            "connect_links WHERE id IN (SELECT id FROM connect_links WHERE updated_at < ? AND status IN ('connected', 'expired', 'revoked') ORDER BY id LIMIT ?)",
        ] {
            count += self.delete_in_pieces(ended, &[before], AT_ONCE).await?;
        }
        Ok(count)
    }

    /// Removes blobs that nothing refers to and that were last named longer than `grace` ago.
    pub async fn sweep_blobs(&self, grace: Duration) -> Result<Swept> {
        // Stamped by our clock, so judged by it.
        let before = self.inner.now().0.saturating_sub(micros(grace));
        let mut swept = Swept::default();
        let mut after = 0;
        loop {
            let candidates: Vec<Candidate> = system(format!(
                "SELECT b.account_id, b.id, b.sha256 FROM blobs b WHERE b.id > ? AND b.named_at < ? AND {UNREFERRED} ORDER BY b.id LIMIT ?"
            ))
            .bind(after)
            .bind(before)
            .bind(AT_ONCE)
            .all(&self.inner.read)
            .await?;
            let Some(last) = candidates.last() else { break };
            after = last.id;
            swept.blobs += match self.inner.backend {
                Backend::Postgres => self.sweep_rows(&candidates, before).await?,
                Backend::Sqlite => self.sweep_rows_with_files(&candidates, before).await?,
            };
        }
        swept.files = self.sweep_files(grace).await?;
        Ok(swept)
    }

    /// One by one: what cannot go stops none of the others.
    async fn sweep_rows(&self, candidates: &[Candidate], before: i64) -> Result<u64> {
        let mut count = 0;
        for candidate in candidates {
            match delete(&self.inner.write, candidate, before).await {
                Ok(deleted) => count += u64::from(deleted),
                Err(StoreError::Conflict(_)) => {
                    warn!(
                        account.id = candidate.account_id,
                        blob.id = candidate.id,
                        "a blob that looked unused is referred to"
                    );
                }
                Err(error) => return Err(error),
            }
        }
        Ok(count)
    }

    async fn sweep_rows_with_files(&self, candidates: &[Candidate], before: i64) -> Result<u64> {
        let tx = self.inner.begin().await?;
        let mut deleted = Vec::new();
        for candidate in candidates {
            if delete(&tx, candidate, before).await? {
                deleted.push((AccountId(candidate.account_id), candidate.sha256.clone()));
            }
        }
        let count = u64::try_from(deleted.len()).unwrap_or(u64::MAX);
        if let Some(folder) = &self.inner.blobs {
            folder.remove(deleted).await?;
            self.inner.passes(KillPoint::FilesRemoved);
        }
        tx.commit().await?;
        Ok(count)
    }

    /// Files that no row needs: of transactions that never committed, and halves of files.
    async fn sweep_files(&self, grace: Duration) -> Result<u64> {
        let Some(folder) = &self.inner.blobs else { return Ok(0) };
        let before = folder.time_of_files().await? - grace;
        let mut count = 0;
        for shelf in folder.shelves().await? {
            count += folder.remove_old_halves(&shelf, before).await?;
            let files = folder.old_files(&shelf, before).await?;
            for some in files.chunks(500) {
                let unneeded = unneeded(&self.inner.read, shelf.account, some).await?;
                if unneeded.is_empty() {
                    continue;
                }
                // Nobody comes to need one of them while we hold the writer; whoever waits to do so looks for the file again.
                let tx = self.inner.begin().await?;
                let unneeded = self::unneeded(&tx, shelf.account, &unneeded).await?;
                count += u64::try_from(unneeded.len()).unwrap_or(u64::MAX);
                folder.remove(unneeded.into_iter().map(|sha256| (shelf.account, sha256)).collect()).await?;
                tx.commit().await?;
            }
        }
        Ok(count)
    }
}

async fn delete<C: ConnectionTrait>(on: &C, candidate: &Candidate, before: i64) -> Result<bool> {
    // SQLite knows no alias in DELETE without AS, PostgreSQL both.
    let text = format!(
        "DELETE FROM blobs AS b WHERE b.account_id = :account AND b.id = ? AND b.named_at < ? AND {UNREFERRED}"
    );
    let deleted = scoped(AccountId(candidate.account_id), text).bind(candidate.id).bind(before).run(on).await?;
    Ok(deleted == 1)
}

/// Not named, or named by a blob that has its bytes in rows.
async fn unneeded<C: ConnectionTrait>(on: &C, account: AccountId, files: &[String]) -> Result<Vec<String>> {
    let text = "SELECT b.sha256 FROM blobs b WHERE b.account_id = :account AND b.sha256 IN (??) \
         AND NOT EXISTS (SELECT 1 FROM blob_chunks c WHERE c.account_id = b.account_id AND c.blob_id = b.id)";
    let needed: Vec<String> = scoped(account, text).list(files.iter().cloned()).column(on).await?;
    let needed: HashSet<String> = needed.into_iter().collect();
    Ok(files.iter().filter(|file| !needed.contains(*file)).cloned().collect())
}
