//! The main job: a mail comes, an agent answers, the customer answers that.

use crate::desk::{ADA, Desk, SUPPORT, mail};
use ::mail::parse::parse;
use domain::message::{DeliveryState, MessageType};
use sandbox::{INBOX, SmtpFault};

#[tokio::test]
async fn a_reply_reaches_the_customer_and_their_answer_lands_in_the_same_conversation() {
    let desk = Desk::new().await;
    desk.pull().await.expect("opens");
    desk.arrives(&mail(&format!("Ada <{ADA}>"), "1@customer.example", "Broken engine", "", "It does not compute."));
    desk.pull().await.expect("pulls");
    let id = desk.conversation().await.conversation.display_id;
    let sent = desk.reply(id, "Have you **tried** turning it off?").await;
    assert_eq!(sent.delivery.as_ref().map(|d| d.state), Some(DeliveryState::Queued));
    desk.work().await;
    assert_eq!(desk.state(id, sent.id).await, DeliveryState::Sent);

    let received = desk.sandbox.mailbox(ADA).messages(INBOX);
    assert_eq!(received.len(), 1);
    let got = parse(&received[0].bytes, usize::MAX);
    assert_eq!(got.in_reply_to, ["1@customer.example"]);
    assert_eq!(got.subject.as_deref(), Some("Re: Broken engine"));
    assert_eq!(got.from[0].address.as_str(), SUPPORT);
    assert_eq!(got.from[0].name.as_deref(), Some("Agnes Agent from Support"));
    assert!(got.text.as_deref().is_some_and(|text| text.contains("turning it off")));
    assert!(got.html.as_deref().is_some_and(|html| html.contains("<strong>tried</strong>")));

    let theirs = got.message_id.expect("an id");
    let answer = format!("In-Reply-To: <{theirs}>\nReferences: <1@customer.example> <{theirs}>\n");
    desk.arrives(&mail(ADA, "2@customer.example", "Re: Broken engine", &answer, "That helped."));
    desk.pull().await.expect("pulls");
    let view = desk.conversation().await;
    let kinds: Vec<_> = desk.messages(id).await.iter().map(|m| m.message_type).collect();
    assert_eq!(kinds, [MessageType::Incoming, MessageType::Outgoing, MessageType::Incoming]);
    assert!(view.conversation.first_reply_at.is_some() && view.conversation.waiting_since.is_some());
}

#[tokio::test]
async fn an_answer_to_an_id_that_the_provider_made_up_finds_its_conversation() {
    let desk = Desk::new().await;
    desk.sandbox.faults().always(SmtpFault::RewriteMessageId);
    desk.take_in(&mail(ADA, "1@x.example", "One", "", "first")).await;
    let id = desk.conversation().await.conversation.display_id;
    let sent = desk.reply(id, "hello").await;
    desk.work().await;
    let received = desk.sandbox.mailbox(ADA).messages(INBOX);
    let rewritten = parse(&received[0].bytes, usize::MAX).message_id.expect("an id");
    assert_ne!(Some(&rewritten), sent.source_id.as_ref());
    desk.take_in(&mail(ADA, "2@x.example", "Re: One", &format!("In-Reply-To: <{rewritten}>\n"), "thanks")).await;
    assert_eq!(desk.conversations().await.len(), 1);
}

#[tokio::test]
async fn a_bounce_marks_the_message_it_is_about_and_reopens_nothing() {
    let desk = Desk::new().await;
    desk.pull().await.expect("opens");
    desk.arrives(&mail(ADA, "1@x.example", "One", "", "first"));
    desk.pull().await.expect("pulls");
    let id = desk.conversation().await.conversation.display_id;
    desk.sandbox.faults().once(SmtpFault::BounceLater {
        status: "5.1.1".to_owned(),
        diagnostic: "550 5.1.1 User unknown".to_owned(),
        language: sandbox::NdrLanguage::English,
    });
    let sent = desk.reply(id, "hello").await;
    desk.work().await;
    let resolved = Some(domain::conversation::ConversationStatus::Resolved);
    app::conversations::toggle_status(&desk.app, &desk.member, id, resolved, None).await.expect("resolved");
    desk.pull().await.expect("pulls");
    assert_eq!(desk.state(id, sent.id).await, DeliveryState::Bounced);
    assert_eq!(Some(desk.conversation().await.conversation.status), resolved);
}
