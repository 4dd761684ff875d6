//! An agent answers, or leaves a note.
//!
//! Message, delivery, the ids it will be known by, the work that is owed and the events are one transaction; whoever asked is answered
//! after it. From then on nothing but a refusal by the mail server keeps the reply from leaving.

use super::envelope::{self, Parent};
use super::{Draft, IdempotencyKey, Invalid, ids};
use crate::accounts::Member;
use crate::conversations::{participants, snapshot};
use crate::notifications::Notices;
use crate::{App, Hint};
use domain::contact::Contact;
use domain::conversation::Conversation;
use domain::event::EventKind;
use domain::inbox::Inbox;
use domain::message::{ContentType, Message, MessageType};
use domain::{ConversationId, DisplayId, Mailbox, MessageId, Timestamp};
use mail::compose::{markdown_to_html, markdown_to_text};
use mail::sanitize::{SanitizeOptions, sanitize};
use serde_json::{Map, Value, json};
use std::time::Duration;
use store::{
    DeliveryEnvelope, IdempotencyCheck, KillPoint, MessageIdOrigin, NewAttachment, NewDelivery, NewMessage, NewSender,
    OwedKind, OwedPriority, StoreError, TokenHash, Tx,
};

/// How far back the mail is looked for that a reply answers.
const LOOKED_BACK: u32 = 200;
/// A transaction that the database gave up because of another one is made again this often.
const TRIES: u32 = 3;

