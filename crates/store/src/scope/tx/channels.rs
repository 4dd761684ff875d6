//! Inboxes, channels, grants and connection attempts inside a transaction.

use super::Tx;
use crate::scope::channels::{self, Side};
use crate::scope::{connection_rows, grants, inboxes};
use crate::*;
use domain::channel::{Health, ImportProgress};
use domain::inbox::Inbox;
use domain::{ChannelId, ConnectionId, GrantId, InboxId, Secret, Timestamp};

impl Tx {
    /// With its channel. `Conflict` when the mailbox is connected in this account already.
    pub async fn create_inbox(&mut self, new: &NewInbox) -> Result<Inbox> {
        let inbox = inboxes::create_inbox(&self.tx, &self.scope, new).await?;
        self.note_health(inbox.channel.id, HealthPart::Fetch, &inbox.channel.fetch_health).await?;
        self.note_health(inbox.channel.id, HealthPart::Send, &inbox.channel.send_health).await?;
        Ok(inbox)
    }

    /// `LimitReached` when the account has `most` inboxes. Until the end of this transaction nobody else adds one who asks first.
    pub async fn room_for_an_inbox(&mut self, most: u32) -> Result<()> {
        self.make_room("inboxes", self.sql("SELECT COUNT(*) FROM inboxes WHERE account_id = :account"), most).await
    }

    /// With everything in it: conversations, messages, raw mail, deliveries, attempts, and the work owed for them. Contacts stay.
    pub async fn delete_inbox(&mut self, inbox: InboxId) -> Result<bool> {
        inboxes::delete_inbox(&self.tx, &self.scope, inbox).await
    }

    pub async fn inbox(&mut self, inbox: InboxId) -> Result<Option<Inbox>> {
        inboxes::load_inbox(&self.tx, self.scope.id, inbox).await
    }

    /// Signs an existing channel in again under these names; both healths start anew, and its lease ends. `Conflict` when another
    /// inbox of this account has the mailbox.
    pub async fn reconnect_channel(&mut self, channel: ChannelId, names: &SignedInAgain) -> Result<()> {
        channels::reconnect(&self.tx, &self.scope, channel, names).await
    }

    /// What it holds until the commit nobody else changes. `None`: there is no such inbox.
    pub async fn update_inbox(&mut self, inbox: InboxId, change: &InboxChange) -> Result<Option<Inbox>> {
        inboxes::update_inbox(&self.tx, &self.scope, inbox, change).await
    }

    /// And notes the change, if it is one.
    pub async fn update_fetch_health(&mut self, channel: ChannelId, health: &Health) -> Result<()> {
        channels::set_health(&self.tx, &self.scope, channel, Side::Fetch, health).await?;
        self.note_health(channel, HealthPart::Fetch, health).await
    }

    /// As [`Self::update_fetch_health`].
    pub async fn update_send_health(&mut self, channel: ChannelId, health: &Health) -> Result<()> {
        channels::set_health(&self.tx, &self.scope, channel, Side::Send, health).await?;
        self.note_health(channel, HealthPart::Send, health).await
    }

    pub async fn update_import(&mut self, channel: ChannelId, import: &ImportProgress) -> Result<()> {
        channels::set_import(&self.tx, &self.scope, channel, import).await
    }

    /// One per (provider, tid, oid); signing in again renews it and makes it active.
    pub async fn upsert_grant(&mut self, new: &NewGrant) -> Result<Grant> {
        grants::upsert_grant(&self.tx, &self.scope, new).await
    }

    pub async fn grant(&mut self, grant: GrantId) -> Result<Option<Grant>> {
        grants::load(&self.tx, self.scope.id, grant).await
    }

    /// The name under which the mail server knows the principal, once it was proved.
    pub async fn rename_grant(&mut self, grant: GrantId, principal: &str) -> Result<()> {
        grants::rename(&self.tx, &self.scope, grant, principal).await
    }

    /// Its tokens go with it. `false`: a channel or an attempt still needs it.
    pub async fn forget_unused_grant(&mut self, grant: GrantId) -> Result<bool> {
        grants::forget_unused(&self.tx, &self.scope, grant).await
    }

    pub async fn store_access_token(
        &mut self,
        grant: GrantId,
        resource: &str,
        token: &Secret,
        expires_at: Timestamp,
    ) -> Result<()> {
        let version: Option<i64> = self
            .sql("SELECT version FROM grants WHERE account_id = :account AND id = ?")
            .bind(grant.0)
            .value(&self.tx)
            .await?;
        let version = version.ok_or(StoreError::NotFound("grant"))?;
        grants::put_access_token(&self.tx, &self.scope, grant, resource, token, expires_at, version).await
    }

    /// `LimitReached` when `most` attempts of the account are open.
    pub async fn create_connection(&mut self, new: &NewConnection, most: u32) -> Result<Connection> {
        connection_rows::create(&self.tx, &self.scope, new, most).await
    }

    pub async fn update_connection(
        &mut self,
        connection: ConnectionId,
        change: &ConnectionChange,
    ) -> Result<Connection> {
        connection_rows::update(&self.tx, &self.scope, connection, change).await
    }

    /// Until the person says yes. Whatever is written of the attempt after that lets go of them.
    pub async fn hold_tokens(&mut self, connection: ConnectionId, held: &HeldTokens) -> Result<()> {
        connection_rows::hold(&self.tx, &self.scope, connection, held).await
    }

    pub async fn held_tokens(&mut self, connection: ConnectionId) -> Result<Option<HeldTokens>> {
        connection_rows::held(&self.tx, &self.scope, connection).await
    }
}
