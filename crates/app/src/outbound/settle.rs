//! How an attempt ended, written in one transaction: delivery, message, id map, owed work, events.

use super::deliver::until_mended;
use super::retry::{say_updated, without_error};
use crate::{App, Hint};
use domain::event::EventKind;
use domain::message::delivery::RefusedRecipient;
use domain::message::{DeliveryState, Message};
use domain::{DeliveryId, Failure, FailureClass};
use serde_json::{Value, json};
use std::time::Duration;
use store::{ClaimedWork, DeliveryRecord, MessageChange, MessageIdOrigin, OwedKind, OwedPriority, StoreError, Tx};
use tracing::info;

/// What a delivery becomes.
#[derive(Debug)]
pub(super) enum Settled {
    /// The server has it. `rewritten`: under another Message-ID.
    Sent {
        rewritten: Option<String>,
        refused: Vec<RefusedRecipient>,
    },
    /// It goes out later by itself. `wait`: `None` while it waits for a person.
    Queued {
        failure: Failure,
        wait: Option<Duration>,
    },
    Failed(Failure),
    /// As [`Settled::Failed`], and the server named recipients.
    Rejected {
        failure: Failure,
        refused: Vec<RefusedRecipient>,
    },
    /// It may or may not have been sent. `look_in`: when to look into Sent; `None`: a person decides.
    Unknown {
        failure: Failure,
        look_in: Option<Duration>,
    },
}

/// Writes it and ends the claimed work. Nothing is written when the work was lost to another worker, unless the message was sent: what
/// the server said stays true whoever heard it.
pub(super) async fn settle(
    app: &App,
    work: &ClaimedWork,
    delivery: DeliveryId,
    settled: Settled,
) -> Result<(), StoreError> {
    let sent = matches!(settled, Settled::Sent { .. });
    match write(app, work, delivery, &settled, true).await {
        Err(StoreError::LeaseLost) if sent => write(app, work, delivery, &settled, false).await?,
        ended => ended?,
    }
    app.wake(Hint::Account(work.scope.account_id()));
    app.wake(Hint::Owed);
    Ok(())
}

async fn write(
    app: &App,
    work: &ClaimedWork,
    delivery: DeliveryId,
    settled: &Settled,
    is_ours: bool,
) -> Result<(), StoreError> {
    let now = app.now();
    let mut tx = work.scope.begin().await?;
    let Some(mut record) = tx.lock_delivery(delivery).await? else {
        tx.finish_work(work).await?;
        tx.commit().await?;
        return Ok(());
    };
    let d = &mut record.delivery;
    d.next_try_at = None;
    match settled {
        Settled::Sent { rewritten, refused } => {
            d.state = DeliveryState::Sent;
            d.sent_at = d.sent_at.or(Some(now));
            d.failure = (!refused.is_empty()).then(|| FailureClass::SomeRecipientsRefused.into());
            d.refused_recipients.clone_from(refused);
            if let Some(id) = rewritten {
                record.rewritten_message_id = Some(id.clone());
            }
        }
        Settled::Queued { failure, wait } => {
            d.state = DeliveryState::Queued;
            d.failure = Some(failure.clone());
            d.next_try_at = wait.map(|wait| now.plus(wait));
        }
        Settled::Failed(failure) => {
            d.state = DeliveryState::Failed;
            d.failure = Some(failure.clone());
        }
        Settled::Rejected { failure, refused } => {
            d.state = DeliveryState::Failed;
            d.failure = Some(failure.clone());
            d.refused_recipients.clone_from(refused);
        }
        Settled::Unknown { failure, look_in } => {
            d.state = DeliveryState::OutcomeUnknown;
            d.failure = Some(failure.clone());
            d.next_try_at = look_in.map(|wait| now.plus(wait));
        }
    }
    tx.update_delivery(&record).await?;
    if let Some(id) = record.rewritten_message_id.clone() {
        remember(&mut tx, &record, &id).await?;
    }
    note_on_message(&mut tx, &record).await?;
    end_work(&mut tx, work, settled, &record, is_ours).await?;
    tx.commit().await?;
    info!(delivery.id = %delivery, state = record.delivery.state.as_str(), attempts = record.delivery.attempts, "a delivery's attempt ended");
    Ok(())
}

