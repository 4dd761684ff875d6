//! One account never reaches, names or opens what is another's.

use crate::world::{World, address, each, new_conversation, new_inbox, new_message};
use domain::message::MessageType;
use domain::{ConversationId, DisplayId, Timestamp};
use store::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_reference_into_another_account_cannot_be_stored() {
    each(async |w| {
        let our_inbox = w.ours.inbox("support@ours.example").await;
        let their_contact = w.theirs.contact("cy@customer.example").await;
        let their_grant = w.theirs.grant("them").await;
        let our_contact = w.ours.contact("cy@customer.example").await;
        let conversation = w.ours.conversation(&our_inbox, our_contact).await;
        assert_ne!(our_contact, their_contact);

        let mut tx = w.ours.scope.begin().await.unwrap();
        let conflict = |result: Result<(), StoreError>| match result {
            Err(StoreError::Conflict(_)) => {}
            other => panic!("a cross-tenant reference was answered with {other:?}"),
        };
        tx.savepoint().await.unwrap();
        conflict(tx.create_conversation(&new_conversation(&our_inbox, their_contact)).await.map(|_| ()));
        tx.rollback_to().await.unwrap();
        tx.savepoint().await.unwrap();
        conflict(tx.create_inbox(&new_inbox("other@ours.example", &their_grant)).await.map(|_| ()));
        tx.rollback_to().await.unwrap();
        tx.savepoint().await.unwrap();
        let by_them =
            new_message(conversation.id, MessageType::Outgoing, NewSender::User(w.theirs.admin.id), Timestamp(1));
        conflict(tx.insert_message(&by_them).await.map(|_| ()));
        tx.rollback_to().await.unwrap();
        tx.rollback().await.unwrap();
        conflict(w.ours.scope.add_inbox_members(our_inbox.id, &[w.ours.admin.id, w.theirs.admin.id]).await);
        assert!(w.ours.scope.inbox_members(our_inbox.id).await.unwrap().is_empty(), "all of them or none");

        let their_blob = w.theirs.scope.put_blob(b"secret").await.unwrap();
        let mut tx = w.ours.scope.begin().await.unwrap();
        let from_us =
            new_message(conversation.id, MessageType::Incoming, NewSender::Contact(our_contact), Timestamp(1));
        let message = tx.insert_message(&from_us).await.unwrap();
        let attachment = NewAttachment {
            blob_id: their_blob,
            file_name: "a".to_owned(),
            content_type: "text/plain".to_owned(),
            size_bytes: 6,
            content_id: None,
            inline: false,
        };
        conflict(tx.insert_attachment(message.id, &attachment).await.map(|_| ()));
        drop(tx);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_accounts_ids_answer_like_ids_that_do_not_exist() {
    each(async |w| {
        let inbox = w.theirs.inbox("support@theirs.example").await;
        let contact = w.theirs.contact("cy@customer.example").await;
        let conversation = w.theirs.conversation(&inbox, contact).await;
        let blob = w.theirs.scope.put_blob(b"secret").await.unwrap();
        let ours = &w.ours.scope;
        assert!(ours.inbox(inbox.id).await.unwrap().is_none());
        assert!(ours.contact(contact).await.unwrap().is_none());
        assert!(ours.conversation(DisplayId(1)).await.unwrap().is_none());
        assert!(ours.conversation_by_id(conversation.id).await.unwrap().is_none());
        assert!(ours.messages(conversation.id, MessagePage::default()).await.unwrap().is_empty());
        assert!(ours.channel(inbox.channel.id).await.unwrap().is_none());
        assert!(ours.grant(inbox.channel.grant_id.unwrap()).await.unwrap().is_none());
        assert!(ours.agent(w.theirs.admin.id).await.unwrap().is_none());
        assert!(ours.read_blob(blob).await.unwrap().is_none());
        assert_eq!(ours.contacts(&ContactFilter::default()).await.unwrap().1, 0);
        assert!(w.store.sign_in().member(ours.account_id(), w.theirs.admin.id).await.unwrap().is_none());
        let mut tx = ours.begin().await.unwrap();
        assert!(tx.lock_conversation(conversation.id).await.unwrap().is_none());
        assert!(!tx.delete_inbox(inbox.id).await.unwrap());
        assert!(tx.find_contact_by_address(&address("cy@customer.example").key()).await.unwrap().is_none());
        let conversation = tx.update_conversation(&conversation).await;
        assert!(matches!(conversation, Err(StoreError::NotFound(_))));
        tx.rollback().await.unwrap();
        assert!(w.theirs.scope.inbox(inbox.id).await.unwrap().is_some());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sealed_secret_moved_to_another_account_does_not_open() {
    each(async |w| {
        let ours = w.ours.grant("us").await;
        let theirs = w.theirs.grant("them").await;
        copy_sealed_token(&w, ours.id.0, theirs.id.0).await;
        let lease = std::time::Duration::from_secs(5);
        let refused = w.theirs.scope.claim_refresh(theirs.id, lease).await;
        assert!(matches!(refused, Err(StoreError::SecretUnreadable(_))), "{refused:?}");
        // The claim was given back: a repaired row can be refreshed at once.
        let claim = w.ours.scope.claim_refresh(ours.id, lease).await.unwrap().unwrap();
        assert_eq!(claim.refresh_token.expose(), "refresh-1");
    })
    .await;
}

/// As somebody with access to the database would do it.
async fn copy_sealed_token(w: &World, from: i64, to: i64) {
    w.sql(&format!(
        "UPDATE grants SET refresh_token = (SELECT refresh_token FROM grants WHERE id = {from}), \
         seal_uid = (SELECT seal_uid FROM grants WHERE id = {from}) WHERE id = {to}"
    ))
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn deleting_an_inbox_takes_everything_in_it_and_nothing_else() {
    each(async |w| {
        let inbox = w.ours.inbox("support@ours.example").await;
        let kept = w.ours.inbox("sales@ours.example").await;
        let contact = w.ours.contact("cy@customer.example").await;
        let gone = w.ours.conversation(&inbox, contact).await;
        let stays = w.ours.conversation(&kept, contact).await;
        let mut tx = w.ours.scope.begin().await.unwrap();
        let new = new_message(gone.id, MessageType::Outgoing, NewSender::User(w.ours.admin.id), Timestamp(5));
        let message = tx.insert_message(&new).await.unwrap();
        tx.remember_message_id(inbox.id, gone.id, message.id, "a@x", MessageIdOrigin::Outgoing, None).await.unwrap();
        let delivery = NewDelivery {
            message_id: message.id,
            conversation_id: gone.id,
            inbox_id: inbox.id,
            channel_id: Some(inbox.channel.id),
            envelope: DeliveryEnvelope::default(),
            message_id_header: "a@x".to_owned(),
            queued_at: Timestamp(5),
            is_delayed: false,
            waited_since: None,
        };
        let delivery = tx.insert_delivery(&delivery).await.unwrap();
        let payload = serde_json::Value::Null;
        tx.owe(OwedKind::DeliverMessage, delivery.delivery.id.0, payload, OwedPriority::Human, None).await.unwrap();
        tx.commit().await.unwrap();
        let mut tx = w.ours.scope.begin().await.unwrap();
        assert!(tx.delete_inbox(inbox.id).await.unwrap());
        tx.commit().await.unwrap();
        assert!(w.ours.scope.conversation_by_id(gone.id).await.unwrap().is_none());
        assert!(w.ours.scope.conversation_by_id(stays.id).await.unwrap().is_some());
        assert!(w.ours.scope.contact(contact).await.unwrap().is_some());
        assert_eq!(w.store.operator().owed_counts().await.unwrap(), OwedCounts::default());
        assert_ne!(gone.id, ConversationId(0));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_reads_while_an_inbox_is_deleted_finds_less_and_never_an_error() {
    each(async |w| {
        let contact = w.ours.contact("cy@customer.example").await;
        for round in 0..8 {
            let inbox = w.ours.inbox(&format!("support{round}@ours.example")).await;
            let conversation = w.ours.conversation(&inbox, contact).await;
            let mut tx = w.ours.scope.begin().await.unwrap();
            for at in 0..20 {
                let sender = NewSender::Contact(contact);
                let new = new_message(conversation.id, MessageType::Incoming, sender, Timestamp(at));
                tx.insert_message(&new).await.unwrap();
            }
            tx.commit().await.unwrap();
            let scope = w.ours.scope.clone();
            let viewer = Viewer { visibility: Visibility::All, user_id: w.ours.admin.id };
            let reading = tokio::spawn(async move {
                loop {
                    let page = MessagePage { limit: 100, ..MessagePage::default() };
                    let messages = scope.messages(conversation.id, page).await.unwrap();
                    let views = scope.conversations(&viewer, &ConversationFilter::default()).await.unwrap().items;
                    if messages.is_empty() && views.is_empty() {
                        break;
                    }
                }
            });
            let mut tx = w.ours.scope.begin().await.unwrap();
            assert!(tx.delete_inbox(inbox.id).await.unwrap());
            tx.commit().await.unwrap();
            reading.await.unwrap();
        }
    })
    .await;
}
