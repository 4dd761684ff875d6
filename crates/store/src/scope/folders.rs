//! Watched folders, their cursors, and UIDs that were announced and not delivered. Every write is under a fence.
//!
//! A folder that a server has put back from a backup gives UIDs a second time under the same UIDVALIDITY. It is another folder to us, with
//! a row of its own; the old one keeps the mails that were stored of it, and is watched no more.

use super::convert;
use super::grants::micros;
use super::sql::scoped;
use super::tenant::find_in;
use crate::entity::channel_folder;
use crate::*;
use domain::{ChannelId, FolderId, Timestamp};
use sea_orm::{ColumnTrait, ConnectionTrait, FromQueryResult, QueryFilter, QueryOrder};
use std::time::Duration;

/// What the role of a row begins with that is watched no more; its id follows, since a channel has one row of a role.
const FORMER: &str = "former:";

#[derive(Debug, FromQueryResult)]
struct PendingRow {
    uid: i64,
    attempts: i64,
    source: String,
}

impl AccountScope {
    pub async fn folders(&self, channel: ChannelId) -> Result<Vec<Folder>> {
        find_in::<channel_folder::Entity>(self.id)
            .filter(channel_folder::Column::ChannelId.eq(channel.0))
            .filter(channel_folder::Column::Role.not_like(format!("{FORMER}%")))
            .order_by_asc(channel_folder::Column::Id)
            .all(&self.inner.read)
            .await?
            .into_iter()
            .map(convert::folder)
            .collect()
    }

    /// The watched folder of this role, made when it is missing; renamed when the server calls it otherwise now.
    pub async fn open_folder(&self, channel: ChannelId, role: FolderRole, name: &str) -> Result<Folder> {
        let now = self.inner.now().0;
        let row: Option<channel_folder::Model> = self
            .sql(
                "INSERT INTO channel_folders (account_id, channel_id, role, name, created_at, updated_at) VALUES (:account, ?, ?, ?, ?, ?) \
                 ON CONFLICT (account_id, channel_id, role) DO UPDATE SET name = excluded.name, updated_at = excluded.updated_at \
                 RETURNING *",
            )
            .bind(channel.0)
            .bind(role.as_str())
            .bind(name)
            .bind(now)
            .bind(now)
            .one(&self.inner.write)
            .await?;
        convert::folder(row.ok_or(StoreError::NotFound("folder"))?)
    }

    /// The first opening, or a new UIDVALIDITY: sets the cursor outright, and where the import ends. What was pending under another
    /// UIDVALIDITY means nothing any more and goes: whoever calls this has looked back to [`Self::oldest_pending`] first.
    pub async fn set_cursor(
        &self,
        fence: Fence<'_>,
        folder: FolderId,
        uidvalidity: u32,
        last_uid: u32,
        import: FolderImport,
    ) -> Result<()> {
        let tx = self.inner.begin().await?;
        check_fence(&tx, self, fence, folder).await?;
        self.sql(
            "UPDATE channel_folders SET uidvalidity = ?, last_uid = ?, import_uidvalidity = ?, import_before_uid = ?, \
             import_reached_uid = ?, updated_at = ? WHERE account_id = :account AND id = ?",
        )
        .bind(i64::from(uidvalidity))
        .bind(i64::from(last_uid))
        .bind(import.uidvalidity.map(i64::from))
        .bind(import.before_uid.map(i64::from))
        .bind(import.reached_uid.map(i64::from))
        .bind(self.inner.now().0)
        .bind(folder.0)
        .run(&tx)
        .await?;
        self.sql("DELETE FROM pending_uids WHERE account_id = :account AND folder_id = ? AND uidvalidity <> ?")
            .bind(folder.0)
            .bind(i64::from(uidvalidity))
            .run(&tx)
            .await?;
        tx.commit().await?;
        Ok(())
    }

