//! A Message-ID that more than one mail carries: by accident, or because somebody wants to be taken for another.

use crate::desk::{ADA, Desk, mail};
use crate::postgres::on_each;
use ::mail::parse::parse;
use domain::DisplayId;
use sandbox::{INBOX, SmtpFault};

const MALLORY: &str = "mallory@evil.example";

/// In how many messages each conversation is, oldest conversation first.
async fn counts(desk: &Desk) -> Vec<usize> {
    let mut counts = Vec::new();
    for view in desk.conversations().await {
        counts.push(desk.messages(view.conversation.display_id).await.len());
    }
    counts
}

fn answering(id: &str) -> String {
    format!("In-Reply-To: <{id}>\n")
}

#[tokio::test]
async fn an_answer_does_not_follow_whoever_used_its_id_again() {
    on_each(async |desk| {
        desk.take_in(&mail(ADA, "1@x.example", "One", "", "first")).await;
        desk.take_in(&mail(MALLORY, "1@x.example", "Two", "", "come to me")).await;
        assert_eq!(counts(desk).await, [1, 1]);
        desk.take_in(&mail(ADA, "2@x.example", "Re: One", &answering("1@x.example"), "more")).await;
        desk.take_in(&mail("grace@x.example", "3@x.example", "Re: One", &answering("1@x.example"), "me too")).await;
        assert_eq!(counts(desk).await, [3, 1]);
        // Who wrote under the id themselves goes on where they wrote.
        desk.take_in(&mail(MALLORY, "4@x.example", "Re: Two", &answering("1@x.example"), "still here")).await;
        assert_eq!(counts(desk).await, [3, 2]);
    })
    .await;
}

#[tokio::test]
async fn an_answer_to_what_left_here_does_not_follow_whoever_took_its_id_in_advance_or_later() {
    let desk = Desk::new().await;
    desk.sandbox.faults().always(SmtpFault::RewriteMessageId);
    desk.take_in(&mail(ADA, "1@x.example", "One", "", "first")).await;
    let ours: DisplayId = desk.conversation().await.conversation.display_id;
    desk.reply(ours, "hello").await;
    desk.work().await;
    let received = desk.sandbox.mailbox(ADA).messages(INBOX);
    let rewritten = parse(&received[0].bytes, usize::MAX).message_id.expect("an id");
    desk.take_in(&mail(MALLORY, &rewritten, "Two", "", "come to me")).await;
    desk.take_in(&mail(MALLORY, "2@x.example", "Re: Two", &answering(&rewritten), "I am here, too")).await;
    desk.take_in(&mail(ADA, "3@x.example", "Re: One", &answering(&rewritten), "thanks")).await;
    let texts: Vec<_> = desk.messages(ours).await.into_iter().filter_map(|message| message.content).collect();
    assert!(texts.contains(&"thanks".to_owned()), "{texts:?}");
}
