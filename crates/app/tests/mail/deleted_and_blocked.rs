//! Deleted conversations stay deleted, and blocked contacts stay quiet (I9).

use crate::desk::{ADA, Desk, SUPPORT, mail};
use crate::postgres::on_each;
use app::conversations;
use domain::conversation::ConversationStatus;
use domain::{ConversationId, DisplayId};
use sandbox::INBOX;
use sqlx::Connection as _;
use store::RawEmailState;

async fn delete(desk: &Desk, id: ConversationId) {
    let mut tx = desk.scope.begin().await.expect("a transaction");
    assert!(tx.delete_conversation(id).await.expect("deleted"));
    tx.commit().await.expect("committed");
}

/// The last row, and why.
async fn last_outcome(desk: &Desk) -> (RawEmailState, Option<String>) {
    let row = desk.raw_emails().await.pop().expect("a row");
    (row.state, row.reason)
}

#[tokio::test]
async fn a_mail_of_a_deleted_conversation_that_comes_again_stays_deleted() {
    on_each(async |desk| {
        let first = mail(ADA, "1@x.example", "One", "", "first");
        desk.take_in(&first).await;
        let view = desk.conversation().await;
        let sent = desk.reply(view.conversation.display_id, "hello").await.source_id.expect("an id");
        desk.work().await;
        delete(desk, view.conversation.id).await;
        assert!(desk.conversations().await.is_empty() && desk.raw_emails().await.is_empty());

        let deleted = "conversation_deleted: Its conversation was deleted, and stays deleted.";
        assert_eq!(desk.take_in(&first).await.left_out, 1);
        assert_eq!(last_outcome(desk).await, (RawEmailState::Dropped, Some(deleted.to_owned())));
        // A copy of our answer that a rule sends back.
        assert_eq!(desk.take_in(&mail(SUPPORT, &sent, "Re: One", "", "hello")).await.left_out, 1);
        assert!(desk.conversations().await.is_empty());

        // Whoever writes once more is heard: an answer to what is gone, and another mail under a used id.
        let answer = format!("In-Reply-To: <{sent}>\nReferences: <1@x.example> <{sent}>\n");
        assert_eq!(desk.take_in(&mail(ADA, "2@x.example", "Re: One", &answer, "still broken")).await.messages, 1);
        assert_eq!(desk.take_in(&mail(ADA, "1@x.example", "One", "", "something else")).await.messages, 1);
        assert_eq!(desk.take_in(&mail("m@evil.example", &sent, "Re: One", "", "hello")).await.messages, 1);
        assert_eq!(desk.conversations().await.len(), 3);
    })
    .await;
}

#[tokio::test]
async fn a_deleted_conversation_stays_deleted_in_its_own_inbox_only() {
    let desk = Desk::new().await;
    let sales = crate::desk::connect(&desk.scope, &desk.sandbox, "sales@contoso.example").await;
    let to_both = mail(ADA, "both@x.example", "To both", "", "hello");
    desk.take_in(&to_both).await;
    delete(&desk, desk.conversation().await.conversation.id).await;
    assert_eq!(desk.take_in_at(&sales, &to_both).await.messages, 1);
}

#[tokio::test]
async fn a_deleted_conversation_stays_deleted_when_the_folder_is_numbered_anew() {
    let desk = Desk::new().await;
    desk.pull().await.expect("opens");
    desk.arrives(&mail(ADA, "1@x.example", "One", "", "first"));
    desk.arrives(&mail(ADA, "2@x.example", "Two", "", "second"));
    desk.pull().await.expect("pulls");
    let all = desk.conversations().await;
    delete(&desk, all[0].conversation.id).await;
    desk.sandbox.mailbox(SUPPORT).set_uidvalidity(INBOX, 4711);
    desk.pull().await.expect("pulls");
    let left = desk.conversations().await;
    assert_eq!((left.len(), left[0].conversation.id), (1, all[1].conversation.id));
}

async fn block(desk: &Desk) {
    let mut tx = desk.scope.begin().await.expect("a transaction");
    let ada = tx.find_contact_by_address(ADA).await.expect("answers").expect("known");
    assert!(tx.block_contact(ada.id, true).await.expect("blocked"));
    tx.commit().await.expect("committed");
}

/// Kinds of events since the beginning, as the event stream and webhooks tell them.
async fn events(desk: &Desk) -> Vec<String> {
    let file = format!("sqlite://{}", desk.data.path().join("postroom.db").display());
    let mut database = sqlx::SqliteConnection::connect(&file).await.expect("opens");
    sqlx::query_scalar("SELECT kind FROM events ORDER BY seq").fetch_all(&mut database).await.expect("kinds")
}

async fn resolve(desk: &Desk, id: DisplayId) {
    let resolved = Some(ConversationStatus::Resolved);
    conversations::toggle_status(&desk.app, &desk.member, id, resolved, None).await.expect("resolved");
}

#[tokio::test]
async fn a_blocked_contacts_mail_is_kept_and_stays_quiet() {
    let desk = Desk::new().await;
    desk.take_in(&mail(ADA, "1@x.example", "One", "", "first")).await;
    let id = desk.conversation().await.conversation.display_id;
    resolve(&desk, id).await;
    block(&desk).await;
    let before = events(&desk).await;
    let ingested = desk.take_in(&mail(ADA, "2@x.example", "Re: One", "In-Reply-To: <1@x.example>\n", "again")).await;
    assert_eq!(ingested.messages, 1);
    let view = desk.conversation().await;
    assert_eq!((view.conversation.status, view.conversation.waiting_since), (ConversationStatus::Resolved, None));
    assert!(desk.messages(id).await.iter().any(|message| message.content.as_deref() == Some("again")));
    let told = events(&desk).await.split_off(before.len());
    assert!(!told.contains(&"conversation_status_changed".to_owned()), "{told:?}");

    // A new conversation of theirs is there, resolved, and waits for nobody.
    desk.take_in(&mail(ADA, "3@x.example", "Another", "", "new")).await;
    let new = desk.conversations().await.pop().expect("a second one").conversation;
    assert_eq!((new.status, new.waiting_since), (ConversationStatus::Resolved, None));
    // Others reopen it as ever.
    desk.take_in(&mail("grace@x.example", "4@x.example", "Re: One", "In-Reply-To: <1@x.example>\n", "me too")).await;
    assert_eq!(desk.conversations().await[0].conversation.status, ConversationStatus::Open);
}
