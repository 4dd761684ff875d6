//! Mail as received: stored with the cursor in one transaction, under the fence of whoever fetched it.

use super::blobs::{Addressed, name_blobs};
use super::convert;
use super::folders::{check_fence, delete_pending};
use super::grants::micros;
use super::sql::rows_of;
use super::tenant::{Only as _, find_in};
use crate::entity::raw_email;
use crate::*;
use domain::{FolderId, RawEmailId};
use sea_orm::{ColumnTrait, ConnectionTrait, DatabaseTransaction, FromQueryResult, QueryFilter};
use std::time::Duration;

/// How long the relay leaves a new row alone, so that whoever stored it can ingest it at once.
const HEAD_START_MICROS: i64 = 15_000_000;
const PER_PAGE: i64 = 25;

#[derive(Debug, FromQueryResult)]
struct StoredRow {
    id: i64,
    uid: i64,
}

#[derive(Debug, FromQueryResult)]
struct FolderRow {
    channel_id: i64,
    inbox_id: i64,
}

impl AccountScope {
    /// Bytes, rows, pending UIDs and the cursor in one transaction, under the fence: `LeaseLost` writes nothing, and so does
    /// `Conflict` when the folder's UIDVALIDITY is another. Mails that are stored already are left as they are.
    /// The relay leaves the rows alone for a minute, so that whoever stored them can ingest them at once.
    pub async fn store_raw_emails(
        &self,
        fence: Fence<'_>,
        folder: FolderId,
        batch: RawBatch,
    ) -> Result<Vec<StoredRawEmail>> {
        let uids: Vec<u32> = batch.emails.iter().map(|e| e.uid).collect();
        let known = self.stored_uids(folder, batch.uidvalidity, &uids).await?;
        let mut fresh: Vec<(NewRawEmail, Addressed)> = Vec::with_capacity(batch.emails.len());
        for email in batch.emails.into_iter().filter(|email| !known.contains(&email.uid)) {
            let blob = Addressed::new(email.bytes.clone()).await?;
            fresh.push((email, blob));
        }
        // Two batches that share bytes take the blobs' unique keys in the same order.
        fresh.sort_by(|a, b| a.1.sha256.cmp(&b.1.sha256));
        let blobs: Vec<Addressed> = fresh.iter().map(|(_, blob)| blob.clone()).collect();
        self.write_files(&blobs).await?;
        let tx = self.inner.begin().await?;
        check_fence(&tx, self, fence, folder).await?;
        let mut stored = self.insert_raw_emails(&tx, folder, batch.uidvalidity, batch.source, &fresh).await?;
        delete_pending(&tx, self, folder, batch.uidvalidity, &uids).await?;
        self.insert_pending(&tx, folder, batch.uidvalidity, batch.source, &batch.missing).await?;
        self.move_cursor(&tx, folder, batch.uidvalidity, batch.last_uid, batch.import_reached_uid).await?;
        tx.commit().await?;
        stored.sort_by_key(|s| s.uid);
        Ok(stored)
    }

    async fn insert_raw_emails(
        &self,
        tx: &DatabaseTransaction,
        folder: FolderId,
        uidvalidity: u32,
        source: RawEmailSource,
        fresh: &[(NewRawEmail, Addressed)],
    ) -> Result<Vec<StoredRawEmail>> {
        if fresh.is_empty() {
            return Ok(Vec::new());
        }
        let place: FolderRow = self
            .sql(
                "SELECT f.channel_id, c.inbox_id FROM channel_folders f \
                 JOIN email_channels c ON c.account_id = f.account_id AND c.id = f.channel_id WHERE f.account_id = :account AND f.id = ?",
            )
            .bind(folder.0)
            .one(tx)
            .await?
            .ok_or(StoreError::NotFound("folder"))?;
        let now = self.inner.now().0;
        let blobs: Vec<Addressed> = fresh.iter().map(|(_, blob)| blob.clone()).collect();
        let named = name_blobs(tx, self, &blobs).await?;
        let mut stored = Vec::with_capacity(fresh.len());
        for rows in fresh.chunks(100) {
            let mut sql = self.sql(format!(
                "INSERT INTO raw_emails (account_id, inbox_id, channel_id, folder_id, uidvalidity, uid, blob_id, size_bytes, internal_date, \
                 message_id_header, truncated, source, state, ready_at, received_at) VALUES {} ON CONFLICT DO NOTHING RETURNING id, uid",
                rows_of("(:account, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'waiting', {now} + ?, ?)", rows.len())
            ));
            for (email, blob) in rows {
                let blob_id = named.get(&blob.sha256).copied().ok_or(StoreError::NotFound("blob"))?;
                sql = sql
                    .bind(place.inbox_id)
                    .bind(place.channel_id)
                    .bind(folder.0)
                    .bind(i64::from(uidvalidity))
                    .bind(i64::from(email.uid))
                    .bind(blob_id.0)
                    .bind(i64::try_from(blob.bytes.len()).unwrap_or(i64::MAX))
                    .bind(email.internal_date.map(|t| t.0))
                    .bind(email.message_id.clone())
                    .bind(email.truncated)
                    .bind(source.as_str())
                    .bind(HEAD_START_MICROS)
                    .bind(now);
            }
            for row in sql.all::<StoredRow, _>(tx).await? {
                stored.push(StoredRawEmail { id: RawEmailId(row.id), uid: convert::number("uid", row.uid)? });
            }
        }
        Ok(stored)
    }

