//! Work on a delivery that broke down again and again, or that cannot be read.
//!
//! What has not begun to leave has failed, and a person may retry it. What may have left is not said to have failed: a person looks.

use super::settle;
use crate::{App, Hint};
use domain::message::DeliveryState;
use domain::{DeliveryId, Failure, FailureClass};
use store::{ClaimedWork, StoreError};

pub async fn delivery(app: &App, work: &ClaimedWork, failure: &Failure) -> Result<(), StoreError> {
    let mut tx = work.scope.begin().await?;
    if let Some(mut record) = tx.lock_delivery(DeliveryId(work.subject_id)).await? {
        let delivery = &mut record.delivery;
        let ended = match delivery.state {
            DeliveryState::Queued => {
                settle::fail(delivery, failure);
                true
            }
            DeliveryState::Sending | DeliveryState::OutcomeUnknown => {
                delivery.recipients.wonder();
                delivery.state = DeliveryState::OutcomeUnknown;
                delivery.failure = Some(Failure::new(FailureClass::OutcomeUnknown).detail(failure.class.code()));
                delivery.next_try_at = None;
                true
            }
            DeliveryState::Sent | DeliveryState::Failed | DeliveryState::Bounced => false,
        };
        if ended {
            tx.update_delivery(&record).await?;
            settle::note_on_message(&mut tx, &record).await?;
        }
    }
    tx.fail_work(work, failure).await?;
    tx.commit().await?;
    app.wake(Hint::Account(work.scope.account_id()));
    Ok(())
}
