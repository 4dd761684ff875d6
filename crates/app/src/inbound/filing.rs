//! One mail becomes rows, inside the transaction: contact → conversation → message → ids → events.

use super::ingest::Prepared;
use super::mailbox::begin_of_past;
use super::reasons::Reason;
use super::{bounce, placing};
use crate::App;
use crate::conversations::status::set_status;
use crate::conversations::{new_uuid, snapshot};
use domain::contact::Contact;
use domain::conversation::threading::Evidence;
use domain::conversation::{Conversation, ConversationStatus};
use domain::event::EventKind;
use domain::inbox::Inbox;
use domain::message::{ContentType, Message, MessageType};
use domain::{ContactId, ConversationId, EmailAddress, Mailbox, MessageId, RawEmailId, Secret, Timestamp};
use mail::parse::MailKind;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use store::{
    Incoming, KnownMessage, MessageIdOrigin, NewContact, NewConversation, NewMessage, NewMessageId, NewSender,
    RawEmail, RawEmailSource, RawOutcome, StoreError, Trace, Tx,
};

/// What became of a mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filed {
    Message,
    /// Not a message; the raw mail's row says why.
    LeftOut,
    /// Somebody else was faster.
    NotWaiting,
}

/// What filing the mails of one inbox needs. What a batch must know is asked once, and what it leaves behind is kept until [`Filing::settle`]
/// writes it: each mail then costs few statements of its own.
pub(super) struct Filing<'a> {
    app: &'a App,
    inbox: &'a Inbox,
    keys: &'a [(i64, Secret)],
    /// The mails' senders, locked, by `EmailAddress::key()`.
    senders: BTreeMap<String, Contact>,
    /// The mails that still wait; locked once [`Filing::lock_all`] is done.
    waiting: HashMap<RawEmailId, RawEmail>,
    /// What is known under the mails' own ids, with what this batch adds.
    known: HashMap<String, Vec<KnownMessage>>,
    /// Mails of conversations that were deleted.
    deleted: HashSet<RawEmailId>,
    left: Left,
    /// The message that the mail became which was filed last.
    newest: Option<MessageId>,
}

/// What is not written yet.
#[derive(Default)]
struct Left {
    ids: Vec<NewMessageId>,
    marked: Vec<(RawEmailId, RawOutcome, String)>,
    touched: BTreeMap<ContactId, Timestamp>,
}

impl<'a> Filing<'a> {
    pub fn new(app: &'a App, inbox: &'a Inbox, keys: &'a [(i64, Secret)]) -> Self {
        Self {
            app,
            inbox,
            keys,
            senders: BTreeMap::new(),
            waiting: HashMap::new(),
            known: HashMap::new(),
            deleted: HashSet::new(),
            left: Left::default(),
            newest: None,
        }
    }

    /// Locks what the mails will touch, in the order that every transaction keeps: contacts, then conversations by id, then the mails.
    pub async fn lock_all(&mut self, tx: &mut Tx, mails: &[Prepared]) -> Result<(), StoreError> {
        let ids: Vec<RawEmailId> = mails.iter().map(|mail| mail.id).collect();
        let keys: BTreeSet<String> = mails.iter().filter_map(sender_key).collect();
        let known = tx.known_addresses(&keys.iter().map(String::as_str).collect::<Vec<_>>()).await?;
        if keys.iter().any(|key| !known.contains(key)) {
            self.waiting = tx.waiting_raw_emails(&ids).await?;
            self.look_up(tx, mails).await?;
        }
        let mut wanted = Vec::new();
        for mail in mails {
            let (Some(sender), Some(key)) = (&mail.reading.sender, sender_key(mail)) else { continue };
            // A mail that becomes no message makes nobody a contact.
            let becomes_a_message = || self.waiting.get(&mail.id).is_some_and(|raw| self.left_out(raw, mail).is_none());
            if known.contains(&key) || becomes_a_message() {
                wanted.push(new_contact(sender, mail));
            }
        }
        for (key, locked) in tx.lock_contacts(&wanted).await? {
            if locked.is_new {
                self.say_created(tx, &locked.contact);
            }
            self.senders.insert(key, locked.contact);
        }
        let mut conversations = BTreeSet::new();
        for mail in mails {
            if let Some((id, _)) = placing::conversation(tx, self.inbox.id, &mail.reading, self.keys).await? {
                conversations.insert(id);
            }
        }
        for id in conversations {
            tx.lock_conversation(id).await?;
        }
        self.waiting = tx.lock_raw_emails(&ids).await?;
        // Once more: whoever took in the same mail a moment ago has let go of its sender.
        self.look_up(tx, mails).await
    }

