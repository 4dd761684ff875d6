//! What a mail becomes.

use crate::desk::{ADA, Desk, mail};
use ::mail::message_token;
use app::conversations;
use domain::conversation::ConversationStatus;
use domain::message::{MessageType, Sender};
use serde_json::json;
use store::RawEmailState;

#[tokio::test]
async fn a_mail_is_a_message_in_a_new_conversation() {
    let desk = Desk::new().await;
    let raw =
        mail("Ada Lovelace <ada@customer.example>", "1@customer.example", "Broken engine", "", "It does not compute.");
    assert_eq!(desk.take_in(&raw).await.messages, 1);
    let view = desk.conversation().await;
    assert_eq!(view.conversation.subject.as_deref(), Some("Broken engine"));
    assert_eq!(view.conversation.status, ConversationStatus::Open);
    assert_eq!((view.contact.name.as_str(), view.contact.email.as_deref()), ("Ada Lovelace", Some(ADA)));
    assert_eq!(view.unread_count, 1);
    assert!(view.conversation.waiting_since.is_some());
    let messages = desk.messages(view.conversation.display_id).await;
    assert_eq!(messages.len(), 1);
    assert_eq!(messages[0].message_type, MessageType::Incoming);
    assert_eq!(messages[0].content.as_deref(), Some("It does not compute."));
    assert_eq!(messages[0].source_id.as_deref(), Some("1@customer.example"));
    assert_eq!(messages[0].content_attributes["email"]["from"], json!([ADA]));
    assert_eq!(desk.raw_emails().await[0].state, RawEmailState::Ingested);
}

#[tokio::test]
async fn an_answer_joins_the_conversation_and_another_subject_does_not_matter() {
    let desk = Desk::new().await;
    desk.take_in(&mail(ADA, "1@x.example", "One", "", "first")).await;
    desk.take_in(&mail(ADA, "2@x.example", "Entirely else", "In-Reply-To: <1@x.example>\n", "second")).await;
    desk.take_in(&mail(
        "Grace <grace@customer.example>",
        "3@x.example",
        "Re: One",
        "References: <0@x.example> <2@x.example>\n",
        "third",
    ))
    .await;
    let view = desk.conversation().await;
    let messages = desk.messages(view.conversation.display_id).await;
    assert_eq!(messages.len(), 3);
    let Sender::Contact(third) = &messages[2].sender else { panic!("a contact wrote it") };
    assert_eq!(third.email.as_deref(), Some("grace@customer.example"), "a new participant is shown as who they are");
    assert_eq!(view.contact.email.as_deref(), Some(ADA));
}

#[tokio::test]
async fn the_same_subject_alone_never_joins() {
    let desk = Desk::new().await;
    desk.take_in(&mail(ADA, "1@x.example", "Invoice", "", "mine")).await;
    desk.take_in(&mail(ADA, "2@x.example", "Re: Invoice", "", "another")).await;
    assert_eq!(desk.conversations().await.len(), 2);
}

#[tokio::test]
async fn the_same_mail_twice_is_one_message_and_a_row_says_why() {
    let desk = Desk::new().await;
    let raw = mail(ADA, "1@x.example", "One", "", "first");
    desk.take_in(&raw).await;
    let again = desk.take_in(&raw).await;
    assert_eq!((again.messages, again.left_out), (0, 1));
    assert_eq!(desk.messages(desk.conversation().await.conversation.display_id).await.len(), 1);
    let rows = desk.raw_emails().await;
    assert_eq!(rows[1].state, RawEmailState::Duplicate);
    assert!(rows[1].reason.as_deref().is_some_and(|reason| reason.contains("fingerprint")));
}

#[tokio::test]
async fn the_same_mail_twice_without_a_message_id_is_one_message() {
    let desk = Desk::new().await;
    let raw = format!("From: {ADA}\nSubject: No id\nDate: Thu, 09 Oct 2025 08:00:00 +0000\n\nhello\n");
    assert_eq!(desk.take_in(&raw).await.messages, 1);
    let view = desk.conversation().await;
    let messages = desk.messages(view.conversation.display_id).await;
    assert!(messages[0].source_id.as_deref().is_some_and(|id| id.ends_with("@made-up.postroom.invalid")));
}

