//! A change of a mailbox's health is noted, and told, in the transaction that makes it.

use super::Tx;
use crate::entity::email_channel;
use crate::scope::convert::to_json;
use crate::scope::invitations::owe;
use crate::*;
use domain::account::Role;
use domain::channel::notice::Standing;
use domain::channel::{EmailChannel, Health};
use domain::{ChannelId, HealthNoticeId};
use std::time::Duration;

/// Changes that are kept of one mailbox.
const KEPT: i64 = 200;
/// Mails about the health of mailboxes that one person is sent; the rest is on the page.
const MOST_AN_HOUR: i64 = 20;
const HOUR: Duration = Duration::from_secs(3600);

impl Tx {
    /// Notes how this half does from now on, if that is another state or another cause than the last that was noted. The channel's row was
    /// written before in this transaction, so of two who change it the second sees what the first noted.
    pub(super) async fn note_health(&mut self, channel: ChannelId, part: HealthPart, health: &Health) -> Result<()> {
        let code = health.failure.as_ref().map(|failure| failure.class.code());
        let noted = self
            .sql(
                "INSERT INTO channel_health_changes (account_id, channel_id, part, state, code, failure, at) \
                 SELECT :account, ?, ?, ?, ?, ?, ? WHERE NOT EXISTS (SELECT 1 FROM channel_health_changes l WHERE l.account_id = :account \
                 AND l.id = (SELECT MAX(m.id) FROM channel_health_changes m WHERE m.account_id = :account AND m.channel_id = ? AND m.part = ?) \
                 AND l.state = ? AND COALESCE(l.code, '') = ?)",
            )
            .bind(channel.0)
            .bind(part.as_str())
            .bind(health.state.as_str())
            .bind(code)
            .bind(health.failure.as_ref().map(to_json))
            .bind(self.scope.inner.now().0)
            .bind(channel.0)
            .bind(part.as_str())
            .bind(health.state.as_str())
            .bind(code.unwrap_or_default())
            .run(&self.tx)
            .await?;
        if noted > 0 {
            self.sql(
                "DELETE FROM channel_health_changes WHERE account_id = :account AND channel_id = ? AND id <= \
                 (SELECT m.id FROM channel_health_changes m WHERE m.account_id = :account AND m.channel_id = ? ORDER BY m.id DESC LIMIT 1 OFFSET ?)",
            )
            .bind(channel.0)
            .bind(channel.0)
            .bind(KEPT)
            .run(&self.tx)
            .await?;
        }
        Ok(())
    }

    /// These mailboxes as they are now, and stay until this transaction ends, with the notices of them that have not ended. Those that are
    /// gone are left out.
    pub async fn lock_ill_channels(&mut self, channels: &[ChannelId]) -> Result<Vec<(EmailChannel, Vec<Standing>)>> {
        let rows: Vec<email_channel::Model> = self
            .sql("SELECT * FROM email_channels WHERE account_id = :account AND id IN (??) ORDER BY id{lock}")
            .list(channels.iter().map(|channel| channel.0))
            .all(&self.tx)
            .await?;
        self.scope.with_notices(&self.tx, rows).await
    }

    /// `None`: there is one already of this mailbox and who must act.
    pub async fn open_health_notice(&mut self, new: &NewHealthNotice) -> Result<Option<HealthNoticeId>> {
        let now = self.scope.inner.now().0;
        let id: Option<i64> = self
            .sql(
                "INSERT INTO health_notices (account_id, channel_id, actor, about_fetch, about_send, is_current, code, failure, since, created_at, updated_at) \
                 VALUES (:account, ?, ?, ?, ?, TRUE, ?, ?, ?, ?, ?) \
                 ON CONFLICT (account_id, channel_id, actor) WHERE ended_at IS NULL DO NOTHING RETURNING id",
            )
            .bind(new.channel_id.0)
            .bind(new.actor.as_str())
            .bind(new.parts.fetch)
            .bind(new.parts.send)
            .bind(new.failure.class.code())
            .bind(to_json(&new.failure))
            .bind(new.since.0)
            .bind(now)
            .bind(now)
            .value(&self.tx)
            .await?;
        Ok(id.map(HealthNoticeId))
    }

    pub async fn change_health_notice(&mut self, to: &Standing) -> Result<()> {
        self.sql(
            "UPDATE health_notices SET about_fetch = ?, about_send = ?, is_current = ?, code = ?, failure = ?, updated_at = ? \
             WHERE account_id = :account AND id = ? AND ended_at IS NULL",
        )
        .bind(to.parts.fetch)
        .bind(to.parts.send)
        .bind(to.is_current)
        .bind(to.failure.class.code())
        .bind(to_json(&to.failure))
        .bind(self.scope.inner.now().0)
        .bind(to.id.0)
        .run(&self.tx)
        .await?;
        Ok(())
    }

