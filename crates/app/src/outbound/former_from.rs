//! A mail that was built under a From that the mailbox has no more: what the server says of that From is about this mail, and of the mailbox it
//! says nothing.
//!
//! An administrator sets From while mails are on their way, and one that somebody may have already keeps the From it had.

use super::attempt::queue_again;
use super::reconcile;
use crate::{App, jobs};
use domain::channel::EmailChannel;
use domain::message::{DeliveryState, RefusedRecipient};
use domain::{Failure, FailureClass};
use std::time::Duration;
use store::{ClaimedWork, DeliveryRecord, Handover, StoreError};

/// Whether the server has refused a From that the mailbox has no more. `channel`: as the mail knew it.
pub(super) async fn refused(work: &ClaimedWork, channel: &EmailChannel, failure: &Failure) -> Result<bool, StoreError> {
    if failure.class != FailureClass::SenderNotAllowed {
        return Ok(false);
    }
    let now = work.scope.channel(channel.id).await?;
    Ok(now.is_some_and(|now| !now.from_address.same_as(&channel.from_address)))
}

/// It is built anew under the present From. One that somebody may have by SMTP is asked after first, and then a person decides; sent again, it has
/// the same Message-ID, so that a provider which has taken it swallows it. A draft at Graph that is refused has not left.
pub(super) async fn again(
    app: &App,
    work: &ClaimedWork,
    record: &DeliveryRecord,
    failure: Failure,
    refused: Vec<RefusedRecipient>,
) -> Result<(), StoreError> {
    if !record.delivery.recipients.may_be_had() {
        return queue_again(app, work, record, failure, refused, Duration::ZERO).await;
    }
    forget_the_mail(work, record).await?;
    reconcile::begin(app, work, record.delivery.id, failure).await
}

/// Nobody took it in this attempt, and nobody takes it with this From. What is left of a refused draft is deleted with the next one.
async fn forget_the_mail(work: &ClaimedWork, record: &DeliveryRecord) -> Result<(), StoreError> {
    let mut tx = work.scope.begin().await?;
    let locked = tx.lock_delivery(record.delivery.id).await?.filter(|r| r.delivery.state == DeliveryState::Sending);
    let mut locked = locked.ok_or(StoreError::LeaseLost)?;
    tx.extend_work(work, jobs::LEASE).await?;
    locked.composed_blob_id = None;
    if let Handover::Graph { draft } = &mut locked.handover {
        *draft = None;
    }
    tx.update_delivery(&locked).await?;
    tx.commit().await?;
    Ok(())
}