#[tokio::test]
async fn the_same_message_id_with_another_content_is_another_message() {
    let desk = Desk::new().await;
    desk.take_in(&mail(ADA, "1@x.example", "One", "", "first")).await;
    let other = desk.take_in(&mail("Mallory <m@evil.example>", "1@x.example", "One", "", "something else")).await;
    assert_eq!(other.messages, 1);
    assert_eq!(desk.conversations().await.len(), 2);
}

#[tokio::test]
async fn what_is_broken_is_still_there() {
    let desk = Desk::new().await;
    for raw in [
        &b""[..],
        b"no header at all, only words",
        b"Subject: no sender\r\n\r\nhello",
        b"From: not an address\r\nSubject: x\r\n\r\nhello",
        b"From: a@x.example\r\nContent-Type: multipart/mixed; boundary=\"b\"\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nhalf",
        b"From: a@x.example\r\nContent-Type: text/plain; charset=nonsense\r\nContent-Transfer-Encoding: base64\r\n\r\n\xff\xfe\0!!",
    ] {
        let ingested = desk.take_in_bytes(raw).await;
        let why = desk.raw_emails().await.last().map(|row| (row.state, row.reason.clone()));
        assert_eq!(ingested.messages, 1, "{} {why:?}", String::from_utf8_lossy(raw));
    }
    let all = desk.conversations().await;
    assert_eq!(all.len(), 6);
    let strange = desk.messages(all[1].conversation.display_id).await.remove(0);
    assert_eq!(strange.content.as_deref(), Some("no header at all, only words"));
    assert!(desk.raw_emails().await.iter().all(|row| row.state == RawEmailState::Ingested));
}

#[tokio::test]
async fn a_mail_of_25_megabytes_keeps_its_file() {
    let desk = Desk::new().await;
    let line = "QUFB".repeat(19) + "\r\n";
    let file = line.repeat(25 * 1024 * 1024 / line.len());
    let raw = format!(
        "From: {ADA}\r\nSubject: big\r\nMessage-ID: <big@x.example>\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nsee file\r\n--b\r\nContent-Type: application/pdf; name=big.pdf\r\nContent-Disposition: attachment; filename=big.pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n{file}--b--\r\n"
    );
    assert_eq!(desk.take_in_bytes(raw.as_bytes()).await.messages, 1);
    let view = desk.conversation().await;
    let message = desk.messages(view.conversation.display_id).await.remove(0);
    assert_eq!(message.content.as_deref(), Some("see file"));
    assert_eq!(message.attachments.len(), 1);
    let url = app::attachments::url(&desk.app, &desk.scope, &message.attachments[0]).await.expect("an address");
    let token = url.rsplit('/').next().expect("a token");
    let opened = app::attachments::open(&desk.app, token).await.expect("opens");
    assert_eq!((opened.file_name.as_str(), opened.bytes.len() as u64), ("big.pdf", message.attachments[0].size_bytes));
    assert!(opened.bytes.len() > 18 * 1024 * 1024);
    let forged = format!("{}A", &token[..token.len() - 1]);
    assert!(forged == token || app::attachments::open(&desk.app, &forged).await.is_err());
}

