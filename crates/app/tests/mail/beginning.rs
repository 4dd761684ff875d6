//! An agent begins a conversation, and an administrator deletes one.

use crate::desk::{ADA, Desk, SUPPORT, mail};
use crate::postgres::on_each;
use app::conversations::{self, BulkChange, ConversationView};
use app::outbound::{Beginning, Draft, IdempotencyKey, StartError, start};
use domain::conversation::ConversationStatus;
use domain::message::DeliveryState;
use domain::{ContactId, DisplayId};
use sandbox::Event;
use std::time::Duration;

fn beginning(desk: &Desk, contact: ContactId, content: &str) -> Beginning {
    Beginning {
        contact_id: Some(contact),
        subject: Some("Your order".to_owned()),
        assignee_id: Some(desk.member.agent.user.id),
        message: Some(Draft { content: content.to_owned(), ..Draft::default() }),
        ..desk.beginning()
    }
}

/// Ada is known, and nothing else is there.
async fn ada(desk: &Desk) -> ContactId {
    desk.take_in(&mail(ADA, "1@x.example", "One", "", "first")).await;
    let view = desk.conversation().await;
    conversations::delete(&desk.app, &desk.member, view.conversation.display_id).await.expect("deleted");
    view.contact.id
}

fn accepted(desk: &Desk) -> usize {
    desk.sandbox.events().iter().filter(|event| matches!(event, Event::SmtpAccepted { .. })).count()
}

#[tokio::test]
async fn a_conversation_that_an_agent_begins_leaves_as_a_mail_and_its_answer_comes_back_to_it() {
    on_each(async |desk| {
        let contact = ada(desk).await;
        let view: ConversationView =
            start(&desk.app, &desk.member, beginning(desk, contact, "It is on its way")).await.expect("begun");
        assert!(view.conversation.display_id > DisplayId(0), "numbered");
        assert_eq!(view.conversation.subject.as_deref(), Some("Your order"));
        assert_eq!((view.contact.id, view.unread_count), (contact, 0));
        desk.work().await;
        let id = view.conversation.display_id;
        let said = desk.messages(id).await.pop().expect("a message");
        assert_eq!(desk.state(id, said.id).await, DeliveryState::Sent);
        assert_eq!(said.content_attributes["email"]["subject"], "Your order");
        let sent = said.source_id.expect("an id");
        let answer = format!("In-Reply-To: <{sent}>\n");
        desk.take_in(&mail(ADA, "2@x.example", "Re: Your order", &answer, "Thanks")).await;
        let view = desk.conversation().await;
        assert_eq!((view.conversation.display_id, view.unread_count), (id, 1));
        let people = conversations::participants(&desk.app, &desk.member, id).await.expect("a list");
        assert_eq!(people.len(), 1, "whoever was given it takes part");
    })
    .await;
}

#[tokio::test]
async fn the_same_key_begins_one_conversation_and_sends_one_mail() {
    on_each(async |desk| {
        let contact = ada(desk).await;
        let key = IdempotencyKey { token_id: desk.member.token_id, key: "once".to_owned() };
        let begin = async |content: &str| {
            let mut beginning = beginning(desk, contact, content);
            beginning.message.as_mut().expect("a message").idempotency = Some(key.clone());
            start(&desk.app, &desk.member, beginning).await
        };
        let (one, again) = (begin("hello").await.expect("begun"), begin("hello").await.expect("the same"));
        assert_eq!(one.conversation.id, again.conversation.id);
        assert!(matches!(begin("other").await, Err(StartError::Message(_))));
        desk.work().await;
        assert_eq!((desk.conversations().await.len(), accepted(desk)), (1, 1));
    })
    .await;
}

