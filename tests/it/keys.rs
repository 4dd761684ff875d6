//! The keys that seal tokens at rest (S2): changed while mail goes on, and said clearly when one is lost.

use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::time::Duration;
use testkit::builders::Mail;
use testkit::post::ADA;
use testkit::world::{SUPPORT, Setup, World};

const FIRST: &str = "k1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

async fn restart_with(w: &mut World, ring: &str) -> Result<()> {
    for name in std::collections::BTreeSet::from([w.api_name(), w.worker_name()]) {
        assert!(w.stop(name, Duration::from_secs(40))?.success(), "{name} did not end well");
    }
    w.set("POSTROOM_SECRET_KEY", ring);
    w.start_processes().await
}

/// Of each key by its id, how many secrets it seals.
fn seals(printed: &str) -> Result<Value> {
    let status: Value = serde_json::from_str(printed.trim()).with_context(|| printed.to_owned())?;
    let keys = status["keys"].as_array().context("keys")?;
    Ok(keys.iter().map(|key| (key["id"].as_str().unwrap_or_default().to_owned(), key["seals"].clone())).collect())
}

/// A mail comes in and an answer leaves.
async fn mail_goes_on(w: &mut World, id: &str, conversation: i64, count: usize) -> Result<()> {
    w.deliver(SUPPORT, &Mail::new(&format!("Ada <{ADA}>"), id, "and one more").id(&format!("{id}@c")).bytes()).await?;
    w.conversations_are(count).await?;
    let reply = w.reply(conversation, id).await?;
    w.delivery_is(conversation, reply["id"].as_i64().context("id")?, "sent").await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sealing_key_is_changed_while_mail_goes_on_and_the_old_one_taken_out() -> Result<()> {
    let mut setup = Setup::default();
    // So short that every use of a token opens the refresh token too.
    setup.sandbox.token_lifetime_seconds = Some(300);
    World::run(setup, async |w| {
        let conversation = w.first_conversation().await?;
        let made = w.postroom(&["keys", "new", "--id", "k2"])?;
        let second = made.trim();
        assert!(second.starts_with("k2:") && w.postroom(&["keys", "new"])? != w.postroom(&["keys", "new"])?);

        restart_with(w, &format!("{second},{FIRST}")).await?;
        let before = seals(&w.postroom(&["keys", "status", "--json"])?)?;
        let sealed = before["k1"].as_i64().context("a count")?;
        assert!(sealed >= 2, "at least a signing key and a sign-in, which nobody uses anew: {before}");
        // Beside the processes that serve.
        let rotated: Value = serde_json::from_str(w.postroom(&["keys", "rotate", "--json"])?.trim())?;
        assert!(rotated["resealed"].as_i64() >= Some(sealed) && rotated["unreadable"] == 0, "{rotated}");
        mail_goes_on(w, "two", conversation, 2).await?;
        assert_eq!(seals(&w.postroom(&["keys", "status", "--json"])?)?["k1"], 0);
        let again: Value = serde_json::from_str(w.postroom(&["keys", "rotate", "--json"])?.trim())?;
        assert_eq!((&again["resealed"], &again["unreadable"]), (&json!(0), &json!(0)));

        restart_with(w, second).await?;
        mail_goes_on(w, "three", conversation, 3).await
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_key_is_the_operators_to_put_back_and_nobody_is_asked_to_sign_in() -> Result<()> {
    World::run(Setup::default(), async |w| {
        let conversation = w.first_conversation().await?;
        let inbox = w.api.get(&w.path("/inboxes")).await?["payload"][0]["id"].as_i64().context("id")?;
        let other = w.postroom(&["keys", "new", "--id", "k9"])?;
        restart_with(w, other.trim()).await?;
        let health = w.path(&format!("/inboxes/{inbox}/health"));
        let path = health.clone();
        w.eventually("the inbox says that its secret cannot be opened", async |w| {
            Ok(w.api.get(&path).await?["fetch"]["failure"]["code"] == "secret_unreadable")
        })
        .await?;
        let said = w.api.get(&health).await?;
        assert_eq!(
            (&said["fetch"]["state"], &said["fetch"]["failure"]["who_must_act"]),
            (&json!("failing"), &json!("operator"))
        );
        assert!(w.logs().contains("not in POSTROOM_SECRET_KEY"), "a start says it: {}", w.logs());
        let refused = w.postroom(&["keys", "status"]).expect_err("a key is missing").to_string();
        assert!(refused.contains("k1: ") && refused.contains("MISSING"), "{refused}");
        let rotated = w.postroom(&["keys", "rotate"]).expect_err("a key is missing").to_string();
        assert!(rotated.contains("Sealed anew: 0"), "what cannot be opened is left as it is: {rotated}");
        // A reply cannot be signed: whoever writes it is told that, and by whom it is mended.
        let path = w.path(&format!("/conversations/{conversation}/messages"));
        let refused = w.api.call("POST", &path, Some(&json!({"content": "written meanwhile"}))).await?;
        assert_eq!((refused.status, &refused.body["code"]), (503, &json!("key_missing")), "{}", refused.text);
        w.deliver(SUPPORT, &Mail::new(&format!("Ada <{ADA}>"), "Meanwhile", "came meanwhile").id("two@c").bytes())
            .await?;

        restart_with(w, &format!("{},{FIRST}", other.trim())).await?;
        w.conversations_are(2).await?;
        mail_goes_on(w, "three", conversation, 3).await?;
        let path = health.clone();
        w.eventually("the inbox is well", async |w| Ok(w.api.get(&path).await?["fetch"]["state"] == "connected")).await
    })
    .await
}