    /// The folder was put back from a backup, and its UIDs mean other mails now: a new row takes the place of this one, with its cursor and
    /// what is to be looked at again, in one transaction. Whoever calls this has looked back to [`Self::oldest_pending`] first.
    pub async fn replace_folder(
        &self,
        fence: Fence<'_>,
        former: &Folder,
        last_uid: u32,
        import: FolderImport,
        pending: &[MissingUid],
    ) -> Result<Folder> {
        let uidvalidity = former.uidvalidity.ok_or(StoreError::NotFound("folder that was opened"))?;
        let now = self.inner.now().0;
        let tx = self.inner.begin().await?;
        check_fence(&tx, self, fence, former.id).await?;
        self.sql("UPDATE channel_folders SET role = ?, updated_at = ? WHERE account_id = :account AND id = ?")
            .bind(format!("{FORMER}{}", former.id))
            .bind(now)
            .bind(former.id.0)
            .run(&tx)
            .await?;
        self.sql("DELETE FROM pending_uids WHERE account_id = :account AND folder_id = ?")
            .bind(former.id.0)
            .run(&tx)
            .await?;
        let row: Option<channel_folder::Model> = self
            .sql(
                "INSERT INTO channel_folders (account_id, channel_id, role, name, uidvalidity, last_uid, import_uidvalidity, \
                 import_before_uid, import_reached_uid, created_at, updated_at) VALUES (:account, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING *",
            )
            .bind(former.channel_id.0)
            .bind(former.role.as_str())
            .bind(former.name.clone())
            .bind(i64::from(uidvalidity))
            .bind(i64::from(last_uid))
            .bind(import.uidvalidity.map(i64::from))
            .bind(import.before_uid.map(i64::from))
            .bind(import.reached_uid.map(i64::from))
            .bind(now)
            .bind(now)
            .one(&tx)
            .await?;
        let folder = convert::folder(row.ok_or(StoreError::NotFound("folder"))?)?;
        self.insert_pending(&tx, folder.id, uidvalidity, RawEmailSource::Resync, pending).await?;
        tx.commit().await?;
        Ok(folder)
    }

    /// When the oldest of the mails that are pending under another UIDVALIDITY than this one arrived; 0 is no UIDVALIDITY, so it asks for all.
    pub async fn oldest_pending(&self, folder: FolderId, uidvalidity: u32) -> Result<Option<Timestamp>> {
        let oldest: Option<Option<i64>> = self
            .sql("SELECT MIN(arrived_at) FROM pending_uids WHERE account_id = :account AND folder_id = ? AND uidvalidity <> ?")
            .bind(folder.0)
            .bind(i64::from(uidvalidity))
            .value(&self.inner.read)
            .await?;
        Ok(oldest.flatten().map(Timestamp))
    }

    /// Which of these UIDs are pending.
    pub async fn pending_uids(&self, folder: FolderId, uidvalidity: u32, uids: &[u32]) -> Result<Vec<u32>> {
        self.uids_in("pending_uids", folder, uidvalidity, uids).await
    }

    /// Which of these UIDs are stored already.
    pub async fn stored_uids(&self, folder: FolderId, uidvalidity: u32, uids: &[u32]) -> Result<Vec<u32>> {
        self.uids_in("raw_emails", folder, uidvalidity, uids).await
    }

    async fn uids_in(&self, table: &'static str, folder: FolderId, uidvalidity: u32, uids: &[u32]) -> Result<Vec<u32>> {
        let mut known = Vec::new();
        for some in uids.chunks(500) {
            let found: Vec<i64> = self
                .sql(format!(
                    "SELECT uid FROM {table} WHERE account_id = :account AND folder_id = ? AND uidvalidity = ? AND uid IN (??)"
                ))
                .bind(folder.0)
                .bind(i64::from(uidvalidity))
                .list(some.iter().map(|u| i64::from(*u)))
                .column(&self.inner.read)
                .await?;
            for uid in found {
                known.push(convert::number("uid", uid)?);
            }
        }
        Ok(known)
    }

