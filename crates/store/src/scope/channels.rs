//! Channels: health, import progress, and the names they are signed in under.

use super::audit;
use super::convert::{self, to_json};
use super::sql::scoped;
use super::tenant::{Only as _, find_in};
use crate::entity::email_channel;
use crate::*;
use domain::audit::{AuditAction, AuditSubject};
use domain::channel::{EmailChannel, Health, ImportProgress, Provider};
use domain::{ChannelId, EmailAddress, GrantId, InboxId, OauthAppId};
use sea_orm::{ColumnTrait, ConnectionTrait, FromQueryResult, QueryFilter, QueryOrder};
use serde_json::json;

#[derive(Debug, FromQueryResult)]
struct ReadBeforeRow {
    grant_id: i64,
    provider: String,
    earlier: i64,
}

impl AccountScope {
    pub async fn channel(&self, channel: ChannelId) -> Result<Option<EmailChannel>> {
        let row = find_in::<email_channel::Entity>(self.id)
            .filter(email_channel::Column::Id.eq(channel.0))
            .only(&self.inner.read)
            .await?;
        row.map(convert::channel).transpose()
    }

    pub async fn channels_of_grant(&self, grant: GrantId) -> Result<Vec<EmailChannel>> {
        find_in::<email_channel::Entity>(self.id)
            .filter(email_channel::Column::GrantId.eq(grant.0))
            .order_by_asc(email_channel::Column::Id)
            .all(&self.inner.read)
            .await?
            .into_iter()
            .map(convert::channel)
            .collect()
    }

    /// Whose mailbox it is, and how many that are connected longer are read with the same permission. `None`: nobody's.
    pub async fn read_before(&self, channel: ChannelId) -> Result<Option<ReadBefore>> {
        let row: Option<ReadBeforeRow> = self
            .sql(
                "SELECT mine.grant_id, mine.provider, (SELECT COUNT(*) FROM email_channels c WHERE c.account_id = mine.account_id \
                 AND c.grant_id = mine.grant_id AND c.id < mine.id AND c.fetch_state NOT IN ('needs_reauth', 'blocked')) AS earlier \
                 FROM email_channels mine WHERE mine.account_id = :account AND mine.id = ? AND mine.grant_id IS NOT NULL",
            )
            .bind(channel.0)
            .one(&self.inner.read)
            .await?;
        row.map(|row| {
            Ok(ReadBefore {
                grant: GrantId(row.grant_id),
                provider: convert::code("provider", &row.provider, Provider::parse)?,
                earlier: convert::number("count", row.earlier)?,
            })
        })
        .transpose()
    }

    /// One whose grant was given to this app, and that works if any does.
    pub async fn a_channel_of_oauth_app(&self, app: OauthAppId) -> Result<Option<ChannelPlace>> {
        let row: Option<email_channel::Model> = self
            .sql(
                "SELECT c.* FROM email_channels c JOIN grants g ON g.account_id = c.account_id AND g.id = c.grant_id \
                 WHERE c.account_id = :account AND g.oauth_app_id = ? \
                 ORDER BY CASE c.fetch_state WHEN 'connected' THEN 0 ELSE 1 END, c.id",
            )
            .bind(app.0)
            .one(&self.inner.read)
            .await?;
        Ok(row.map(|row| ChannelPlace { inbox_id: InboxId(row.inbox_id), channel_id: ChannelId(row.id) }))
    }

    /// A permission that this app was given and that stands, the one that was used last.
    pub async fn active_grant_of_oauth_app(&self, app: OauthAppId) -> Result<Option<GrantId>> {
        let id: Option<i64> = self
            .sql(
                "SELECT id FROM grants WHERE account_id = :account AND oauth_app_id = ? AND status = 'active' \
                 ORDER BY refreshed_at DESC, id LIMIT 1",
            )
            .bind(app.0)
            .value(&self.inner.read)
            .await?;
        Ok(id.map(GrantId))
    }

    /// Where this mailbox is connected in this account already. `key`: `EmailAddress::key()`.
    pub async fn channel_of_mailbox(&self, key: &str) -> Result<Option<ChannelPlace>> {
        let row = find_in::<email_channel::Entity>(self.id)
            .filter(email_channel::Column::MailboxKey.eq(key))
            .only(&self.inner.read)
            .await?;
        Ok(row.map(|row| ChannelPlace { inbox_id: InboxId(row.inbox_id), channel_id: ChannelId(row.id) }))
    }

    pub async fn update_fetch_health(&self, channel: ChannelId, health: &Health) -> Result<()> {
        set_health(&self.inner.write, self, channel, Side::Fetch, health).await
    }

    pub async fn update_send_health(&self, channel: ChannelId, health: &Health) -> Result<()> {
        set_health(&self.inner.write, self, channel, Side::Send, health).await
    }

