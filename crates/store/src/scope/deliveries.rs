//! Deliveries.
use crate::*;
use domain::*;
use std::time::Duration;
impl AccountScope {
    pub async fn delivery(&self, _delivery: DeliveryId) -> Result<Option<DeliveryRecord>> {
        todo!()
    }
    pub async fn delivery_of_message(&self, _message: MessageId) -> Result<Option<DeliveryRecord>> {
        todo!()
    }
    /// Commits `queued` → `sending`, attempts + 1, before MAIL FROM. `None`: it is not `queued` any more.
    pub async fn begin_sending(&self, _delivery: DeliveryId, _lease: Duration) -> Result<Option<DeliveryRecord>> {
        todo!()
    }
    /// How many this channel has handed to its server since then: for pacing.
    pub async fn sent_since(&self, _channel: ChannelId, _since: Timestamp) -> Result<u64> {
        todo!()
    }
}
