//! Deliveries that are under way while no work is owed for them: nobody would ever look at them again.
//!
//! Every transaction that changes a delivery also says what is owed next, so there should be none; this is the net under that, and what
//! brings deliveries back whose owed rows were lost with a part of the database. It sends nothing itself.

use crate::{App, Hint};
use domain::message::DeliveryState;
use serde_json::json;
use store::{OrphanedDelivery, OwedKind, OwedPriority, StoreError};
use tracing::warn;

const AT_ONCE: u32 = 500;

/// Owes what is missing. How many were found.
pub async fn owe_again(app: &App) -> Result<u32, StoreError> {
    let mut found = 0;
    for orphan in app.store().relay().orphaned_deliveries(AT_ONCE).await? {
        found += u32::from(owe_one(&orphan).await?);
    }
    if found > 0 {
        warn!(found, "deliveries were under way with no work owed for them");
        app.wake(Hint::Owed);
    }
    Ok(found)
}

async fn owe_one(orphan: &OrphanedDelivery) -> Result<bool, StoreError> {
    let mut tx = orphan.scope.begin().await?;
    let Some(record) = tx.lock_delivery(orphan.delivery_id).await? else { return Ok(false) };
    let kind = match record.delivery.state {
        // One that says "sending" is looked for in Sent first, by whoever claims this.
        DeliveryState::Queued | DeliveryState::Sending => OwedKind::DeliverMessage,
        DeliveryState::OutcomeUnknown => OwedKind::ReconcileDelivery,
        DeliveryState::Sent | DeliveryState::Failed | DeliveryState::Bounced => return Ok(false),
    };
    // With the row locked nobody else comes here: whoever did so before has committed, and is seen now.
    if tx.is_owed(kind, orphan.delivery_id.0).await? {
        return Ok(false);
    }
    tx.owe(kind, orphan.delivery_id.0, json!({}), OwedPriority::Human, None).await?;
    tx.commit().await?;
    Ok(true)
}