    /// Which of the mails are here already, and which were deleted.
    async fn look_up(&mut self, tx: &mut Tx, mails: &[Prepared]) -> Result<(), StoreError> {
        let ids: BTreeSet<&str> = mails.iter().flat_map(|mail| placing::own_ids(&mail.reading)).collect();
        self.known = tx.messages_by_message_ids(self.inbox.id, &ids.into_iter().collect::<Vec<_>>()).await?;
        let ours = self.ours();
        let traces: Vec<Vec<Trace<'_>>> = mails.iter().map(|mail| placing::traces(&mail.reading, &ours)).collect();
        let deleted = tx.were_deleted(self.inbox.id, &traces).await?;
        self.deleted = mails.iter().zip(deleted).filter(|(_, deleted)| *deleted).map(|(mail, _)| mail.id).collect();
        Ok(())
    }

    /// The addresses the inbox sends as.
    fn ours(&self) -> [&'a EmailAddress; 2] {
        [&self.inbox.channel.from_address, &self.inbox.channel.mailbox_address]
    }

    /// Why a mail is not to become a message, if it is not.
    fn left_out(&self, raw: &RawEmail, mail: &Prepared) -> Option<RawOutcome> {
        if let Some(same) = placing::same_mail(&self.known, &mail.reading, &self.ours()) {
            return Some(RawOutcome::Duplicate { of: Some(same.message), reason: same.reason.to_string() });
        }
        let deleted = self.deleted.contains(&mail.id);
        let reason = if deleted { Some(Reason::ConversationDeleted) } else { self.reason_to_leave_out(raw, mail) };
        reason.map(|reason| RawOutcome::Dropped { reason: reason.to_string() })
    }

    pub async fn file(&mut self, tx: &mut Tx, mail: &Prepared) -> Result<Filed, StoreError> {
        self.newest = None;
        let Some(raw) = self.waiting.remove(&mail.id) else { return Ok(Filed::NotWaiting) };
        let reading = &mail.reading;
        if let Some(outcome) = self.left_out(&raw, mail) {
            self.left.marked.push((mail.id, outcome, reading.fingerprint.clone()));
            return Ok(Filed::LeftOut);
        }
        let contact = self.contact(tx, mail).await?;
        if !reading.in_reply_to.is_empty() || !reading.references.is_empty() || reading.report.is_some() {
            // It may answer a mail of this batch.
            self.write_ids(tx).await?;
        }
        let place = placing::conversation(tx, self.inbox.id, reading, self.keys).await?;
        let (mut conversation, evidence, is_new) = self.conversation(tx, mail, &raw, &contact, place).await?;
        let earliest =
            if is_new { None } else { placing::not_before(tx, self.inbox.id, conversation.id, reading).await? };
        let reopened = after_incoming(&mut conversation, mail, &raw, is_new || contact.blocked);
        let new = NewMessage {
            conversation_id: conversation.id,
            message_type: MessageType::Incoming,
            private: false,
            content: Some(reading.content.clone()),
            content_type: ContentType::IncomingEmail,
            content_attributes: attributes(mail, &raw, evidence),
            source_id: Some(reading.message_id.clone()),
            sender: NewSender::Contact(contact.id),
            sent_at: earliest.map_or(reading.sent_at, |earliest| reading.sent_at.max(earliest)),
        };
        let Incoming { message, view } = tx.insert_incoming(&new, &contact, &mail.files, &conversation, is_new).await?;
        for header in placing::own_ids(reading) {
            self.left.ids.push(NewMessageId {
                conversation_id: conversation.id,
                message_id: message.id,
                header: header.to_owned(),
                fingerprint: reading.fingerprint.clone(),
            });
        }
        bounce::mark(tx, self.inbox.id, reading).await?;
        self.left.marked.push((mail.id, RawOutcome::Ingested(message.id), reading.fingerprint.clone()));
        let said = |tx: &mut Tx, kind: EventKind, payload: Value| {
            tx.append_event(kind, Some(self.inbox.id), Some(conversation.id), payload);
        };
        if is_new {
            said(tx, EventKind::ConversationCreated, snapshot::conversation(&view));
        }
        said(tx, EventKind::MessageCreated, snapshot::message(&message, None));
        if !is_new {
            let payload = snapshot::conversation(&view);
            if reopened {
                said(tx, EventKind::ConversationStatusChanged, payload.clone());
            }
            said(tx, EventKind::ConversationUpdated, payload);
        }
        self.remember(mail, &message);
        Ok(Filed::Message)
    }

