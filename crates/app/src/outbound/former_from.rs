//! A mail that was built under a From that the mailbox has no more: what the server says of that From is about this mail, and of the mailbox it
//! says nothing.
//!
//! An administrator sets From while mails are on their way, and one that somebody may have already keeps the From it had.

use super::attempt::queue_again;
use super::settle::{self, Settled};
use crate::App;
use domain::channel::EmailChannel;
use domain::message::RefusedRecipient;
use domain::{Failure, FailureClass};
use std::time::Duration;
use store::{ClaimedWork, DeliveryRecord, StoreError};

/// Whether the server has refused a From that the mailbox has no more. `channel`: as the mail knew it.
pub(super) async fn refused(work: &ClaimedWork, channel: &EmailChannel, failure: &Failure) -> Result<bool, StoreError> {
    if failure.class != FailureClass::SenderNotAllowed {
        return Ok(false);
    }
    let now = work.scope.channel(channel.id).await?;
    Ok(now.is_some_and(|now| !now.from_address.same_as(&channel.from_address)))
}

/// It is built anew under the present From at once. One that somebody may have is not: a person tries it again, under another Message-ID.
pub(super) async fn again(
    app: &App,
    work: &ClaimedWork,
    record: &DeliveryRecord,
    failure: Failure,
    refused: Vec<RefusedRecipient>,
) -> Result<(), StoreError> {
    if record.delivery.recipients.may_be_had() {
        // Refused for each of them, so that a retry is another mail and not this one again.
        let round = record.delivery.recipients.round();
        let refused = round.iter().map(|address| RefusedRecipient::new(address, &failure)).collect();
        return settle::settle(app, work, record.delivery.id, Settled::Failed { failure, refused }).await;
    }
    queue_again(app, work, record, failure, refused, Duration::ZERO).await
}
