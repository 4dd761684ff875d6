//! Inboxes with the channel behind each, and their members.

use super::audit;
use super::convert::{self, AGENT_COLUMNS, AgentRow, to_json};
use super::message_rows::{columns, joined};
use super::sql::scoped;
use super::tenant::{find_in, insert_in};
use crate::entity::{email_channel, inbox};
use crate::*;
use domain::audit::{AuditAction, AuditSubject};
use domain::channel::{ImportProgress, SendingLimits};
use domain::inbox::Inbox;
use domain::user::Agent;
use domain::{AccountId, InboxId, UserId};
use sea_orm::ActiveValue::Set;
use sea_orm::{ColumnTrait, ConnectionTrait, DbErr, FromQueryResult, QueryFilter, QueryOrder, QueryResult};
use serde_json::{Value, json};

impl AccountScope {
    /// By name, as the member may see them.
    pub async fn inboxes(&self, visibility: &Visibility) -> Result<Vec<Inbox>> {
        let mut select = find_in::<inbox::Entity>(self.id);
        if let Visibility::Inboxes(seen) = visibility {
            select = select.filter(inbox::Column::Id.is_in(seen.iter().map(|i| i.0)));
        }
        let rows =
            select.order_by_asc(inbox::Column::Name).order_by_asc(inbox::Column::Id).all(&self.inner.read).await?;
        let mut channels = find_in::<email_channel::Entity>(self.id).all(&self.inner.read).await?;
        rows.into_iter()
            .filter_map(|row| {
                let at = channels.iter().position(|c| c.inbox_id == row.id)?;
                Some(convert::inbox(row, channels.swap_remove(at)))
            })
            .collect()
    }

    pub async fn inbox(&self, inbox: InboxId) -> Result<Option<Inbox>> {
        load_inbox(&self.inner.read, self.id, inbox).await
    }

    pub async fn inbox_members(&self, inbox: InboxId) -> Result<Vec<Agent>> {
        self.sql(format!(
            "SELECT {AGENT_COLUMNS} FROM inbox_members m \
             JOIN account_users au ON au.account_id = m.account_id AND au.user_id = m.user_id \
             JOIN users u ON u.id = au.user_id \
             WHERE m.account_id = :account AND m.inbox_id = ? AND au.removed_at IS NULL ORDER BY u.name, u.id"
        ))
        .bind(inbox.0)
        .all::<AgentRow, _>(&self.inner.read)
        .await?
        .into_iter()
        .map(AgentRow::agent)
        .collect()
    }

    /// Exactly these. Somebody who is not in the account is a `Conflict`.
    pub async fn set_inbox_members(&self, inbox: InboxId, users: &[UserId]) -> Result<()> {
        let tx = self.inner.begin().await?;
        let before = self.member_ids(&tx, inbox).await?;
        self.sql("DELETE FROM inbox_members WHERE account_id = :account AND inbox_id = ?")
            .bind(inbox.0)
            .run(&tx)
            .await?;
        for user in users {
            add_member(&tx, self, inbox, *user).await?;
        }
        self.audit_members(&tx, inbox, before).await?;
        tx.commit().await?;
        Ok(())
    }

    async fn member_ids<C: ConnectionTrait>(&self, on: &C, inbox: InboxId) -> Result<Vec<i64>> {
        let members = "SELECT user_id FROM inbox_members WHERE account_id = :account AND inbox_id = ? ORDER BY user_id";
        self.sql(members).bind(inbox.0).column(on).await
    }

    async fn audit_members<C: ConnectionTrait>(&self, on: &C, inbox: InboxId, before: Vec<i64>) -> Result<()> {
        let after = self.member_ids(on, inbox).await?;
        let told = |ids: Vec<i64>| json!({ "user_ids": ids });
        self.audit_update(on, AuditSubject::InboxMember, inbox.0, told(before), told(after)).await
    }

    /// These not.
    pub async fn remove_inbox_members(&self, inbox: InboxId, users: &[UserId]) -> Result<()> {
        let tx = self.inner.begin().await?;
        let before = self.member_ids(&tx, inbox).await?;
        self.sql("DELETE FROM inbox_members WHERE account_id = :account AND inbox_id = ? AND user_id IN (??)")
            .bind(inbox.0)
            .list(users.iter().map(|user| user.0))
            .run(&tx)
            .await?;
        self.audit_members(&tx, inbox, before).await?;
        tx.commit().await?;
        Ok(())
    }

    /// These as well. Somebody who is not in the account is a `Conflict`.
    pub async fn add_inbox_members(&self, inbox: InboxId, users: &[UserId]) -> Result<()> {
        let tx = self.inner.begin().await?;
        let before = self.member_ids(&tx, inbox).await?;
        for user in users {
            add_member(&tx, self, inbox, *user).await?;
        }
        self.audit_members(&tx, inbox, before).await?;
        tx.commit().await?;
        Ok(())
    }
}

pub(crate) async fn update_inbox<C: ConnectionTrait>(
    on: &C,
    scope: &AccountScope,
    inbox: InboxId,
    change: &InboxChange,
) -> Result<Option<Inbox>> {
    let before = load_inbox(on, scope.id, inbox).await?;
    scope
        .sql(
            "UPDATE inboxes SET name = COALESCE(?, name), settings = COALESCE(?, settings), updated_at = ? \
             WHERE account_id = :account AND id = ?",
        )
        .bind(change.name.clone())
        .bind(change.settings.as_ref().map(to_json))
        .bind(scope.inner.now().0)
        .bind(inbox.0)
        .run(on)
        .await?;
    let after = load_inbox(on, scope.id, inbox).await?;
    if let (Some(before), Some(after)) = (before, &after) {
        scope.audit_update(on, AuditSubject::Inbox, inbox.0, told(&before), told(after)).await?;
    }
    Ok(after)
}