    /// The mail server took a mail with this From; remembered once. Nothing if the mailbox has another one by now.
    pub async fn accept_from_address(&self, channel: ChannelId, from: &EmailAddress) -> Result<()> {
        let now = self.inner.now().0;
        self.sql(
            "UPDATE email_channels SET from_accepted_at = ?, updated_at = ? \
             WHERE account_id = :account AND id = ? AND from_address = ? AND from_accepted_at IS NULL",
        )
        .bind(now)
        .bind(now)
        .bind(channel.0)
        .bind(from.as_str())
        .run(&self.inner.write)
        .await
        .map(drop)
    }

    /// As long as the import is still this worker's; `LeaseLost` when it is not.
    pub async fn update_import(&self, work: &ClaimedWork, channel: ChannelId, import: &ImportProgress) -> Result<()> {
        let changed = self
            .sql(
                "UPDATE email_channels SET import = ?, updated_at = ? WHERE account_id = :account AND id = ? AND EXISTS ( \
                 SELECT 1 FROM owed_work o WHERE o.account_id = email_channels.account_id AND o.id = ? AND o.lease_token = ?)",
            )
            .bind(to_json(import))
            .bind(self.inner.now().0)
            .bind(channel.0)
            .bind(work.owed_id.0)
            .bind(work.token.clone())
            .run(&self.inner.write)
            .await?;
        if changed == 1 { Ok(()) } else { Err(StoreError::LeaseLost) }
    }
}

#[derive(Clone, Copy)]
pub(crate) enum Side {
    Fetch,
    Send,
}

pub(crate) async fn set_health<C: ConnectionTrait>(
    on: &C,
    scope: &AccountScope,
    channel: ChannelId,
    side: Side,
    health: &Health,
) -> Result<()> {
    let text = match side {
        Side::Fetch => {
            "UPDATE email_channels SET fetch_state = ?, fetch_health = ?, updated_at = ? WHERE account_id = :account AND id = ?"
        }
        Side::Send => {
            "UPDATE email_channels SET send_state = ?, send_health = ?, updated_at = ? WHERE account_id = :account AND id = ?"
        }
    };
    let changed = scope
        .sql(text)
        .bind(health.state.as_str())
        .bind(to_json(health))
        .bind(scope.inner.now().0)
        .bind(channel.0)
        .run(on)
        .await?;
    if changed == 1 { Ok(()) } else { Err(StoreError::NotFound("channel")) }
}

pub(crate) async fn set_import<C: ConnectionTrait>(
    on: &C,
    scope: &AccountScope,
    channel: ChannelId,
    import: &ImportProgress,
) -> Result<()> {
    scoped(scope.id, "UPDATE email_channels SET import = ?, updated_at = ? WHERE account_id = :account AND id = ?")
        .bind(to_json(import))
        .bind(scope.inner.now().0)
        .bind(channel.0)
        .run(on)
        .await?;
    Ok(())
}

/// Signs an existing channel in again: both healths start anew, and whoever holds the channel loses it, so that the next lease
/// begins with the new grant.
pub(crate) async fn reconnect<C: ConnectionTrait>(
    on: &C,
    scope: &AccountScope,
    channel: ChannelId,
    names: &SignedInAgain,
) -> Result<()> {
    let now = scope.inner.now();
    let fresh = Health::default().asked_again(now);
    let before: Option<email_channel::Model> =
        find_in::<email_channel::Entity>(scope.id).filter(email_channel::Column::Id.eq(channel.0)).only(on).await?;
    let before = before.ok_or(StoreError::NotFound("channel"))?;
    let changed = scope
        .sql(
            "UPDATE email_channels SET grant_id = ?, service = ?, principal = ?, mailbox_address = ?, mailbox_key = ?, \
             from_accepted_at = CASE WHEN from_address = ? AND smtp_user = ? THEN from_accepted_at ELSE NULL END, \
             from_address = ?, smtp_user = ?, fetch_state = ?, fetch_health = ?, send_state = ?, send_health = ?, send_after = 0, epoch = epoch + 1, worker_session_id = NULL, updated_at = ? WHERE account_id = :account AND id = ?",
        )
        .bind(names.grant_id.0)
        .bind(names.service.as_str())
        .bind(names.principal.clone())
        .bind(names.mailbox_address.as_str())
        .bind(names.mailbox_address.key())
        .bind(names.from_address.as_str())
        .bind(names.smtp_user.clone())
        .bind(names.from_address.as_str())
        .bind(names.smtp_user.clone())
        .bind(fresh.state.as_str())
        .bind(to_json(&fresh))
        .bind(fresh.state.as_str())
        .bind(to_json(&fresh))
        .bind(now.0)
        .bind(channel.0)
        .run(on)
        .await?;
    if changed == 0 {
        return Err(StoreError::NotFound("channel"));
    }
    // Also where the names are what they were: somebody signed in.
    let told = json!({
        "principal": [before.principal, names.principal],
        "mailbox_address": [before.mailbox_address, names.mailbox_address.as_str()],
        "from_address": [before.from_address, names.from_address.as_str()],
    });
    scope.audit(on, AuditAction::Update, AuditSubject::Channel, before.inbox_id, audit::fields(told)).await
}
