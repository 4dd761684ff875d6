//! What a batch of mail has become so far, in memory: the ids are reserved, and nothing is written until all of it is.
//!
//! Events carry what is there after the batch, since nobody can see a moment inside it.

use super::filing::speaks_for_a_person;
use super::ingest::Prepared;
use crate::App;
use crate::conversations::snapshot;
use crate::notifications::Notices;
use domain::contact::Contact;
use domain::conversation::{Conversation, ConversationStatus};
use domain::event::EventKind;
use domain::message::{Attachment, ContentType, Message, MessageType, Sender};
use domain::{ContactId, ConversationId, InboxId, MessageId, Timestamp};
use serde_json::Value;
use std::collections::BTreeMap;
use store::{
    ConversationView, FiledBatch, FiledContact, FiledConversation, FiledId, FiledRawEmail, NewConversation, RawOutcome,
    ReservedIds, StoreError, Tx,
};

/// A conversation that mails of the batch are in.
#[derive(Debug)]
pub(super) struct Touched {
    pub conversation: Conversation,
    pub is_new: bool,
    pub reopened: bool,
    /// Who it is with; only looked at when it is new.
    contact: Option<Contact>,
    last: Option<(Timestamp, MessageId)>,
    unread: u32,
    by_a_person: bool,
}

impl Touched {
    /// `contact`: it is new, and with them.
    fn of(conversation: Conversation, contact: Option<Contact>) -> Self {
        let is_new = contact.is_some();
        Self { conversation, is_new, reopened: false, contact, last: None, unread: 0, by_a_person: false }
    }
}

pub(super) struct Batch {
    reserved: ReservedIds,
    now: Timestamp,
    conversations: BTreeMap<ConversationId, Touched>,
    messages: Vec<Message>,
    ids: Vec<FiledId>,
    contacts: BTreeMap<ContactId, FiledContact>,
    raw_emails: Vec<FiledRawEmail>,
}

impl Batch {
    pub fn new(mut reserved: ReservedIds, now: Timestamp) -> Self {
        // Taken from the end: the lowest first.
        reserved.conversations.reverse();
        reserved.messages.reverse();
        reserved.attachments.reverse();
        Self {
            reserved,
            now,
            conversations: BTreeMap::new(),
            messages: Vec::new(),
            ids: Vec::new(),
            contacts: BTreeMap::new(),
            raw_emails: Vec::new(),
        }
    }

    pub fn mark(&mut self, mail: &Prepared, outcome: RawOutcome) {
        let fingerprint = mail.reading.fingerprint.clone();
        self.raw_emails.push(FiledRawEmail { id: mail.id, outcome, fingerprint });
    }

    /// The contact as they are after writing at this moment.
    pub fn wrote(&mut self, contact: Contact, at: Timestamp) -> Contact {
        let filed = self.contacts.entry(contact.id).or_insert(FiledContact { contact, wrote_at: at });
        filed.wrote_at = filed.wrote_at.max(at);
        filed.contact.last_activity_at = filed.contact.last_activity_at.max(Some(filed.wrote_at));
        filed.contact.clone()
    }

    pub fn has(&self, id: ConversationId) -> bool {
        self.conversations.contains_key(&id)
    }

    /// A conversation that was there, and is locked.
    pub fn take_up(&mut self, conversation: Conversation) {
        let touched = Touched::of(conversation, None);
        self.conversations.insert(touched.conversation.id, touched);
    }

    /// A new conversation with `contact`.
    pub fn begin(&mut self, tx: &mut Tx, new: &NewConversation, contact: Contact) -> ConversationId {
        let id = self.reserved.conversations.pop().expect("one is reserved for each mail");
        let conversation = tx.plan_conversation(id, new);
        let touched = Touched::of(conversation, Some(contact));
        self.conversations.insert(id, touched);
        id
    }

    pub fn conversation(&mut self, id: ConversationId) -> &mut Touched {
        self.conversations.get_mut(&id).expect("it was begun or taken up")
    }

    /// The mail as a message of the conversation, and the ids it is known under from now on.
    pub fn message(
        &mut self,
        conversation: ConversationId,
        mail: &Prepared,
        attributes: Value,
        sender: Contact,
        sent_at: Timestamp,
    ) -> Vec<FiledId> {
        let id = self.reserved.messages.pop().expect("one is reserved for each mail");
        let touched = self.conversations.get_mut(&conversation).expect("it was begun or taken up");
        touched.last = touched.last.max(Some((sent_at, id)));
        touched.unread += 1;
        touched.by_a_person |= speaks_for_a_person(mail.reading.kind, mail.reading.auto_reply);
        let place = &mut touched.conversation;
        place.last_activity_at = place.last_activity_at.max(sent_at);
        let reading = &mail.reading;
        let mut message = Message {
            id,
            account_id: place.account_id,
            inbox_id: place.inbox_id,
            conversation_id: conversation,
            display_id: place.display_id,
            message_type: MessageType::Incoming,
            private: false,
            content: Some(reading.content.clone()),
            content_type: ContentType::IncomingEmail,
            content_attributes: attributes,
            source_id: Some(reading.message_id.clone()),
            sender: Sender::Contact(Box::new(sender)),
            sent_at,
            created_at: self.now,
            updated_at: self.now,
            deleted: false,
            attachments: Vec::with_capacity(mail.files.len()),
            delivery: None,
        };
        for file in &mail.files {
            message.attachments.push(Attachment {
                id: self.reserved.attachments.pop().expect("one is reserved for each file"),
                account_id: message.account_id,
                message_id: id,
                blob_id: file.blob_id,
                file_name: file.file_name.clone(),
                content_type: file.content_type.clone(),
                size_bytes: file.size_bytes,
                content_id: file.content_id.clone(),
                inline: file.inline,
            });
        }
        self.messages.push(message);
        self.mark(mail, RawOutcome::Ingested(id));
        let known_as = |header: &String| FiledId {
            header: header.clone(),
            message_id: id,
            conversation_id: conversation,
            fingerprint: reading.fingerprint.clone(),
        };
        let ids: Vec<FiledId> = std::iter::once(&reading.message_id).chain(&reading.other_ids).map(known_as).collect();
        self.ids.extend(ids.iter().cloned());
        ids
    }

