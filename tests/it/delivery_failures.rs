//! When sending fails (O2, O3): nothing is lost, nothing is sent twice, and the reason is one a person understands.

use anyhow::{Context, Result};
use sandbox::{Fault, SmtpFault};
use serde_json::json;
use testkit::builders::Mail;
use testkit::world::{SUPPORT, Setup, World};

fn arrived(w: &World) -> usize {
    w.sandbox.mailbox("ada@customer.example").messages("INBOX").len()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_recipient_fails_with_a_reason_and_a_person_can_retry() -> Result<()> {
    World::run(Setup::default(), async |w| {
        let conversation = w.first_conversation().await?;
        w.sandbox.faults().once(SmtpFault::recipient_unknown("ada@customer.example"));
        let reply = w.reply(conversation, "hello").await?;
        let id = reply["id"].as_i64().context("id")?;
        let failed = w.delivery_is(conversation, id, "failed").await?;
        assert_eq!(failed["status"], json!("failed"));
        assert_eq!(failed["delivery"]["failure"]["code"], json!("recipient_refused"));
        assert_eq!(failed["delivery"]["failure"]["who_must_act"], json!("agent"));
        assert!(failed["delivery"]["failure"]["cure"].as_str().is_some_and(|cure| !cure.is_empty()));
        w.api.post(&w.path(&format!("/conversations/{conversation}/messages/{id}/retry")), &json!({})).await?;
        w.delivery_is(conversation, id, "sent").await?;
        assert_eq!(arrived(w), 1);
        Ok(())
    })
    .await
}

/// `attempts`: how often the mail server hears of the mail.
async fn the_mail_arrives_once_in_spite_of(fault: SmtpFault, attempts: u32) -> Result<()> {
    World::run(Setup::default(), async |w| {
        let conversation = w.first_conversation().await?;
        w.sandbox.faults().once(fault.clone());
        let reply = w.reply(conversation, "hello").await?;
        let sent = w.delivery_is(conversation, reply["id"].as_i64().context("id")?, "sent").await?;
        assert_eq!((arrived(w), &sent["delivery"]["attempts"]), (1, &json!(attempts)), "{sent}");
        assert_eq!(w.sandbox.faults().fired(), [Fault::from(fault)]);
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_server_is_tried_again_and_the_mail_arrives_once() -> Result<()> {
    the_mail_arrives_once_in_spite_of(SmtpFault::server_busy(), 2).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_token_is_replaced_and_the_mail_arrives_once() -> Result<()> {
    let mut setup = Setup::default();
    // With five minutes left a token is not used any more: each of these serves what it was fetched for and nothing after.
    setup.sandbox.token_lifetime_seconds = Some(300);
    World::run(setup, async |w| {
        let conversation = w.first_conversation().await?;
        let before = w.sandbox.refreshed();
        w.sandbox.expire_access_tokens(SUPPORT);
        let reply = w.reply(conversation, "hello").await?;
        w.delivery_is(conversation, reply["id"].as_i64().context("id")?, "sent").await?;
        assert_eq!(arrived(w), 1);
        assert!(w.sandbox.refreshed() > before, "it was sent without a new token");
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_that_is_refused_once_is_tried_again_and_the_mail_arrives_once() -> Result<()> {
    the_mail_arrives_once_in_spite_of(SmtpFault::authentication_unsuccessful(), 1).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_lost_after_the_dot_is_looked_up_in_sent_and_not_sent_again() -> Result<()> {
    the_mail_arrives_once_in_spite_of(SmtpFault::DropAfterDot { accepted: true }, 1).await
}

#[tokio::test(flavor = "multi_thread")]
async fn switched_off_smtp_connects_the_inbox_and_says_who_must_switch_it_on() -> Result<()> {
    World::run(Setup::default(), async |w| {
        w.sandbox.faults().always(SmtpFault::smtp_auth_disabled_for_tenant());
        let inbox = w.connect(SUPPORT).await?;
        w.watched(inbox).await?;
        let health = w.path(&format!("/inboxes/{inbox}/health"));
        let blocked = w.api.get(&health).await?;
        assert_eq!(blocked["send"]["state"], json!("blocked"), "{blocked}");
        assert_eq!(blocked["send"]["failure"]["code"], json!("smtp_auth_disabled"));
        assert_eq!(blocked["send"]["failure"]["who_must_act"], json!("tenant_admin"));
        assert_eq!(blocked["fetch"]["state"], json!("connected"));
        // Reading works, and a reply waits until somebody has mended it.
        w.sandbox.deliver(SUPPORT, &Mail::new("Ada <ada@customer.example>", "Order", "one").id("one@c").bytes());
        let conversation = w.conversations_are(1).await?[0]["id"].as_i64().context("id")?;
        let reply = w.reply(conversation, "hello").await?;
        w.sandbox.faults().clear();
        w.api.post(&format!("{health}/try_again"), &json!({"part": "send"})).await?;
        w.delivery_is(conversation, reply["id"].as_i64().context("id")?, "sent").await?;
        assert_eq!(arrived(w), 1);
        w.eventually("sending is well", async |w| Ok(w.api.get(&health).await?["send"]["state"] == json!("connected")))
            .await?;
        Ok(())
    })
    .await
}

/// Waits until a reply was tried twice, and nothing more is planned for it.
async fn waits_for_a_person(w: &mut World, conversation: i64, reply: i64) -> Result<()> {
    w.eventually("it was tried twice, and nothing more is planned", async |w| {
        let delivery = w.message(conversation, reply).await?["delivery"].clone();
        let waits = delivery["state"] == json!("outcome_unknown") && delivery["next_try_at"].is_null();
        Ok(delivery["attempts"] == json!(2) && waits)
    })
    .await?;
    let unknown = w.message(conversation, reply).await?;
    assert_eq!(unknown["delivery"]["failure"]["code"], json!("outcome_unknown"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_always_hangs_up_after_the_dot_is_sent_to_twice_and_then_a_person_is_asked() -> Result<()> {
    World::run(Setup::default().with("OUTCOME_LOOKS_SECONDS", "1,1"), async |w| {
        let conversation = w.first_conversation().await?;
        w.sandbox.faults().always(SmtpFault::DropAfterDot { accepted: false });
        let mut replies = Vec::new();
        for text in ["one", "two", "three"] {
            replies.push(w.reply(conversation, text).await?["id"].as_i64().context("id")?);
        }
        for reply in &replies {
            waits_for_a_person(w, conversation, *reply).await?;
        }
        w.sandbox.faults().clear();
        let messages = w.path(&format!("/conversations/{conversation}/messages"));
        let act = |reply: i64, what: &str| format!("{messages}/{reply}/{what}");
        // A person does not know either, and retries: now it leaves, once.
        w.api.post(&act(replies[0], "retry"), &json!({})).await?;
        w.delivery_is(conversation, replies[0], "sent").await?;
        assert_eq!(arrived(w), 1);
        // Or they looked, and it was not sent: it has failed, and may be retried.
        let not_sent = w.api.post(&act(replies[1], "resolve"), &json!({"sent": false})).await?;
        assert_eq!(
            (&not_sent["delivery"]["state"], &not_sent["delivery"]["failure"]["code"]),
            (&json!("failed"), &json!("not_sent")),
            "{not_sent}"
        );
        w.api.post(&act(replies[1], "retry"), &json!({})).await?;
        w.delivery_is(conversation, replies[1], "sent").await?;
        assert_eq!(arrived(w), 2);
        // Or it was: nothing is sent any more, and there is nothing to decide again.
        let sent = w.api.post(&act(replies[2], "resolve"), &json!({"sent": true})).await?;
        assert_eq!(
            (&sent["delivery"]["state"], &sent["delivery"]["failure"]),
            (&json!("sent"), &json!(null)),
            "{sent}"
        );
        let again = w.api.call("POST", &act(replies[2], "resolve"), Some(&json!({"sent": false}))).await?;
        assert_eq!((again.status, &again.body["code"]), (422, &json!("nothing_to_resolve")), "{}", again.text);
        let last = w.reply(conversation, "four").await?["id"].as_i64().context("id")?;
        w.delivery_is(conversation, last, "sent").await?;
        assert_eq!(arrived(w), 3, "the third was sent by nobody but the person");
        Ok(())
    })
    .await
}

fn received(w: &World, whom: &str) -> usize {
    w.sandbox.mailbox(whom).messages("INBOX").len()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recipient_who_is_put_off_gets_the_mail_later_and_the_others_get_it_once() -> Result<()> {
    World::run(Setup::default(), async |w| {
        let conversation = w.first_conversation().await?;
        let grace = "grace@customer.example";
        let put_off = "450 4.2.0 Greylisted, come again".to_owned();
        w.sandbox.faults().once(SmtpFault::RefuseRecipient { address: grace.to_owned(), reply: put_off.clone() });
        let body = json!({"content": "hello", "message_type": "outgoing", "cc_emails": grace});
        let reply = w.api.post(&w.path(&format!("/conversations/{conversation}/messages")), &body).await?;
        let id = reply["id"].as_i64().context("id")?;
        w.eventually("Ada has it", async |w| Ok(arrived(w) == 1)).await?;
        w.eventually("the API says who waits, and why", async |w| {
            let message = w.message(conversation, id).await?;
            let delivery = &message["delivery"];
            Ok(delivery["state"] == json!("queued")
                && delivery["accepted_recipients"] == json!(["ada@customer.example"])
                && delivery["waiting_recipients"] == json!([{"address": grace, "server_said": put_off}])
                && delivery["failure"]["code"] == json!("some_recipients_wait")
                && delivery["next_try_at"].is_i64())
        })
        .await?;
        let sent = w.delivery_is(conversation, id, "sent").await?;
        assert_eq!(sent["delivery"]["waiting_recipients"], json!([]), "{sent}");
        assert!(sent["delivery"]["failure"].is_null() && sent["content_attributes"]["external_error"].is_null());
        assert_eq!((arrived(w), received(w, grace)), (1, 1));
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_recipient_is_named_and_a_retry_sends_to_that_one_alone() -> Result<()> {
    World::run(Setup::default(), async |w| {
        let conversation = w.first_conversation().await?;
        let grace = "grace@customer.example";
        w.sandbox.faults().once(SmtpFault::recipient_unknown(grace));
        let body = json!({"content": "hello", "message_type": "outgoing", "cc_emails": grace});
        let reply = w.api.post(&w.path(&format!("/conversations/{conversation}/messages")), &body).await?;
        let id = reply["id"].as_i64().context("id")?;
        let sent = w.delivery_is(conversation, id, "sent").await?;
        let refused = &sent["delivery"]["refused_recipients"][0];
        assert_eq!((&refused["address"], &refused["code"]), (&json!(grace), &json!("recipient_refused")), "{sent}");
        assert_eq!(refused["cause"], json!("The mail server refused the recipient."));
        w.api.post(&w.path(&format!("/conversations/{conversation}/messages/{id}/retry")), &json!({})).await?;
        w.eventually("Grace has it", async |w| Ok(received(w, grace) == 1)).await?;
        let sent = w.delivery_is(conversation, id, "sent").await?;
        assert_eq!(sent["delivery"]["refused_recipients"], json!([]), "{sent}");
        assert_eq!(arrived(w), 1);
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_of_a_bounced_message_arrives_and_an_answer_to_its_first_id_finds_it() -> Result<()> {
    World::run(Setup::default(), async |w| {
        let conversation = w.first_conversation().await?;
        w.sandbox.faults().once(SmtpFault::BounceLater {
            status: "5.1.1".to_owned(),
            diagnostic: "550 5.1.1 User unknown".to_owned(),
            language: sandbox::NdrLanguage::English,
        });
        let reply = w.reply(conversation, "hello").await?;
        let id = reply["id"].as_i64().context("id")?;
        let bounced = w.delivery_is(conversation, id, "bounced").await?;
        assert_eq!(bounced["delivery"]["refused_recipients"][0]["bounced"], json!(true), "{bounced}");
        w.api.post(&w.path(&format!("/conversations/{conversation}/messages/{id}/retry")), &json!({})).await?;
        let sent = w.delivery_is(conversation, id, "sent").await?;
        // Under its first id Exchange would have swallowed it.
        assert_eq!(arrived(w), 1);
        let first = reply["source_id"].as_str().context("an id")?;
        assert_ne!(sent["source_id"].as_str(), Some(first));
        let answer = Mail::new("ada@customer.example", "Re: Order", "thanks").id("two@c").answering(first);
        w.sandbox.deliver(SUPPORT, &answer.bytes());
        w.eventually("the answer is there", async |w| {
            Ok(w.said(conversation).await?.iter().any(|said| said["content"] == json!("thanks")))
        })
        .await
    })
    .await
}