    /// The notice in whose name it was told. `None`: it had ended before.
    pub async fn end_health_notice(&mut self, notice: HealthNoticeId) -> Result<Option<HealthNoticeId>> {
        let now = self.scope.inner.now().0;
        let told_with: Option<i64> = self
            .sql(
                "UPDATE health_notices SET ended_at = ?, is_current = FALSE, updated_at = ? WHERE account_id = :account AND id = ? \
                 AND ended_at IS NULL RETURNING COALESCE(told_with, id)",
            )
            .bind(now)
            .bind(now)
            .bind(notice.0)
            .value(&self.tx)
            .await?;
        Ok(told_with.map(HealthNoticeId))
    }

    /// One mail to every administrator tells of all of these, where they have shown that the address is theirs and were not mailed
    /// [`MOST_AN_HOUR`] times already. How many mails.
    pub async fn tell_of_health(&mut self, notices: &[HealthNoticeId], mailed: bool) -> Result<usize> {
        let Some(first) = notices.first() else { return Ok(0) };
        self.join_notices("told_with", notices, *first).await?;
        if !mailed {
            return Ok(0);
        }
        let anybody = "SELECT au.user_id FROM account_users au JOIN users u ON u.id = au.user_id AND u.email_proved_at IS NOT NULL \
             WHERE au.account_id = :account AND au.role = ? AND au.removed_at IS NULL AND NOT au.awaits_proof";
        let administrators: Vec<i64> = self.sql(anybody).bind(Role::Administrator.as_str()).column(&self.tx).await?;
        self.mail_health(SystemMailKind::HealthNotice, *first, &administrators).await
    }

    /// One mail tells whoever was mailed in the name of `told_with` that all of these have ended. How many mails.
    pub async fn tell_of_health_restored(
        &mut self,
        notices: &[HealthNoticeId],
        told_with: HealthNoticeId,
        mailed: bool,
    ) -> Result<usize> {
        let Some(first) = notices.first() else { return Ok(0) };
        self.join_notices("ended_with", notices, *first).await?;
        if !mailed {
            return Ok(0);
        }
        let told: Vec<i64> = self
            .sql(
                "SELECT DISTINCT s.user_id FROM system_mails s WHERE s.account_id = :account AND s.health_notice_id = ? AND s.kind = ? \
                 AND s.state = ? AND s.user_id IS NOT NULL",
            )
            .bind(told_with.0)
            .bind(SystemMailKind::HealthNotice.as_str())
            .bind(SystemMailState::Sent.as_str())
            .column(&self.tx)
            .await?;
        self.mail_health(SystemMailKind::HealthRestored, *first, &told).await
    }

    async fn join_notices(&mut self, column: &str, notices: &[HealthNoticeId], first: HealthNoticeId) -> Result<()> {
        self.sql(format!("UPDATE health_notices SET {column} = ? WHERE account_id = :account AND id IN (??)"))
            .bind(first.0)
            .list(notices.iter().map(|notice| notice.0))
            .run(&self.tx)
            .await?;
        Ok(())
    }

    async fn mail_health(&mut self, kind: SystemMailKind, about: HealthNoticeId, to: &[i64]) -> Result<usize> {
        let now = self.scope.inner.now();
        let mails: Vec<i64> = self
            .sql(
                "INSERT INTO system_mails (account_id, user_id, kind, health_notice_id, state, created_at) \
                 SELECT au.account_id, au.user_id, ?, ?, 'waiting', ? FROM account_users au \
                 WHERE au.account_id = :account AND au.user_id IN (??) AND au.removed_at IS NULL \
                 AND (SELECT COUNT(*) FROM system_mails h WHERE h.account_id = au.account_id AND h.user_id = au.user_id \
                 AND h.kind IN (?, ?) AND h.created_at > ?) < ? RETURNING id",
            )
            .bind(kind.as_str())
            .bind(about.0)
            .bind(now.0)
            .list(to.iter().copied())
            .bind(SystemMailKind::HealthNotice.as_str())
            .bind(SystemMailKind::HealthRestored.as_str())
            .bind(now.minus(HOUR).0)
            .bind(MOST_AN_HOUR)
            .column(&self.tx)
            .await?;
        owe(&self.tx, now, &mails, OwedPriority::Normal, Duration::ZERO).await?;
        Ok(mails.len())
    }
}
