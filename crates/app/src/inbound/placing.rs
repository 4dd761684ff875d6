//! Which conversation a mail belongs to, and whether it is the same mail as one we have. Only the mail's own inbox is ever asked.
//!
//! What is known is asked for a whole batch at once ([`Known::look_up`]); the rules here decide from it, and touch no database.
//! The same Message-ID alone proves nothing: ids are re-used in the wild, and an attacker could take one in advance. Only the same id
//! *and* the same fingerprint (From, Date, Subject, words) are the same mail. A raw hash would not do: Exchange rebuilds the MIME at every
//! fetch (docs/COMPATIBILITY.md).

use super::ingest::Prepared;
use super::reading::Reading;
use super::reasons::Reason;
use domain::conversation::threading::{self, Evidence};
use domain::inbox::Inbox;
use domain::{ContactId, ConversationId, EmailAddress, MessageId, Secret, Timestamp};
use mail::message_token;
use std::collections::{BTreeSet, HashMap, HashSet};
use store::{FiledId, KnownId, MessageIdOrigin, StoreError, Trace, Tx};

/// The same mail is known already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Same {
    pub message: MessageId,
    /// Why we think so; kept in the raw mail's row.
    pub reason: Reason,
}

/// What is known of the ids that a batch of mail carries and refers to.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// By Message-ID, in the order in which they became known.
    ids: HashMap<String, Vec<KnownId>>,
    /// By the hash of a trace.
    deleted: HashSet<String>,
    /// By the referred id that carries a token of ours whose signature holds.
    signed: HashMap<String, ConversationId>,
}

impl Known {
    pub async fn look_up(
        tx: &mut Tx,
        inbox: &Inbox,
        mails: &[Prepared],
        keys: &[(i64, Secret)],
    ) -> Result<Self, StoreError> {
        let keys: Vec<&[u8]> = keys.iter().map(|(_, key)| key.expose().as_bytes()).collect();
        let mut headers = BTreeSet::new();
        let mut traces = Vec::new();
        let mut tokens = HashMap::new();
        for Prepared { reading, .. } in mails {
            headers.extend(own_ids(reading).cloned());
            headers.extend(answered(reading).cloned());
            traces.extend(own_traces(reading, inbox));
            for id in threading::referred_ids(&reading.in_reply_to, &reading.references) {
                // A forged token reads as `None`; a real one of another inbox finds no conversation in this one.
                if message_token::looks_like_ours(&id)
                    && let Some(uuid) = message_token::read(&id, &keys)
                {
                    tokens.insert(id.clone(), uuid);
                }
                headers.insert(id);
            }
        }
        let uuids: BTreeSet<&str> = tokens.values().map(String::as_str).collect();
        let conversations = tx.conversations_by_uuid(inbox.id, &uuids.into_iter().collect::<Vec<_>>()).await?;
        let signed = tokens.into_iter().filter_map(|(id, uuid)| Some((id, *conversations.get(&uuid)?))).collect();
        Ok(Self {
            ids: tx.known_ids(inbox.id, &headers.iter().map(String::as_str).collect::<Vec<_>>()).await?,
            deleted: tx.deleted_traces(inbox.id, &traces).await?,
            signed,
        })
    }

    /// A mail of the same batch became a message: the next ones may answer it, or be the same.
    pub fn add(&mut self, id: &FiledId, sent_at: Timestamp, sender: ContactId) {
        self.ids.entry(id.header.clone()).or_default().push(KnownId {
            message_id: id.message_id,
            conversation_id: id.conversation_id,
            origin: MessageIdOrigin::Incoming,
            fingerprint: Some(id.fingerprint.clone()),
            sent_at,
            sender_contact_id: Some(sender),
        });
    }

    fn under(&self, id: &str) -> &[KnownId] {
        self.ids.get(id).map_or(&[], Vec::as_slice)
    }

    pub fn same_mail(&self, reading: &Reading, inbox: &Inbox) -> Option<Same> {
        let from_us = is_from_us(reading, inbox);
        own_ids(reading).flat_map(|id| self.under(id)).find_map(|known| match known.origin {
            MessageIdOrigin::Incoming if known.fingerprint.as_deref() == Some(&reading.fingerprint) => {
                Some(Same { message: known.message_id, reason: Reason::SameMail })
            }
            // A copy of what left here: a list or a rule sent it back, or somebody wrote to themselves.
            MessageIdOrigin::Outgoing | MessageIdOrigin::Rewritten if from_us => {
                Some(Same { message: known.message_id, reason: Reason::OwnCopy })
            }
            MessageIdOrigin::Incoming | MessageIdOrigin::Outgoing | MessageIdOrigin::Rewritten => None,
        })
    }

    /// The mail was in a conversation that was deleted: it came in, or it is a copy of what left there.
    pub fn was_deleted(&self, reading: &Reading, inbox: &Inbox) -> bool {
        !self.deleted.is_empty()
            && own_traces(reading, inbox).iter().any(|trace| self.deleted.contains(&trace.hash(inbox.id)))
    }

    /// The conversation a mail answers, by its ids. `sender`: the contact who wrote it, if they are known. Ids are re-used in the wild, and
    /// whoever knows one may write under it: of several conversations the one counts in which the id left from here, then one in which
    /// the same contact wrote under it, then the first.
    pub fn conversation(&self, reading: &Reading, sender: Option<ContactId>) -> Option<(ConversationId, Evidence)> {
        let referred = threading::referred_ids(&reading.in_reply_to, &reading.references);
        let far = |known: &KnownId| match known.origin {
            MessageIdOrigin::Outgoing | MessageIdOrigin::Rewritten => 0,
            MessageIdOrigin::Incoming if sender.is_some() && known.sender_contact_id == sender => 1,
            MessageIdOrigin::Incoming => 2,
        };
        let nearest = |id: &String| {
            let known = self.under(id).iter().min_by_key(|known| far(known))?;
            Some((id.clone(), known.conversation_id))
        };
        let stored = referred.iter().filter_map(nearest).collect();
        threading::choose(&referred, &self.signed, &stored)
    }

    /// When a message of this conversation may stand at the earliest: nobody answers what was not written yet, but a Date counts whole
    /// seconds, and clocks are wrong.
    pub fn not_before(&self, reading: &Reading, conversation: ConversationId) -> Option<Timestamp> {
        let known = self.under(answered(reading)?).iter().find(|known| known.conversation_id == conversation)?;
        Some(Timestamp(known.sent_at.0.saturating_add(1)))
    }
}

/// The id of the one message that a mail answers.
fn answered(reading: &Reading) -> Option<&String> {
    reading.in_reply_to.first().or(reading.references.last())
}

fn own_ids(reading: &Reading) -> impl Iterator<Item = &String> {
    std::iter::once(&reading.message_id).chain(&reading.other_ids)
}

fn own_traces<'a>(reading: &'a Reading, inbox: &Inbox) -> Vec<Trace<'a>> {
    let fingerprint = reading.fingerprint.as_str();
    let mut traces: Vec<Trace<'_>> =
        own_ids(reading).map(|message_id| Trace::Incoming { message_id, fingerprint }).collect();
    if is_from_us(reading, inbox) {
        traces.extend(own_ids(reading).map(|message_id| Trace::Outgoing { message_id }));
    }
    traces
}

/// From an address the inbox sends as.
fn is_from_us(reading: &Reading, inbox: &Inbox) -> bool {
    let ours: [&EmailAddress; 2] = [&inbox.channel.from_address, &inbox.channel.mailbox_address];
    reading.sender.as_ref().is_some_and(|sender| ours.iter().any(|address| address.same_as(&sender.address)))
}
