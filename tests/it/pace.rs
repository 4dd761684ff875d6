//! How fast a mailbox sends, and what waits meanwhile (O1, O4): told by the built program, over restarts and several processes.

use anyhow::{Context, Result};
use sandbox::{SmtpFault, SmtpPoint};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use testkit::client::ApiClient;
use testkit::post::ADA;
use testkit::process::free_port;
use testkit::world::{Database, Queue, SUPPORT, Setup, World};

fn arrived(w: &World) -> usize {
    w.sandbox.mailbox(ADA).messages("INBOX").len()
}

/// One person sends one mail at a time; of two processes or more each may keep a connection, and no more than two do.
pub fn one_mail_at_a_time(w: &World) {
    let (connections, mails) = (w.sandbox.most_smtp_connections(SUPPORT), w.sandbox.most_mails_at_once(SUPPORT));
    assert!(connections <= 2 && mails == 1, "{mails} mails were handed over at once, over {connections} connections");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_over_the_limit_waits_for_its_turn_also_when_the_program_is_started_anew() -> Result<()> {
    World::run(Setup::default(), async |w| {
        let conversation = w.first_conversation().await?;
        let inbox = w.api.get(&w.path("/inboxes")).await?["payload"][0]["id"].as_i64().context("an inbox")?;
        w.api
            .patch(&w.path(&format!("/inboxes/{inbox}")), &json!({"sending_limits": {"messages_per_minute": 2}}))
            .await?;
        let mut replies = Vec::new();
        for n in 0..3 {
            let reply = w.reply(conversation, &format!("number {n}")).await?["id"].as_i64().context("id")?;
            replies.push(reply);
        }
        w.eventually("the third waits, and says for what", async |w| {
            let delivery = w.message(conversation, replies[2]).await?["delivery"].clone();
            Ok(delivery["state"] == json!("queued")
                && delivery["failure"]["code"] == json!("sending_paced")
                && delivery["failure"]["detail"] == json!("the limit is 2 messages a minute")
                && delivery["attempts"] == json!(0)
                && delivery["next_try_at"].is_i64())
        })
        .await?;
        assert_eq!(arrived(w), 2);
        w.kill(w.worker_name())?;
        w.start_processes().await?;
        // One that asks only now does not pass it.
        let last = w.reply(conversation, "number 3").await?["id"].as_i64().context("id")?;
        w.eventually("the fourth stands behind it", async |w| {
            Ok(w.message(conversation, last).await?["delivery"]["failure"]["code"] == json!("sending_paced"))
        })
        .await?;
        assert_eq!(arrived(w), 2, "a restart forgot what was sent");
        // A person takes one of them back, and has another tried now: for that one the limit is the same.
        let act =
            |message: i64, what: &str| w.path(&format!("/conversations/{conversation}/messages/{message}/{what}"));
        let mistake = w.reply(conversation, "a mistake").await?["id"].as_i64().context("id")?;
        let cancelled = w.api.post(&act(mistake, "cancel"), &json!({})).await?;
        assert_eq!((&cancelled["status"], &cancelled["delivery"]["state"]), (&json!("failed"), &json!("failed")));
        let hastened = w.api.post(&act(last, "retry"), &json!({})).await?;
        assert_eq!(hastened["delivery"]["state"], json!("queued"), "{hastened}");
        w.eventually("it waits for its turn again", async |w| {
            let delivery = w.message(conversation, last).await?["delivery"].clone();
            Ok(delivery["failure"]["code"] == json!("sending_paced") && delivery["next_try_at"].is_i64())
        })
        .await?;
        assert_eq!(arrived(w), 2, "a person's word lifts no limit");
        // An administrator lifts the limit.
        w.api.patch(&w.path(&format!("/inboxes/{inbox}")), &json!({"sending_limits": {}})).await?;
        for reply in [replies[2], last] {
            w.delivery_is(conversation, reply, "sent").await?;
        }
        // What left behind it would have overtaken it otherwise.
        let after = w.reply(conversation, "number 4").await?["id"].as_i64().context("id")?;
        w.delivery_is(conversation, after, "sent").await?;
        let cancelled = w.message(conversation, mistake).await?;
        assert_eq!(
            (&cancelled["delivery"]["state"], &cancelled["delivery"]["failure"]["code"]),
            (&json!("failed"), &json!("cancelled")),
            "{cancelled}"
        );
        assert!(cancelled["content_attributes"]["external_error"].is_string(), "{cancelled}");
        let mails = w.inbox_has(ADA, 5).await?;
        assert!(!mails.iter().any(|mail| String::from_utf8_lossy(mail).contains("a mistake")));
        Ok(())
    })
    .await
}

fn busy_for_half_an_hour() -> SmtpFault {
    let reply = "432 4.3.2 Concurrent connections limit exceeded; retry after 1800 seconds".to_owned();
    SmtpFault::Answer { at: SmtpPoint::Auth, reply }
}

/// How often the server told somebody to wait, and what it took: together, every try there was.
fn asked(w: &World) -> (usize, usize) {
    (w.sandbox.faults().fired().len(), arrived(w))
}

async fn all_say_what_they_wait_for(w: &mut World, conversation: i64, replies: &[i64]) -> Result<()> {
    w.eventually("all of them say what they wait for", async |w| {
        let messages = w.messages(conversation).await?;
        let waiting = messages.iter().filter(|m| {
            let delivery = &m["delivery"];
            delivery["state"] == json!("queued") && delivery["failure"]["code"] == json!("too_many_connections")
        });
        Ok(waiting.count() == replies.len())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mailbox_that_is_told_to_wait_is_asked_once_for_each_person_who_insists_and_everything_leaves_once()
-> Result<()> {
    World::run(Setup::on(Database::Postgres, Queue::Redis), async |w| {
        let conversation = w.first_conversation().await?;
        // Two workers, and more waiting than either takes at once. The wait is longer than any story, so that nothing but a person ends it.
        w.start_process("work")?;
        w.sandbox.faults().times(2, busy_for_half_an_hour());
        let mut replies = Vec::new();
        for n in 0..8 {
            replies.push(w.reply(conversation, &format!("number {n}")).await?["id"].as_i64().context("id")?);
        }
        all_say_what_they_wait_for(w, conversation, &replies).await?;
        assert_eq!(asked(w), (1, 0), "whoever waited asked by themselves");
        // Who does not insist is told when, and nothing is asked.
        let retry = w.path(&format!("/conversations/{conversation}/messages/{}/retry", replies[7]));
        let refused = w.api.call("POST", &retry, Some(&json!({}))).await?;
        assert_eq!((refused.status, &refused.body["code"]), (409, &json!("server_asked_to_wait")), "{}", refused.text);
        // A person who insists need not wait. The server asks for as much again, of everybody.
        w.api.post(&format!("{retry}?regardless=true"), &json!({})).await?;
        w.eventually("it was asked again", async |w| Ok(asked(w).0 == 2)).await?;
        all_say_what_they_wait_for(w, conversation, &replies).await?;
        let refused = w.api.call("POST", &retry, Some(&json!({}))).await?;
        assert_eq!(refused.status, 409, "{}", refused.text);
        assert_eq!(asked(w), (2, 0), "one try for one person's word");
        // Now it takes mail, and whoever stands behind the one that left follows.
        w.api.post(&format!("{retry}?regardless=true"), &json!({})).await?;
        for reply in &replies {
            w.delivery_is(conversation, *reply, "sent").await?;
        }
        assert_eq!(arrived(w), 8, "each once");
        one_mail_at_a_time(w);
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_requests_under_one_key_at_two_api_processes_send_one_mail() -> Result<()> {
    World::run(Setup::on(Database::Postgres, Queue::Redis), async |w| {
        let conversation = w.first_conversation().await?;
        let port = free_port()?;
        w.start_process_with("serve", &[("LISTEN_ADDR", &format!("127.0.0.1:{port}"))])?;
        let path = w.path(&format!("/conversations/{conversation}/messages"));
        let second = format!("http://127.0.0.1:{port}");
        w.eventually("the second process answers", async |_| {
            Ok(ApiClient::new(&second, None).call("GET", "/health/ready", None).await.is_ok_and(|a| a.status == 200))
        })
        .await?;
        let ask = async |n: usize| {
            let path = if n.is_multiple_of(2) { path.clone() } else { format!("{second}{path}") };
            let request =
                w.api.request("POST", &path).header("Idempotency-Key", "k-20").json(&json!({"content": "hello"}));
            w.api.send(request).await?.ok()
        };
        let mut asked = tokio::task::JoinSet::new();
        for n in 0..20 {
            let path = if n % 2 == 0 { path.clone() } else { format!("{second}{path}") };
            let request =
                w.api.request("POST", &path).header("Idempotency-Key", "k-20").json(&json!({"content": "hello"}));
            let api = w.api.clone();
            asked.spawn(async move { api.send(request).await?.ok() });
        }
        let mut ids = BTreeSet::new();
        while let Some(answer) = asked.join_next().await {
            let message: Value = answer??;
            ids.insert(message["id"].as_i64().context("id")?);
        }
        assert_eq!(ids.len(), 1, "{ids:?}");
        assert_eq!(ask(1).await?["id"].as_i64(), ids.first().copied());
        w.delivery_is(conversation, *ids.first().context("one")?, "sent").await?;
        w.said_are(conversation, 2).await?;
        assert_eq!(arrived(w), 1);
        Ok(())
    })
    .await
}