fn told(inbox: &Inbox) -> Value {
    json!({ "name": inbox.name, "settings": inbox.settings })
}

/// Prefix of the channel's columns.
const CHANNEL: &str = "c_";

/// An inbox with its channel.
struct InboxRow {
    inbox: inbox::Model,
    channel: Option<email_channel::Model>,
}

impl FromQueryResult for InboxRow {
    fn from_query_result(row: &QueryResult, prefix: &str) -> Result<Self, DbErr> {
        Ok(Self { inbox: inbox::Model::from_query_result(row, prefix)?, channel: joined(row, CHANNEL)? })
    }
}

pub(crate) async fn load_inbox<C: ConnectionTrait>(on: &C, account: AccountId, id: InboxId) -> Result<Option<Inbox>> {
    let text = format!(
        "SELECT i.*, {} FROM inboxes i LEFT JOIN email_channels c ON c.account_id = i.account_id AND c.inbox_id = i.id \
         WHERE i.account_id = :account AND i.id = ?",
        columns::<email_channel::Column>("c", CHANNEL)
    );
    let row: Option<InboxRow> = scoped(account, text).bind(id.0).one(on).await?;
    let Some(InboxRow { inbox, channel }) = row else { return Ok(None) };
    convert::inbox(inbox, channel.ok_or(StoreError::NotFound("channel"))?).map(Some)
}

async fn add_member<C: ConnectionTrait>(on: &C, scope: &AccountScope, inbox: InboxId, user: UserId) -> Result<()> {
    scope
        .sql(
            "INSERT INTO inbox_members (account_id, inbox_id, user_id, created_at) VALUES (:account, ?, ?, ?) ON CONFLICT DO NOTHING",
        )
        .bind(inbox.0)
        .bind(user.0)
        .bind(scope.inner.now().0)
        .run(on)
        .await?;
    Ok(())
}

pub(crate) async fn create_inbox<C: ConnectionTrait>(on: &C, scope: &AccountScope, new: &NewInbox) -> Result<Inbox> {
    let now = scope.inner.now().0;
    let inbox_row = inbox::ActiveModel {
        name: Set(new.name.clone()),
        settings: Set(to_json(&new.settings)),
        created_at: Set(now),
        updated_at: Set(now),
        ..Default::default()
    };
    let inbox = insert_in(on, scope.id, inbox_row).await?;
    let channel = &new.channel;
    let channel_row = email_channel::ActiveModel {
        inbox_id: Set(inbox.id),
        provider: Set(channel.provider.as_str().to_owned()),
        service: Set(channel.service.as_str().to_owned()),
        grant_id: Set(channel.grant_id.map(|g| g.0)),
        principal: Set(channel.principal.clone()),
        mailbox_address: Set(channel.mailbox_address.as_str().to_owned()),
        mailbox_key: Set(channel.mailbox_address.key()),
        from_address: Set(channel.from_address.as_str().to_owned()),
        smtp_user: Set(channel.smtp_user.clone()),
        fetch_state: Set(channel.fetch_health.state.as_str().to_owned()),
        fetch_health: Set(to_json(&channel.fetch_health)),
        send_state: Set(channel.send_health.state.as_str().to_owned()),
        send_health: Set(to_json(&channel.send_health)),
        import: Set(to_json(&ImportProgress::default())),
        epoch: Set(0),
        send_lease_until: Set(0),
        send_after: Set(0),
        sending_limits: Set(to_json(&SendingLimits::default())),
        created_at: Set(now),
        updated_at: Set(now),
        ..Default::default()
    };
    let channel = insert_in(on, scope.id, channel_row).await?;
    let inbox = convert::inbox(inbox, channel)?;
    let made = json!({ "name": inbox.name, "mailbox_address": inbox.channel.mailbox_address.as_str() });
    scope.audit(on, AuditAction::Create, AuditSubject::Inbox, inbox.id.0, audit::fields(made)).await?;
    Ok(inbox)
}

/// Everything in it goes with it: conversations, messages, raw mail, deliveries, attempts. Contacts stay.
pub(crate) async fn delete_inbox<C: ConnectionTrait>(on: &C, scope: &AccountScope, inbox: InboxId) -> Result<bool> {
    let account = scope.id;
    let found = load_inbox(on, account, inbox).await?;
    // Owed work refers to its subject by kind, so no foreign key takes it along.
    for (kind, subjects) in [
        (OwedKind::DeliverMessage, "SELECT id FROM deliveries WHERE account_id = :account AND inbox_id = ?"),
        (OwedKind::ReconcileDelivery, "SELECT id FROM deliveries WHERE account_id = :account AND inbox_id = ?"),
        (OwedKind::FileSentCopy, "SELECT id FROM deliveries WHERE account_id = :account AND inbox_id = ?"),
        (OwedKind::ImportWindow, "SELECT id FROM email_channels WHERE account_id = :account AND inbox_id = ?"),
    ] {
        scoped(
            account,
            format!("DELETE FROM owed_work WHERE account_id = :account AND kind = ? AND subject_id IN ({subjects})"),
        )
        .bind(kind.as_str())
        .bind(inbox.0)
        .run(on)
        .await?;
    }
    let deleted =
        scoped(account, "DELETE FROM inboxes WHERE account_id = :account AND id = ?").bind(inbox.0).run(on).await?;
    if let (1, Some(found)) = (deleted, found) {
        let gone = json!({ "name": found.name, "mailbox_address": found.channel.mailbox_address.as_str() });
        scope.audit(on, AuditAction::Destroy, AuditSubject::Inbox, inbox.0, audit::fields(gone)).await?;
    }
    Ok(deleted == 1)
}