    /// The next mail of this batch may be the same one.
    fn remember(&mut self, mail: &Prepared, message: &Message) {
        self.newest = Some(message.id);
        for header in placing::own_ids(&mail.reading) {
            self.known.entry(header.to_owned()).or_default().push(KnownMessage {
                message_id: message.id,
                conversation_id: message.conversation_id,
                origin: MessageIdOrigin::Incoming,
                fingerprint: Some(mail.reading.fingerprint.clone()),
            });
        }
    }

    async fn write_ids(&mut self, tx: &mut Tx) -> Result<(), StoreError> {
        tx.remember_incoming_ids(self.inbox.id, &self.left.ids).await?;
        self.left.ids.clear();
        Ok(())
    }

    /// Writes what the mails left behind.
    pub async fn settle(&mut self, tx: &mut Tx) -> Result<(), StoreError> {
        self.write_ids(tx).await?;
        let touched: Vec<(ContactId, Timestamp)> = std::mem::take(&mut self.left.touched).into_iter().collect();
        tx.touch_contacts(self.inbox.id, &touched).await?;
        tx.mark_raw_emails(&std::mem::take(&mut self.left.marked)).await
    }

    /// A mail could not be filed, and nothing of it is there any more.
    pub fn forget(&mut self, mail: &Prepared) {
        self.left = Left::default();
        for header in placing::own_ids(&mail.reading) {
            if let Some(known) = self.known.get_mut(header) {
                known.retain(|known| Some(known.message_id) != self.newest);
            }
        }
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
    async fn contact(&mut self, tx: &mut Tx, mail: &Prepared) -> Result<Contact, StoreError> {
        let seen_at = mail.reading.sent_at;
        let locked = sender_key(mail).and_then(|key| self.senders.get(&key));
        let mut contact = match (&mail.reading.sender, locked) {
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
                let contact = tx.create_contact(&unknown_sender(seen_at)).await?;
                self.say_created(tx, &contact);
                contact
            }
        };
        contact.last_activity_at = contact.last_activity_at.max(Some(seen_at));
        let touched = self.left.touched.entry(contact.id).or_insert(seen_at);
        *touched = seen_at.max(*touched);
        Ok(contact)
    }

    fn say_created(&self, tx: &mut Tx, contact: &Contact) {
        let payload = snapshot::contact_event(contact);
        tx.append_event(EventKind::ContactCreated, Some(self.inbox.id), None, payload);
    }

    /// The conversation the mail answers, if it is still there; else a new one.
    async fn conversation(
        &self,
        tx: &mut Tx,
        mail: &Prepared,
        raw: &RawEmail,
        contact: &Contact,
        place: Option<(ConversationId, Evidence)>,
    ) -> Result<(Conversation, Option<Evidence>, bool), StoreError> {
        if let Some((id, evidence)) = place
            && let Some(conversation) = tx.lock_conversation(id).await?
            && conversation.inbox_id == self.inbox.id
        {
            return Ok((conversation, Some(evidence), false));
        }
        let reading = &mail.reading;
        // Servers that renumber a folder may date all its mail anew: what says that it is old is kept, and disturbs nobody.
        let looks_old = raw.source == RawEmailSource::Resync && reading.sent_at < self.begin_of_past();
        let quiet = contact.blocked || looks_old;
        let waits = !quiet && reading.kind != MailKind::Bounce && !reading.auto_reply;
        let conversation = tx
            .create_conversation(&NewConversation {
                uuid: new_uuid(self.app.entropy()),
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
            })
            .await?;
        Ok((conversation, None, true))
    }
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
fn speaks_for_a_person(kind: MailKind, auto_reply: bool) -> bool {
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
