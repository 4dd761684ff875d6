//! Worker sessions and the channels they hold. Skew between machines costs liveness, never safety: the database's clock judges
//! sessions, and every write of a lease names its epoch.

use super::grants::micros;
use super::sql::{scoped, system};
use crate::connect::Inner;
use crate::*;
use domain::{AccountId, ChannelId, GrantId, InboxId, Timestamp, WorkerSessionId};
use sea_orm::FromQueryResult;
use std::sync::Arc;
use std::time::Duration;

/// A session whose last heartbeat is older than this is dead, and its channels may be taken.
const DEAD_AFTER_MICROS: i64 = 30_000_000;
/// A session dead for this long is forgotten.
const FORGET_AFTER_MICROS: i64 = 3_600_000_000;

/// The scope of whoever fetches mail.
#[derive(Clone, Debug)]
pub struct Sync {
    pub(crate) inner: Arc<Inner>,
}

#[derive(Debug, FromQueryResult)]
struct LeaseRow {
    account_id: i64,
    id: i64,
    inbox_id: i64,
    epoch: i64,
}

#[derive(Debug, FromQueryResult)]
struct HeldRow {
    account_id: i64,
    id: i64,
    inbox_id: i64,
    epoch: i64,
    asked_again: bool,
}

#[derive(Debug, FromQueryResult)]
struct GrantRow {
    account_id: i64,
    id: i64,
}

impl Sync {
    /// What time it is by the database's clock, which judges every lease and everything that is due.
    pub async fn time(&self) -> Result<Timestamp> {
        let now: Option<i64> = system("SELECT {now}").value(&self.inner.read).await?;
        now.map(Timestamp).ok_or(StoreError::NotFound("time"))
    }

    pub async fn start_session(&self, name: &str) -> Result<WorkerSessionId> {
        let id: Option<i64> = system(
            "INSERT INTO worker_sessions (name, started_at, heartbeat_at) VALUES (?, {now}, {now}) RETURNING id",
        )
        .bind(name)
        .value(&self.inner.write)
        .await?;
        id.map(WorkerSessionId).ok_or(StoreError::NotFound("worker session"))
    }

    /// `false`: the session is gone (ended, or forgotten after it died); start another.
    pub async fn heartbeat(&self, session: WorkerSessionId) -> Result<bool> {
        let alive = system("UPDATE worker_sessions SET heartbeat_at = {now} WHERE id = ?")
            .bind(session.0)
            .run(&self.inner.write)
            .await?;
        system("DELETE FROM worker_sessions WHERE heartbeat_at < {now} - ?")
            .bind(FORGET_AFTER_MICROS)
            .run(&self.inner.write)
            .await?;
        Ok(alive == 1)
    }

    /// Ends it and frees its channels at once.
    pub async fn end_session(&self, session: WorkerSessionId) -> Result<()> {
        system("UPDATE email_channels SET worker_session_id = NULL WHERE worker_session_id = ?")
            .bind(session.0)
            .run(&self.inner.write)
            .await?;
        system("DELETE FROM worker_sessions WHERE id = ?").bind(session.0).run(&self.inner.write).await?;
        Ok(())
    }

    /// Ends every send lease of a process that sends nothing any more. It keeps no session either.
    pub async fn end_sending(&self, worker: &str) -> Result<()> {
        system(
            "UPDATE email_channels SET send_lease_token = NULL, send_lease_worker = NULL, send_lease_until = 0 WHERE send_lease_worker = ?",
        )
        .bind(worker)
        .run(&self.inner.write)
        .await?;
        system("UPDATE email_channels SET send_kept_worker = NULL, send_kept_until = 0 WHERE send_kept_worker = ?")
            .bind(worker)
            .run(&self.inner.write)
            .await?;
        Ok(())
    }

    /// Takes up to `max` more channels that nobody alive holds, of active accounts, whose fetching is not waiting for a person.
    pub async fn lease_channels(&self, session: WorkerSessionId, max: u32) -> Result<Vec<ChannelLease>> {
        let rows: Vec<LeaseRow> = system(
            "UPDATE email_channels SET worker_session_id = ?, epoch = epoch + 1 WHERE id IN ( \
             SELECT c.id FROM email_channels c JOIN accounts a ON a.id = c.account_id \
             WHERE a.status = 'active' AND c.fetch_state IN ('unknown', 'connected', 'failing') \
             AND (c.worker_session_id IS NULL OR NOT EXISTS ( \
             SELECT 1 FROM worker_sessions s WHERE s.id = c.worker_session_id AND s.heartbeat_at > {now} - ?)) \
             AND EXISTS (SELECT 1 FROM worker_sessions me WHERE me.id = ? AND me.heartbeat_at > {now} - ?) \
             ORDER BY c.id LIMIT ?{skip}) RETURNING account_id, id, inbox_id, epoch",
        )
        .bind(session.0)
        .bind(DEAD_AFTER_MICROS)
        .bind(session.0)
        .bind(DEAD_AFTER_MICROS)
        .bind(i64::from(max))
        .all(&self.inner.write)
        .await?;
        Ok(rows.into_iter().map(|row| self.lease(session, row.account_id, row.id, row.inbox_id, row.epoch)).collect())
    }

