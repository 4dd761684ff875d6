//! A delivery's mail: built once, from what the message says, and kept; every further attempt sends the same bytes, unless nobody has them yet
//! and the mailbox was given another From meanwhile.

use bytes::Bytes;
use domain::inbox::Inbox;
use domain::message::{Message, Sender};
use domain::{EmailAddress, Failure, FailureClass, Mailbox};
use mail::compose::{ComposeError, Outgoing, OutgoingAttachment, author, compose};
use serde_json::Value;
use store::{AccountScope, DeliveryRecord, StoreError};

/// Why there is no mail to send.
pub(super) enum Unbuildable {
    Failure(Failure),
    Store(StoreError),
}

impl From<StoreError> for Unbuildable {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<FailureClass> for Unbuildable {
    fn from(class: FailureClass) -> Self {
        Self::Failure(class.into())
    }
}

/// The bytes, whoever of its recipients they go to.
pub(super) struct Composed {
    pub bytes: Bytes,
    /// What From says in them. The mailbox may have been given another one since.
    pub from: EmailAddress,
    /// Built just now. It is kept before the mail server hears of the message (`attempt::begin`), and not earlier: what nobody heard of can be built
    /// anew.
    pub is_new: bool,
}

pub(super) async fn composed(
    scope: &AccountScope,
    inbox: &Inbox,
    message: &Message,
    record: &DeliveryRecord,
) -> Result<Composed, Unbuildable> {
    if record.delivery.recipients.waiting().is_empty() {
        return Err(FailureClass::NoRecipients.into());
    }
    let kept = match record.composed_blob_id {
        Some(blob) => scope.read_blob(blob).await?,
        None => None,
    };
    let present = &inbox.channel.from_address;
    if let Some(bytes) = kept {
        let from = author(&bytes).unwrap_or_else(|| present.clone());
        // Whoever may have it already has it with that From.
        if record.delivery.recipients.may_be_had() || from.same_as(present) {
            return Ok(Composed { bytes: bytes.into(), from, is_new: false });
        }
    }
    let mail = outgoing(scope, inbox, record, message).await?;
    let bytes = compose(&mail).map_err(|error| unbuildable(&error))?;
    let most = inbox.channel.provider.capabilities().max_message_bytes;
    if bytes.len() as u64 > most {
        let detail = format!("{} bytes, {most} are accepted", bytes.len());
        return Err(Unbuildable::Failure(Failure::new(FailureClass::MessageTooLarge).detail(detail)));
    }
    Ok(Composed { bytes: bytes.into(), from: present.clone(), is_new: true })
}

async fn outgoing(
    scope: &AccountScope,
    inbox: &Inbox,
    record: &DeliveryRecord,
    message: &Message,
) -> Result<Outgoing, Unbuildable> {
    let agent = match &message.sender {
        Sender::User(user) => Some(user.available_name()),
        Sender::Contact(_) | Sender::System => None,
    };
    let mut attachments = Vec::with_capacity(message.attachments.len());
    for file in &message.attachments {
        let bytes = scope.read_blob(file.blob_id).await?.ok_or(FailureClass::MessageUnbuildable)?;
        attachments.push(OutgoingAttachment {
            file_name: file.file_name.clone(),
            content_type: file.content_type.clone(),
            content_id: file.content_id.clone(),
            bytes,
        });
    }
    let email = &message.content_attributes["email"];
    let text = |name: &str| email.get(name).and_then(Value::as_str).map(str::to_owned);
    let references = email["references"].as_array().into_iter().flatten().filter_map(Value::as_str);
    Ok(Outgoing {
        from: Mailbox { name: Some(inbox.sender_name(agent)), address: inbox.channel.from_address.clone() },
        reply_to: Vec::new(),
        to: record.envelope.to.clone(),
        cc: record.envelope.cc.clone(),
        bcc: record.envelope.bcc.clone(),
        subject: text("subject").unwrap_or_default(),
        message_id: record.message_id_header.clone(),
        in_reply_to: text("in_reply_to"),
        references: references.map(str::to_owned).collect(),
        // One that was written to leave later says when it left.
        date: message.sent_at.max(record.delivery.queued_at),
        markdown: message.content.clone().unwrap_or_default(),
        html: email.pointer("/html_content/full").and_then(Value::as_str).map(str::to_owned),
        attachments,
        auto_submitted: false,
    })
}

fn unbuildable(error: &ComposeError) -> Unbuildable {
    match error {
        ComposeError::NoRecipients => FailureClass::NoRecipients.into(),
        ComposeError::BadMessageId | ComposeError::BadAddress => {
            Unbuildable::Failure(Failure::new(FailureClass::MessageUnbuildable).detail(error.to_string()))
        }
    }
}
