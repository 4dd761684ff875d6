//! Channels: health, import progress, and the names they are signed in under.

use super::audit;
use super::convert::{self, to_json};
use super::sql::scoped;
use super::tenant::{Only as _, find_in};
use crate::entity::email_channel;
use crate::*;
use domain::audit::{AuditAction, AuditSubject};
use domain::channel::{EmailChannel, Health, ImportProgress};
use domain::{ChannelId, GrantId, InboxId, OauthAppId};
use sea_orm::{ColumnTrait, ConnectionTrait, QueryFilter, QueryOrder};
use serde_json::json;

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
            "UPDATE email_channels SET grant_id = ?, service = ?, principal = ?, mailbox_address = ?, mailbox_key = ?, from_address = ?, \
             smtp_user = ?, fetch_state = ?, fetch_health = ?, send_state = ?, send_health = ?, send_after = 0, epoch = epoch + 1, worker_session_id = NULL, updated_at = ? WHERE account_id = :account AND id = ?",
        )
        .bind(names.grant_id.0)
        .bind(names.service.as_str())
        .bind(names.principal.clone())
        .bind(names.mailbox_address.as_str())
        .bind(names.mailbox_address.key())
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
    });
    scope.audit(on, AuditAction::Update, AuditSubject::Channel, before.inbox_id, audit::fields(told)).await
}