    pub(super) async fn insert_pending(
        &self,
        tx: &DatabaseTransaction,
        folder: FolderId,
        uidvalidity: u32,
        source: RawEmailSource,
        missing: &[MissingUid],
    ) -> Result<()> {
        for rows in missing.chunks(500) {
            let mut sql = self.sql(format!(
                "INSERT INTO pending_uids (account_id, folder_id, uidvalidity, uid, arrived_at, source, attempts, next_at) VALUES {} ON CONFLICT DO NOTHING",
                rows_of("(:account, ?, ?, ?, ?, ?, ?, {now})", rows.len())
            ));
            for mail in rows {
                sql = sql
                    .bind(folder.0)
                    .bind(i64::from(uidvalidity))
                    .bind(i64::from(mail.uid))
                    .bind(mail.arrived_at.0)
                    .bind(source.as_str())
                    .bind(i64::from(mail.attempts));
            }
            sql.run(tx).await?;
        }
        Ok(())
    }

    async fn move_cursor(
        &self,
        tx: &DatabaseTransaction,
        folder: FolderId,
        uidvalidity: u32,
        last_uid: Option<u32>,
        import_reached_uid: Option<u32>,
    ) -> Result<()> {
        if let Some(uid) = last_uid {
            let moved = self
                .sql(
                    "UPDATE channel_folders SET last_uid = CASE WHEN last_uid < ? THEN ? ELSE last_uid END, updated_at = ? \
                     WHERE account_id = :account AND id = ? AND uidvalidity = ?",
                )
                .bind(i64::from(uid))
                .bind(i64::from(uid))
                .bind(self.inner.now().0)
                .bind(folder.0)
                .bind(i64::from(uidvalidity))
                .run(tx)
                .await?;
            if moved == 0 {
                return Err(StoreError::Conflict("the folder has another UIDVALIDITY".to_owned()));
            }
        }
        if let Some(uid) = import_reached_uid {
            self.sql(
                "UPDATE channel_folders SET import_reached_uid = ?, updated_at = ? \
                 WHERE account_id = :account AND id = ? AND import_uidvalidity = ?",
            )
            .bind(i64::from(uid))
            .bind(self.inner.now().0)
            .bind(folder.0)
            .bind(i64::from(uidvalidity))
            .run(tx)
            .await?;
        }
        Ok(())
    }

    /// As `Tx::defer_raw_email`, for whoever has claimed the mail. `false`: the claim was lost, and nothing is written.
    pub async fn defer_claimed_raw_email(&self, work: &ClaimedWork, reason: &str, after: Duration) -> Result<bool> {
        let deferred = self
            .sql(
                "UPDATE raw_emails SET reason = ?, lease_token = NULL, lease_worker = NULL, lease_until = 0, ready_at = {now} + ? \
                 WHERE account_id = :account AND id = ? AND lease_token = ? AND state = 'waiting'",
            )
            .bind(reason)
            .bind(micros(after))
            .bind(work.owed_id.0)
            .bind(work.token.clone())
            .run(&self.inner.write)
            .await?;
        Ok(deferred == 1)
    }

    pub async fn raw_email(&self, raw: RawEmailId) -> Result<Option<RawEmail>> {
        load_raw_email(&self.inner.read, self, raw).await
    }

    /// Newest first, 25 a page, and how many there are in all.
    pub async fn raw_emails(&self, filter: &RawEmailFilter) -> Result<(Vec<RawEmail>, u64)> {
        let mut conditions = "account_id = :account".to_owned();
        let mut values: Vec<sea_orm::Value> = Vec::new();
        if let Some(inbox) = filter.inbox_id {
            conditions.push_str(" AND inbox_id = ?");
            values.push(inbox.0.into());
        }
        if let Some(state) = filter.state {
            conditions.push_str(" AND state = ?");
            values.push(state.as_str().into());
        }
        let with = |text: String| values.iter().cloned().fold(self.sql(text), super::sql::Sql::bind);
        let rows: Vec<raw_email::Model> =
            with(format!("SELECT * FROM raw_emails WHERE {conditions} ORDER BY id DESC LIMIT ? OFFSET ?"))
                .bind(PER_PAGE)
                .bind(i64::from(filter.page.saturating_sub(1)) * PER_PAGE)
                .all(&self.inner.read)
                .await?;
        let total: Option<i64> =
            with(format!("SELECT COUNT(*) FROM raw_emails WHERE {conditions}")).value(&self.inner.read).await?;
        let items = rows.into_iter().map(convert::raw_email).collect::<Result<_>>()?;
        Ok((items, convert::number("count", total.unwrap_or(0))?))
    }
}

pub(crate) async fn load_raw_email<C: ConnectionTrait>(
    on: &C,
    scope: &AccountScope,
    id: RawEmailId,
) -> Result<Option<RawEmail>> {
    let row = find_in::<raw_email::Entity>(scope.id).filter(raw_email::Column::Id.eq(id.0)).only(on).await?;
    row.map(convert::raw_email).transpose()
}