#[tokio::test]
async fn a_beginning_without_a_subject_says_who_writes_and_one_without_words_or_as_a_note_sends_nothing() {
    let desk = Desk::new().await;
    let contact = ada(&desk).await;
    let silent = Beginning { subject: None, message: None, ..beginning(&desk, contact, "") };
    let view = start(&desk.app, &desk.member, silent).await.expect("begun");
    assert_eq!(view.conversation.subject, Some(format!("Message from {}", desk.inbox.name)));
    let mut note = beginning(&desk, contact, "psst");
    note.message.as_mut().expect("a message").private = true;
    note.contact_id = None;
    note.source_id = Some(ADA.to_owned());
    assert_eq!(start(&desk.app, &desk.member, note).await.expect("begun").contact.id, contact);
    desk.work().await;
    assert_eq!(accepted(&desk), 0);
    let nobody = Beginning { contact_id: None, ..beginning(&desk, contact, "x") };
    assert!(matches!(start(&desk.app, &desk.member, nobody).await, Err(StartError::ContactNotFound)));
    let blank = beginning(&desk, contact, " ");
    assert!(matches!(start(&desk.app, &desk.member, blank).await, Err(StartError::Message(_))));
    assert_eq!(desk.conversations().await.len(), 2, "what is refused leaves nothing");
}

#[tokio::test]
async fn what_an_administrator_deletes_stays_deleted_and_everybody_hears_of_it() {
    on_each(async |desk| {
        let first = mail(ADA, "1@x.example", "One", "", "first");
        desk.take_in(&first).await;
        let id = desk.conversation().await.conversation.display_id;
        let sent = desk.reply(id, "hello").await.source_id.expect("an id");
        conversations::delete(&desk.app, &desk.member, id).await.expect("deleted");
        desk.work().await;
        assert!(desk.conversations().await.is_empty());
        assert_eq!(accepted(desk), 0, "what had not left does not leave");
        assert_eq!(desk.take_in(&first).await.left_out, 1);
        assert_eq!(desk.take_in(&mail(SUPPORT, &sent, "Re: One", "", "hello")).await.left_out, 1);
        let gone = conversations::delete(&desk.app, &desk.member, id).await;
        assert!(matches!(gone, Err(conversations::DeleteError::NotFound)));
    })
    .await;
}

#[tokio::test]
async fn the_same_is_done_to_many_conversations_or_to_none() {
    on_each(async |desk| {
        for n in 0..3 {
            desk.take_in(&mail(ADA, &format!("{n}@x.example"), &format!("Mail {n}"), "", "first")).await;
        }
        let ids: Vec<DisplayId> = desk.conversations().await.iter().map(|v| v.conversation.display_id).collect();
        let me = desk.member.agent.user.id;
        let until = desk.app.now().plus(Duration::from_secs(60));
        let change = BulkChange {
            status: Some(ConversationStatus::Snoozed),
            snoozed_until: Some(until),
            assignee: Some(Some(me)),
            add_labels: vec!["vip".to_owned()],
            ..BulkChange::default()
        };
        let some = [ids[0], ids[2], DisplayId(4242)];
        conversations::change_many(&desk.app, &desk.member, &some, &change).await.expect("done");
        let is = |view: &ConversationView| {
            let c = &view.conversation;
            (c.status == ConversationStatus::Snoozed, c.assignee_id == Some(me), view.labels == ["vip"])
        };
        let states: Vec<_> = desk.conversations().await.iter().map(is).collect();
        assert_eq!(states, [(true, true, true), (false, false, false), (true, true, true)]);
        let bad = BulkChange { assignee: Some(Some(domain::UserId(4242))), ..change };
        let refused = conversations::change_many(&desk.app, &desk.member, &ids, &bad).await;
        assert!(matches!(refused, Err(conversations::BulkError::Assign(_))), "{refused:?}");
        let remove = BulkChange { remove_labels: vec!["VIP".to_owned()], ..BulkChange::default() };
        conversations::change_many(&desk.app, &desk.member, &ids, &remove).await.expect("done");
        assert!(desk.conversations().await.iter().all(|view| view.labels.is_empty()));
    })
    .await;
}