    fn lease(&self, session: WorkerSessionId, account: i64, channel: i64, inbox: i64, epoch: i64) -> ChannelLease {
        ChannelLease {
            scope: self.inner.scope(AccountId(account)),
            channel_id: ChannelId(channel),
            inbox_id: InboxId(inbox),
            epoch,
            session,
        }
    }

    /// All channels that the session holds and that may still be fetched, as [`Sync::holds`] has it for one.
    pub async fn held(&self, session: WorkerSessionId) -> Result<Vec<HeldChannel>> {
        let rows: Vec<HeldRow> = system(
            "SELECT c.account_id, c.id, c.inbox_id, c.epoch, c.fetch_state = 'unknown' AS asked_again \
             FROM email_channels c JOIN accounts a ON a.id = c.account_id \
             WHERE c.worker_session_id = ? AND a.status = 'active' AND c.fetch_state IN ('unknown', 'connected', 'failing')",
        )
        .bind(session.0)
        .all(&self.inner.read)
        .await?;
        Ok(rows
            .into_iter()
            .map(|row| HeldChannel {
                lease: self.lease(session, row.account_id, row.id, row.inbox_id, row.epoch),
                asked_again: row.asked_again,
            })
            .collect())
    }

    pub async fn release(&self, lease: &ChannelLease) -> Result<()> {
        scoped(
            lease.scope.id,
            "UPDATE email_channels SET worker_session_id = NULL WHERE account_id = :account AND id = ? AND epoch = ? AND worker_session_id = ?",
        )
        .bind(lease.channel_id.0)
        .bind(lease.epoch)
        .bind(lease.session.0)
        .run(&self.inner.write)
        .await?;
        Ok(())
    }

    /// The lease still holds, and the channel may still be fetched (account active, no person awaited).
    pub async fn holds(&self, lease: &ChannelLease) -> Result<bool> {
        let held: Option<i64> = scoped(
            lease.scope.id,
            "SELECT c.id FROM email_channels c JOIN accounts a ON a.id = c.account_id WHERE c.account_id = :account AND c.id = ? \
             AND c.epoch = ? AND c.worker_session_id = ? AND a.status = 'active' AND c.fetch_state IN ('unknown', 'connected', 'failing')",
        )
        .bind(lease.channel_id.0)
        .bind(lease.epoch)
        .bind(lease.session.0)
        .value(&self.inner.read)
        .await?;
        Ok(held.is_some())
    }

    /// Grants not refreshed for `idle`, of channels in use, whose keeping alive was not tried for `tried`
    /// ([`AccountScope::keeping_alive`]). Those tried longest ago first, so that the ones that are always refused hold up nobody.
    pub async fn idle_grants(
        &self,
        idle: Duration,
        tried: Duration,
        limit: u32,
    ) -> Result<Vec<(AccountScope, GrantId)>> {
        // Stamped by our clock, so judged by it.
        let rows: Vec<GrantRow> = system(
            "SELECT g.account_id, g.id FROM grants g JOIN accounts a ON a.id = g.account_id AND a.status = 'active' \
             WHERE g.status = 'active' AND g.refreshed_at <= ? AND g.kept_alive_at <= ? AND g.lease_until <= {now} \
             AND EXISTS (SELECT 1 FROM email_channels c WHERE c.account_id = g.account_id AND c.grant_id = g.id) \
             ORDER BY g.kept_alive_at, g.refreshed_at LIMIT ?",
        )
        .bind(self.inner.now().0.saturating_sub(micros(idle)))
        .bind(self.inner.now().0.saturating_sub(micros(tried)))
        .bind(i64::from(limit))
        .all(&self.inner.read)
        .await?;
        Ok(rows.into_iter().map(|row| (self.inner.scope(AccountId(row.account_id)), GrantId(row.id))).collect())
    }
}
