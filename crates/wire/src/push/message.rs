//! A message that was said or changed. Its bodies are not in the snapshot: `shortened` says that there is more to read.

use super::contact::sender;
use super::object;
use super::part::Part;
use crate::attachment::Attachment;
use crate::delivery::{Delivery, RefusedRecipient, WaitingRecipient};
use crate::failure::Failure;
use crate::message::{ContactInboxSource, MessageConversation, MessagePush};
use crate::moment::seconds;
use crate::sender::Sender;
use crate::words::MessageStatus;
use crate::{JsonObject, Links, to_value};
use domain::message::{ContentType, DeliveryState};
use domain::{AccountId, AttachmentId, BlobId, MessageId, Timestamp};
use serde_json::{Map, Value};

/// Without what it says about its conversation where the snapshot has nothing of that.
pub(super) fn message(message: Part<'_>, account: AccountId, links: &dyn Links) -> Map<String, Value> {
    let about = message.part("conversation");
    let conversation = MessageConversation {
        assignee_id: about.and_then(|about| about.number("assignee_id")),
        unread_count: about.map_or(0, |about| about.id("unread_count")),
        last_activity_at: about.map_or(0, |about| about.seconds("last_activity_at")),
        contact_inbox: ContactInboxSource { source_id: about.and_then(|about| about.text("source_id")) },
    };
    let mut data = object(to_value(&push(message, account, conversation, links)));
    if about.is_none() {
        data.remove("conversation");
    }
    data.insert("shortened".to_owned(), message.is("shortened").into());
    if let Some(echo_id) = message.text("echo_id") {
        data.insert("echo_id".to_owned(), echo_id.into());
    }
    data
}

pub(super) fn push(
    message: Part<'_>,
    account: AccountId,
    conversation: MessageConversation,
    links: &dyn Links,
) -> MessagePush {
    let sender = message.part("sender").and_then(sender);
    let (sender_type, sender_id) = match &sender {
        Some(Sender::Contact(contact)) => (Some("Contact".to_owned()), Some(contact.id)),
        Some(Sender::User(user)) => (Some("User".to_owned()), Some(user.id)),
        None => (None, None),
    };
    let delivery = message.part("delivery").and_then(delivery);
    let attachments: Vec<_> = message.parts("attachments").map(|part| attachment(part, account, links)).collect();
    let content_type = message.value("content_type").as_str().and_then(ContentType::parse);
    MessagePush {
        id: message.id("id"),
        content: message.text("content"),
        account_id: account.0,
        inbox_id: message.id("inbox_id"),
        conversation_id: message.id("display_id"),
        message_type: i32::try_from(message.id("message_type")).unwrap_or_default(),
        created_at: message.seconds("sent_at"),
        updated_at: message.time("updated_at").unwrap_or_default().to_iso(),
        private: message.is("private"),
        status: if message.value("status") == "failed" { MessageStatus::Failed } else { MessageStatus::Sent },
        source_id: message.text("source_id"),
        content_type: content_type.unwrap_or(ContentType::Text).into(),
        content_attributes: message.value("content_attributes").into(),
        sender_type,
        sender_id,
        external_source_ids: JsonObject::default(),
        additional_attributes: JsonObject::default(),
        processed_message_content: message.text("content"),
        sentiment: JsonObject::default(),
        conversation,
        attachments: (!attachments.is_empty()).then_some(attachments),
        sender,
        delivery,
    }
}

/// `None`: in a state that is not known here.
fn delivery(delivery: Part<'_>) -> Option<Delivery> {
    let failure: Option<domain::Failure> = delivery.kept("failure");
    let refused: Vec<domain::message::RefusedRecipient> = delivery.kept("refused_recipients").unwrap_or_default();
    let waiting = delivery.texts("waiting_recipients").into_iter();
    Some(Delivery {
        id: delivery.id("id"),
        state: DeliveryState::parse(&delivery.text("state")?)?.into(),
        attempts: delivery.id("attempts"),
        queued_at: delivery.seconds("queued_at"),
        sent_at: seconds(delivery.time("sent_at")),
        next_try_at: seconds(delivery.time("next_try_at")),
        failure: failure.as_ref().map(Failure::from),
        accepted_recipients: delivery.texts("accepted_recipients"),
        waiting_recipients: waiting.map(|address| WaitingRecipient { address, server_said: None }).collect(),
        refused_recipients: refused.iter().map(RefusedRecipient::from).collect(),
    })
}

fn attachment(attachment: Part<'_>, account: AccountId, links: &dyn Links) -> Attachment {
    let known = domain::message::Attachment {
        id: AttachmentId(attachment.id("id")),
        account_id: account,
        message_id: MessageId(attachment.id("message_id")),
        // No link and no shape shows it.
        blob_id: BlobId(0),
        file_name: attachment.text_or_empty("file_name"),
        content_type: attachment.text_or_empty("content_type"),
        size_bytes: u64::try_from(attachment.id("size_bytes")).unwrap_or_default(),
        content_id: attachment.text("content_id"),
        inline: attachment.is("inline"),
    };
    Attachment::new(&known, links)
}

/// What a message says about the conversation that it is shown with.
pub(super) fn about(conversation: Part<'_>) -> MessageConversation {
    MessageConversation {
        assignee_id: conversation.part("assignee").map(|assignee| assignee.id("id")),
        unread_count: conversation.id("unread_count"),
        last_activity_at: conversation.time("last_activity_at").map_or(0, Timestamp::seconds),
        contact_inbox: ContactInboxSource {
            source_id: conversation.part("contact").and_then(|contact| contact.text("email")),
        },
    }
}
