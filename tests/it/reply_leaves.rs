//! How a reply leaves (M3, O1, O5–O7).

use anyhow::{Context, Result};
use sandbox::SmtpFault;
use serde_json::{Value, json};
use testkit::builders::{Mail, message_id};
use testkit::world::{SUPPORT, Setup, World};

fn id(message: &Value) -> Result<i64> {
    message["id"].as_i64().context("id")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_private_note_never_leaves() -> Result<()> {
    World::run(Setup::default(), async |w| {
        let conversation = w.first_conversation().await?;
        let body = json!({"content": "he is rude", "message_type": "outgoing", "private": true});
        let note = w.api.post(&w.path(&format!("/conversations/{conversation}/messages")), &body).await?;
        assert!(note["delivery"].is_null(), "{note}");
        // A reply that is sent after it proves that the way out was open.
        let reply = w.reply(conversation, "hello").await?;
        w.delivery_is(conversation, id(&reply)?, "sent").await?;
        let mails = w.sandbox.mailbox("ada@customer.example").messages("INBOX");
        assert_eq!(mails.len(), 1);
        assert!(!String::from_utf8_lossy(&mails[0].bytes).contains("rude"));
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_to_a_rewritten_message_id_finds_its_conversation() -> Result<()> {
    World::run(Setup::default(), async |w| {
        let conversation = w.first_conversation().await?;
        w.sandbox.faults().once(SmtpFault::RewriteMessageId);
        let reply = w.reply(conversation, "hello").await?;
        w.delivery_is(conversation, id(&reply)?, "sent").await?;
        let raw = w.sandbox.mailbox("ada@customer.example").messages("INBOX")[0].bytes.clone();
        let rewritten = message_id(&raw).context("id")?;
        assert_ne!(Some(rewritten.as_str()), reply["source_id"].as_str(), "the provider replaced the id");
        // Her program keeps only the id it saw.
        w.sandbox.deliver(
            SUPPORT,
            &Mail::new("ada@customer.example", "Re: Order", "thanks").id("two@c").answering(&rewritten).bytes(),
        );
        w.said_are(conversation, 3).await?;
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_idempotency_key_sends_once_and_another_body_is_refused() -> Result<()> {
    World::run(Setup::default(), async |w| {
        let conversation = w.first_conversation().await?;
        let path = w.path(&format!("/conversations/{conversation}/messages"));
        let call =
            |text: &str| w.api.request("POST", &path).header("Idempotency-Key", "k-1").json(&json!({"content": text}));
        let first = w.api.send(call("hello")).await?.ok()?;
        let second = w.api.send(call("hello")).await?.ok()?;
        assert_eq!(first["id"], second["id"]);
        assert_eq!(w.api.send(call("another")).await?.status, 422);
        w.delivery_is(conversation, id(&first)?, "sent").await?;
        assert_eq!(w.sandbox.mailbox("ada@customer.example").messages("INBOX").len(), 1);
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn echo_id_is_echoed_and_a_bad_address_is_refused_before_anything_is_stored() -> Result<()> {
    World::run(Setup::default(), async |w| {
        let conversation = w.first_conversation().await?;
        let path = w.path(&format!("/conversations/{conversation}/messages"));
        let reply = w.api.post(&path, &json!({"content": "hello", "echo_id": "e-1"})).await?;
        assert_eq!(reply["echo_id"], json!("e-1"));
        w.delivery_is(conversation, id(&reply)?, "sent").await?;
        let refused = w.api.call("POST", &path, Some(&json!({"content": "x", "cc_emails": "not an address"}))).await?;
        assert_eq!(refused.status, 422, "{}", refused.text);
        assert_eq!(w.said(conversation).await?.len(), 2);
        Ok(())
    })
    .await
}