#[derive(Debug, thiserror::Error)]
pub enum ReplyError {
    /// No such conversation, or not one the member sees.
    #[error("the conversation could not be found")]
    NotFound,
    #[error("the message cannot be sent as it is")]
    Invalid(Vec<Invalid>),
    /// The idempotency key was used for another request.
    #[error("the idempotency key was used for another request")]
    KeyReused,
    /// The same request, and its message is gone.
    #[error("the message made with this idempotency key was deleted")]
    MessageGone,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Everything that the transaction writes, made before it begins.
pub(super) struct Ready {
    pub(super) new: NewMessage,
    files: Vec<NewAttachment>,
    /// `None`: a note.
    pub(super) leaves: Option<(DeliveryEnvelope, String)>,
    delay: Duration,
    echo_id: Option<String>,
    pub(super) key: Option<(IdempotencyKey, TokenHash)>,
}

/// The message with its delivery, as committed. The same idempotency key and draft give the same message.
pub async fn reply(
    app: &App,
    member: &Member,
    conversation: DisplayId,
    mut draft: Draft,
) -> Result<Message, ReplyError> {
    let (conversation, contact) =
        member.scope.conversation_and_contact(conversation).await?.ok_or(ReplyError::NotFound)?;
    if !member.visibility.sees(conversation.inbox_id) {
        return Err(ReplyError::NotFound);
    }
    let inbox = member.scope.inbox(conversation.inbox_id).await?.ok_or(ReplyError::NotFound)?;
    let key = draft.idempotency.take().map(|key| (key, draft.request_hash(conversation.display_id.0)));
    let ready = prepare(app, member, (&conversation, &contact), &inbox, draft, key).await?;
    let mut tries = 1;
    let written = loop {
        match write(app, member, conversation.id, &inbox, &ready).await {
            Err(ReplyError::Store(error)) if error.is_transient() && tries < TRIES => tries += 1,
            ended => break ended?,
        }
    };
    match written {
        Written::New(message) => {
            app.passes(KillPoint::ReplyCommitted);
            app.wake(Hint::Account(member.scope.account_id()));
            if ready.leaves.is_some() {
                app.wake(Hint::Owed);
            }
            Ok(*message)
        }
        Written::Before(id) => member.scope.message_by_id(id).await?.ok_or(ReplyError::MessageGone),
    }
}

enum Written {
    /// As it was committed.
    New(Box<Message>),
    /// By the same request, earlier.
    Before(MessageId),
}

pub(super) async fn prepare(
    app: &App,
    member: &Member,
    (conversation, contact): (&Conversation, &Contact),
    inbox: &Inbox,
    mut draft: Draft,
    key: Option<(IdempotencyKey, TokenHash)>,
) -> Result<Ready, ReplyError> {
    let recipients = draft.checked(&inbox.channel.provider.capabilities()).map_err(ReplyError::Invalid)?;
    let mut files = Vec::new();
    for file in draft.take_files() {
        files.push(NewAttachment {
            blob_id: member.scope.put_blob(&file.bytes).await?,
            size_bytes: file.bytes.len() as u64,
            file_name: file.file_name,
            content_type: file.content_type,
            content_id: None,
            inline: false,
        });
    }
    let content = draft.content.replace('\0', "");
    let mut attributes = match draft.content_attributes {
        Value::Object(object) => without_nul(object),
        _ => Map::new(),
    };
    let mut source_id = None;
    let mut leaves = None;
    if !draft.private {
        let (last_incoming, last_outgoing) = member.scope.last_mails(conversation.id, LOOKED_BACK).await?;
        let (last_incoming, last_outgoing) = (last_incoming.as_ref(), last_outgoing.as_ref());
        let ours = [&inbox.channel.from_address, &inbox.channel.mailbox_address];
        let to = recipients.to.unwrap_or_else(|| envelope::default_to(last_incoming, contact.email.as_deref(), &ours));
        let sent = DeliveryEnvelope { to, cc: recipients.cc, bcc: recipients.bcc };
        if sent.to.is_empty() && sent.cc.is_empty() && sent.bcc.is_empty() {
            let message = "The contact has no email address: name a recipient".to_owned();
            return Err(ReplyError::Invalid(vec![Invalid { field: "to_emails", message }]));
        }
        let parent = envelope::parent(last_incoming, last_outgoing);
        let id = ids::make(app, &member.scope, &conversation.uuid, &inbox.channel).await?;
        mail_attributes(&mut attributes, &content, draft.html.as_deref(), &sent, &parent, conversation, &id);
        source_id = Some(id.clone());
        leaves = Some((sent, id));
    }
    let new = NewMessage {
        conversation_id: conversation.id,
        message_type: MessageType::Outgoing,
        private: draft.private,
        content: Some(content),
        content_type: ContentType::Text,
        content_attributes: Value::Object(attributes),
        source_id,
        sender: NewSender::User(member.agent.user.id),
        sent_at: app.now(),
    };
    Ok(Ready { new, files, leaves, delay: draft.delay, echo_id: draft.echo_id, key })
}

/// Chatwoot's names, and what the composer needs so that a retry sends the same mail.
fn mail_attributes(
    attributes: &mut Map<String, Value>,
    content: &str,
    html: Option<&str>,
    sent: &DeliveryEnvelope,
    parent: &Parent,
    conversation: &Conversation,
    message_id: &str,
) {
    let shown_remote = SanitizeOptions { block_remote_images: false, ..SanitizeOptions::default() };
    let html = match html {
        Some(html) => sanitize(&html.replace('\0', ""), &shown_remote).html,
        None => markdown_to_html(content),
    };
    let text = markdown_to_text(content);
    let subject =
        envelope::subject(conversation.subject.as_deref(), conversation.display_id.0, parent.in_reply_to.is_some());
    attributes.insert(
        "email".to_owned(),
        json!({
            "html_content": { "full": html, "reply": html },
            "text_content": { "full": text, "reply": text },
            "subject": subject,
            "message_id": message_id,
            "in_reply_to": parent.in_reply_to,
            "references": parent.references,
        }),
    );
    for (name, list) in [("to_emails", &sent.to), ("cc_emails", &sent.cc), ("bcc_emails", &sent.bcc)] {
        let addresses: Vec<&str> = list.iter().map(|m: &Mailbox| m.address.as_str()).collect();
        attributes.insert(name.to_owned(), json!(addresses));
    }
    for ours in ["external_error", "deleted"] {
        attributes.remove(ours);
    }
}

async fn write(
    app: &App,
    member: &Member,
    conversation: ConversationId,
    inbox: &Inbox,
    ready: &Ready,
) -> Result<Written, ReplyError> {
    let now = app.now();
    let mut tx = member.scope.begin().await?;
    if let Some(message) = made_before(&mut tx, ready, now).await? {
        return Ok(Written::Before(message));
    }
    let conversation = tx.lock_conversation(conversation).await?.ok_or(ReplyError::NotFound)?;
    let mut notices = Notices::default();
    let message = say(&mut tx, &conversation, inbox, ready, &ready.new, now, &mut notices).await?;
    if let Some(view) = tx.conversation_view_with(conversation.id, &message).await? {
        if !view.contact.blocked {
            notices.said(&conversation, &message);
        }
        let payload = snapshot::conversation(&view);
        tx.append_event(EventKind::ConversationUpdated, Some(inbox.id), Some(conversation.id), payload);
    }
    notices.tell(app, &mut tx).await?;
    tx.commit().await?;
    Ok(Written::New(Box::new(message)))
}

/// What the same request made earlier.
pub(super) async fn made_before(tx: &mut Tx, ready: &Ready, now: Timestamp) -> Result<Option<MessageId>, ReplyError> {
    let Some((key, request)) = &ready.key else { return Ok(None) };
    match tx.claim_idempotency_key(key.token_id, &key.key, request, now).await? {
        IdempotencyCheck::New => Ok(None),
        IdempotencyCheck::Made(message) => Ok(Some(message)),
        IdempotencyCheck::MadeNothing => Err(ReplyError::MessageGone),
        IdempotencyCheck::OtherRequest => Err(ReplyError::KeyReused),
    }
}

/// Writes the message into the (locked) conversation, with what is owed for it, and says so. `new` is that of `ready`, in the right conversation.
pub(super) async fn say(
    tx: &mut Tx,
    conversation: &Conversation,
    inbox: &Inbox,
    ready: &Ready,
    new: &NewMessage,
    now: Timestamp,
    notices: &mut Notices,
) -> Result<Message, ReplyError> {
    let message = match &ready.leaves {
        Some(_) => tx.add_answer(new).await?,
        None => tx.add_message(new).await?,
    };
    for file in &ready.files {
        tx.insert_attachment(message, file).await?;
    }
    if let Some((sent, id)) = &ready.leaves {
        let delivery = tx
            .insert_delivery(&NewDelivery {
                message_id: message,
                conversation_id: conversation.id,
                inbox_id: inbox.id,
                channel_id: Some(inbox.channel.id),
                envelope: sent.clone(),
                message_id_header: id.clone(),
                queued_at: now.plus(ready.delay),
                is_delayed: !ready.delay.is_zero(),
                waited_since: conversation.waiting_since,
            })
            .await?;
        tx.remember_message_id(inbox.id, conversation.id, message, id, MessageIdOrigin::Outgoing, None).await?;
        let owed = delivery.delivery.id.0;
        tx.owe(OwedKind::DeliverMessage, owed, json!({}), OwedPriority::Human, None).await?;
        if !ready.delay.is_zero() {
            tx.delay_owed(OwedKind::DeliverMessage, owed, ready.delay).await?;
        }
    }
    if ready.new.private
        && let Some(note) = &ready.new.content
    {
        let people = participants::mention(tx, conversation.id, inbox.id, note, now).await?;
        if let NewSender::User(by) = new.sender {
            notices.mentioned(conversation.id, &people, by);
        }
    }
    let message = tx.message(message).await?.ok_or(ReplyError::MessageGone)?;
    let payload = snapshot::message(&message, ready.echo_id.as_deref());
    tx.append_event(EventKind::MessageCreated, Some(inbox.id), Some(conversation.id), payload);
    if let Some((key, _)) = &ready.key {
        tx.finish_idempotency_key(key.token_id, &key.key, message.id).await?;
    }
    Ok(message)
}

/// PostgreSQL keeps no NUL in JSON.
fn without_nul(object: Map<String, Value>) -> Map<String, Value> {
    fn clean(value: Value) -> Value {
        match value {
            Value::String(text) => Value::String(text.replace('\0', "")),
            Value::Array(items) => Value::Array(items.into_iter().map(clean).collect()),
            Value::Object(object) => Value::Object(without_nul(object)),
            plain @ (Value::Null | Value::Bool(_) | Value::Number(_)) => plain,
        }
    }
    object.into_iter().map(|(key, value)| (key.replace('\0', ""), clean(value))).collect()
}
