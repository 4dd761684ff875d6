//! A report that a message of ours could not be delivered marks that message's delivery. It neither reopens nor answers anything.
//!
//! The report must name a Message-ID that left this inbox, ours or as the provider rewrote it: ours cannot be guessed, so only whoever
//! was written to could forge a report.

use super::reading::Reading;
use crate::outbound::settle;
use domain::message::DeliveryState;
use domain::message::delivery::RefusedRecipient;
use domain::{Failure, FailureClass, InboxId};
use mail::parse::{MailKind, Report};
use store::{MessageIdOrigin, StoreError, Tx};

/// Marks what the report is about, if it says so.
pub(super) async fn mark(tx: &mut Tx, inbox: InboxId, reading: &Reading) -> Result<(), StoreError> {
    let (MailKind::Bounce, Some(report)) = (reading.kind, &reading.report) else { return Ok(()) };
    // A delay or a success is a report too, and no failure.
    if report.failed_recipients.is_empty() {
        return Ok(());
    }
    for id in &report.about {
        for known in tx.messages_by_message_id(inbox, id).await? {
            let left = matches!(known.origin, MessageIdOrigin::Outgoing | MessageIdOrigin::Rewritten);
            let Some(message) = tx.message(known.message_id).await?.filter(|_| left) else { continue };
            let Some(delivery) = message.delivery else { continue };
            let Some(mut record) = tx.lock_delivery(delivery.id).await? else { continue };
            match record.delivery.state {
                DeliveryState::Sent | DeliveryState::OutcomeUnknown | DeliveryState::Sending => {}
                DeliveryState::Queued | DeliveryState::Failed | DeliveryState::Bounced => continue,
            }
            record.delivery.state = DeliveryState::Bounced;
            record.delivery.failure = Some(failure(report));
            record.delivery.refused_recipients = refused(report);
            tx.update_delivery(&record).await?;
            settle::note_on_message(tx, &record).await?;
            return Ok(());
        }
    }
    Ok(())
}

fn failure(report: &Report) -> Failure {
    let failure = Failure::new(FailureClass::RecipientRefused);
    match (&report.diagnostic, &report.status) {
        (Some(said), _) => failure.said(said),
        (None, Some(status)) => failure.said(status),
        (None, None) => failure,
    }
}

fn refused(report: &Report) -> Vec<RefusedRecipient> {
    let said = report.diagnostic.clone().or_else(|| report.status.clone()).unwrap_or_default();
    report
        .failed_recipients
        .iter()
        .take(100)
        .map(|address| RefusedRecipient { address: address.replace('\0', ""), server_said: said.replace('\0', "") })
        .collect()
}
