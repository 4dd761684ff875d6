//! Channels, folders, cursors, health, send leases.
use crate::*;
use domain::channel::{EmailChannel, Health, ImportProgress};
use domain::*;
use std::time::Duration;
impl AccountScope {
    pub async fn channel(&self, _channel: ChannelId) -> Result<Option<EmailChannel>> {
        todo!()
    }
    pub async fn channels_of_grant(&self, _grant: GrantId) -> Result<Vec<EmailChannel>> {
        todo!()
    }
    /// Where this mailbox is connected in this account already. `key`: `EmailAddress::key()`.
    pub async fn channel_of_mailbox(&self, _key: &str) -> Result<Option<ChannelPlace>> {
        todo!()
    }
    pub async fn update_fetch_health(&self, _channel: ChannelId, _health: &Health) -> Result<()> {
        todo!()
    }
    pub async fn update_send_health(&self, _channel: ChannelId, _health: &Health) -> Result<()> {
        todo!()
    }
    pub async fn update_import(&self, _channel: ChannelId, _import: &ImportProgress) -> Result<()> {
        todo!()
    }
    pub async fn folders(&self, _channel: ChannelId) -> Result<Vec<Folder>> {
        todo!()
    }
    /// The watched folder of this role, made when it is missing.
    pub async fn open_folder(&self, _channel: ChannelId, _role: FolderRole, _name: &str) -> Result<Folder> {
        todo!()
    }
    /// The first opening, or a new UIDVALIDITY: sets the cursor outright and where the import ends. `LeaseLost` when the epoch moved on.
    pub async fn set_cursor(
        &self,
        _fence: Fence<'_>,
        _folder: FolderId,
        _uidvalidity: u32,
        _last_uid: u32,
        _import: FolderImport,
    ) -> Result<()> {
        todo!()
    }
    pub async fn due_pending_uids(&self, _folder: FolderId, _uidvalidity: u32, _limit: u32) -> Result<Vec<PendingUid>> {
        todo!()
    }
    /// Asked for again without an answer: next in `after`.
    pub async fn defer_pending_uids(
        &self,
        _fence: Fence<'_>,
        _folder: FolderId,
        _uidvalidity: u32,
        _uids: &[u32],
        _after: Duration,
    ) -> Result<()> {
        todo!()
    }
    /// Gone from the server, or given up.
    pub async fn drop_pending_uids(
        &self,
        _fence: Fence<'_>,
        _folder: FolderId,
        _uidvalidity: u32,
        _uids: &[u32],
    ) -> Result<()> {
        todo!()
    }
    pub async fn claim_send_lease(
        &self,
        _channel: ChannelId,
        _worker: &str,
        _lease: Duration,
    ) -> Result<Option<SendLease>> {
        todo!()
    }
    pub async fn extend_send_lease(&self, _lease: &SendLease, _by: Duration) -> Result<bool> {
        todo!()
    }
    pub async fn release_send_lease(&self, _lease: &SendLease) -> Result<()> {
        todo!()
    }
}
