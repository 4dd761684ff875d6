//! A batch of mail becomes rows, inside one transaction: contacts → conversations → messages → ids → events.
//!
//! Everything is locked and looked up for the whole batch, each mail is then decided upon in memory, in order, and everything is written at
//! the end, a statement for each table. Nothing is half done when it fails: the caller undoes the batch and files its mails one by one.

use super::ingest::Prepared;
use super::mailbox::begin_of_past;
use super::placing::Known;
use super::reasons::Reason;
use super::{bounce, filed};
use crate::App;
use crate::conversations::change::set_status;
use crate::conversations::{new_uuid, snapshot};
use domain::contact::Contact;
use domain::conversation::threading::Evidence;
use domain::conversation::{Conversation, ConversationStatus};
use domain::event::EventKind;
use domain::inbox::Inbox;
use domain::{ConversationId, Mailbox, RawEmailId, Secret, Timestamp};
use mail::parse::MailKind;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use store::{NewContact, NewConversation, RawEmail, RawEmailSource, RawEmailState, RawOutcome, StoreError, Tx};

/// What became of a mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filed {
    Message,
    /// Not a message; the raw mail's row says why.
    LeftOut,
    /// Somebody else was faster.
    NotWaiting,
}

/// What filing the mails of one inbox needs.
pub(super) struct Filing<'a> {
    pub app: &'a App,
    pub inbox: &'a Inbox,
    keys: &'a [(i64, Secret)],
    /// The mails' senders, locked, by `EmailAddress::key()`.
    senders: BTreeMap<String, Contact>,
    /// The conversations that the mails answer, locked, as they are now.
    conversations: BTreeMap<ConversationId, Conversation>,
}

impl<'a> Filing<'a> {
    pub fn new(app: &'a App, inbox: &'a Inbox, keys: &'a [(i64, Secret)]) -> Self {
        Self { app, inbox, keys, senders: BTreeMap::new(), conversations: BTreeMap::new() }
    }

    /// Locks what the mails will touch, in the order that every transaction keeps: contacts, then conversations by id, then raw mails.
    pub async fn lock_all(&mut self, tx: &mut Tx, mails: &[Prepared]) -> Result<(), StoreError> {
        let known = Known::look_up(tx, self.inbox, mails, self.keys).await?;
        let raws = tx.raw_emails(&ids(mails)).await?;
        let keys: BTreeSet<String> = mails.iter().filter_map(sender_key).collect();
        let addresses = tx.known_addresses(&keys.iter().map(String::as_str).collect::<Vec<_>>()).await?;
        let mut wanted = Vec::new();
        let mut answered = BTreeSet::new();
        for mail in mails {
            let key = sender_key(mail);
            let contact = key.as_ref().and_then(|key| addresses.get(key)).copied();
            answered.extend(known.conversation(&mail.reading, contact).map(|(id, _)| id));
            let Some(sender) = &mail.reading.sender else { continue };
            // A mail that becomes no message makes nobody a contact.
            let becomes_a_message = raws
                .get(&mail.id)
                .is_some_and(|raw| raw.state == RawEmailState::Waiting && self.left_out(&known, raw, mail).is_none());
            if contact.is_some() || becomes_a_message {
                wanted.push(new_contact(sender, mail));
            }
        }
        for (key, locked) in tx.lock_contacts(&wanted).await? {
            if locked.is_new {
                self.say_created(tx, &locked.contact);
            }
            self.senders.insert(key, locked.contact);
        }
        self.conversations = tx.lock_conversations(&answered).await?;
        Ok(())
    }

    /// Files the mails in order, all or none of them. After an error the transaction must be undone to where it was.
    pub async fn file(&mut self, tx: &mut Tx, mails: &[Prepared]) -> Result<Vec<Filed>, StoreError> {
        let raws = tx.lock_raw_emails(&ids(mails)).await?;
        let mut known = Known::look_up(tx, self.inbox, mails, self.keys).await?;
        let attachments = mails.iter().map(|mail| mail.files.len()).sum();
        let mut batch = filed::Batch::new(tx.reserve_for_filing(mails.len(), attachments).await?, tx.now());
        let mut became = Vec::with_capacity(mails.len());
        let mut of_deleted = Vec::new();
        for mail in mails {
            let Some(raw) = raws.get(&mail.id) else {
                became.push(Filed::NotWaiting);
                continue;
            };
            if let Some(outcome) = self.left_out(&known, raw, mail) {
                if known.was_deleted(&mail.reading, self.inbox) && matches!(outcome, RawOutcome::Dropped { .. }) {
                    of_deleted.push(mail.id);
                }
                batch.mark(mail, outcome);
                became.push(Filed::LeftOut);
                continue;
            }
            self.file_one(tx, &mut batch, &mut known, mail, raw).await?;
            became.push(Filed::Message);
        }
        let filed = batch.rows(self.inbox.id);
        tx.file(&filed).await?;
        // Somebody deleted what they say: not even an administrator reads it again.
        tx.empty_raw_emails(&of_deleted).await?;
        for (mail, _) in mails.iter().zip(&became).filter(|(_, became)| **became == Filed::Message) {
            bounce::mark(tx, self.inbox.id, &mail.reading).await?;
        }
        batch.announce(self.app, tx, self.inbox.id, filed).await?;
        // What this batch made or changed is what the next one of this transaction finds.
        self.conversations.extend(batch.into_conversations());
        Ok(became)
    }

