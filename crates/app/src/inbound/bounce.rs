//! A report that a message of ours could not be delivered marks that message's delivery. It neither reopens nor answers anything.
//!
//! The report must name a Message-ID that left this inbox, ours or as the provider rewrote it: ours cannot be guessed, so only whoever
//! was written to could forge a report.

use super::reading::Reading;
use crate::outbound::settle;
use domain::message::{DeliveryState, RefusedRecipient};
use domain::{FailureClass, InboxId};
use mail::parse::{MailKind, Report};
use serde_json::json;
use store::{MessageIdOrigin, OwedKind, OwedPriority, StoreError, Tx};

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
            let ids: Vec<String> =
                std::iter::once(&record.message_id_header).chain(&record.rewritten_message_id).cloned().collect();
            let present = ids.contains(id).then_some(ids.as_slice());
            let before = record.delivery.state;
            if !record.delivery.bounce(id, present, &refused(report)) {
                continue;
            }
            tx.update_delivery(&record).await?;
            // What is being sent is settled by whoever sends it; else nobody sends it again, or looks for it.
            let after = record.delivery.state;
            if after != before && before != DeliveryState::Sending {
                for kind in [OwedKind::DeliverMessage, OwedKind::ReconcileDelivery] {
                    tx.cancel_owed(kind, delivery.id.0).await?;
                }
                if after == DeliveryState::Queued {
                    tx.owe(OwedKind::DeliverMessage, delivery.id.0, json!({}), OwedPriority::Human, None).await?;
                }
            }
            settle::note_on_message(tx, &record).await?;
            return Ok(());
        }
    }
    Ok(())
}

fn refused(report: &Report) -> Vec<RefusedRecipient> {
    let said = report.diagnostic.clone().or_else(|| report.status.clone()).unwrap_or_default();
    report
        .failed_recipients
        .iter()
        .take(100)
        .map(|address| RefusedRecipient {
            address: address.replace('\0', ""),
            server_said: said.replace('\0', ""),
            class: FailureClass::RecipientRefused,
            bounced: true,
        })
        .collect()
}
