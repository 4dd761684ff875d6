//! Conversations and messages: numbers, order, counts, lists.

use crate::world::{START, address, each, new_conversation, new_message};
use domain::conversation::{Conversation, ConversationStatus, Priority};
use domain::event::EventKind;
use domain::message::{DeliveryState, Message, MessageType, Sender};
use domain::{Mailbox, Timestamp};
use store::*;

fn after(seconds: i64) -> Timestamp {
    Timestamp(START.0 + seconds * 1_000_000)
}

#[tokio::test(flavor = "multi_thread")]
async fn display_ids_and_events_have_no_gap_however_many_write_at_once() {
    each(async |w| {
        let inbox = w.ours.inbox("support@ours.example").await;
        let contact = w.ours.contact("cy@customer.example").await;
        let tasks: Vec<_> = (0..24)
            .map(|n| {
                let (scope, inbox) = (w.ours.scope.clone(), inbox.clone());
                tokio::spawn(async move {
                    let mut tx = scope.begin().await.unwrap();
                    let made = tx.create_conversation(&new_conversation(&inbox, contact)).await.unwrap();
                    let view = tx.conversation_view(made.id).await.unwrap().unwrap();
                    let payload = serde_json::json!({ "id": view.conversation.display_id });
                    tx.append_event(EventKind::ConversationCreated, Some(inbox.id), Some(made.id), payload);
                    if n % 4 == 0 {
                        tx.rollback().await.unwrap();
                        return None;
                    }
                    let committed = tx.commit().await.unwrap();
                    Some((committed.display_ids[&made.id].0, committed.last_event_seq.unwrap()))
                })
            })
            .collect();
        let mut numbers = Vec::new();
        for task in tasks {
            numbers.extend(task.await.unwrap());
        }
        let (mut ids, mut seqs): (Vec<i64>, Vec<i64>) = numbers.into_iter().unzip();
        ids.sort_unstable();
        seqs.sort_unstable();
        let all: Vec<i64> = (1..=18).collect();
        assert_eq!((&ids, &seqs), (&all, &all));
        // A second account counts from one.
        let inbox = w.theirs.inbox("support@theirs.example").await;
        let contact = w.theirs.contact("cy@customer.example").await;
        assert_eq!(w.theirs.conversation(&inbox, contact).await.display_id.0, 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_new_person_writing_twice_at_once_is_one_contact() {
    each(async |w| {
        let tasks: Vec<_> = (0..12)
            .map(|_| {
                let scope = w.ours.scope.clone();
                tokio::spawn(async move {
                    let new = NewContact::with_address("Cy", address("Cy@Customer.example"));
                    let mut tx = scope.begin().await.unwrap();
                    let (contact, fresh) = tx.find_or_create_contact(&new).await.unwrap();
                    tx.commit().await.unwrap();
                    (contact.id, fresh)
                })
            })
            .collect();
        let mut found = Vec::new();
        for task in tasks {
            found.push(task.await.unwrap());
        }
        assert_eq!(found.iter().filter(|(_, fresh)| *fresh).count(), 1);
        assert!(found.iter().all(|(id, _)| *id == found[0].0));
        assert_eq!(w.ours.scope.contacts(&ContactFilter::default()).await.unwrap().1, 1);
        let mut tx = w.ours.scope.begin().await.unwrap();
        let taken = tx.create_contact(&NewContact::with_address("Cy", address("cy@customer.example"))).await;
        assert!(matches!(taken, Err(StoreError::Conflict(_))));
    })
    .await;
}

async fn say(tx: &mut Tx, conversation: &Conversation, sent_at: Timestamp, kind: MessageType) -> Message {
    let sender = match kind {
        MessageType::Incoming => NewSender::Contact(conversation.contact_id),
        _ => NewSender::System,
    };
    tx.insert_message(&new_message(conversation.id, kind, sender, sent_at)).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_stand_in_the_order_they_were_sent_not_stored() {
    each(async |w| {
        let inbox = w.ours.inbox("support@ours.example").await;
        let contact = w.ours.contact("cy@customer.example").await;
        let conversation = w.ours.conversation(&inbox, contact).await;
        let mut tx = w.ours.scope.begin().await.unwrap();
        tx.lock_conversation(conversation.id).await.unwrap().unwrap();
        let third = say(&mut tx, &conversation, after(30), MessageType::Incoming).await;
        let first = say(&mut tx, &conversation, after(10), MessageType::Incoming).await;
        let second = say(&mut tx, &conversation, after(10), MessageType::Incoming).await;
        let note = say(&mut tx, &conversation, after(40), MessageType::Activity).await;
        tx.commit().await.unwrap();
        let scope = &w.ours.scope;
        let ids = async |page| -> Vec<_> {
            scope.messages(conversation.id, page).await.unwrap().into_iter().map(|m| m.id).collect()
        };
        let page = MessagePage { limit: 20, ..MessagePage::default() };
        assert_eq!(ids(page).await, [first.id, second.id, third.id, note.id]);
        assert_eq!(ids(MessagePage { limit: 2, ..page }).await, [third.id, note.id]);
        assert_eq!(ids(MessagePage { before: Some(third.id), ..page }).await, [first.id, second.id]);
        assert_eq!(ids(MessagePage { before: Some(third.id), limit: 1, ..page }).await, [second.id]);
        assert_eq!(ids(MessagePage { after: Some(first.id), limit: 2, ..page }).await, [second.id, third.id]);
        let between = MessagePage { after: Some(second.id), before: Some(note.id), ..page };
        assert_eq!(ids(between).await, [second.id, third.id]);
        assert_eq!(ids(MessagePage { public_only: true, ..page }).await, [first.id, second.id, third.id]);
        assert!(ids(MessagePage { before: Some(domain::MessageId(999)), ..page }).await.is_empty());

        let view = scope.conversation(conversation.display_id).await.unwrap().unwrap();
        assert_eq!(view.last_message.unwrap().id, note.id);
        assert_eq!(view.last_non_activity_message.unwrap().id, third.id);
        assert_eq!(view.unread_count, 3);
        assert_eq!(view.conversation.last_activity_at, after(40));
        assert!(matches!(scope.message(conversation.id, first.id).await.unwrap().unwrap().sender, Sender::Contact(_)));
        assert!(scope.message_by_id(first.id).await.unwrap().is_some());

        // An agent looks, a mail comes, the agent says "unread" from the beginning.
        let mut tx = scope.begin().await.unwrap();
        let mut seen = tx.lock_conversation(conversation.id).await.unwrap().unwrap();
        seen.agent_last_seen_at = Some(Timestamp(view.conversation.updated_at.0 + 1_000));
        tx.update_conversation(&seen).await.unwrap();
        assert_eq!(tx.conversation_view(conversation.id).await.unwrap().unwrap().unread_count, 0);
        say(&mut tx, &conversation, after(50), MessageType::Incoming).await;
        assert_eq!(tx.conversation_view(conversation.id).await.unwrap().unwrap().unread_count, 1);
        seen.agent_last_seen_at = None;
        tx.update_conversation(&seen).await.unwrap();
        assert_eq!(tx.conversation_view(conversation.id).await.unwrap().unwrap().unread_count, 4);
        tx.commit().await.unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_list_filters_sorts_and_counts() {
    each(async |w| {
        let support = w.ours.inbox("support@ours.example").await;
        let sales = w.ours.inbox("sales@ours.example").await;
        let contact = w.ours.contact("cy@customer.example").await;
        let agent = w.ours.agent("bob@ours.example").await;
        let me = w.ours.admin.id;
        let mut tx = w.ours.scope.begin().await.unwrap();
        let mut made = Vec::new();
        for (n, (inbox, assignee, status, priority)) in [
            (&support, Some(me), ConversationStatus::Open, Some(Priority::Low)),
            (&support, Some(agent.id), ConversationStatus::Open, None),
            (&support, None, ConversationStatus::Open, Some(Priority::Urgent)),
            (&sales, None, ConversationStatus::Open, None),
            (&support, None, ConversationStatus::Resolved, None),
        ]
        .into_iter()
        .enumerate()
        {
            let new = NewConversation {
                assignee_id: assignee,
                status,
                priority,
                last_activity_at: after(n as i64),
                ..new_conversation(inbox, contact)
            };
            made.push(tx.create_conversation(&new).await.unwrap().id);
        }
        let message = new_message(made[1], MessageType::Incoming, NewSender::Contact(contact), after(1));
        tx.insert_message(&NewMessage { content: Some("The 50%_off Code".to_owned()), ..message }).await.unwrap();
        tx.commit().await.unwrap();
        let scope = &w.ours.scope;
        let filter = ConversationFilter::default();
        let list_as = async |visibility, filter: &ConversationFilter| {
            let page = scope.conversations(&Viewer { visibility, user_id: me }, filter).await.unwrap();
            (page.items.into_iter().map(|v| v.conversation.id).collect::<Vec<_>>(), page.counts)
        };
        let list = async |filter: &ConversationFilter| list_as(Visibility::All, filter).await;
        let counts = |mine, assigned, unassigned, all| ConversationCounts { mine, assigned, unassigned, all };
        assert_eq!(list(&filter).await, (vec![made[3], made[2], made[1], made[0]], counts(1, 2, 2, 4)));
        let mine = ConversationFilter { assignee: AssigneeFilter::Me, ..filter.clone() };
        assert_eq!(list(&mine).await, (vec![made[0]], counts(1, 2, 2, 4)), "counts do not follow the assignee");
        let unassigned = ConversationFilter { assignee: AssigneeFilter::Unassigned, ..filter.clone() };
        assert_eq!(list(&unassigned).await.0, [made[3], made[2]]);
        let assigned = ConversationFilter { assignee: AssigneeFilter::Assigned, ..filter.clone() };
        assert_eq!(list(&assigned).await.0, [made[1], made[0]]);
        let seen = Visibility::Inboxes(vec![sales.id]);
        assert_eq!(list_as(seen.clone(), &filter).await, (vec![made[3]], counts(0, 0, 1, 1)));
        let asked = ConversationFilter { inbox_id: Some(support.id), ..filter.clone() };
        assert_eq!(list_as(seen, &asked).await, (vec![], counts(0, 0, 0, 0)), "asking does not widen what is seen");
        assert_eq!(list_as(Visibility::Inboxes(Vec::new()), &filter).await, (vec![], counts(0, 0, 0, 0)));
        let every = ConversationFilter { status: None, inbox_id: Some(support.id), ..filter.clone() };
        assert_eq!(list(&every).await, (vec![made[4], made[2], made[1], made[0]], counts(1, 2, 2, 4)));
        crate::searching::index(&w).await;
        let found = ConversationFilter { q: Some("50%_OFF".to_owned()), ..filter.clone() };
        assert_eq!(list(&found).await.0, [made[1]]);
        let none = ConversationFilter { q: Some("50x_off".to_owned()), ..filter.clone() };
        assert!(list(&none).await.0.is_empty());
        assert_eq!(list(&ConversationFilter { page: 2, ..filter.clone() }).await, (vec![], counts(1, 2, 2, 4)));
        for sort in ConversationSort::ALL {
            assert_eq!(list(&ConversationFilter { sort: *sort, ..filter.clone() }).await.0.len(), 4, "{sort:?}");
        }
        let urgent = ConversationFilter { sort: ConversationSort::PriorityDesc, ..filter.clone() };
        assert_eq!(list(&urgent).await.0, [made[2], made[0], made[3], made[1]]);
        let labelled = ConversationFilter {
            labels: vec!["vip".to_owned()],
            contact_id: Some(contact),
            updated_since: Some(START),
            ..filter
        };
        assert!(list(&labelled).await.0.is_empty());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ids_are_looked_up_in_one_inbox_and_may_be_used_twice() {
    each(async |w| {
        let support = w.ours.inbox("support@ours.example").await;
        let sales = w.ours.inbox("sales@ours.example").await;
        let contact = w.ours.contact("cy@customer.example").await;
        let one = w.ours.conversation(&support, contact).await;
        let two = w.ours.conversation(&support, contact).await;
        let mut tx = w.ours.scope.begin().await.unwrap();
        let first = say(&mut tx, &one, after(1), MessageType::Incoming).await;
        let second = say(&mut tx, &two, after(2), MessageType::Incoming).await;
        tx.remember_message_id(support.id, one.id, first.id, "a@x", MessageIdOrigin::Incoming, Some("f1"))
            .await
            .unwrap();
        tx.remember_message_id(support.id, two.id, second.id, "a@x", MessageIdOrigin::Incoming, Some("f2"))
            .await
            .unwrap();
        tx.remember_message_id(support.id, one.id, first.id, "b@x", MessageIdOrigin::Rewritten, None).await.unwrap();
        let ids = ["a@x".to_owned(), "b@x".to_owned(), "c@x".to_owned()];
        let known = tx.conversations_by_message_ids(support.id, &ids, None).await.unwrap();
        assert_eq!(
            (known.len(), known["a@x"], known["b@x"]),
            (2, one.id, one.id),
            "the first one, when nothing else is known"
        );
        assert!(tx.conversations_by_message_ids(sales.id, &ids, None).await.unwrap().is_empty());
        assert_eq!(tx.conversation_by_uuid(support.id, &one.uuid).await.unwrap(), Some(one.id));
        assert_eq!(tx.conversation_by_uuid(sales.id, &one.uuid).await.unwrap(), None);
        let twins = tx.messages_by_message_id(support.id, "a@x").await.unwrap();
        assert_eq!(twins.iter().map(|t| t.fingerprint.as_deref().unwrap()).collect::<Vec<_>>(), ["f1", "f2"]);
        tx.touch_contact(contact, support.id, after(9)).await.unwrap();
        tx.touch_contact(contact, support.id, after(3)).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(w.ours.scope.contact(contact).await.unwrap().unwrap().last_activity_at, Some(after(9)));
        assert_eq!(w.ours.scope.messages_by_message_id(support.id, "b@x").await.unwrap().len(), 1);
        crate::searching::index(&w).await;
        let filter = ContactFilter {
            q: Some("CY@".to_owned()),
            sort: ContactSortField::LastActivityAt,
            descending: true,
            ..ContactFilter::default()
        };
        assert_eq!(w.ours.scope.contacts(&filter).await.unwrap().1, 1);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_its_delivery_and_its_work_live_and_die_together() {
    each(async |w| {
        let inbox = w.ours.inbox("support@ours.example").await;
        let contact = w.ours.contact("cy@customer.example").await;
        let conversation = w.ours.conversation(&inbox, contact).await;
        let scope = &w.ours.scope;
        let request = TokenHash::of("body");
        let token = NewToken {
            user_id: w.ours.admin.id,
            kind: TokenKind::Api,
            hash: TokenHash::of("t"),
            account_id: None,
            client_id: None,
            name: None,
            expires_at: None,
            device: Device::default(),
        };
        let token = w.store.sign_in().create_token(&token, 1000).await.unwrap();
        let mut tx = scope.begin().await.unwrap();
        assert_eq!(tx.claim_idempotency_key(token, "k", &request, START).await.unwrap(), IdempotencyCheck::New);
        let sender = NewSender::User(w.ours.admin.id);
        let new = NewMessage {
            source_id: Some("out@us".to_owned()),
            ..new_message(conversation.id, MessageType::Outgoing, sender, after(5))
        };
        let message = tx.insert_message(&new).await.unwrap();
        let blob = tx.put_blob(b"file").await.unwrap();
        let file = NewAttachment {
            blob_id: blob,
            file_name: "a.txt".to_owned(),
            content_type: "text/plain".to_owned(),
            size_bytes: 4,
            content_id: None,
            inline: false,
        };
        let attachment = tx.insert_attachment(message.id, &file).await.unwrap();
        let cy = || vec![Mailbox::bare(address("cy@customer.example"))];
        let again = vec![Mailbox::bare(address("CY@customer.example"))];
        let envelope = DeliveryEnvelope { to: cy(), cc: Vec::new(), bcc: again };
        let new = NewDelivery {
            message_id: message.id,
            conversation_id: conversation.id,
            inbox_id: inbox.id,
            channel_id: Some(inbox.channel.id),
            envelope: envelope.clone(),
            message_id_header: "out@us".to_owned(),
            queued_at: START,
            is_delayed: false,
            waited_since: None,
        };
        let record = tx.insert_delivery(&new).await.unwrap();
        let id = record.delivery.id;
        tx.owe(OwedKind::DeliverMessage, id.0, serde_json::json!({}), OwedPriority::Human, None).await.unwrap();
        tx.finish_idempotency_key(token, "k", message.id).await.unwrap();
        tx.commit().await.unwrap();

        let mut tx = scope.begin().await.unwrap();
        let check = tx.claim_idempotency_key(token, "k", &request, START).await.unwrap();
        assert_eq!(check, IdempotencyCheck::Made(message.id));
        let check = tx.claim_idempotency_key(token, "k", &TokenHash::of("another"), START).await.unwrap();
        assert_eq!(check, IdempotencyCheck::OtherRequest);
        let check = tx.claim_idempotency_key(token, "k", &request, after(24 * 3600)).await.unwrap();
        assert_eq!(check, IdempotencyCheck::New);
        tx.rollback().await.unwrap();

        let whole = scope.message(conversation.id, message.id).await.unwrap().unwrap();
        assert_eq!((whole.attachments.len(), whole.delivery.unwrap().state), (1, DeliveryState::Queued));
        assert_eq!(scope.attachment(attachment.id).await.unwrap().unwrap().blob_id, blob);
        assert_eq!(whole.source_id.as_deref(), Some("out@us"));
        assert_eq!(scope.delivery_of_message(message.id).await.unwrap().unwrap().envelope, envelope);

        // Its work is owed, so nobody has to look after it; without that somebody has.
        assert!(w.store.relay().orphaned_deliveries(10).await.unwrap().is_empty());
        let mut tx = scope.begin().await.unwrap();
        assert!(tx.is_owed(OwedKind::DeliverMessage, id.0).await.unwrap());
        tx.cancel_owed(OwedKind::DeliverMessage, id.0).await.unwrap();
        assert!(!tx.is_owed(OwedKind::DeliverMessage, id.0).await.unwrap());
        tx.commit().await.unwrap();
        let orphans = w.store.relay().orphaned_deliveries(10).await.unwrap();
        assert_eq!(
            orphans.iter().map(|o| (o.scope.account_id(), o.delivery_id)).collect::<Vec<_>>(),
            [(scope.account_id(), id)]
        );
        let mut tx = scope.begin().await.unwrap();
        let mut record = tx.lock_delivery(id).await.unwrap().unwrap();
        record.delivery.state = DeliveryState::Sent;
        record.delivery.sent_at = Some(after(7));
        record.rewritten_message_id = Some("rewritten@outlook".to_owned());
        let ids = ["out@us".to_owned(), "rewritten@outlook".to_owned()];
        let all = record.delivery.recipients.all.clone();
        assert_eq!(all, [address("cy@customer.example")]);
        record.delivery.recipients.accept(&all, &ids);
        tx.update_delivery(&record).await.unwrap();
        let gone = MessageChange { deleted: Some(true), content: Some(None), ..MessageChange::default() };
        let deleted = tx.update_message(message.id, &gone).await.unwrap();
        assert!(deleted.deleted && deleted.content.is_none() && deleted.attachments.is_empty());
        tx.commit().await.unwrap();
        assert!(w.store.relay().orphaned_deliveries(10).await.unwrap().is_empty());
        assert_eq!(scope.delivery(id).await.unwrap().unwrap(), record);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_that_open_conversations_and_replies_in_one_of_them_never_wait_in_a_circle() {
    each(async |w| {
        let inbox = w.ours.inbox("support@ours.example").await;
        let contact = w.ours.contact("cy@customer.example").await;
        let busy = w.ours.conversation(&inbox, contact).await;
        let tasks: Vec<_> = (0..8)
            .map(|n| {
                let (scope, inbox, busy) = (w.ours.scope.clone(), inbox.clone(), busy.clone());
                tokio::spawn(async move {
                    for _ in 0..6 {
                        let mut tx = scope.begin().await.unwrap();
                        if n % 2 == 0 {
                            // A batch: a mail that opens a conversation comes before one that belongs to the busy one.
                            let made = tx.create_conversation(&new_conversation(&inbox, contact)).await.unwrap();
                            let payload = serde_json::json!({ "id": made.display_id });
                            tx.append_event(EventKind::ConversationCreated, Some(inbox.id), Some(made.id), payload);
                        }
                        tx.lock_conversation(busy.id).await.unwrap().unwrap();
                        let message = say(&mut tx, &busy, after(1), MessageType::Incoming).await;
                        let payload = serde_json::json!({ "id": message.id });
                        tx.append_event(EventKind::MessageCreated, Some(inbox.id), Some(busy.id), payload);
                        tx.commit().await.unwrap();
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        let view = w.ours.scope.conversation_by_id(busy.id).await.unwrap().unwrap();
        assert_eq!(view.unread_count, 48);
    })
    .await;
}
