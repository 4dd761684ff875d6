//! An installation in which there is something to see: an inbox with one conversation, its contact, its message and its file.

use crate::world::World;
use domain::channel::{Health, Provider};
use domain::conversation::ConversationStatus;
use domain::inbox::InboxSettings;
use domain::message::{ContentType, MessageType};
use domain::{Clock as _, EmailAddress, InboxId};
use serde_json::json;
use store::{NewAttachment, NewChannel, NewContact, NewConversation, NewInbox, NewMessage, NewSender};

pub struct Desk {
    pub world: World,
    pub inbox: InboxId,
}

/// An inbox with one conversation: Ada asks, with a file.
pub async fn desk() -> Desk {
    let world = World::new().await;
    let scope = world.app.store().operator().account(world.ours.account_id).await.expect("ok").expect("the account");
    let now = app::system::SystemClock.now();
    let support = EmailAddress::parse("support@contoso.example").expect("an address");
    let ada = EmailAddress::parse("ada@customer.example").expect("an address");
    let mut tx = scope.begin().await.expect("a transaction");
    let inbox = tx
        .create_inbox(&NewInbox {
            name: "Support".into(),
            settings: InboxSettings::default(),
            channel: NewChannel {
                provider: Provider::Microsoft,
                service: domain::channel::Service::Microsoft365,
                grant_id: None,
                principal: support.as_str().into(),
                mailbox_address: support.clone(),
                from_address: support.clone(),
                smtp_user: support.as_str().into(),
                fetch_health: Health::default().worked(now),
                send_health: Health::default().worked(now),
            },
        })
        .await
        .expect("an inbox");
    let contact = tx.create_contact(&NewContact::with_address("Ada", ada)).await.expect("a contact");
    let conversation = tx
        .create_conversation(&NewConversation {
            uuid: "11111111-2222-4333-8444-555555555555".into(),
            inbox_id: inbox.id,
            contact_id: contact.id,
            status: ConversationStatus::Open,
            priority: None,
            assignee_id: None,
            subject: Some("Invoice".into()),
            additional_attributes: json!({}),
            waiting_since: Some(now),
            last_activity_at: now,
        })
        .await
        .expect("a conversation");
    let message = tx
        .insert_message(&NewMessage {
            conversation_id: conversation.id,
            message_type: MessageType::Incoming,
            private: false,
            content: Some("Where is my invoice?".into()),
            content_type: ContentType::IncomingEmail,
            content_attributes: json!({"email": {
                "from": ["ada@customer.example"], "subject": "Invoice",
                "html_content": {"full": "<p onclick=x()>Where?</p><script>x()</script><img src=\"https://t.example/p.gif\">"},
            }}),
            source_id: Some("m1@customer.example".into()),
            sender: NewSender::Contact(contact.id),
            sent_at: now,
        })
        .await
        .expect("a message");
    let blob = tx.put_blob(b"<script>alert(1)</script>").await.expect("a blob");
    let file = NewAttachment {
        blob_id: blob,
        file_name: "ünvoice.html".into(),
        content_type: "text/html".into(),
        size_bytes: 25,
        content_id: None,
        inline: false,
    };
    tx.insert_attachment(message.id, &file).await.expect("an attachment");
    tx.commit().await.expect("committed");
    Desk { world, inbox: inbox.id }
}
