//! Which conversation a mail belongs to, and whether it is the same mail as one we have. Only the mail's own inbox is ever asked.
//!
//! The same Message-ID alone proves nothing: ids are re-used in the wild, and an attacker could take one in advance. Only the same id
//! *and* the same fingerprint (From, Date, Subject, words) are the same mail. A raw hash would not do: Exchange rebuilds the MIME at every
//! fetch (docs/COMPATIBILITY.md).

use super::reading::Reading;
use super::reasons::Reason;
use domain::conversation::threading::{self, Evidence};
use domain::{ConversationId, EmailAddress, InboxId, MessageId, Secret, Timestamp};
use mail::message_token;
use std::collections::HashMap;
use store::{KnownMessage, MessageIdOrigin, StoreError, Trace, Tx};

/// The same mail is known already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Same {
    pub message: MessageId,
    /// Why we think so; kept in the raw mail's row.
    pub reason: Reason,
}

/// The ids that the mail goes by.
pub fn own_ids(reading: &Reading) -> impl Iterator<Item = &str> {
    std::iter::once(&reading.message_id).chain(&reading.other_ids).map(String::as_str)
}

/// `known`: what is known under each of the mail's ids. `ours`: the addresses the inbox sends as.
pub fn same_mail(
    known: &HashMap<String, Vec<KnownMessage>>,
    reading: &Reading,
    ours: &[&EmailAddress],
) -> Option<Same> {
    let from_us = is_from(reading, ours);
    for known in own_ids(reading).filter_map(|id| known.get(id)).flatten() {
        match known.origin {
            MessageIdOrigin::Incoming if known.fingerprint.as_deref() == Some(&reading.fingerprint) => {
                return Some(Same { message: known.message_id, reason: Reason::SameMail });
            }
            // A copy of what left here: a list or a rule sent it back, or somebody wrote to themselves.
            MessageIdOrigin::Outgoing | MessageIdOrigin::Rewritten if from_us => {
                return Some(Same { message: known.message_id, reason: Reason::OwnCopy });
            }
            MessageIdOrigin::Incoming | MessageIdOrigin::Outgoing | MessageIdOrigin::Rewritten => {}
        }
    }
    None
}

/// By what a mail of a deleted conversation is known again: it came in, or it is a copy of what left there.
pub fn traces<'r>(reading: &'r Reading, ours: &[&EmailAddress]) -> Vec<Trace<'r>> {
    let fingerprint = reading.fingerprint.as_str();
    let mut traces: Vec<Trace<'_>> =
        own_ids(reading).map(|message_id| Trace::Incoming { message_id, fingerprint }).collect();
    if is_from(reading, ours) {
        traces.extend(own_ids(reading).map(|message_id| Trace::Outgoing { message_id }));
    }
    traces
}

fn is_from(reading: &Reading, addresses: &[&EmailAddress]) -> bool {
    reading.sender.as_ref().is_some_and(|sender| addresses.iter().any(|address| address.same_as(&sender.address)))
}

/// The conversation a mail answers, by its ids.
pub async fn conversation(
    tx: &mut Tx,
    inbox: InboxId,
    reading: &Reading,
    keys: &[(i64, Secret)],
) -> Result<Option<(ConversationId, Evidence)>, StoreError> {
    let referred = threading::referred_ids(&reading.in_reply_to, &reading.references);
    if referred.is_empty() {
        return Ok(None);
    }
    let keys: Vec<&[u8]> = keys.iter().map(|(_, key)| key.expose().as_bytes()).collect();
    let mut signed = HashMap::new();
    for id in referred.iter().filter(|id| message_token::looks_like_ours(id)) {
        // A forged token reads as `None`; a real one of another inbox finds no conversation in this one.
        if let Some(uuid) = message_token::read(id, &keys)
            && let Some(conversation) = tx.conversation_by_uuid(inbox, &uuid).await?
        {
            signed.insert(id.clone(), conversation);
        }
    }
    let sender = reading.sender.as_ref().map(|sender| sender.address.key());
    let stored = tx.conversations_by_message_ids(inbox, &referred, sender.as_deref()).await?;
    Ok(threading::choose(&referred, &signed, &stored))
}

/// When a message of this conversation may stand at the earliest: nobody answers what was not written yet, but a Date counts whole
/// seconds, and clocks are wrong.
pub async fn not_before(
    tx: &mut Tx,
    inbox: InboxId,
    conversation: ConversationId,
    reading: &Reading,
) -> Result<Option<Timestamp>, StoreError> {
    let Some(answered) = reading.in_reply_to.first().or(reading.references.last()) else { return Ok(None) };
    let sent_at = tx.sent_at_of(inbox, conversation, answered).await?;
    Ok(sent_at.map(|sent_at| Timestamp(sent_at.0.saturating_add(1))))
}