    /// Whose time has come, lowest first.
    pub async fn due_pending_uids(&self, folder: FolderId, uidvalidity: u32, limit: u32) -> Result<Vec<PendingUid>> {
        self.sql(
            "SELECT uid, attempts, source FROM pending_uids WHERE account_id = :account AND folder_id = ? AND uidvalidity = ? \
             AND next_at <= {now} ORDER BY uid LIMIT ?",
        )
        .bind(folder.0)
        .bind(i64::from(uidvalidity))
        .bind(i64::from(limit))
        .all::<PendingRow, _>(&self.inner.read)
        .await?
        .into_iter()
        .map(|row| {
            Ok(PendingUid {
                uid: convert::number("uid", row.uid)?,
                attempts: convert::number("attempts", row.attempts)?,
                source: convert::code("raw email source", &row.source, RawEmailSource::parse)?,
            })
        })
        .collect()
    }

    /// Asked for again without an answer: counted, and next in `after`.
    pub async fn defer_pending_uids(
        &self,
        fence: Fence<'_>,
        folder: FolderId,
        uidvalidity: u32,
        uids: &[u32],
        after: Duration,
    ) -> Result<()> {
        let tx = self.inner.begin().await?;
        check_fence(&tx, self, fence, folder).await?;
        self.sql(
            "UPDATE pending_uids SET attempts = attempts + 1, next_at = {now} + ? \
             WHERE account_id = :account AND folder_id = ? AND uidvalidity = ? AND uid IN (??)",
        )
        .bind(micros(after))
        .bind(folder.0)
        .bind(i64::from(uidvalidity))
        .list(uids.iter().map(|u| i64::from(*u)))
        .run(&tx)
        .await?;
        tx.commit().await?;
        Ok(())
    }

    /// Gone from the server, or given up.
    pub async fn drop_pending_uids(
        &self,
        fence: Fence<'_>,
        folder: FolderId,
        uidvalidity: u32,
        uids: &[u32],
    ) -> Result<()> {
        let tx = self.inner.begin().await?;
        check_fence(&tx, self, fence, folder).await?;
        delete_pending(&tx, self, folder, uidvalidity, uids).await?;
        tx.commit().await?;
        Ok(())
    }
}

pub(crate) async fn delete_pending<C: ConnectionTrait>(
    on: &C,
    scope: &AccountScope,
    folder: FolderId,
    uidvalidity: u32,
    uids: &[u32],
) -> Result<()> {
    scope
        .sql("DELETE FROM pending_uids WHERE account_id = :account AND folder_id = ? AND uidvalidity = ? AND uid IN (??)")
        .bind(folder.0)
        .bind(i64::from(uidvalidity))
        .list(uids.iter().map(|u| i64::from(*u)))
        .run(on)
        .await?;
    Ok(())
}

/// Whoever writes still holds what they hold, and the folder is theirs. The row is locked against a takeover until we commit.
pub(crate) async fn check_fence<C: ConnectionTrait>(
    on: &C,
    scope: &AccountScope,
    fence: Fence<'_>,
    folder: FolderId,
) -> Result<()> {
    let held = match fence {
        Fence::Lease(lease) if lease.scope.id == scope.id => {
            scoped(
                scope.id,
                "SELECT c.id FROM email_channels c WHERE c.account_id = :account AND c.id = ? AND c.epoch = ? AND c.worker_session_id = ? \
                 AND EXISTS (SELECT 1 FROM channel_folders f WHERE f.account_id = c.account_id AND f.channel_id = c.id AND f.id = ?){share}",
            )
            .bind(lease.channel_id.0)
            .bind(lease.epoch)
            .bind(lease.session.0)
            .bind(folder.0)
            .value::<i64, _>(on)
            .await?
        }
        Fence::Work(work) if work.scope.id == scope.id => {
            let table = if work.kind == OwedKind::IngestRawEmail { "raw_emails" } else { "owed_work" };
            scoped(scope.id, format!("SELECT id FROM {table} WHERE account_id = :account AND id = ? AND lease_token = ?{{share}}"))
                .bind(work.owed_id.0)
                .bind(work.token.clone())
                .value::<i64, _>(on)
                .await?
        }
        Fence::Lease(_) | Fence::Work(_) => None,
    };
    held.map(|_| ()).ok_or(StoreError::LeaseLost)
}
