//! Worker sessions and the channels they hold.
use crate::*;
use domain::*;
use std::time::Duration;
#[derive(Clone, Debug)]
pub struct Sync {}
impl Sync {
    pub async fn start_session(&self, _name: &str) -> Result<WorkerSessionId> {
        todo!()
    }
    /// `false`: the session is gone (ended, or purged after it died); start another.
    pub async fn heartbeat(&self, _session: WorkerSessionId) -> Result<bool> {
        todo!()
    }
    /// Ends it and frees its channels at once.
    pub async fn end_session(&self, _session: WorkerSessionId) -> Result<()> {
        todo!()
    }
    /// Takes up to `max` more channels that nobody alive holds, of active accounts, whose fetching is not waiting for a person.
    pub async fn lease_channels(&self, _session: WorkerSessionId, _max: u32) -> Result<Vec<ChannelLease>> {
        todo!()
    }
    pub async fn release(&self, _lease: &ChannelLease) -> Result<()> {
        todo!()
    }
    /// The lease still holds, and the channel may still be fetched (account active, no person awaited).
    pub async fn holds(&self, _lease: &ChannelLease) -> Result<bool> {
        todo!()
    }
    /// Grants not refreshed for `idle`, of channels in use: to be kept alive.
    pub async fn idle_grants(&self, _idle: Duration, _limit: u32) -> Result<Vec<(AccountScope, GrantId)>> {
        todo!()
    }
}
