//! Who sees what, and who is given what.

use crate::desk::{ADA, Desk, connect, mail};
use app::conversations::{self, AssignError, ReadError, StatusError};
use domain::conversation::ConversationStatus;
use domain::message::MessageType;
use domain::{DisplayId, Timestamp, UserId};
use store::Visibility;

#[tokio::test]
async fn a_mail_of_another_inbox_is_never_what_is_answered() {
    let desk = Desk::new().await;
    desk.take_in(&mail(ADA, "1@x.example", "One", "", "first")).await;
    let first = desk.conversation().await.conversation;
    let sent = desk.reply(first.display_id, "hello").await.source_id.expect("an id");
    let other = connect(&desk.scope, &desk.sandbox, "sales@contoso.example").await;
    let answer = format!("In-Reply-To: <1@x.example>\nReferences: <{sent}>\n");
    desk.take_in_at(&other, &mail(ADA, "2@x.example", "Re: One", &answer, "to the wrong place")).await;
    let all = desk.conversations().await;
    assert_eq!(all.len(), 2);
    assert_eq!(all[1].conversation.inbox_id, other.id);
    // The same mail in two inboxes is two messages.
    desk.take_in_at(&other, &mail(ADA, "1@x.example", "One", "", "first")).await;
    assert_eq!(desk.conversations().await.len(), 3);
}

#[tokio::test]
async fn what_a_member_does_not_see_is_not_there() {
    let desk = Desk::new().await;
    desk.take_in(&mail(ADA, "1@x.example", "One", "", "first")).await;
    let id = desk.conversation().await.conversation.display_id;
    let mut stranger = desk.member.clone();
    stranger.visibility = Visibility::Inboxes(Vec::new());
    for seen in [
        conversations::show(&desk.app, &stranger, id).await.map(drop),
        conversations::messages(&desk.app, &stranger, id, None, None, false).await.map(drop),
        conversations::update_last_seen(&desk.app, &stranger, id).await.map(drop),
        conversations::show(&desk.app, &desk.member, DisplayId(999)).await.map(drop),
    ] {
        assert!(matches!(seen, Err(ReadError::NotFound)), "{seen:?}");
    }
    let changed = conversations::toggle_status(&desk.app, &stranger, id, None, None).await;
    assert!(matches!(changed, Err(StatusError::NotFound)));
    assert!(
        conversations::list(&desk.app, &stranger, &conversations::ConversationFilter::default())
            .await
            .expect("a list")
            .items
            .is_empty()
    );
}

#[tokio::test]
async fn a_conversation_is_given_to_somebody_who_can_see_it_or_to_nobody() {
    let desk = Desk::new().await;
    desk.take_in(&mail(ADA, "1@x.example", "One", "", "first")).await;
    let id = desk.conversation().await.conversation.display_id;
    let me = desk.member.agent.user.id;
    let given = conversations::assign(&desk.app, &desk.member, id, Some(me)).await.expect("given");
    assert_eq!(given.map(|agent| agent.user.id), Some(me));
    let nobody = conversations::assign(&desk.app, &desk.member, id, Some(UserId(4711))).await;
    assert!(matches!(nobody, Err(AssignError::NotAssignable)));
    assert!(conversations::assign(&desk.app, &desk.member, id, None).await.expect("taken").is_none());
    let lines: Vec<_> = desk
        .messages(id)
        .await
        .into_iter()
        .filter(|m| m.message_type == MessageType::Activity)
        .filter_map(|m| m.content)
        .collect();
    assert_eq!(lines, ["Agnes Agent self-assigned this conversation", "Conversation unassigned by Agnes Agent"]);
}

#[tokio::test]
async fn a_snooze_needs_an_end_in_the_future_and_forgets_it_when_it_ends() {
    let desk = Desk::new().await;
    desk.take_in(&mail(ADA, "1@x.example", "One", "", "first")).await;
    let id = desk.conversation().await.conversation.display_id;
    let snoozed = Some(ConversationStatus::Snoozed);
    let over = Some(Timestamp::from_seconds(1));
    let refused = conversations::toggle_status(&desk.app, &desk.member, id, snoozed, over).await;
    assert!(matches!(refused, Err(StatusError::SnoozeOver)));
    let until = Some(Timestamp::from_seconds(4_000_000_000));
    let view = conversations::toggle_status(&desk.app, &desk.member, id, snoozed, until).await.expect("snoozed");
    assert_eq!((Some(view.conversation.status), view.conversation.snoozed_until), (snoozed, until));
    let view = conversations::toggle_status(&desk.app, &desk.member, id, None, None).await.expect("opened");
    assert_eq!((view.conversation.status, view.conversation.snoozed_until), (ConversationStatus::Open, None));
}

#[tokio::test]
async fn looking_at_a_conversation_leaves_nothing_unread() {
    let desk = Desk::new().await;
    desk.take_in(&mail(ADA, "1@x.example", "One", "", "first")).await;
    let view = desk.conversation().await;
    assert_eq!(view.unread_count, 1);
    let seen =
        conversations::update_last_seen(&desk.app, &desk.member, view.conversation.display_id).await.expect("seen");
    assert_eq!(seen.unread_count, 0);
    desk.take_in(&mail(ADA, "2@x.example", "Re: One", "In-Reply-To: <1@x.example>\n", "more")).await;
    assert_eq!(desk.conversation().await.unread_count, 1);
}

#[tokio::test]
async fn html_is_made_harmless_when_somebody_looks_at_it() {
    let desk = Desk::new().await;
    let headers = "MIME-Version: 1.0\nContent-Type: text/html; charset=utf-8\n";
    let html = "<p onclick=\"x()\">hello <script>alert(1)</script><b>you</b></p>";
    desk.take_in(&mail(ADA, "1@x.example", "One", headers, html)).await;
    let id = desk.conversation().await.conversation.display_id;
    let message = desk.messages(id).await.remove(0);
    assert_eq!(message.content.as_deref(), Some("hello you"));
    let shown = conversations::message_html(&desk.app, &desk.member, id, message.id, true).await.expect("read");
    let shown = shown.expect("it has HTML").html;
    assert!(shown.contains("<b>you</b>") && !shown.contains("script") && !shown.contains("onclick"), "{shown}");
}
