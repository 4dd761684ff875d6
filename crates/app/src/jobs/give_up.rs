//! Work that can never be done, or that breaks down whenever it is tried, ends: what it was about says so, and its row stays as failed.
//!
//! Nothing here does the work, not even a part of it: whatever broke it would break this too.

use crate::{App, accounts, channels, contacts, inbound, outbound, webhooks};
use domain::Failure;
use store::{ClaimedWork, OwedKind, StoreError};

pub async fn give_up(app: &App, work: &ClaimedWork, failure: &Failure) -> Result<(), StoreError> {
    match work.kind {
        OwedKind::DeliverMessage | OwedKind::ReconcileDelivery => outbound::give_up::delivery(app, work, failure).await,
        OwedKind::ProveConnection => channels::give_up::connection(app, work, failure).await,
        OwedKind::ImportWindow => inbound::give_up::import(work, failure).await,
        OwedKind::DeliverWebhook => webhooks::deliver::give_up(work, failure).await,
        OwedKind::SendSystemMail => accounts::notices::give_up(work, failure).await,
        OwedKind::FileSentCopy => outbound::sent_copy::give_up(work, failure).await,
        OwedKind::EraseContact => contacts::erase::give_up(work, failure).await,
        OwedKind::IngestRawEmail => inbound::give_up::raw_email(app, work, failure).await,
    }
}