#[tokio::test]
async fn a_resolved_conversation_reopens_for_a_person_and_not_for_a_machine() {
    let desk = Desk::new().await;
    desk.take_in(&mail(ADA, "1@x.example", "One", "", "first")).await;
    let id = desk.conversation().await.conversation.display_id;
    let resolve = Some(ConversationStatus::Resolved);
    conversations::toggle_status(&desk.app, &desk.member, id, resolve, None).await.expect("resolved");
    let robot = "In-Reply-To: <1@x.example>\nAuto-Submitted: auto-replied\n";
    desk.take_in(&mail(ADA, "2@x.example", "Out of office", robot, "I am away")).await;
    let view = desk.conversation().await;
    assert_eq!((view.conversation.status, view.conversation.waiting_since), (ConversationStatus::Resolved, None));
    desk.take_in(&mail(ADA, "3@x.example", "Re: One", "In-Reply-To: <1@x.example>\n", "still broken")).await;
    let view = desk.conversation().await;
    assert_eq!(view.conversation.status, ConversationStatus::Open);
    assert!(view.conversation.waiting_since.is_some());
    let lines: Vec<_> =
        desk.messages(id).await.into_iter().filter(|m| m.message_type == MessageType::Activity).collect();
    assert_eq!(lines.len(), 1);
    assert_eq!(lines[0].content.as_deref(), Some("Conversation was marked resolved by Agnes Agent"));
}

#[tokio::test]
async fn a_signed_token_finds_its_conversation_and_a_forged_one_does_not() {
    let desk = Desk::new().await;
    desk.take_in(&mail(ADA, "1@x.example", "One", "", "first")).await;
    let uuid = desk.conversation().await.conversation.uuid;
    let keys = desk.scope.message_id_keys().await.expect("keys");
    let ours = message_token::make(keys[0].1.expose().as_bytes(), &uuid, b"0123456789ab", "contoso.example");
    desk.take_in(&mail(ADA, "2@x.example", "Re: One", &format!("In-Reply-To: <{ours}>\n"), "with the token")).await;
    assert_eq!(desk.conversations().await.len(), 1);
    let forged = message_token::make(b"another key", &uuid, b"0123456789ab", "contoso.example");
    desk.take_in(&mail("m@evil.example", "3@x.example", "Re: One", &format!("In-Reply-To: <{forged}>\n"), "let me in"))
        .await;
    assert_eq!(desk.conversations().await.len(), 2);
}

#[tokio::test]
async fn our_own_mail_that_comes_back_is_no_message() {
    let desk = Desk::new().await;
    desk.take_in(&mail(ADA, "1@x.example", "One", "", "first")).await;
    let id = desk.conversation().await.conversation.display_id;
    let sent = desk.reply(id, "hello").await.source_id.expect("an id");
    let echo = mail(crate::desk::SUPPORT, &sent, "Re: One", "In-Reply-To: <1@x.example>\n", "hello");
    assert_eq!(desk.take_in(&echo).await.left_out, 1);
    assert_eq!(desk.messages(id).await.len(), 2);
}

#[tokio::test]
async fn a_date_in_the_future_does_not_put_a_message_below_what_follows_it() {
    let desk = Desk::new().await;
    let raw = format!(
        "From: {ADA}\nMessage-ID: <1@x.example>\nSubject: s\nDate: Thu, 09 Oct 2099 08:00:00 +0000\n\nfrom the future\n"
    );
    desk.take_in(&raw).await;
    let id = desk.conversation().await.conversation.display_id;
    desk.reply(id, "hello").await;
    let messages = desk.messages(id).await;
    assert_eq!(messages[1].message_type, MessageType::Outgoing);
}

#[tokio::test]
async fn an_answer_stands_below_what_it_answers_whatever_its_clock_says() {
    let desk = Desk::new().await;
    desk.take_in(&mail(ADA, "1@x.example", "One", "", "first")).await;
    let id = desk.conversation().await.conversation.display_id;
    let sent = desk.reply(id, "hello").await.source_id.expect("an id");
    let slow = format!(
        "From: {ADA}\nMessage-ID: <2@x.example>\nIn-Reply-To: <{sent}>\nDate: Thu, 09 Oct 2025 08:00:00 +0000\n\nthanks\n"
    );
    desk.take_in(&slow).await;
    let kinds: Vec<_> = desk.messages(id).await.iter().map(|m| m.message_type).collect();
    assert_eq!(kinds, [MessageType::Incoming, MessageType::Outgoing, MessageType::Incoming]);
}
