//! Other programs are told what happens in an account (A5).

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use testkit::builders::numbered;
use testkit::post::ADA;
use testkit::receiver::Receiver;
use testkit::world::{ADMIN_EMAIL, ADMIN_PASSWORD, SUPPORT, Setup, World};

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

/// The mailbox has been as it is for days.
async fn days_pass(w: &World) -> Result<()> {
    let now = std::time::UNIX_EPOCH.elapsed()?.as_micros().to_string();
    let (now, days_ago) = (&now[..4], (now[..4].parse::<u32>()? - 1).to_string());
    let older = |health: &str| {
        format!("UPDATE email_channels SET {health} = REPLACE({health}, '\"since\":{now}', '\"since\":{days_ago}')")
    };
    let (fetch, send) = (older("fetch_health"), older("send_health"));
    testkit::check::run_where_free(w.database_url(), &[&fetch, &send]).await
}

/// Waits until a notice is told that has this status.
async fn told_after_days(w: &mut World, receiver: &Receiver, status: &str) -> Result<Value> {
    let is_it = |body: &Value| body["status"] == json!(status);
    w.eventually(&format!("that it is {status} is told"), async |w| {
        // Again and again: a row that somebody holds is left out, and one that is older already is not changed.
        days_pass(w).await?;
        Ok(receiver.told_of("inbox_health_notice").iter().any(is_it))
    })
    .await?;
    receiver.told_of("inbox_health_notice").into_iter().find(is_it).context("it was there")
}

/// The names in it, sorted.
fn names(object: &Value) -> Vec<&str> {
    object.as_object().map(|object| object.keys().map(String::as_str).collect()).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_is_told_once_who_must_act_for_a_mailbox_and_once_that_it_works_again() -> Result<()> {
    // Every use of a token begins with a refresh, so that what is revoked is known at once.
    let mut setup = setup();
    setup.sandbox.token_lifetime_seconds = Some(299);
    World::run(setup, async |w| {
        let receiver = Receiver::start().await?;
        let body = json!({"webhook": {"url": receiver.url(), "subscriptions": ["inbox_health_notice"]}});
        let webhook = w.api.post(&w.path("/webhooks"), &body).await?["payload"]["webhook"].clone();
        let secret = domain::Secret::new(webhook["secret"].as_str().context("a secret, this once")?.to_owned());
        let inbox = w.connect_and_watch(SUPPORT).await?;
        w.sandbox.revoke_refresh_tokens(SUPPORT);
        w.sandbox.expire_access_tokens(SUPPORT);
        w.sandbox.cut_mail_connections();
        let health = w.path(&format!("/inboxes/{inbox}/health"));
        w.eventually("somebody must sign in again", async |w| {
            Ok(w.api.get(&health).await?["fetch"]["state"] == json!("needs_reauth"))
        })
        .await?;
        let since = w.api.get(&health).await?["fetch"]["since"].as_i64().context("since")?;
        assert!(receiver.told().is_empty(), "what has lasted for a moment is told to nobody");
        let began = told_after_days(w, &receiver, "open").await?;

        // As docs/API.md has it, and nothing else.
        let fields = [
            "account",
            "account_id",
            "channel_id",
            "event",
            "failure",
            "help_url",
            "inbox_id",
            "notice_id",
            "parts",
            "seq",
            "since",
            "status",
        ];
        assert_eq!(names(&began), fields, "{began}");
        assert_eq!((&began["status"], &began["inbox_id"]), (&json!("open"), &json!(inbox)), "{began}");
        assert_eq!(names(&began["account"]), ["id", "name"], "{began}");
        assert_eq!((&began["account"]["id"], &began["account_id"]), (&json!(w.account_id), &json!(w.account_id)));
        // The same permission is behind both halves.
        assert_eq!(began["parts"], json!(["fetch", "send"]), "{began}");
        assert!(began["since"].as_i64().is_some_and(|told| told < since && told > since - 30 * 86_400), "{began}");
        let failure = &began["failure"];
        let document = w.api.with_token(None).get("/openapi.json").await?;
        let documented = &document["components"]["schemas"]["Failure"]["properties"];
        assert_eq!(names(failure), names(documented), "a failure is the same everywhere");
        assert_eq!((&failure["code"], &failure["who_must_act"]), (&json!("grant_revoked"), &json!("owner")), "{began}");
        let listed = w.api.get(&w.path("/health_notices")).await?["payload"].clone();
        assert_eq!(listed.as_array().map(Vec::len), Some(1), "{listed}");
        for name in ["code", "cause", "who_must_act", "cure", "correlation_id"] {
            assert!(failure[name].is_string(), "{name}: {began}");
            assert_eq!(failure[name], listed[0]["failure"][name], "{name}");
        }
        assert_eq!((&began["notice_id"], &began["help_url"]), (&listed[0]["id"], &listed[0]["help_url"]));
        let help = began["help_url"].as_str().context("a page")?;
        let page = w.api.with_token(None).call("GET", help, None).await?;
        assert!(page.status == 200 && page.text.contains("grant_revoked"), "{help}: {}", page.status);
        // An event goes to whoever is behind the address: the server's own words stay here.
        assert_eq!((&failure["server_said"], &failure["detail"]), (&Value::Null, &Value::Null), "{began}");

        let again = w.connect_as(ADMIN_EMAIL, SUPPORT, &json!({"email": SUPPORT, "inbox_id": inbox})).await?;
        assert_eq!(again, inbox);
        w.watched(inbox).await?;
        let ended = told_after_days(w, &receiver, "ended").await?;
        assert_eq!(names(&ended), fields, "{ended}");
        assert_eq!(
            (&ended["notice_id"], &ended["failure"]["code"]),
            (&began["notice_id"], &failure["code"]),
            "{ended}"
        );
        assert!(ended["since"].as_i64() >= Some(since) && ended["seq"].as_i64() > began["seq"].as_i64(), "{ended}");
        all_are_delivered(w).await?;
        assert_eq!(receiver.told().len(), 2, "each once");

        let mut secrets = w.sandbox.issued_secrets();
        secrets.extend([secret.expose().to_owned(), w.sandbox.client_secret().to_owned(), ADMIN_PASSWORD.to_owned()]);
        for told in receiver.told() {
            let at = told.header("x-chatwoot-timestamp").parse()?;
            let signature = app::webhooks::signature::sign(&secret, domain::Timestamp::from_seconds(at), &told.body);
            assert_eq!(told.header("x-chatwoot-signature"), format!("sha256={signature}"));
            assert!(told.header("x-postroom-signature").contains(&format!("t={at},v1={signature}")));
            assert!(!told.header("x-chatwoot-delivery").is_empty());
            assert!(told.header("content-type").starts_with("application/json"), "{:?}", told.headers);
            let all = format!("{:?} {}", told.headers, String::from_utf8_lossy(&told.body));
            assert!(secrets.iter().all(|secret| !all.contains(secret.as_str())), "a secret is told: {all}");
            assert!(!all.contains(SUPPORT), "whose mailbox it is, the receiver knows by the inbox: {all}");
        }
        Ok(())
    })
    .await
}
