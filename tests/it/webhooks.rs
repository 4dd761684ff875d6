//! Other programs are told what happens in an account (A5).

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testkit::builders::numbered;
use testkit::post::ADA;
use testkit::receiver::Receiver;
use testkit::world::{SUPPORT, Setup, World};

fn setup() -> Setup {
    Setup::default().with("SAFE_FETCH_ALLOW_PRIVATE_NETWORK", "true")
}

async fn subscribed(w: &World, receiver: &Receiver) -> Result<Value> {
    let body = json!({"webhook": {"url": receiver.url(), "name": "ours", "subscriptions": [
        "message_created", "conversation_created", "conversation_updated", "contact_created", "delivery_updated",
    ]}});
    Ok(w.api.post(&w.path("/webhooks"), &body).await?["payload"]["webhook"].clone())
}

/// Waits until an event of this name was told of which this holds, and gives it.
async fn told(w: &mut World, receiver: &Receiver, event: &str, is_it: impl Fn(&Value) -> bool) -> Result<Value> {
    w.eventually(&format!("{event} is told"), async |_| Ok(receiver.told_of(event).iter().any(&is_it))).await?;
    receiver.told_of(event).into_iter().find(is_it).context("it was there")
}

/// Waits until the account's one webhook has nothing on its way.
async fn all_are_delivered(w: &mut World) -> Result<()> {
    let webhooks = w.api.get(&w.path("/webhooks")).await?;
    let id = webhooks["payload"]["webhooks"][0]["id"].as_i64().context("a webhook")?;
    let queued = w.path(&format!("/webhooks/{id}/deliveries?state=queued"));
    w.eventually("nothing is on its way", async |w| Ok(w.api.get(&queued).await?["meta"]["count"] == 0)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_is_told_of_a_mail_and_of_its_reply_signed_and_in_chatwoots_shapes() -> Result<()> {
    World::run(setup(), async |w| {
        let receiver = Receiver::start().await?;
        let webhook = subscribed(w, &receiver).await?;
        let secret = domain::Secret::new(webhook["secret"].as_str().context("a secret, this once")?.to_owned());
        let conversation = w.first_conversation().await?;
        let mail = told(w, &receiver, "message_created", |body| body["message_type"] == "incoming").await?;
        assert_eq!(mail["conversation"]["id"], conversation, "{mail}");
        assert!(mail["account"]["name"].is_string() && mail["account"]["id"] == mail["account_id"], "{mail}");
        assert_eq!((&mail["sender"]["email"], &mail["private"]), (&json!(ADA), &json!(false)), "{mail}");
        assert_eq!(mail["inbox"]["name"].as_str().map(str::is_empty), Some(false), "{mail}");
        assert!(mail["created_at"].as_str().is_some_and(|at| at.ends_with('Z')), "{mail}");
        let began = told(w, &receiver, "conversation_created", |_| true).await?;
        assert_eq!((&began["id"], &began["status"]), (&json!(conversation), &json!("open")), "{began}");
        assert_eq!(told(w, &receiver, "contact_created", |_| true).await?["email"], ADA);
        // More than an event holds: a mail is told whole.
        let long = "All of it. ".repeat(400);
        let reply = w.reply(conversation, &long).await?["id"].as_i64().context("an id")?;
        w.delivery_is(conversation, reply, "sent").await?;
        let said = told(w, &receiver, "message_created", |body| body["id"] == reply).await?;
        assert_eq!((&said["message_type"], &said["content"]), (&json!("outgoing"), &json!(long)), "{said}");
        told(w, &receiver, "delivery_updated", |body| body["delivery"]["state"] == "sent").await?;
        for told in receiver.told() {
            let at = told.header("x-chatwoot-timestamp").parse()?;
            let signature = app::webhooks::signature::sign(&secret, domain::Timestamp::from_seconds(at), &told.body);
            assert_eq!(told.header("x-chatwoot-signature"), format!("sha256={signature}"));
            ensure!(!String::from_utf8_lossy(&told.body).contains(secret.expose()));
        }
        let log = w.path(&format!("/webhooks/{}/deliveries?state=delivered", webhook["id"]));
        w.eventually("the log has all of it", async |w| {
            Ok(w.api.get(&log).await?["meta"]["count"] == receiver.told().len())
        })
        .await?;
        let kept = w.api.get(&w.path("/webhooks")).await?["payload"]["webhooks"][0].clone();
        assert_eq!((&kept["secret"], &kept["enabled"]), (&Value::Null, &json!(true)), "{kept}");
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_happened_while_no_worker_ran_is_told_when_one_runs_again_each_thing_once() -> Result<()> {
    World::run(setup(), async |w| {
        let receiver = Receiver::start().await?;
        subscribed(w, &receiver).await?;
        let conversation = w.first_conversation().await?;
        told(w, &receiver, "message_created", |_| true).await?;
        // What was told and not written down before the end would be told again.
        all_are_delivered(w).await?;
        let worker = w.worker_name();
        w.kill(worker)?;
        w.deliver(SUPPORT, &numbered(1)).await?;
        w.start_processes().await?;
        w.conversations_are(2).await?;
        let reply = w.reply(conversation, "hello").await?["id"].as_i64().context("an id")?;
        w.delivery_is(conversation, reply, "sent").await?;
        told(w, &receiver, "message_created", |body| body["id"] == reply).await?;
        all_are_delivered(w).await?;
        let mut ids: Vec<Value> = receiver.told_of("message_created").iter().map(|body| body["id"].clone()).collect();
        let all = ids.len();
        ids.sort_by_key(Value::as_i64);
        ids.dedup();
        assert_eq!((ids.len(), all), (3, 3));
        Ok(())
    })
    .await
}