    async fn file_one(
        &self,
        tx: &mut Tx,
        batch: &mut filed::Batch,
        known: &mut Known,
        mail: &Prepared,
        raw: &RawEmail,
    ) -> Result<(), StoreError> {
        let reading = &mail.reading;
        let contact = self.contact(tx, batch, mail).await?;
        let place = known.conversation(reading, Some(contact.id));
        let (id, evidence) = match self.answered(tx, batch, place).await? {
            Some((id, evidence)) => (id, Some(evidence)),
            None => (batch.begin(tx, &self.new_conversation(mail, raw, &contact), contact.clone()), None),
        };
        let sent_at = known.not_before(reading, id).map_or(reading.sent_at, |earliest| reading.sent_at.max(earliest));
        let conversation = batch.conversation(id);
        let quiet = conversation.is_new || contact.blocked;
        conversation.reopened |= after_incoming(&mut conversation.conversation, mail, raw, quiet);
        for id in batch.message(id, mail, attributes(mail, raw, evidence), contact.clone(), sent_at) {
            known.add(&id, sent_at, contact.id);
        }
        Ok(())
    }

    /// Why a mail is not to become a message, if it is not.
    fn left_out(&self, known: &Known, raw: &RawEmail, mail: &Prepared) -> Option<RawOutcome> {
        if let Some(same) = known.same_mail(&mail.reading, self.inbox) {
            return Some(RawOutcome::Duplicate { of: Some(same.message), reason: same.reason.to_string() });
        }
        let deleted = known.was_deleted(&mail.reading, self.inbox);
        let reason = if deleted { Some(Reason::ConversationDeleted) } else { self.reason_to_leave_out(raw, mail) };
        reason.map(|reason| RawOutcome::Dropped { reason: reason.to_string() })
    }

    /// After a new UIDVALIDITY the folder's past is looked at again: what is older than anything we ever imported stays out.
    fn reason_to_leave_out(&self, raw: &RawEmail, mail: &Prepared) -> Option<Reason> {
        let begin = self.begin_of_past();
        let is_past = mail.reading.sent_at < begin && mail.arrived_at < begin;
        match raw.source {
            RawEmailSource::Resync if is_past => Some(Reason::BeforeImport),
            RawEmailSource::Resync | RawEmailSource::Live | RawEmailSource::Import => None,
        }
    }

    fn begin_of_past(&self) -> Timestamp {
        begin_of_past(self.app, &self.inbox.channel)
    }

    /// The real sender, whoever the conversation is with: a colleague in Cc is shown as themself.
    async fn contact(&self, tx: &mut Tx, batch: &mut filed::Batch, mail: &Prepared) -> Result<Contact, StoreError> {
        let wrote_at = mail.reading.sent_at;
        let locked = sender_key(mail).and_then(|key| self.senders.get(&key));
        let contact = match (&mail.reading.sender, locked) {
            (Some(_), Some(contact)) => contact.clone(),
            // What said that this mail is no message went away since the contacts were locked.
            (Some(sender), None) => {
                let (contact, is_new) = tx.find_or_create_contact(&new_contact(sender, mail)).await?;
                if is_new {
                    self.say_created(tx, &contact);
                }
                contact
            }
            // Nobody who could be written to: each such mail has an unknown sender of its own, since nothing says they are the same.
            (None, _) => {
                let contact = tx.create_contact(&unknown_sender(wrote_at)).await?;
                self.say_created(tx, &contact);
                contact
            }
        };
        Ok(batch.wrote(contact, wrote_at))
    }

    fn say_created(&self, tx: &mut Tx, contact: &Contact) {
        let payload = snapshot::contact_event(contact);
        tx.append_event(EventKind::ContactCreated, Some(self.inbox.id), None, payload);
    }