/// Answers and bounces cite the id that the provider gave it.
async fn remember(tx: &mut Tx, record: &DeliveryRecord, id: &str) -> Result<(), StoreError> {
    let message = record.delivery.message_id;
    let known = tx.messages_by_message_id(record.inbox_id, id).await?;
    if known.iter().any(|known| known.message_id == message) {
        return Ok(());
    }
    let origin = MessageIdOrigin::Rewritten;
    tx.remember_message_id(record.inbox_id, record.conversation_id, message, id, origin, None).await
}

/// Chatwoot's clients read why a message failed from `external_error`.
pub(crate) async fn note_on_message(tx: &mut Tx, record: &DeliveryRecord) -> Result<(), StoreError> {
    let Some(message): Option<Message> = tx.message(record.delivery.message_id).await? else { return Ok(()) };
    let mut attributes = without_error(message.content_attributes.clone());
    let shown = record.delivery.failure.as_ref().filter(|_| match record.delivery.state {
        DeliveryState::Failed | DeliveryState::Bounced | DeliveryState::OutcomeUnknown | DeliveryState::Queued => true,
        DeliveryState::Sent => !record.delivery.refused_recipients.is_empty(),
        DeliveryState::Sending => false,
    });
    if let (Some(failure), Value::Object(object)) = (shown, &mut attributes) {
        object.insert("external_error".to_owned(), json!(error_text(failure, &record.delivery.refused_recipients)));
    }
    if attributes != message.content_attributes {
        let change = MessageChange { content_attributes: Some(attributes), ..MessageChange::default() };
        tx.update_message(message.id, &change).await?;
    }
    say_updated(tx, record.delivery.message_id, EventKind::MessageUpdated).await?;
    say_updated(tx, record.delivery.message_id, EventKind::DeliveryUpdated).await?;
    Ok(())
}

fn error_text(failure: &Failure, refused: &[RefusedRecipient]) -> String {
    let mut text = format!("{} {}", failure.class.text(), failure.class.cure());
    if !refused.is_empty() {
        let addresses: Vec<&str> = refused.iter().map(|r| r.address.as_str()).collect();
        text.push_str(&format!(" Refused: {}.", addresses.join(", ")));
    }
    text
}

async fn end_work(
    tx: &mut Tx,
    work: &ClaimedWork,
    settled: &Settled,
    record: &DeliveryRecord,
    is_ours: bool,
) -> Result<(), StoreError> {
    let delivery = record.delivery.id.0;
    match settled {
        Settled::Sent { .. } => {
            // Nobody needs to look for it, or send it, any more.
            for kind in [OwedKind::ReconcileDelivery, OwedKind::DeliverMessage] {
                if kind != work.kind || !is_ours {
                    tx.cancel_owed(kind, delivery).await?;
                }
            }
            if is_ours { tx.finish_work(work).await } else { Ok(()) }
        }
        Settled::Queued { failure, wait } => match work.kind {
            OwedKind::DeliverMessage => tx.retry_work(work, wait.unwrap_or_else(until_mended), failure).await,
            _ => {
                tx.finish_work(work).await?;
                tx.owe(OwedKind::DeliverMessage, delivery, json!({}), OwedPriority::Human, None).await.map(drop)
            }
        },
        Settled::Failed(_) | Settled::Rejected { .. } | Settled::Unknown { look_in: None, .. } => {
            tx.finish_work(work).await
        }
        Settled::Unknown { failure, look_in: Some(wait) } => match work.kind {
            OwedKind::ReconcileDelivery => tx.retry_work(work, *wait, failure).await,
            _ => {
                tx.finish_work(work).await?;
                let due = record.delivery.next_try_at;
                tx.owe(OwedKind::ReconcileDelivery, delivery, json!({}), OwedPriority::Human, due).await.map(drop)
            }
        },
    }
}