    /// What is to be written.
    pub fn rows(&mut self, inbox: InboxId) -> FiledBatch {
        let conversations = self.conversations.values().filter_map(|touched| {
            Some(FiledConversation {
                conversation: touched.conversation.clone(),
                is_new: touched.is_new,
                last: touched.last?,
                unread: touched.unread,
            })
        });
        FiledBatch {
            inbox_id: inbox,
            conversations: conversations.collect(),
            messages: std::mem::take(&mut self.messages),
            ids: std::mem::take(&mut self.ids),
            contacts: std::mem::take(&mut self.contacts).into_values().collect(),
            raw_emails: std::mem::take(&mut self.raw_emails),
        }
    }

    /// The events, in the order of the mails: a conversation before its messages, and what became of it after them.
    pub async fn announce(&self, app: &App, tx: &mut Tx, inbox: InboxId, filed: FiledBatch) -> Result<(), StoreError> {
        let known: Vec<ConversationId> =
            self.conversations.values().filter(|c| !c.is_new).map(|c| c.conversation.id).collect();
        let views = if known.is_empty() { Default::default() } else { tx.conversation_views(&known).await? };
        let mut told = std::collections::BTreeSet::new();
        for message in &filed.messages {
            let id = message.conversation_id;
            let touched = &self.conversations[&id];
            if touched.is_new && told.insert(id) {
                let last = filed.messages.iter().find(|m| Some((m.sent_at, m.id)) == touched.last);
                let payload = snapshot::conversation(&view_of_new(touched, last));
                tx.append_event(EventKind::ConversationCreated, Some(inbox), Some(id), payload);
            }
            let payload = snapshot::message(message, None);
            tx.append_event(EventKind::MessageCreated, Some(inbox), Some(id), payload);
        }
        for id in known {
            let Some(view) = views.get(&id) else { continue };
            let payload = snapshot::conversation(view);
            if self.conversations[&id].reopened {
                tx.append_event(EventKind::ConversationStatusChanged, Some(inbox), Some(id), payload.clone());
            }
            tx.append_event(EventKind::ConversationUpdated, Some(inbox), Some(id), payload);
        }
        self.tell_people(app, tx, inbox, &filed.messages).await
    }

    /// Of what is imported nobody is told: it happened before.
    async fn tell_people(
        &self,
        app: &App,
        tx: &mut Tx,
        inbox: InboxId,
        messages: &[Message],
    ) -> Result<(), StoreError> {
        let (mut notices, mut begun) = (Notices::default(), Vec::new());
        for message in messages {
            let is_imported = message.content_attributes.pointer("/email/imported") == Some(&Value::Bool(true));
            if is_imported {
                continue;
            }
            let touched = &self.conversations[&message.conversation_id];
            let is_quiet = matches!(&message.sender, Sender::Contact(contact) if contact.blocked);
            if is_quiet {
                continue;
            }
            // Nobody has one that is new, or takes part in it.
            if touched.is_new {
                // What machines write, and what is old, disturbs nobody; and a mail about a mail about a mail ends here.
                if touched.by_a_person && touched.conversation.status == ConversationStatus::Open {
                    begun.push(message.conversation_id);
                }
            } else {
                notices.said(&touched.conversation, message);
            }
        }
        if !begun.is_empty() {
            let told = tx.told_of_new_conversations(inbox).await?;
            begun.into_iter().for_each(|conversation| notices.began(conversation, &told));
        }
        notices.tell(app, tx).await
    }

    /// As they are after the batch.
    pub fn into_conversations(self) -> impl Iterator<Item = (ConversationId, Conversation)> {
        self.conversations.into_iter().map(|(id, touched)| (id, touched.conversation))
    }
}

/// Nobody but the batch has touched it: there is nothing to ask.
fn view_of_new(touched: &Touched, last: Option<&Message>) -> ConversationView {
    ConversationView {
        conversation: touched.conversation.clone(),
        contact: touched.contact.clone().expect("a new conversation knows who it is with"),
        assignee: None,
        team: None,
        unread_count: touched.unread,
        last_message: None,
        last_non_activity_message: last.cloned(),
        labels: Vec::new(),
    }
}