    /// The conversation the mail answers, if it is still there, in the batch.
    async fn answered(
        &self,
        tx: &mut Tx,
        batch: &mut filed::Batch,
        place: Option<(ConversationId, Evidence)>,
    ) -> Result<Option<(ConversationId, Evidence)>, StoreError> {
        let Some((id, evidence)) = place else { return Ok(None) };
        if !batch.has(id) {
            let conversation = match self.conversations.get(&id) {
                Some(locked) => Some(locked.clone()),
                // It became known since the others were locked.
                None => tx.lock_conversation(id).await?,
            };
            match conversation {
                Some(conversation) if conversation.inbox_id == self.inbox.id => batch.take_up(conversation),
                Some(_) | None => return Ok(None),
            }
        }
        Ok(Some((id, evidence)))
    }

    fn new_conversation(&self, mail: &Prepared, raw: &RawEmail, contact: &Contact) -> NewConversation {
        let reading = &mail.reading;
        // Servers that renumber a folder may date all its mail anew: what says that it is old is kept, and disturbs nobody.
        let looks_old = raw.source == RawEmailSource::Resync && reading.sent_at < self.begin_of_past();
        let quiet = contact.blocked || looks_old;
        let waits = !quiet && reading.kind != MailKind::Bounce && !reading.auto_reply;
        NewConversation {
            uuid: new_uuid(self.app.entropy(), self.app.now()),
            inbox_id: self.inbox.id,
            contact_id: contact.id,
            status: if quiet { ConversationStatus::Resolved } else { ConversationStatus::Open },
            priority: None,
            assignee_id: None,
            subject: reading.subject.clone(),
            additional_attributes: json!({
                "source": "email",
                "mail_subject": reading.subject,
                "in_reply_to": reading.in_reply_to.first(),
                "auto_reply": reading.auto_reply,
                "initiated_at": { "timestamp": reading.sent_at.to_iso() },
            }),
            waiting_since: waits.then_some(reading.sent_at),
            last_activity_at: activity_at(mail, raw),
        }
    }
}

fn ids(mails: &[Prepared]) -> Vec<RawEmailId> {
    mails.iter().map(|mail| mail.id).collect()
}

/// What an incoming mail changes on its conversation. `quiet`: it is new, or its sender is blocked. Whether the status changed.
fn after_incoming(conversation: &mut Conversation, mail: &Prepared, raw: &RawEmail, quiet: bool) -> bool {
    conversation.last_activity_at = conversation.last_activity_at.max(activity_at(mail, raw));
    // The past neither reopens nor waits: whoever imports it has answered it elsewhere.
    let past = raw.source == RawEmailSource::Import;
    if quiet || past || !speaks_for_a_person(mail.reading.kind, mail.reading.auto_reply) {
        return false;
    }
    let before = conversation.status;
    let after = before.after_incoming();
    if after != before {
        set_status(conversation, after, None);
    }
    if conversation.waiting_since.is_none() {
        conversation.waiting_since = Some(mail.reading.sent_at);
    }
    after != before
}

/// Robots, absences and reports neither reopen a conversation nor wait for an answer; a list's members are people.
pub(super) fn speaks_for_a_person(kind: MailKind, auto_reply: bool) -> bool {
    match kind {
        MailKind::Human => !auto_reply,
        MailKind::List => true,
        MailKind::AutoReply | MailKind::OutOfOffice | MailKind::Bounce | MailKind::Complaint => false,
    }
}

/// New mail is activity when it arrives, however long it travelled; imported mail when it was written.
fn activity_at(mail: &Prepared, raw: &RawEmail) -> Timestamp {
    match raw.source {
        RawEmailSource::Live => mail.reading.sent_at.max(mail.arrived_at),
        RawEmailSource::Import | RawEmailSource::Resync => mail.reading.sent_at,
    }
}

/// The mail's attributes, and why it is where it is.
fn attributes(mail: &Prepared, raw: &RawEmail, evidence: Option<Evidence>) -> Value {
    let mut attributes = mail.reading.attributes.clone();
    if let Some(email) = attributes.get_mut("email").and_then(Value::as_object_mut) {
        email.insert("threaded_by".to_owned(), json!(evidence.map(Evidence::as_str)));
        email.insert("raw_email_id".to_owned(), json!(raw.id.0));
        email.insert("imported".to_owned(), json!(raw.source == RawEmailSource::Import));
    }
    attributes
}

fn sender_key(mail: &Prepared) -> Option<String> {
    mail.reading.sender.as_ref().map(|sender| sender.address.key())
}

fn new_contact(sender: &Mailbox, mail: &Prepared) -> NewContact {
    NewContact {
        last_activity_at: Some(mail.reading.sent_at),
        ..NewContact::with_address(sender.display_name(), sender.address.clone())
    }
}

fn unknown_sender(seen_at: Timestamp) -> NewContact {
    NewContact {
        name: "Unknown sender".to_owned(),
        email: None,
        phone_number: None,
        identifier: None,
        additional_attributes: json!({}),
        custom_attributes: json!({}),
        last_activity_at: Some(seen_at),
    }
}
