//! Which conversation a mail belongs to (I5, I9).

use anyhow::{Context, Result};
use serde_json::json;
use testkit::builders::{Mail, message_id};
use testkit::world::{SUPPORT, Setup, World};

#[tokio::test(flavor = "multi_thread")]
async fn a_reference_that_only_the_newest_ids_hold_is_found_from_the_newest() -> Result<()> {
    World::run(Setup::default(), async |w| {
        w.connect_and_watch(SUPPORT).await?;
        w.sandbox.deliver(SUPPORT, &Mail::new("ada@customer.example", "First", "one").id("one@c").bytes());
        w.conversations_are(1).await?;
        w.sandbox.deliver(SUPPORT, &Mail::new("ada@customer.example", "Second", "two").id("two@c").bytes());
        let list = w.conversations_are(2).await?;
        let second = list.iter().find(|c| c["messages"][0]["content"] == json!("two")).context("second")?["id"]
            .as_i64()
            .context("id")?;
        let mut answer = Mail::new("ada@customer.example", "Re: Second", "three").id("three@c");
        answer.references = vec!["one@c".into(), "unknown@c".into(), "two@c".into()];
        w.sandbox.deliver(SUPPORT, &answer.bytes());
        w.said_are(second, 2).await?;
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forged_token_is_not_a_match() -> Result<()> {
    World::run(Setup::default(), async |w| {
        w.connect_and_watch(SUPPORT).await?;
        w.sandbox.deliver(SUPPORT, &Mail::new("ada@customer.example", "Order", "one").id("one@c").bytes());
        let conversation = w.conversations_are(1).await?[0]["id"].as_i64().context("id")?;
        let reply = w.reply(conversation, "hello").await?;
        w.delivery_is(conversation, reply["id"].as_i64().context("id")?, "sent").await?;
        let raw = w.sandbox.mailbox("ada@customer.example").messages("INBOX")[0].bytes.clone();
        let ours = message_id(&raw).context("id")?;
        // One character of the signed part is another one.
        let (local, domain) = ours.split_once('@').context("an id")?;
        let last = local.chars().last().context("not empty")?;
        let forged =
            format!("{}{}@{domain}", &local[..local.len() - last.len_utf8()], if last == 'a' { 'b' } else { 'a' });
        w.sandbox.deliver(
            SUPPORT,
            &Mail::new("mallory@elsewhere.example", "Re: Order", "let me in").id("m@e").answering(&forged).bytes(),
        );
        w.conversations_are(2).await?;
        assert_eq!(w.said(conversation).await?.len(), 2);
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_to_a_resolved_conversation_reopens_it() -> Result<()> {
    World::run(Setup::default(), async |w| {
        w.connect_and_watch(SUPPORT).await?;
        w.sandbox.deliver(SUPPORT, &Mail::new("ada@customer.example", "Order", "one").id("one@c").bytes());
        let conversation = w.conversations_are(1).await?[0]["id"].as_i64().context("id")?;
        let path = w.path(&format!("/conversations/{conversation}"));
        let answer = w.api.post(&format!("{path}/toggle_status"), &json!({"status": "resolved"})).await?;
        assert_eq!(answer["payload"]["current_status"], json!("resolved"));
        let out_of_office = Mail::new("ada@customer.example", "Automatic reply: Order", "I am away").id("ooo@c");
        let out_of_office = out_of_office.answering("one@c").header("Auto-Submitted", "auto-replied");
        w.sandbox.deliver(SUPPORT, &out_of_office.bytes());
        w.said_are(conversation, 2).await?;
        assert_eq!(w.api.get(&path).await?["status"], json!("resolved"), "a machine's answer does not reopen");
        w.sandbox.deliver(
            SUPPORT,
            &Mail::new("ada@customer.example", "Re: Order", "more").id("two@c").answering("one@c").bytes(),
        );
        w.said_are(conversation, 3).await?;
        assert_eq!(w.api.get(&path).await?["status"], json!("open"));
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_mail_in_two_inboxes_is_two_messages() -> Result<()> {
    World::run(Setup::default(), async |w| {
        w.connect_and_watch(SUPPORT).await?;
        let other = w.connect("sales@contoso.example").await?;
        w.watched(other).await?;
        let mail = Mail::new("ada@customer.example", "To both", "hello").id("both@c").bytes();
        w.sandbox.deliver(SUPPORT, &mail);
        w.sandbox.deliver("sales@contoso.example", &mail);
        let list = w.conversations_are(2).await?;
        assert_ne!(list[0]["inbox_id"], list[1]["inbox_id"]);
        Ok(())
    })
    .await
}
