//! One person sends for several mailboxes (O4, I10): Exchange counts the person, so together they keep to what one person may.

use crate::pace::one_mail_at_a_time;
use anyhow::{Context, Result};
use sandbox::{CONTOSO, TenantUser};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use testkit::builders::Mail;
use testkit::post::ADA;
use testkit::world::{Database, Queue, SUPPORT, Setup, World};

const SHARED: [&str; 2] = ["info@contoso.example", "jobs@contoso.example"];
const EACH: usize = 12;
/// "30 messages per minute", in Microsoft's "Exchange Online limits".
const A_MINUTE: usize = 30;

/// The person's own mailbox and two shared ones, a conversation in each.
async fn three_mailboxes(w: &mut World) -> Result<(Vec<i64>, Vec<i64>)> {
    let own = w.connect_and_watch(SUPPORT).await?;
    let mut inboxes = vec![own];
    for mailbox in SHARED {
        w.sandbox.add_user(TenantUser::work(CONTOSO, mailbox, "Contoso"));
        w.sandbox.update_user(SUPPORT, |user| {
            user.full_access.push(mailbox.to_owned());
            user.send_as.push(mailbox.to_owned());
        });
        let path = w.path(&format!("/inboxes/{own}/shared_mailboxes"));
        let begun = w.api.post(&path, &json!({"mailbox": mailbox})).await?;
        let inbox = w.connected(begun["id"].as_i64().context("id")?).await?;
        w.watched(inbox).await?;
        inboxes.push(inbox);
    }
    assert_eq!(w.number("SELECT COUNT(*) FROM grants").await?, 1);
    let mut conversations = Vec::new();
    for (n, mailbox) in [SUPPORT, SHARED[0], SHARED[1]].into_iter().enumerate() {
        let mut mail = Mail::new(ADA, &format!("To {mailbox}"), "hello").id(&format!("to-{mailbox}"));
        mail.to = mailbox.to_owned();
        w.sandbox.deliver(mailbox, &mail.bytes());
        let all = w.conversations_are(n + 1).await?;
        let new = all.iter().filter_map(|one| one["id"].as_i64()).find(|id| !conversations.contains(id));
        conversations.push(new.context("a new conversation")?);
    }
    Ok((inboxes, conversations))
}

fn texts(w: &World) -> Vec<String> {
    w.sandbox.mailbox(ADA).messages("INBOX").iter().map(|m| String::from_utf8_lossy(&m.bytes).into_owned()).collect()
}

async fn waiting(w: &World, conversations: &[i64]) -> Result<Vec<Value>> {
    let mut waiting = Vec::new();
    for conversation in conversations {
        let messages = w.messages(*conversation).await?;
        waiting.extend(messages.into_iter().map(|m| m["delivery"].clone()).filter(|d| d["state"] == json!("queued")));
    }
    Ok(waiting)
}

#[tokio::test(flavor = "multi_thread")]
async fn three_mailboxes_of_one_person_keep_to_one_persons_sessions_and_pace_and_every_message_arrives_once()
-> Result<()> {
    World::run(Setup::on(Database::Postgres, Queue::Redis), async |w| {
        let (inboxes, conversations) = three_mailboxes(w).await?;
        // Each process could keep a session, and have its own opinion of the pace.
        w.start_process("work")?;
        w.start_process("work")?;
        for n in 0..EACH {
            for conversation in &conversations {
                w.reply(*conversation, &format!("number {n} in {conversation}.")).await?;
            }
        }
        w.eventually("the others wait for the minute to pass", async |w| {
            let waiting = waiting(w, &conversations).await?;
            let paced = waiting.iter().filter(|d| {
                d["failure"]["code"] == json!("sending_paced")
                    && d["failure"]["detail"] == json!("the limit is 30 messages a minute")
            });
            Ok(texts(w).len() == A_MINUTE && paced.count() == 3 * EACH - A_MINUTE)
        })
        .await?;
        // The provider lets this person send more, and an administrator says so for each of the mailboxes.
        for inbox in &inboxes {
            let limits = json!({"sending_limits": {"messages_per_minute": 600}});
            w.api.patch(&w.path(&format!("/inboxes/{inbox}")), &limits).await?;
        }
        w.eventually("all have left", async |w| Ok(waiting(w, &conversations).await?.is_empty())).await?;
        let all = texts(w);
        let mut found = BTreeSet::new();
        for conversation in &conversations {
            for n in 0..EACH {
                let words = format!("number {n} in {conversation}.");
                assert_eq!(all.iter().filter(|text| text.contains(&words)).count(), 1, "{words}");
                found.insert(words);
            }
        }
        assert_eq!((all.len(), found.len()), (3 * EACH, 3 * EACH));
        one_mail_at_a_time(w);
        Ok(())
    })
    .await
}
