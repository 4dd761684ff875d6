//! A contact is deleted: gone for everybody at once, and everything they said soon after, as owed work in small steps.
//!
//! Each step is a transaction of its own and finds what is left by itself, so the work may be interrupted anywhere and begin again. Stored bytes
//! that nothing refers to any more are swept like all others.

use super::{ContactError, change};
use crate::accounts::Member;
use crate::conversations::snapshot;
use crate::{App, Hint};
use domain::event::EventKind;
use domain::{ContactId, Failure};
use serde_json::json;
use store::{ClaimedWork, OwedKind, OwedPriority, StoreError};
use tracing::info;

const CONVERSATIONS_AT_ONCE: u32 = 10;
const MESSAGES_AT_ONCE: u32 = 50;
const EVENTS_AT_ONCE: u32 = 500;

/// Administrators only, as there is no way back.
pub async fn delete(app: &App, member: &Member, id: ContactId) -> Result<(), ContactError> {
    if !member.may_manage_people() {
        return Err(ContactError::Forbidden);
    }
    let mut tx = member.scope.begin().await?;
    let contact = change::locked(&mut tx, id).await?;
    tx.begin_erasing(contact.id).await?;
    tx.owe(OwedKind::EraseContact, contact.id.0, json!({}), OwedPriority::Normal, None).await?;
    let payload =
        json!({ "v": snapshot::VERSION, "contact": { "id": contact.id.0, "account_id": contact.account_id.0 } });
    tx.append_event(EventKind::ContactDeleted, None, None, payload);
    tx.commit().await?;
    app.wake(Hint::Owed);
    app.wake(Hint::Account(contact.account_id));
    Ok(())
}

pub async fn run(app: &App, work: &ClaimedWork) -> Result<(), StoreError> {
    let contact = ContactId(work.subject_id);
    let (mut conversations, mut messages, mut events) = (0, 0, 0);
    loop {
        let mut tx = work.scope.begin().await?;
        let ids = tx.conversations_to_erase(contact, CONVERSATIONS_AT_ONCE).await?;
        if ids.is_empty() {
            break;
        }
        for id in ids {
            conversations += u64::from(tx.delete_conversation(id).await?);
        }
        tx.commit().await?;
    }
    loop {
        let mut tx = work.scope.begin().await?;
        let erased = tx.erase_messages(contact, MESSAGES_AT_ONCE).await?;
        if erased.is_empty() {
            break;
        }
        for id in erased {
            if let Some(message) = tx.message(id).await? {
                let payload = snapshot::message(&message, None);
                tx.append_event(
                    EventKind::MessageUpdated,
                    Some(message.inbox_id),
                    Some(message.conversation_id),
                    payload,
                );
            }
            messages += 1;
        }
        tx.commit().await?;
    }
    let mut after = 0;
    loop {
        let mut tx = work.scope.begin().await?;
        let Some((last, erased)) = tx.erase_events(contact, after, EVENTS_AT_ONCE).await? else { break };
        after = last;
        events += erased;
        tx.commit().await?;
    }
    let mut tx = work.scope.begin().await?;
    tx.end_erasing(contact).await?;
    tx.finish_work(work).await?;
    tx.commit().await?;
    info!(contact.id = %contact, conversations, messages, events, "a contact was erased");
    app.wake(Hint::Account(work.scope.account_id()));
    Ok(())
}

/// The contact stays hidden, and what is left of it waits for whoever mends us: the row says why. A day later it is owed anew
/// ([`crate::tending::sweep`]).
pub(crate) async fn give_up(work: &ClaimedWork, failure: &Failure) -> Result<(), StoreError> {
    let mut tx = work.scope.begin().await?;
    tx.fail_work(work, failure).await?;
    tx.commit().await?;
    Ok(())
}
