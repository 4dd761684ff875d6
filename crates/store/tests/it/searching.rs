//! What is found, by whom, and when.

use crate::world::{START, Tenant, World, each, new_message};
use domain::conversation::Conversation;
use domain::event::EventKind;
use domain::inbox::Inbox;
use domain::message::MessageType;
use domain::{ContactId, MessageId, Timestamp};
use serde_json::json;
use store::*;

/// Fills the index of every account to its end.
pub async fn index(world: &World) {
    let search = world.store.search_index();
    for _ in 0..1_000 {
        let behind = search.behind(domain::AccountId(0), 10).await.unwrap();
        if behind.is_empty() {
            return;
        }
        for account in behind {
            account.index_some().await.unwrap();
        }
    }
    panic!("the index does not come to its end");
}

/// A message as a use case would store it: with its event.
async fn say(tenant: &Tenant, conversation: &Conversation, text: &str, seconds: i64) -> MessageId {
    let mut tx = tenant.scope.begin().await.unwrap();
    let at = Timestamp(START.0 + seconds * 1_000_000);
    let new = NewMessage {
        content: Some(text.to_owned()),
        ..new_message(conversation.id, MessageType::Incoming, NewSender::Contact(conversation.contact_id), at)
    };
    let message = tx.insert_message(&new).await.unwrap();
    let payload = json!({ "v": 2, "message": { "id": message.id.0 } });
    tx.append_event(EventKind::MessageCreated, Some(conversation.inbox_id), Some(conversation.id), payload);
    tx.commit().await.unwrap();
    message.id
}

async fn thread(tenant: &Tenant, inbox: &Inbox, contact: ContactId) -> Conversation {
    tenant.conversation(inbox, contact).await
}

async fn messages(tenant: &Tenant, visibility: &Visibility, text: &str) -> Vec<MessageId> {
    let found = tenant.scope.search_messages(visibility, text, 1).await.unwrap();
    found.into_iter().map(|message| message.id).collect()
}

async fn conversations(tenant: &Tenant, visibility: Visibility, text: &str) -> Vec<i64> {
    let viewer = Viewer { visibility, user_id: tenant.admin.id };
    let filter = ConversationFilter { status: None, q: Some(text.to_owned()), ..ConversationFilter::default() };
    let page = tenant.scope.conversations(&viewer, &filter).await.unwrap();
    assert!(page.counts.all >= page.items.len() as u64, "the counts are of the same");
    let found = tenant.scope.search_conversations(&viewer, &filter).await.unwrap();
    assert_eq!(found.len(), page.items.len().min(FOUND_PER_PAGE as usize));
    page.items.iter().map(|view| view.conversation.display_id.0).collect()
}

