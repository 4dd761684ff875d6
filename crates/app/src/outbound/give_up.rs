//! Work on a delivery that broke down again and again, or that cannot be read.
//!
//! What has not begun to leave has failed, and a person may retry it. What may have left is not said to have failed: a person looks.

use super::settle::note_on_message;
use crate::{App, Hint};
use domain::message::DeliveryState;
use domain::{DeliveryId, Failure, FailureClass};
use store::{ClaimedWork, StoreError};

pub async fn delivery(app: &App, work: &ClaimedWork, failure: &Failure) -> Result<(), StoreError> {
    let mut tx = work.scope.begin().await?;
    if let Some(mut record) = tx.lock_delivery(DeliveryId(work.subject_id)).await? {
        let ended = match record.delivery.state {
            DeliveryState::Queued => Some((DeliveryState::Failed, failure.clone())),
            DeliveryState::Sending | DeliveryState::OutcomeUnknown => {
                let unknown = Failure::new(FailureClass::OutcomeUnknown).detail(failure.class.code());
                Some((DeliveryState::OutcomeUnknown, unknown))
            }
            DeliveryState::Sent | DeliveryState::Failed | DeliveryState::Bounced => None,
        };
        if let Some((state, failure)) = ended {
            record.delivery.state = state;
            record.delivery.failure = Some(failure);
            record.delivery.next_try_at = None;
            tx.update_delivery(&record).await?;
            note_on_message(&mut tx, &record).await?;
        }
    }
    tx.fail_work(work, failure).await?;
    tx.commit().await?;
    app.wake(Hint::Account(work.scope.account_id()));
    Ok(())
}