async fn contacts(tenant: &Tenant, text: &str) -> Vec<ContactId> {
    let filter = ContactFilter { q: Some(text.to_owned()), ..ContactFilter::default() };
    tenant.scope.contacts(&filter).await.unwrap().0.into_iter().map(|contact| contact.id).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn words_find_messages_newest_first_in_the_inboxes_that_one_sees_and_in_no_other_account() {
    each(async |w| {
        let inbox = w.ours.inbox("support@ours.example").await;
        let other = w.ours.inbox("sales@ours.example").await;
        let cy = w.ours.contact("cy@customer.example").await;
        let (here, there) = (thread(&w.ours, &inbox, cy).await, thread(&w.ours, &other, cy).await);
        let newer = say(&w.ours, &here, "Die RECHNUNG für Grüße 4711", 20).await;
        let older = say(&w.ours, &here, "the rechnung", 10).await;
        let elsewhere = say(&w.ours, &there, "rechnungen are many", 15).await;
        let inbox_of_theirs = w.theirs.inbox("support@theirs.example").await;
        let eve = w.theirs.contact("eve@customer.example").await;
        let theirs = thread(&w.theirs, &inbox_of_theirs, eve).await;
        let secret = say(&w.theirs, &theirs, "rechnung of theirs", 5).await;
        assert_eq!(messages(&w.ours, &Visibility::All, "rechnung").await, [], "nothing is found before it is indexed");
        index(&w).await;

        assert_eq!(messages(&w.ours, &Visibility::All, "rechnung").await, [newer, elsewhere, older]);
        assert_eq!(messages(&w.ours, &Visibility::All, "grusse rechnung").await, [newer]);
        assert_eq!(messages(&w.ours, &Visibility::All, "rechnung grusse nothing").await, []);
        assert_eq!(
            messages(&w.ours, &Visibility::All, "cy@customer.example 4711").await,
            [newer],
            "who wrote it counts"
        );
        let support = Visibility::Inboxes(vec![inbox.id]);
        assert_eq!(messages(&w.ours, &support, "rechnung").await, [newer, older]);
        assert_eq!(messages(&w.ours, &Visibility::Inboxes(Vec::new()), "rechnung").await, []);
        assert_eq!(messages(&w.theirs, &Visibility::All, "rechnung").await, [secret]);
        for nonsense in ["", " ", "\"", "' OR 1", "*", "a:b NOT", "x') --", "(", "AND"] {
            messages(&w.ours, &Visibility::All, nonsense).await;
            conversations(&w.ours, Visibility::All, nonsense).await;
            contacts(&w.ours, nonsense).await;
        }
        // Foreign inboxes of the same numbers open nothing.
        assert_eq!(messages(&w.theirs, &support, "rechnung").await, [] as [MessageId; 0]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conversation_is_found_by_its_messages_its_subject_its_contact_and_its_number() {
    each(async |w| {
        let inbox = w.ours.inbox("support@ours.example").await;
        let other = w.ours.inbox("sales@ours.example").await;
        let (cy, di) = (w.ours.contact("cy@customer.example").await, w.ours.contact("di@elsewhere.example").await);
        let (one, two) = (thread(&w.ours, &inbox, cy).await, thread(&w.ours, &other, di).await);
        say(&w.ours, &one, "my parcel is lost", 1).await;
        say(&w.ours, &two, "請求書を送信してください", 2).await;
        let payload = json!({ "v": 2, "contact": { "id": di.0 } });
        let mut tx = w.ours.scope.begin().await.unwrap();
        tx.append_event(EventKind::ContactCreated, None, None, payload);
        tx.commit().await.unwrap();
        index(&w).await;
        let (one, two) = (one.display_id.0, two.display_id.0);
        let all = || Visibility::All;
        assert_eq!(conversations(&w.ours, all(), "parc").await, [one]);
        assert_eq!(conversations(&w.ours, all(), "請求書").await, [two]);
        assert_eq!(conversations(&w.ours, all(), "order").await, [two, one], "the subject, the latest first");
        assert_eq!(conversations(&w.ours, all(), "di@elsewhere").await, [two]);
        assert_eq!(conversations(&w.ours, all(), &format!("#{one}")).await, [one]);
        assert_eq!(conversations(&w.ours, all(), "lost order").await, [one]);
        assert_eq!(conversations(&w.ours, Visibility::Inboxes(vec![inbox.id]), "order").await, [one]);
        assert_eq!(conversations(&w.theirs, all(), "order").await, [] as [i64; 0]);
        assert_eq!(contacts(&w.ours, "elsewhere").await, [di]);
        assert_eq!(contacts(&w.theirs, "elsewhere").await, []);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_deleted_leaves_the_index_with_its_words() {
    each(async |w| {
        let inbox = w.ours.inbox("support@ours.example").await;
        let cy = w.ours.contact("cy@customer.example").await;
        let (one, two) = (thread(&w.ours, &inbox, cy).await, thread(&w.ours, &inbox, cy).await);
        let taken_back = say(&w.ours, &one, "regrettable words", 1).await;
        let stays = say(&w.ours, &one, "regrettable as well", 2).await;
        say(&w.ours, &two, "regrettable conversation", 3).await;
        index(&w).await;
        assert_eq!(messages(&w.ours, &Visibility::All, "regrettable").await.len(), 3);
        let mut tx = w.ours.scope.begin().await.unwrap();
        let change = MessageChange { deleted: Some(true), content: Some(None), ..MessageChange::default() };
        tx.update_message(taken_back, &change).await.unwrap();
        tx.commit().await.unwrap();
        let mut tx = w.ours.scope.begin().await.unwrap();
        assert!(tx.delete_conversation(two.id).await.unwrap());
        tx.commit().await.unwrap();
        assert_eq!(messages(&w.ours, &Visibility::All, "regrettable").await, [stays]);
        assert_eq!(w.sql("DELETE FROM message_words WHERE sent_at > 0").await, 1, "no word of the others is left");
        assert_eq!(messages(&w.ours, &Visibility::All, "regrettable").await, []);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_stored_before_the_index_and_what_events_no_longer_tell_is_found_all_the_same() {
    each(async |w| {
        let inbox = w.ours.inbox("support@ours.example").await;
        let cy = w.ours.contact("cy@customer.example").await;
        let one = thread(&w.ours, &inbox, cy).await;
        for n in 0..230 {
            say(&w.ours, &one, &format!("ancient number{n} end"), n).await;
        }
        w.sql("DELETE FROM events").await;
        index(&w).await;
        assert_eq!(messages(&w.ours, &Visibility::All, "ancient").await.len(), FOUND_PER_PAGE as usize);
        for n in [0, 99, 100, 129, 130, 229] {
            let found = w.ours.scope.search_messages(&Visibility::All, &format!("number{n} end"), 1).await.unwrap();
            assert_eq!(found.len(), 1, "{n}");
        }
        assert_eq!(contacts(&w.ours, "customer").await, [cy]);
        // A worker that was away for longer than events are kept.
        let missed = say(&w.ours, &one, "missed", 300).await;
        w.sql("DELETE FROM events").await;
        let told = say(&w.ours, &one, "told", 301).await;
        index(&w).await;
        assert_eq!(messages(&w.ours, &Visibility::All, "missed").await, [missed]);
        assert_eq!(messages(&w.ours, &Visibility::All, "told").await, [told]);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn several_processes_at_one_account_index_each_message_once_while_more_is_said_and_deleted() {
    each(async |w| {
        let inbox = w.ours.inbox("support@ours.example").await;
        let cy = w.ours.contact("cy@customer.example").await;
        let kept = thread(&w.ours, &inbox, cy).await;
        let workers: Vec<_> = (0..3)
            .map(|_| {
                let scope = w.ours.scope.clone();
                tokio::spawn(async move {
                    for _ in 0..60 {
                        match scope.index_some().await {
                            Ok(_) | Err(StoreError::TakenBack(_)) => tokio::task::yield_now().await,
                            Err(error) => panic!("{error}"),
                        }
                    }
                })
            })
            .collect();
        for n in 0..20 {
            say(&w.ours, &kept, &format!("kept{n} for ever"), n).await;
            let gone = thread(&w.ours, &inbox, cy).await;
            say(&w.ours, &gone, "gone", n).await;
            let mut tx = w.ours.scope.begin().await.unwrap();
            assert!(tx.delete_conversation(gone.id).await.unwrap());
            tx.commit().await.unwrap();
        }
        for worker in workers {
            worker.await.unwrap();
        }
        index(&w).await;
        assert_eq!(messages(&w.ours, &Visibility::All, "gone").await, []);
        for n in 0..20 {
            assert_eq!(messages(&w.ours, &Visibility::All, &format!("kept{n} ever")).await.len(), 1, "kept{n}");
        }
        assert_eq!(w.sql("DELETE FROM message_words WHERE sent_at > 0").await, 20);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_asks_the_database_a_few_times_however_much_it_finds() {
    each(async |w| {
        let inbox = w.ours.inbox("support@ours.example").await;
        let cy = w.ours.contact("cy@customer.example").await;
        for n in 0..30 {
            let one = thread(&w.ours, &inbox, cy).await;
            say(&w.ours, &one, "many words", n).await;
        }
        let counted = w.store.statements().count();
        index(&w).await;
        let indexing = w.store.statements().count() - counted;
        assert!(indexing <= 40, "{indexing} statements to index 30 messages and their account");
        let counted = w.store.statements().count();
        assert_eq!(messages(&w.ours, &Visibility::All, "many").await.len(), 15);
        assert!(w.store.statements().count() - counted <= 3);
        let counted = w.store.statements().count();
        assert_eq!(conversations(&w.ours, Visibility::All, "man").await.len(), 25);
        assert!(w.store.statements().count() - counted <= 10);
    })
    .await;
}
